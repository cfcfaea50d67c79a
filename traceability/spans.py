"""Which seqs of a stream are accounted for, as merged ranges: holes cost rows, records do not.

A stream that arrives in order is one row however many million records it has. The hole before a span carries the
time it was first seen (`since_ms` of the span behind it). Filling a hole from either side, or splitting it, keeps
that time: what is still missing has been missing since then.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from sqlalchemy import bindparam, delete, select

from traceability.database import Connection, tables
from traceability.database.portable import put


@dataclass(frozen=True, slots=True)
class Span:
    """Accounted seqs, both ends included; `since_ms`: when the hole before it was first seen."""

    first: int
    last: int
    since_ms: int


@dataclass(frozen=True, slots=True)
class Hole:
    """Seqs that are not here, both ends included; `upto`: the end of the accounted seqs right behind it."""

    first: int
    last: int
    since_ms: int
    upto: int


@dataclass(frozen=True, slots=True)
class Tail:
    """The newest seq a gateway says it has, and since when that has been ahead of what is here."""

    newest: int
    since_ms: int


def cover(connection: Connection, stream: int, first: int, last: int, now_ms: int) -> None:
    """Account for first..last. Any overlap with what is there is fine."""
    merged = list(_touching(connection, stream, first, last))
    since_ms = merged[-1].since_ms if merged else _since_behind(connection, stream, last, now_ms)
    first = min([first, *(span.first for span in merged)])
    last = max([last, *(span.last for span in merged)])
    for span in merged:
        if span.first != first:
            connection.execute(_REMOVE, {"of": stream, "at": span.first})
    put(connection, tables.spans, [{"stream": stream, "first": first, "last": last, "since_ms": since_ms}])


def read(connection: Connection, stream: int, limit: int | None = None) -> list[Span]:
    """The lowest spans in order; all of them without a limit."""
    wanted = _ALL if limit is None else _ALL.limit(limit)
    return [Span(*row) for row in connection.execute(wanted, {"of": stream})]


def through(connection: Connection, stream: int) -> int:
    """Every seq up to this one is accounted for; 0: not even the first."""
    return connection.scalar(_FROM_ONE, {"of": stream}) or 0


def top(connection: Connection, stream: int) -> int:
    """The highest seq accounted for; 0 for none."""
    return connection.scalar(_TOP, {"of": stream}) or 0


def holes(spans: Iterable[Span], tail: Tail | None) -> Iterator[Hole]:
    """What is missing between sorted spans, lowest first, and at the end what a tail says is still to come."""
    end = 0
    for span in spans:
        if span.first > end + 1:
            yield Hole(end + 1, span.first - 1, span.since_ms, span.last)
        end = span.last
    if tail is not None and tail.newest > end:
        yield Hole(end + 1, tail.newest, tail.since_ms, end)


def runs(seqs: Iterable[int]) -> Iterator[tuple[int, int]]:
    """Seqs in any order as the ranges they form."""
    first = last = 0
    for seq in sorted(set(seqs)):
        if last and seq == last + 1:
            last = seq
            continue
        if last:
            yield first, last
        first = last = seq
    if last:
        yield first, last


def _touching(connection: Connection, stream: int, first: int, last: int) -> Iterator[Span]:
    """Spans that overlap or adjoin first..last, highest first."""
    for row in connection.execute(_UP_TO, {"of": stream, "at": last + 1}):
        span = Span(*row)
        if span.last < first - 1:
            return
        yield span


def _since_behind(connection: Connection, stream: int, last: int, now_ms: int) -> int:
    since_ms = connection.scalar(_BEHIND, {"of": stream, "at": last})
    return now_ms if since_ms is None else since_ms


_SPANS = tables.spans.c
_OWN, _AT = _SPANS.stream == bindparam("of"), bindparam("at", type_=tables.BIG)
_WHOLE = select(_SPANS.first, _SPANS.last, _SPANS.since_ms).where(_OWN)
_ALL = _WHOLE.order_by(_SPANS.first)
_UP_TO = _WHOLE.where(_SPANS.first <= _AT).order_by(_SPANS.first.desc())
_FROM_ONE = select(_SPANS.last).where(_OWN, _SPANS.first == 1)
_TOP = select(_SPANS.last).where(_OWN).order_by(_SPANS.first.desc()).limit(1)
_BEHIND = select(_SPANS.since_ms).where(_OWN, _SPANS.first > _AT).order_by(_SPANS.first).limit(1)
_REMOVE = delete(tables.spans).where(_OWN, _SPANS.first == _AT)
