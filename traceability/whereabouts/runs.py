"""Runs of numbers without a hole out of the tables: whole blocks as they were summed up, and the signs between.

Of the signs between blocks the database sums up strips of numbers; where a strip has a hole, or a gateway started or
stopped in it, its signs are looked at one by one. All journals are asked about at once.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import cache, partial
from typing import Any

from sqlalchemy import ColumnElement, FromClause, and_, bindparam, case, column, func, select

from traceability.database import Connection
from traceability.database.portable import ask, given
from traceability.database.tables import BIG
from traceability.presence.moments import Span
from traceability.presence.watch import STARTED, STOPPED, Run
from traceability.whereabouts import tables
from traceability.whereabouts.tables import BLOCK

G = tables.signs.c
STRIP = 64
KNOWN: ColumnElement[int] = bindparam("known_ms", type_=BIG)

Range = tuple[int, int, int]
"""A stream, and numbers of it from one up to and with another."""


@dataclass(frozen=True, slots=True)
class Piece:
    """Signs of `first` to `last`, all there. Times are None where none of them has one."""

    first: int
    last: int
    begin_ms: int | None
    end_ms: int | None
    live_begin_ms: int | None
    live_end_ms: int | None
    started: bool = False
    stopped: bool = False

    def then(self, other: Piece) -> Piece:
        """Both, the other right behind this one."""
        return Piece(
            self.first,
            other.last,
            _least(self.begin_ms, other.begin_ms),
            _most(self.end_ms, other.end_ms),
            _least(self.live_begin_ms, other.live_begin_ms),
            _most(self.live_end_ms, other.live_end_ms),
            self.started,
            other.stopped,
        )


def runs_of(
    connection: Connection, epochs: Mapping[int, str], window: Span, known_at_ms: int
) -> dict[int, list[Run]]:
    """By stream, from the last live record before a window to the first one behind it. `epochs`: of the streams."""
    reach = _reach(connection, epochs, window, known_at_ms)
    pieces: dict[int, list[Piece]] = {stream: [] for stream, _, _ in reach}
    inner = [(stream, -(-first // BLOCK), (last + 1) // BLOCK) for stream, first, last in reach]
    for stream, block, *times in ask(connection, _blocks, inner, known_ms=known_at_ms):
        pieces[stream].append(Piece(block * BLOCK, (block + 1) * BLOCK - 1, *times))
    between = [each for stream, first, last in reach for each in _between(stream, pieces[stream], first, last)]
    broken: list[Range] = []
    strips = partial(_strips, size=STRIP)
    for stream, first, last, count, lives, *times in ask(connection, strips, between, known_ms=known_at_ms):
        if count == last - first + 1 and not lives:
            pieces[stream].append(Piece(first, last, *times))
        else:
            broken.append((stream, first, last))
    for stream, start, stop, *ends in ask(connection, _islands, broken, known_ms=known_at_ms):
        piece = Piece(*ends)
        pieces[stream].append(replace(piece, started=bool(start), stopped=stop == piece.last))
    return {stream: list(_runs(epochs[stream], of_it)) for stream, of_it in pieces.items()}


def _runs(epoch: str, pieces: Iterable[Piece]) -> Iterator[Run]:
    for piece in _joined(pieces):
        begin_ms = piece.begin_ms if piece.live_begin_ms is None else piece.live_begin_ms
        end_ms = piece.end_ms if piece.live_end_ms is None else piece.live_end_ms
        if begin_ms is not None and end_ms is not None:
            yield Run(begin_ms, end_ms, epoch, piece.first, piece.last, piece.started, piece.stopped)


def _reach(connection: Connection, streams: Iterable[int], window: Span, known_at_ms: int) -> list[Range]:
    """From which number to which; nothing of a stream of which nothing was known."""
    words = {"begin_ms": window.begin_ms, "end_ms": window.end_ms, "known_ms": known_at_ms}
    found = ask(connection, _reaching, [(stream,) for stream in streams], **words)
    return [(stream, first, last) for stream, first, last in found if first is not None and last is not None]


@cache
def _reaching(dialect: str) -> Any:
    asked = given(dialect, column("of", BIG))
    own = and_(G.stream == asked.c.of, G.known_from <= KNOWN, G.known_to > KNOWN)
    begin_ms: ColumnElement[int] = bindparam("begin_ms", type_=BIG)
    end_ms: ColumnElement[int] = bindparam("end_ms", type_=BIG)
    before = select(G.seq).where(own, G.live, G.best_ms < begin_ms).order_by(G.best_ms.desc(), G.seq.desc())
    behind = select(G.seq).where(own, G.live, G.best_ms >= end_ms).order_by(G.best_ms, G.seq)
    first, last = (select(G.seq).where(own).order_by(by) for by in (G.seq, G.seq.desc()))
    ends = [
        func.coalesce(*(each.limit(1).correlate(asked).scalar_subquery() for each in pair))
        for pair in ((before, first), (behind, last))
    ]
    return select(asked.c.of, *ends)


@cache
def _blocks(dialect: str) -> Any:
    """The blocks that lie within, by their numbers."""
    asked = _ranges(dialect)
    c, a = tables.blocks.c, asked.c
    within = and_(c.stream == a.of, c.block >= a.low, c.block < a.high)
    return (
        select(c.stream, c.block, c.begin_ms, c.end_ms, c.live_begin_ms, c.live_end_ms)
        .select_from(asked.join(tables.blocks, within))
        .where(c.known_from <= KNOWN, c.known_to > KNOWN)
        .order_by(c.stream, c.block)
    )


def _between(stream: int, blocks: Iterable[Piece], first: int, last: int) -> Iterator[Range]:
    """The numbers that no block has."""
    for block in blocks:
        if first < block.first:
            yield stream, first, block.first - 1
        first = block.last + 1
    if first <= last:
        yield stream, first, last


@cache
def _strips(dialect: str, *, size: int) -> Any:
    """Signs by so many numbers: how many there are, and in how many of them a gateway started or stopped. Between two
    ranges there is a block, which is longer than a strip."""
    asked = _ranges(dialect)
    strip = G.seq // size
    live_ms = case((G.live, G.best_ms))
    times = (func.min(G.best_ms), func.max(G.best_ms), func.min(live_ms), func.max(live_ms))
    lives = func.sum(case((G.kind.in_((STARTED, STOPPED)), 1), else_=0))
    return (
        select(G.stream, func.min(G.seq), func.max(G.seq), func.count(), lives, *times)
        .select_from(asked.join(tables.signs, _own(asked)))
        .group_by(G.stream, strip)
    )


@cache
def _islands(dialect: str) -> Any:
    """Signs in a row, of one life of the gateway."""
    asked = _ranges(dialect)
    a = asked.c
    part = (a.of, a.low)
    row = (
        select(
            a.of,
            a.low,
            G.seq,
            G.kind,
            G.best_ms,
            case((G.live, G.best_ms)).label("live_ms"),
            (G.seq - func.row_number().over(partition_by=part, order_by=G.seq)).label("island"),
            func.sum(case((G.kind == STARTED, 1), else_=0)).over(partition_by=part, order_by=G.seq).label("life"),
        )
        .select_from(asked.join(tables.signs, _own(asked)))
        .subquery()
        .c
    )
    times = (func.min(row.best_ms), func.max(row.best_ms), func.min(row.live_ms), func.max(row.live_ms))
    started = func.max(case((row.kind == STARTED, 1), else_=0))
    stopped = func.max(case((row.kind == STOPPED, row.seq), else_=0))
    found = select(row.of, started, stopped, func.min(row.seq), func.max(row.seq), *times)
    return found.group_by(row.of, row.low, row.island, row.life)


def _ranges(dialect: str) -> FromClause:
    return given(dialect, column("of", BIG), column("low", BIG), column("high", BIG))


def _own(asked: FromClause) -> ColumnElement[bool]:
    a = asked.c
    within = and_(G.stream == a.of, G.seq >= a.low, G.seq <= a.high)
    return and_(within, G.known_from <= KNOWN, G.known_to > KNOWN)


def _joined(pieces: Iterable[Piece]) -> Iterator[Piece]:
    """Those without a hole and without a start between them as one."""
    run: Piece | None = None
    for piece in sorted(pieces, key=lambda each: each.first):
        if run is not None and run.last + 1 == piece.first and not piece.started:
            run = run.then(piece)
            continue
        if run is not None:
            yield run
        run = piece
    if run is not None:
        yield run


def _least(one: int | None, other: int | None) -> int | None:
    return min((each for each in (one, other) if each is not None), default=None)


def _most(one: int | None, other: int | None) -> int | None:
    return max((each for each in (one, other) if each is not None), default=None)
