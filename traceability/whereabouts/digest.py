"""What coverage needs of the signs, kept beside them: who names which lane, and whole blocks summed up.

Both follow from the signs alone; a question about two weeks then reads some hundred rows, and not a million signs.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import bindparam, case, func, select, tuple_, update

from traceability.database import Connection
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
        for row in sorted(rows, key=_seq):
            name = (row["stream"], row["lane"], row["device"], row["portal"])
            if row["lane"] is not None and row["best_ms"] is not None and name not in self.known:
                new.setdefault(name, row)
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
    c = tables.signs.c
    for begin in range(0, len(last), CHUNK):
        chunk = tuple_(c.stream, c.seq).in_(last[begin : begin + CHUNK])
        for stream, seq in connection.execute(select(c.stream, c.seq).where(chunk, c.known_to == FUTURE)).all():
            _sum_up(connection, stream, seq // BLOCK, known_ms)


def _sum_up(connection: Connection, stream: int, block: int, known_ms: int) -> None:
    c = tables.signs.c
    live_ms = case((c.live, c.best_ms))
    lives = func.sum(case((c.kind.in_((STARTED, STOPPED)), 1), else_=0))
    query = select(
        func.count(), lives, func.min(c.best_ms), func.max(c.best_ms), func.min(live_ms), func.max(live_ms)
    ).where(c.stream == stream, c.seq >= block * BLOCK, c.seq < (block + 1) * BLOCK, c.known_to == FUTURE)
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
