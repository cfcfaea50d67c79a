"""Runs of numbers without a hole out of the tables: whole blocks as they were summed up, and the signs between."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from sqlalchemy import ColumnElement, and_, case, func, select

from traceability.database import Connection
from traceability.presence.moments import Span
from traceability.presence.watch import STARTED, STOPPED, Run
from traceability.whereabouts import tables
from traceability.whereabouts.tables import BLOCK

G = tables.signs.c


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
    connection: Connection, stream: int, epoch: str, own: ColumnElement[bool], window: Span, known_at_ms: int
) -> Iterator[Run]:
    """From the last live record before a window to the first one behind it; `own`: the signs of the stream."""
    first, last = _reach(connection, own, window)
    if first is None or last is None:
        return
    blocks = list(_blocks(connection, stream, first, last, known_at_ms))
    between = _between(blocks, first, last)
    islands = [piece for low, high in between for piece in _islands(connection, own, low, high)]
    for piece in _joined([*blocks, *islands]):
        begin_ms = piece.begin_ms if piece.live_begin_ms is None else piece.live_begin_ms
        end_ms = piece.end_ms if piece.live_end_ms is None else piece.live_end_ms
        if begin_ms is not None and end_ms is not None:
            yield Run(begin_ms, end_ms, epoch, piece.first, piece.last, piece.started, piece.stopped)


def _reach(connection: Connection, own: ColumnElement[bool], window: Span) -> tuple[int | None, int | None]:
    before = select(G.seq).where(own, G.live, G.best_ms < window.begin_ms).order_by(G.best_ms.desc(), G.seq.desc())
    behind = select(G.seq).where(own, G.live, G.best_ms >= window.end_ms).order_by(G.best_ms, G.seq)
    first = connection.scalar(before.limit(1))
    last = connection.scalar(behind.limit(1))
    if first is None:
        first = connection.scalar(select(func.min(G.seq)).where(own))
    if last is None:
        last = connection.scalar(select(func.max(G.seq)).where(own))
    return first, last


def _blocks(connection: Connection, stream: int, first: int, last: int, known_at_ms: int) -> Iterator[Piece]:
    """The blocks that lie within, by their numbers."""
    c = tables.blocks.c
    query = (
        select(c.block, c.begin_ms, c.end_ms, c.live_begin_ms, c.live_end_ms)
        .where(c.stream == stream, c.block >= -(-first // BLOCK), c.block < (last + 1) // BLOCK)
        .where(c.known_from <= known_at_ms, c.known_to > known_at_ms)
        .order_by(c.block)
    )
    for block, *times in connection.execute(query):
        yield Piece(block * BLOCK, (block + 1) * BLOCK - 1, *times)


def _between(blocks: Iterable[Piece], first: int, last: int) -> Iterator[tuple[int, int]]:
    """The numbers that no block has."""
    for block in blocks:
        if first < block.first:
            yield first, block.first - 1
        first = block.last + 1
    if first <= last:
        yield first, last


def _islands(connection: Connection, own: ColumnElement[bool], first: int, last: int) -> Iterator[Piece]:
    """Signs in a row, of one life of the gateway, counted by the database."""
    row = (
        select(
            G.seq,
            G.kind,
            G.best_ms,
            case((G.live, G.best_ms)).label("live_ms"),
            (G.seq - func.row_number().over(order_by=G.seq)).label("island"),
            func.sum(case((G.kind == STARTED, 1), else_=0)).over(order_by=G.seq).label("life"),
        )
        .where(and_(own, G.seq >= first, G.seq <= last))
        .subquery()
        .c
    )
    times = (func.min(row.best_ms), func.max(row.best_ms), func.min(row.live_ms), func.max(row.live_ms))
    started = func.max(case((row.kind == STARTED, 1), else_=0))
    stopped = func.max(case((row.kind == STOPPED, row.seq), else_=0))
    query = select(func.min(row.seq), func.max(row.seq), *times, started, stopped).group_by(row.island, row.life)
    for low, high, begin, end, live_begin, live_end, start, stop in connection.execute(query):
        yield Piece(low, high, begin, end, live_begin, live_end, bool(start), stop == high)


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
