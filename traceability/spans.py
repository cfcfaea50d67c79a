"""Which seqs of a stream are accounted for, as merged ranges: holes cost rows, records do not.

A stream that arrives in order is one row however many million records it has. The hole before a span carries the
time it was first seen (`since_ms` of the span behind it). Filling a hole from either side, or splitting it, keeps
that time: what is still missing has been missing since then.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from traceability.database import Connection


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
    connection.executemany(
        "DELETE FROM spans WHERE stream = ? AND first = ?", [(stream, span.first) for span in merged]
    )
    first = min([first, *(span.first for span in merged)])
    last = max([last, *(span.last for span in merged)])
    connection.execute("INSERT INTO spans VALUES (?, ?, ?, ?)", (stream, first, last, since_ms))


def read(connection: Connection, stream: int, limit: int = -1) -> list[Span]:
    """The lowest spans in order; all of them without a limit."""
    rows = connection.execute(
        "SELECT first, last, since_ms FROM spans WHERE stream = ? ORDER BY first LIMIT ?", (stream, limit)
    )
    return [Span(*row) for row in rows]


def through(connection: Connection, stream: int) -> int:
    """Every seq up to this one is accounted for; 0: not even the first."""
    row = connection.execute("SELECT last FROM spans WHERE stream = ? AND first = 1", (stream,)).fetchone()
    return row[0] if row else 0


def top(connection: Connection, stream: int) -> int:
    """The highest seq accounted for; 0 for none."""
    row = connection.execute(
        "SELECT last FROM spans WHERE stream = ? ORDER BY first DESC LIMIT 1", (stream,)
    ).fetchone()
    return row[0] if row else 0


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
    rows = connection.execute(
        "SELECT first, last, since_ms FROM spans WHERE stream = ? AND first <= ? ORDER BY first DESC",
        (stream, last + 1),
    )
    for row in rows:
        span = Span(*row)
        if span.last < first - 1:
            return
        yield span


def _since_behind(connection: Connection, stream: int, last: int, now_ms: int) -> int:
    row = connection.execute(
        "SELECT since_ms FROM spans WHERE stream = ? AND first > ? ORDER BY first LIMIT 1", (stream, last)
    ).fetchone()
    return row[0] if row else now_ms
