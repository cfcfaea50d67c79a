"""Records as a gateway would make them, without a gateway: chained lines of one epoch."""

from __future__ import annotations

import json
from typing import Any

from gateway.wire import GENESIS, line_hash

EPOCH = "5c1f0a9be2d74f11"
LATER_EPOCH = "a0b1c2d3e4f50617"


def line(
    seq: int, prev: str, *, site: str = "hq", gateway: str = "edge-01", epoch: str = EPOCH, **words: Any
) -> bytes:
    """One line of about 500 bytes. Words: `type`, `time`, and whatever goes into data."""
    kind, time = words.pop("type", "punch"), words.pop("time", "2026-11-23T00:31:07.412Z")
    data = {"seq": seq, "epoch": epoch, "prev": prev, "site": site, "portal": "lobby", "lane": "lobby-1"} | words
    event = {
        "specversion": "1.0",
        "id": f"{site}/{gateway}/{epoch}/{seq}",
        "source": f"/{site}/{gateway}/lane-1-in",
        "type": f"punchgate.{kind}.v1",
        "time": time,
        "datacontenttype": "application/json",
        "data": data,
    }
    return json.dumps(event, separators=(",", ":")).encode()


def chain(count: int, **words: Any) -> list[bytes]:
    """The first `count` lines of an epoch, each naming the hash of the one before."""
    return extend([], count, **words)


def extend(lines: list[bytes], count: int, **words: Any) -> list[bytes]:
    """`lines` and `count` more behind them."""
    lines = list(lines)
    for _ in range(count):
        lines.append(line(len(lines) + 1, line_hash(lines[-1]) if lines else GENESIS, **words))
    return lines


def loss(seq: int, prev: str, **lost: Any) -> bytes:
    """A `records.lost` record; unknown values are null."""
    empty = dict.fromkeys(("epoch", "first", "last", "count", "from", "to", "device", "cause"))
    return line(seq, prev, type="records.lost", lost=empty | lost)
