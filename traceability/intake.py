"""What becomes of a line, inside the transaction of its group: kept, known already, contradicting, or refused.

The name of a record is (site, gateway, epoch, seq). The first bytes under a name are the record; the same bytes
again change nothing, other bytes are kept beside it and raise an alarm. A line that names itself but cannot be taken
is refused for good, so that the gateway can set it aside instead of sending it for ever. A refusal counts for the
gateway whose *topic* it came by: one gateway can never settle the records of another. A line that does not even
name itself is counted and dropped; its gateway keeps it, because no receipt will cover it.
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence

from sqlalchemy import bindparam, delete, select, update

from gateway.errors import Rejected
from gateway.wire import MAX_LINE_BYTES, Line, line_hash, read_line
from traceability import chain, clocks, evidence, losses, spans
from traceability.database import tables
from traceability.database.portable import add, append
from traceability.streams import MAX_SEQ, Key, Tx, plain, stream_of

ASKED_AT_ONCE = 500

_EPOCH = re.compile(r"[0-9a-f]{16}")


def take(tx: Tx, site: str, gateway: str, raw_lines: Sequence[bytes]) -> set[Key]:
    """Take the lines of one message of this gateway; returns the streams they belong to."""
    lines: dict[Key, list[Line]] = {}
    refused: set[Key] = set()
    for raw in raw_lines:
        try:
            line = _read(raw, site, gateway)
        except Rejected as error:
            refused |= _refuse(tx, site, gateway, raw, error.message)
        else:
            lines.setdefault(Key(site, gateway, line.epoch), []).append(line)
    for key, of_stream in lines.items():
        _keep(tx, key, of_stream)
    return refused | lines.keys()


def _read(raw: bytes, site: str, gateway: str) -> Line:
    line = read_line(raw)
    if (line.site, line.gateway) != (site, gateway):
        raise Rejected("the record is of another gateway than the topic")
    if line.seq > MAX_SEQ:
        raise Rejected(f"seq is beyond {MAX_SEQ}")
    return line


# --- kept


def _keep(tx: Tx, key: Key, lines: list[Line]) -> None:
    """What is new of these lines is written at once: nobody else writes of this gateway meanwhile."""
    stream = stream_of(tx, key)
    held = _held(tx, stream, sorted({line.seq for line in lines}))
    new: dict[int, tuple[Line, str]] = {}
    again = 0
    for line in lines:
        own_hash = line_hash(line.raw)
        known = held.get(line.seq)
        if known is None:
            held[line.seq] = own_hash
            new[line.seq] = (line, own_hash)
        elif known == own_hash:
            again += 1
        else:
            _contradict(tx, key, stream, line, own_hash)
    if again:
        _repeat(tx, stream, again)
    if new:
        append(tx.connection, tables.records, [_row(tx, stream, *both) for both in new.values()])
        _account(tx, key, stream, new)


def _held(tx: Tx, stream: int, seqs: Sequence[int]) -> dict[int, str]:
    """The hashes of those of these seqs that are here."""
    held: dict[int, str] = {}
    for start in range(0, len(seqs), ASKED_AT_ONCE):
        some = seqs[start : start + ASKED_AT_ONCE]
        if some[-1] - some[0] < len(some):
            rows = tx.connection.execute(_HASHES_BETWEEN, {"of": stream, "first": some[0], "last": some[-1]})
        else:
            rows = tx.connection.execute(_HASHES_AMONG, {"of": stream, "seqs": some})
        held |= {seq: own_hash.hex() for seq, own_hash in rows}
    return held


def _row(tx: Tx, stream: int, line: Line, own_hash: str) -> dict[str, object]:
    """As `records` and `conflicts` have it."""
    own = bytes.fromhex(own_hash)
    return {"stream": stream, "seq": line.seq, "hash": own, "line": line.raw, "at_ms": tx.now_ms}


def _account(tx: Tx, key: Key, stream: int, new: dict[int, tuple[Line, str]]) -> None:
    """Spans, chain and declared losses for what was inserted."""
    tx.counts["new"] += len(new)
    for first, last in spans.runs(new):
        spans.cover(tx.connection, stream, first, last, tx.now_ms)
        tx.connection.execute(_NOT_REFUSED, {"of": stream, "first": first, "last": last})
    tx.connection.execute(_COUNT, {"of": stream, "more": len(new), "at_ms": tx.now_ms})
    chain.check(tx, key, stream, new)
    evidence.check(tx, key, stream, new)
    clocks.note(tx.connection, stream, [line for line, _ in new.values()])
    for line, _ in new.values():
        if line.type == losses.LOST_TYPE:
            losses.declare(tx, key, stream, line)


def _repeat(tx: Tx, stream: int, again: int) -> None:
    """So many lines came that are here."""
    tx.counts["repeated"] += again
    row = {"stream": stream, "at_ms": tx.now_ms, "count": again}
    if not add(tx.connection, tables.repeats, row):
        tx.connection.execute(_REPEATED, {"of": stream, "at": tx.now_ms, "more": again})


def _contradict(tx: Tx, key: Key, stream: int, line: Line, own_hash: str) -> None:
    """Other bytes under a name that is taken."""
    if add(tx.connection, tables.conflicts, _row(tx, stream, line, own_hash)):
        tx.counts["conflicts"] += 1
        tx.alarm("record.conflict", key, seq=line.seq, hash=own_hash)


# --- refused


def _refuse(tx: Tx, site: str, gateway: str, raw: bytes, reason: str) -> set[Key]:
    """Refuse a line under the name it gives itself, in the stream of the topic it came by."""
    name = _name(raw)
    if name is None:
        tx.counts["nameless"] += 1
        return set()
    epoch, seq = name
    key = Key(site, gateway, epoch)
    stream = stream_of(tx, key)
    if chain.hash_at(tx, stream, seq) is None:
        _write_refusal(tx, key, stream, seq, raw, reason)
    return {key}


def _write_refusal(tx: Tx, key: Key, stream: int, seq: int, raw: bytes, reason: str) -> None:
    row = {"stream": stream, "seq": seq, "reason": plain(reason), "line": raw[:MAX_LINE_BYTES], "at_ms": tx.now_ms}
    if add(tx.connection, tables.refused, row):
        spans.cover(tx.connection, stream, seq, seq, tx.now_ms)
        tx.counts["refused"] += 1
        tx.alarm("record.refused", key, seq=seq, reason=reason)


def _name(raw: bytes) -> tuple[str, int] | None:
    """Epoch and seq of a line that is otherwise wrong, if it says them clearly."""
    try:
        event = json.loads(raw)
    except (ValueError, RecursionError):
        return None
    data = event.get("data") if isinstance(event, dict) else None
    if not isinstance(data, dict):
        return None
    epoch, seq = data.get("epoch"), data.get("seq")
    if not (isinstance(epoch, str) and _EPOCH.fullmatch(epoch)):
        return None
    return (epoch, seq) if type(seq) is int and 1 <= seq <= MAX_SEQ else None


_RECORDS, _REFUSED = tables.records.c, tables.refused.c
_OF, _FIRST, _LAST = (bindparam(name, type_=tables.BIG) for name in ("of", "first", "last"))
_HASHES = select(_RECORDS.seq, _RECORDS.hash).where(_RECORDS.stream == _OF)
_HASHES_BETWEEN = _HASHES.where(_RECORDS.seq.between(_FIRST, _LAST))
_HASHES_AMONG = _HASHES.where(_RECORDS.seq.in_(bindparam("seqs", expanding=True)))
_REPEATS = tables.repeats.c
_REPEATED = (
    update(tables.repeats)
    .where(_REPEATS.stream == _OF, _REPEATS.at_ms == bindparam("at", type_=tables.BIG))
    .values(count=_REPEATS["count"] + bindparam("more"))
)
_NOT_REFUSED = delete(tables.refused).where(_REFUSED.stream == _OF, _REFUSED.seq.between(_FIRST, _LAST))
_COUNT = (
    update(tables.streams)
    .where(tables.streams.c.id == _OF)
    .values(held=tables.streams.c.held + bindparam("more"), last_ms=bindparam("at_ms"))
)
