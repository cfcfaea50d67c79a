"""What a gateway says of itself and its journal in `state`, which the broker keeps.

With a key it is signed: bounds, time and the hash of the newest line, so whoever keeps it can prove later that the
chain up to there existed then, and that it was this gateway's.
"""

from __future__ import annotations

from dataclasses import dataclass
from importlib.metadata import version
from typing import Literal

from gateway.clock import Clock
from gateway.uplink.settlement import Held, Settlement
from gateway.wire import timestamp

VERSION = version("punchgate")


@dataclass(frozen=True, slots=True)
class Head:
    """The journal's end as `state` names it: bounds and the hash of the newest line."""

    held: Held
    hash: str


@dataclass(frozen=True, slots=True)
class Mood:
    """What `state` says beyond the journal: how records settle, what is wrong with the uplink, what to mend."""

    settle: Literal["receipt", "puback"]
    reason: str | None
    warnings: tuple[str, ...]


def online(clock: Clock, settlement: Settlement, head: Head, mood: Mood) -> dict[str, object]:
    """The state document while connected."""
    words = _common("online", clock, settlement, head)
    words["settle"] = mood.settle
    words["ledger"] = settlement.ledger
    if mood.reason is not None:
        words["reason"] = mood.reason
    if mood.warnings:
        words["warnings"] = list(mood.warnings)
    return words


def offline(clock: Clock, settlement: Settlement, head: Head) -> dict[str, object]:
    """The will, and the farewell of an orderly stop; `time` is when the document was made."""
    return _common("offline", clock, settlement, head)


def _common(status: str, clock: Clock, settlement: Settlement, head: Head) -> dict[str, object]:
    quality = clock.quality()
    return {
        "status": status,
        "epoch": settlement.epoch,
        "oldest": head.held.oldest,
        "newest": head.held.newest,
        "settled": settlement.through(),
        "head": head.hash,
        "version": VERSION,
        "boot": clock.boot,
        "time": timestamp(clock.unix_ms()),
        "clock": {"state": quality.state, "source": quality.source, "error_ms": quality.error_ms},
    }
