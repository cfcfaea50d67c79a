"""The retained documents a gateway keeps at the broker: its state, and that of each device."""

from __future__ import annotations

from dataclasses import dataclass
from importlib.metadata import version

from gateway.clock import Clock
from gateway.uplink.settlement import Held, Settlement
from gateway.wire import compact, timestamp

VERSION = version("punchgate")


@dataclass(slots=True)
class Head:
    """The journal's end as `state` names it."""

    held: Held
    hash: str


def online(clock: Clock, settlement: Settlement, head: Head, extra: dict[str, object]) -> bytes:
    """The state document while connected."""
    quality = clock.quality()
    return compact(
        {
            "status": "online",
            "epoch": settlement.epoch,
            "oldest": head.held.oldest,
            "newest": head.held.newest,
            "settled": settlement.through(),
            "head": head.hash,
            "version": VERSION,
            "boot": quality.boot,
            "clock": {"state": quality.state, "source": quality.source, "error_ms": quality.error_ms},
            "time": timestamp(clock.unix_ms()),
            "ledger": settlement.ledger,
            **extra,
        }
    )


def offline(clock: Clock, settlement: Settlement, head: Head) -> bytes:
    """The will, and the farewell of an orderly stop. `time` is when the document was made."""
    return compact(
        {
            "status": "offline",
            "epoch": settlement.epoch,
            "oldest": head.held.oldest,
            "newest": head.held.newest,
            "settled": settlement.through(),
            "head": head.hash,
            "version": VERSION,
            "boot": clock.boot,
            "time": timestamp(clock.unix_ms()),
        }
    )
