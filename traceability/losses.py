"""Records a gateway declares lost: the centre advances over them, and says so for ever.

A loss counts only if it names whole seqs of an epoch of the same gateway. In the record's own epoch it cannot reach
the record itself or beyond: advancing over what is still to come would settle records nobody has, and a receipt
beyond the gateway's newest would look like a rolled-back journal to it. What cannot be placed is written down
without advancing.
"""

from __future__ import annotations

import re
from typing import Any, get_args

from gateway.records import LossCause
from gateway.wire import Line
from traceability import spans
from traceability.database import tables
from traceability.streams import MAX_SEQ, Key, Tx, stream_of

LOST_TYPE = "punchgate.records.lost.v1"
CAUSES = get_args(LossCause)

_EPOCH = re.compile(r"[0-9a-f]{16}")


def declare(tx: Tx, key: Key, stream: int, line: Line) -> None:
    """Account for the range a `records.lost` record names and remember it with its cause."""
    lost = line.data.get("lost")
    if not isinstance(lost, dict):
        return
    epoch = lost.get("epoch")
    placed = isinstance(epoch, str) and _EPOCH.fullmatch(epoch) is not None
    of = Key(key.site, key.gateway, str(epoch)) if placed else key
    where = stream_of(tx, of)
    first, last = _range(lost, MAX_SEQ if of != key else line.seq - 1) if placed else (None, None)
    cause = next((cause for cause in CAUSES if cause == lost.get("cause")), "unknown")
    row = {
        "stream": where,
        "first": first,
        "last": last,
        "count": _count(lost),
        "cause": cause,
        "declared_by": stream,
        "declared_seq": line.seq,
        "at_ms": tx.now_ms,
    }
    tx.connection.execute(tables.losses.insert(), row)
    if first is not None and last is not None:
        spans.cover(tx.connection, where, first, last, tx.now_ms)
    tx.counts["lost"] += 1
    tx.alarm("records.lost", of, first=first, last=last, cause=cause, declared_by=line.seq)


def _range(lost: dict[str, Any], limit: int) -> tuple[int | None, int | None]:
    first, last = lost.get("first"), lost.get("last")
    if type(first) is int and type(last) is int and 1 <= first <= last <= limit:
        return first, last
    return None, None


def _count(lost: dict[str, Any]) -> int | None:
    count = lost.get("count")
    return count if type(count) is int and 0 <= count <= MAX_SEQ else None
