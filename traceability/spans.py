"""Which seqs of a stream are accounted for, as merged ranges: holes cost rows, records do not.

A stream that arrives in order is one row however many million records it has. The hole before a span carries the
time it was first seen (`since_ms` of the span behind it). Filling a hole from either side, or splitting it, keeps
that time: what is still missing has been missing since then.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from operator import attrgetter
from typing import Any

from sqlalchemy import FromClause, bindparam, column, delete, func, select, tuple_

from traceability.database import Connection, tables
from traceability.database.portable import ask, execute, given, put


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


class Window:
    """The spans of a stream around seqs that are to be covered: those that touch them, and the next one behind each.

    Covers in memory; `write` says what became of it. Any overlap with what is there is fine.
    """

    def __init__(self, spans: Iterable[Span] = ()) -> None:
        self._before = {span.first: span for span in spans}
        self._spans = sorted(self._before.values(), key=_first)

    def cover(self, first: int, last: int, now_ms: int) -> None:
        """Account for first..last, which the window is around."""
        end = bisect_right(self._spans, last + 1, key=_first)
        start = max(0, bisect_right(self._spans, first, key=_first) - 1)
        while start < end and self._spans[start].last < first - 1:
            start += 1
        merged = self._spans[start:end]
        behind = self._spans[end].since_ms if end < len(self._spans) else now_ms
        since_ms = merged[0].since_ms if merged else behind
        first = min(first, merged[0].first) if merged else first
        last = max(last, merged[-1].last) if merged else last
        self._spans[start:end] = [Span(first, last, since_ms)]

    def removed(self) -> list[int]:
        """The first seqs of spans that are no more."""
        return list(self._before.keys() - {span.first for span in self._spans})

    def changed(self) -> list[Span]:
        """Spans that are not as they were."""
        return [span for span in self._spans if self._before.get(span.first) != span]


def write(connection: Connection, windows: Mapping[int, Window]) -> None:
    """Write what became of these streams."""
    removed = [(stream, first) for stream, window in windows.items() for first in window.removed()]
    if removed:
        execute(connection, _removing(connection.dialect.name), removed)
    changed = [(stream, span) for stream, window in windows.items() for span in window.changed()]
    rows = [
        {"stream": stream, "first": span.first, "last": span.last, "since_ms": span.since_ms}
        for stream, span in changed
    ]
    put(connection, tables.spans, rows)


def cover(connection: Connection, stream: int, first: int, last: int, now_ms: int) -> None:
    """Account for first..last of one stream. Any overlap with what is there is fine."""
    window = Window(Span(*row) for row in ask(connection, _around, [(stream, first, last)]))
    window.cover(first, last, now_ms)
    write(connection, {stream: window})


def around(asked: FromClause) -> Any:
    """Selects (stream, first, last, since_ms) of what a Window needs, for ranges (stream, first, last) asked of."""
    s, before, behind = _SPANS, tables.spans.alias().c, tables.spans.alias().c
    lowest = select(func.max(before.first)).where(before.stream == asked.c.stream, before.first <= asked.c.first)
    highest = select(func.min(behind.first)).where(behind.stream == asked.c.stream, behind.first > asked.c.last + 1)
    return select(s.stream, s.first, s.last, s.since_ms).join_from(
        asked,
        tables.spans,
        (s.stream == asked.c.stream)
        & (s.first >= func.coalesce(lowest.scalar_subquery(), asked.c.first))
        & (s.first <= func.coalesce(highest.scalar_subquery(), asked.c.last + 1)),
    )


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


def without(ranges: Iterable[tuple[int, int]], others: Sequence[tuple[int, int]]) -> Iterator[tuple[int, int]]:
    """What is left of ranges without others, both ends included; both in order, of the others by their beginnings."""
    for first, last in ranges:
        at = first
        for low, high in others:
            if high < at or low > last:
                continue
            if low > at:
                yield at, low - 1
            at = high + 1
        if at <= last:
            yield at, last


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


_SPANS = tables.spans.c
_OWN = _SPANS.stream == bindparam("of")
_WHOLE = select(_SPANS.first, _SPANS.last, _SPANS.since_ms).where(_OWN)
_ALL = _WHOLE.order_by(_SPANS.first)
_FROM_ONE = select(_SPANS.last).where(_OWN, _SPANS.first == 1)
_TOP = select(_SPANS.last).where(_OWN).order_by(_SPANS.first.desc()).limit(1)
_first = attrgetter("first")


@cache
def _around(dialect: str) -> Any:
    asked = given(dialect, *(column(name, tables.BIG) for name in ("stream", "first", "last")))
    return around(asked).with_only_columns(_SPANS.first, _SPANS.last, _SPANS.since_ms)


@cache
def _removing(dialect: str) -> Any:
    gone = given(dialect, column("stream", tables.BIG), column("first", tables.BIG))
    return delete(tables.spans).where(tuple_(_SPANS.stream, _SPANS.first).in_(select(gone.c.stream, gone.c.first)))
