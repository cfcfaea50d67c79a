"""What a receipt may say, so that a gateway never lets go of a record that is not in the ledger.

A gateway settles everything up to `through`, and, where the list of holes is not truncated, everything up to `seen`
that is not in a listed hole. But a hole is listed only when it is 5 s old, because most holes are batches that are
still on their way. So `seen` is held just below the first hole that is too young to be listed:

    here      1……40    45……60      70……90        hole 41–44 is 9 s old, hole 61–69 is 1 s old
    receipt   through 40, missing [[41,44]], seen 60; again in 4 s, when 61–69 is old enough to be listed

A full list may be cut short, as every gateway knows: it settles nothing above `through`, and `seen` tells the truth.

Refused records hold too: those that do not fit into one receipt keep `through` and `seen` below them until they were
told, or the gateway would settle what it should set aside.

`heads` names lines that are here by their hash. Where two boxes run from one cloned card, one of them holds another
line under such a number: it must not settle by this receipt, and begins an epoch of its own.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import bindparam, func, or_, select, update

from gateway.wire import MAX_MISSING_RANGES, timestamp
from traceability import spans
from traceability.database import tables
from traceability.spans import Hole, Span, Tail
from traceability.states import ledger_id, may_listen, tail_of
from traceability.streams import Key, Tx, stream_of

HOLE_AGE_MS = 5_000
REPEAT_S = 6.0  # listed at 5 s, gateways act from 10 s after their PUBACK: 11 s heals what 10 s might just miss
MAX_REFUSALS = 100


@dataclass(frozen=True, slots=True)
class Account:
    """A stream as a receipt may tell it. `again_s`: when it should be told again, None: when something changes."""

    through: int
    missing: tuple[tuple[int, int], ...]
    seen: int
    again_s: float | None


@dataclass(frozen=True, slots=True)
class Receipt:
    """One receipt, unsigned: the message's members, and when the next is due if nothing happens (seconds)."""

    stream: Key
    message: dict[str, object]
    again_s: float | None


@dataclass(frozen=True, slots=True)
class Refusals:
    """Refused records to tell, and the first seq that does not fit this time."""

    told: tuple[tuple[int, str], ...]
    hold: int | None


def account(stream_spans: Sequence[Span], tail: Tail | None, now_ms: int, top: int = 0) -> Account:
    """The receipt's view of a stream; see the module's head.

    Needs the lowest MAX_MISSING_RANGES + 2 spans, and `top`, the highest seq accounted for.
    """
    starts = bool(stream_spans) and stream_spans[0].first == 1
    through = seen = stream_spans[0].last if starts else 0
    missing: list[tuple[int, int]] = []
    again_s: float | None = None
    for hole in spans.holes(stream_spans, tail):
        young_s = _until_listed_s(hole, now_ms)
        if young_s or len(missing) == MAX_MISSING_RANGES:
            again_s = young_s or REPEAT_S
            break
        missing.append((hole.first, hole.last))
        seen, again_s = hole.upto, REPEAT_S
    if len(missing) == MAX_MISSING_RANGES:
        seen = max(seen, top)
    return Account(through, tuple(missing), seen, again_s)


def make(tx: Tx, key: Key, service: str) -> Receipt:
    """Number and fill the next receipt of a stream, from what this transaction sees."""
    stream = stream_of(tx, key)
    refusals = _refusals(tx, stream)
    lowest, top = spans.read(tx.connection, stream, MAX_MISSING_RANGES + 2), spans.top(tx.connection, stream)
    told = _held(account(lowest, tail_of(tx, key), tx.now_ms, top), refusals)
    ledger = ledger_id(tx)
    number = _next_number(tx, stream, ledger)
    _mark_told(tx, stream, refusals, number)
    message: dict[str, object] = {
        "ledger": ledger,
        "receipt": number,
        "epoch": key.epoch,
        "through": told.through,
        "missing": [list(pair) for pair in told.missing],
        "seen": told.seen,
        "rejected": [{"seq": seq, "reason": reason} for seq, reason in refusals.told],
        "heads": _heads(tx, stream, told.seen),
        "service": service,
        "time": timestamp(tx.now_ms),
    }
    repeats = told.again_s is not None and (told.again_s < REPEAT_S or may_listen(tx, key))
    return Receipt(key, message, told.again_s if repeats else None)


def _until_listed_s(hole: Hole, now_ms: int) -> float:
    """Seconds until a hole may be listed; 0 for now, also when the clock went back behind its start."""
    age_ms = now_ms - hole.since_ms
    return (HOLE_AGE_MS - age_ms) / 1000 if 0 <= age_ms < HOLE_AGE_MS else 0.0


def _held(whole: Account, refusals: Refusals) -> Account:
    """The account below the first refused record that could not be told yet."""
    hold = refusals.hold
    if hold is None:
        return whole
    missing = tuple(pair for pair in whole.missing if pair[1] < hold)
    return Account(min(whole.through, hold - 1), missing, min(whole.seen, hold - 1), again_s=0.0)


def _heads(tx: Tx, stream: int, seen: int) -> list[dict[str, object]]:
    """Records a gateway can tell by whether it is the one whose lines are here: the last of them, and, where other
    bytes came under the name of one, the first and the last such."""
    rows = tx.connection.execute(_HEADS, {"of": stream, "seen": seen})
    return [{"seq": seq, "hash": own_hash.hex()} for seq, own_hash in rows]


def _next_number(tx: Tx, stream: int, ledger: str) -> int:
    return int(tx.connection.execute(_NEXT, {"of": stream, "by": ledger}).scalar_one())


# --- refused records


def _refusals(tx: Tx, stream: int) -> Refusals:
    """Those not told yet first, lowest first; then the latest told, once more."""
    rows = tx.connection.execute(_REFUSED, {"of": stream}).all()
    listed, rest = rows[:MAX_REFUSALS], rows[MAX_REFUSALS:]
    hold = rest[0][0] if rest and rest[0][2] is None else None
    return Refusals(tuple((seq, reason) for seq, reason, _ in listed), hold)


def _mark_told(tx: Tx, stream: int, refusals: Refusals, number: int) -> None:
    if refusals.told:
        seqs = [seq for seq, _ in refusals.told]
        tx.connection.execute(_MARK, {"of": stream, "seqs": seqs, "number": number})


_STREAMS, _RECORDS, _CONFLICTS, _UNTAKEN = (
    table.c for table in (tables.streams, tables.records, tables.conflicts, tables.refused)
)
_OF = bindparam("of", type_=tables.BIG)
_LAST = select(func.max(_RECORDS.seq)).where(_RECORDS.stream == _OF, _RECORDS.seq <= bindparam("seen"))
_SAME_NAME = [select(which(_CONFLICTS.seq)).where(_CONFLICTS.stream == _OF) for which in (func.min, func.max)]
_HEADS = (
    select(_RECORDS.seq, _RECORDS.hash)
    .where(
        _RECORDS.stream == _OF,
        or_(*(_RECORDS.seq == seq.scalar_subquery() for seq in (_LAST, *_SAME_NAME))),
    )
    .order_by(_RECORDS.seq)
)
_NEXT = (
    update(tables.streams)
    .where(_STREAMS.id == _OF)
    .values(receipt=_STREAMS.receipt + 1, told=bindparam("by"))
    .returning(_STREAMS.receipt)
)
_REFUSED = (
    select(_UNTAKEN.seq, _UNTAKEN.reason, _UNTAKEN.told)
    .where(_UNTAKEN.stream == _OF)
    .order_by(_UNTAKEN.told.is_not(None), _UNTAKEN.told.desc(), _UNTAKEN.seq)
    .limit(MAX_REFUSALS + 1)
)
_MARK = (
    update(tables.refused)
    .where(_UNTAKEN.stream == _OF, _UNTAKEN.seq.in_(bindparam("seqs", expanding=True)), _UNTAKEN.told.is_(None))
    .values(told=bindparam("number"))
)
