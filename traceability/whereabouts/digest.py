"""What coverage needs of the signs, kept beside them: who names which lane, and whole blocks summed up.

Both follow from the signs alone; a question about two weeks then reads some hundred rows, and not a million signs.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from functools import cache
from typing import Any

from sqlalchemy import Select, and_, bindparam, case, column, delete, func, insert, literal, select, update

from traceability.database import Connection
from traceability.database.portable import ask, given
from traceability.database.tables import BIG
from traceability.presence.moments import FUTURE
from traceability.presence.watch import STARTED, STOPPED
from traceability.whereabouts import tables
from traceability.whereabouts.rows import Place, Row
from traceability.whereabouts.tables import BLOCK

Name = tuple[Any, Any, Any, Any]
"""Stream, lane, device, portal."""
CHUNK = 400


@dataclass(slots=True)
class Names:
    """Those that are known to be written down already; of one run of turns that nothing failed in between."""

    known: set[Name] = field(default_factory=set)

    def note(self, connection: Connection, rows: Iterable[Row]) -> None:
        """Write down whom new signs name for the first time."""
        new: dict[Name, Row] = {}
        for row in rows:
            name = (row["stream"], row["lane"], row["device"], row["portal"])
            if row["lane"] is not None and row["best_ms"] is not None and name not in self.known:
                new[name] = min(row, new.get(name, row), key=_seq)
        if not new:
            return
        self._read(connection, sorted({name[0] for name in new}))
        columns = ("stream", "seq", "known_from", "lane", "device", "portal")
        fresh = [{name: row[name] for name in columns} for name, row in new.items() if name not in self.known]
        if fresh:
            connection.execute(tables.named.insert(), fresh)
        self.known |= new.keys()

    def _read(self, connection: Connection, streams: Sequence[int]) -> None:
        c = tables.named.c
        for begin in range(0, len(streams), CHUNK):
            query = select(c.stream, c.lane, c.device, c.portal).where(c.stream.in_(streams[begin : begin + CHUNK]))
            self.known |= {(row[0], row[1], row[2], row[3]) for row in connection.execute(query)}


def sum_up(connection: Connection, new: Iterable[Place], anew: Iterable[Place], known_ms: int) -> None:
    """Write the blocks that new signs have made whole, and anew those with signs dated otherwise than they were."""
    changed = {(stream, seq // BLOCK) for stream, seq in anew}
    if changed:
        rows = [{"of": stream, "it": block, "now": known_ms} for stream, block in sorted(changed)]
        connection.execute(_CLOSE, rows)
    touched = changed | {(stream, seq // BLOCK) for stream, seq in new}
    last = sorted((stream, (block + 1) * BLOCK - 1) for stream, block in touched)
    for stream, seq in ask(connection, _here, last):
        _sum_up(connection, stream, seq // BLOCK, known_ms)


def digest_anew(connection: Connection) -> None:
    """Both made again out of all signs, as they are; while nobody derives."""
    g = tables.signs.c
    named = [tables.named.c[column.name] for column in tables.named.c]
    connection.execute(delete(tables.named))
    nth = func.row_number().over(partition_by=(g.stream, g.lane, g.device, g.portal), order_by=(g.known_from, g.seq))
    of_lanes = select(*(g[column.name] for column in named), nth.label("nth"))
    ordered = of_lanes.where(g.lane.is_not(None), g.best_ms.is_not(None)).subquery()
    first = select(*(ordered.c[column.name] for column in named)).where(ordered.c.nth == 1)
    connection.execute(insert(tables.named).from_select([column.name for column in named], first))
    connection.execute(delete(tables.blocks))
    block = (g.seq // BLOCK).label("block")
    whole = (
        select(g.stream, block, func.max(g.known_from), literal(FUTURE, BIG), *_times())
        .where(g.known_to == FUTURE)
        .group_by(g.stream, "block")
        .having(func.count() == BLOCK, _lives() == 0)
    )
    columns = ["stream", "block", "known_from", "known_to", "begin_ms", "end_ms", "live_begin_ms", "live_end_ms"]
    connection.execute(insert(tables.blocks).from_select(columns, whole))


@cache
def _here(dialect: str) -> Select[Any]:
    """Which of these places have a sign now."""
    c = tables.signs.c
    at = given(dialect, column("stream", BIG), column("seq", BIG))
    here = and_(c.stream == at.c.stream, c.seq == at.c.seq, c.known_to == FUTURE)
    return select(c.stream, c.seq).select_from(at.join(tables.signs, here))


def _times() -> tuple[Any, ...]:
    """Of all the signs, and of those that were sent live: the first best time, and the last."""
    best_ms, live_ms = tables.signs.c.best_ms, case((tables.signs.c.live, tables.signs.c.best_ms))
    return func.min(best_ms), func.max(best_ms), func.min(live_ms), func.max(live_ms)


def _lives() -> Any:
    """How many signs begin or end a gateway's life."""
    return func.sum(case((tables.signs.c.kind.in_((STARTED, STOPPED)), 1), else_=0))


def _sum_up(connection: Connection, stream: int, block: int, known_ms: int) -> None:
    c = tables.signs.c
    query = select(func.count(), _lives(), *_times()).where(
        c.stream == stream, c.seq >= block * BLOCK, c.seq < (block + 1) * BLOCK, c.known_to == FUTURE
    )
    count, changes, begin, end, live_begin, live_end = connection.execute(query).one()
    if count == BLOCK and not changes:
        row = {"stream": stream, "block": block, "known_from": known_ms, "known_to": FUTURE}
        times = {"begin_ms": begin, "end_ms": end, "live_begin_ms": live_begin, "live_end_ms": live_end}
        connection.execute(tables.blocks.insert(), row | times)


def _seq(row: Row) -> Any:
    return row["seq"]


_CLOSE = (
    update(tables.blocks)
    .where(tables.blocks.c.stream == bindparam("of"), tables.blocks.c.block == bindparam("it"))
    .where(tables.blocks.c.known_to == FUTURE)
    .values(known_to=bindparam("now"))
)
