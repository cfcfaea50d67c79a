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

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from typing import Any

from sqlalchemy import and_, bindparam, case, column, func, select, true, tuple_, union_all, update

from gateway.wire import MAX_MISSING_RANGES, timestamp
from traceability import spans
from traceability.database import tables
from traceability.database.portable import ask, execute, given
from traceability.spans import Hole, Span, Tail
from traceability.states import ledger_id
from traceability.streams import MAX_SEQ, Key, Tx, streams_of

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


@dataclass(slots=True)
class _Page:
    """What is known of a stream. `refused`: seq, reason and whether it was told, at most one more than can be."""

    lowest: list[Span] = field(default_factory=list)
    top: int = 0
    tail: Tail | None = None
    may_listen: bool = True
    refused: list[tuple[int, str, bool]] = field(default_factory=list)

    def account(self, now_ms: int) -> Account:
        return account(self.lowest, self.tail, now_ms, self.top)

    def refusals(self) -> Refusals:
        listed, rest = self.refused[:MAX_REFUSALS], self.refused[MAX_REFUSALS:]
        hold = next((seq for seq, _, was_told in rest if not was_told), None)
        return Refusals(tuple((seq, reason) for seq, reason, _ in listed), hold)


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


def make(tx: Tx, keys: Sequence[Key], service: str) -> list[Receipt]:
    """Number and fill the next receipt of each of these streams, from what this transaction sees."""
    streams = streams_of(tx, keys)
    ids = [(stream,) for stream in streams.values()]
    pages = {stream: _Page() for stream in streams.values()}
    for stream, *span in ask(tx.connection, _lowest, ids):
        pages[stream].lowest.append(Span(*span))
    for stream, seq, reason, was_told in ask(tx.connection, _refused, ids):
        pages[stream].refused.append((seq, reason, was_told is not None))
    for stream, top, newest, newest_ms, may_listen in ask(tx.connection, _around, ids):
        page = pages[stream]
        page.top, page.may_listen = top or 0, bool(may_listen)
        page.tail = None if newest is None else Tail(newest, newest_ms)
    told = {stream: _held(page.account(tx.now_ms), page.refusals()) for stream, page in pages.items()}
    ledger = ledger_id(tx)
    numbers = _next_numbers(tx, list(pages), ledger)
    _mark_told(tx, pages, numbers)
    heads = _heads(tx, {stream: one.seen for stream, one in told.items()})
    receipts = []
    for key in keys:
        stream = streams[key]
        page, one = pages[stream], told[stream]
        message: dict[str, object] = {
            "ledger": ledger,
            "receipt": numbers[stream],
            "epoch": key.epoch,
            "through": one.through,
            "missing": [list(pair) for pair in one.missing],
            "seen": one.seen,
            "rejected": [{"seq": seq, "reason": reason} for seq, reason in page.refusals().told],
            "heads": heads.get(stream, []),
            "service": service,
            "time": timestamp(tx.now_ms),
        }
        repeats = one.again_s is not None and (one.again_s < REPEAT_S or page.may_listen)
        receipts.append(Receipt(key, message, one.again_s if repeats else None))
    return receipts


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


def _heads(tx: Tx, seen: Mapping[int, int]) -> dict[int, list[dict[str, object]]]:
    """Records a gateway can tell by whether it is the one whose lines are here: the last of them, and, where other
    bytes came under the name of one, the first and the last such; by stream."""
    heads: dict[int, dict[int, bytes]] = {}
    for stream, seq, own_hash in ask(tx.connection, _named, list(seen.items())):
        heads.setdefault(stream, {})[seq] = own_hash
    return {
        stream: [{"seq": seq, "hash": own_hash.hex()} for seq, own_hash in sorted(found.items())]
        for stream, found in heads.items()
    }


def _next_numbers(tx: Tx, streams: Sequence[int], ledger: str) -> dict[int, int]:
    rows = ask(tx.connection, _number, [(stream,) for stream in streams], by=ledger)
    return dict(map(tuple, rows))


def _mark_told(tx: Tx, pages: Mapping[int, _Page], numbers: Mapping[int, int]) -> None:
    """A refusal is told by the first receipt that has it."""
    told = [
        (stream, seq, numbers[stream])
        for stream, page in pages.items()
        for seq, _, was_told in page.refused[:MAX_REFUSALS]
        if not was_told
    ]
    if told:
        execute(tx.connection, _mark(tx.connection.dialect.name), told)


_STREAMS, _RECORDS, _CONFLICTS, _UNTAKEN, _GATEWAYS, _SPANS = (
    table.c
    for table in (
        tables.streams, tables.records, tables.conflicts, tables.refused, tables.gateways, tables.spans,
    )
)  # fmt: skip
_STREAM = column("stream", tables.BIG)


@cache
def _lowest(dialect: str) -> Any:
    """(stream, first, last, since_ms): the lowest spans of each stream, in order."""
    asked, other = given(dialect, _STREAM), tables.spans.alias().c
    after = select(other.first).where(other.stream == asked.c.stream).order_by(other.first)
    bound = after.limit(1).offset(MAX_MISSING_RANGES + 2).scalar_subquery()
    own = (_SPANS.stream == asked.c.stream) & (_SPANS.first < func.coalesce(bound, MAX_SEQ + 1))
    return (
        select(_SPANS.stream, _SPANS.first, _SPANS.last, _SPANS.since_ms)
        .join_from(asked, tables.spans, own)
        .order_by(_SPANS.stream, _SPANS.first)
    )


@cache
def _refused(dialect: str) -> Any:
    """(stream, seq, reason, told) of each stream: those not told yet first, lowest first; then the latest told, once
    more."""
    asked = given(dialect, _STREAM)
    order = (_UNTAKEN.told.is_not(None), _UNTAKEN.told.desc(), _UNTAKEN.seq)
    place = func.row_number().over(partition_by=_UNTAKEN.stream, order_by=order).label("place")
    ranked = (
        select(_UNTAKEN.stream, _UNTAKEN.seq, _UNTAKEN.reason, _UNTAKEN.told, place)
        .join_from(asked, tables.refused, _UNTAKEN.stream == asked.c.stream)
        .subquery()
        .c
    )
    return (
        select(ranked.stream, ranked.seq, ranked.reason, ranked.told)
        .where(ranked.place <= MAX_REFUSALS + 1)
        .order_by(ranked.stream, ranked.place)
    )


@cache
def _around(dialect: str) -> Any:
    """(stream, top, newest, newest_ms, whether it may listen): the highest seq accounted for, and what its gateway
    said last: how far it has come in this epoch, and whether it is there to fill a hole; who was never heard may."""
    asked, other = given(dialect, _STREAM), tables.spans.alias().c
    top = select(other.last).where(other.stream == _STREAMS.id).order_by(other.first.desc()).limit(1)
    same = _GATEWAYS.epoch == _STREAMS.epoch
    is_there = (_GATEWAYS.status == "online") & func.coalesce(same, true())
    return (
        select(
            _STREAMS.id,
            top.scalar_subquery(),
            case((same, _GATEWAYS.newest)),
            _GATEWAYS.newest_ms,
            case((_GATEWAYS.status.is_(None), true()), else_=is_there),
        )
        .join_from(asked, tables.streams, _STREAMS.id == asked.c.stream)
        .outerjoin(tables.gateways, (_GATEWAYS.site == _STREAMS.site) & (_GATEWAYS.gateway == _STREAMS.gateway))
    )


@cache
def _named(dialect: str) -> Any:
    """(stream, seq, hash) of the heads of streams that are told up to `seen`."""
    asked = given(dialect, _STREAM, column("seen", tables.BIG))
    of, same_name = asked.c.stream, _CONFLICTS.stream == asked.c.stream
    last = select(func.max(_RECORDS.seq)).where(_RECORDS.stream == of, _RECORDS.seq <= asked.c.seen)
    ends = [last, *(select(which(_CONFLICTS.seq)).where(same_name) for which in (func.min, func.max))]
    named = union_all(*(select(of, end.scalar_subquery().label("seq")).select_from(asked) for end in ends)).subquery()
    both = and_(_RECORDS.stream == named.c.stream, _RECORDS.seq == named.c.seq)
    return select(_RECORDS.stream, _RECORDS.seq, _RECORDS.hash).join_from(named, tables.records, both)


@cache
def _number(dialect: str) -> Any:
    asked = given(dialect, _STREAM)
    return (
        update(tables.streams)
        .where(_STREAMS.id.in_(select(asked.c.stream)))
        .values(receipt=_STREAMS.receipt + 1, told=bindparam("by"))
        .returning(_STREAMS.id, _STREAMS.receipt)
    )


@cache
def _mark(dialect: str) -> Any:
    told = given(dialect, *(column(name, tables.BIG) for name in ("stream", "seq", "number")))
    own = and_(told.c.stream == _UNTAKEN.stream, told.c.seq == _UNTAKEN.seq)
    number = select(told.c.number).where(own).scalar_subquery()
    return (
        update(tables.refused)
        .where(tuple_(_UNTAKEN.stream, _UNTAKEN.seq).in_(select(told.c.stream, told.c.seq)))
        .values(told=number)
    )
