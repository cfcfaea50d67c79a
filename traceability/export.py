"""The stored lines, bytes unchanged, ordered by site, gateway, epoch (as text) and seq.

What has expired leaves no line. Other bytes under a name that was taken follow the first, in the order they came:
both are kept, so both are shown.

Read in slices, each its own short transaction: a reader that stays in one transaction keeps SQLite from truncating
the write-ahead log, and a centre that runs beside a long export would fill the disk. A slice begins behind the last
seq of the one before, so nothing is skipped or doubled whatever arrives meanwhile.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from operator import itemgetter

from sqlalchemy import Select, select

from traceability.database import Connection, Database, tables

SLICE_ROWS = 1000


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which records; None: all. `since_seq` is the first seq of each epoch."""

    site: str | None = None
    gateway: str | None = None
    epoch: str | None = None
    since_seq: int = 1


def slices(database: Database, wanted: Wanted) -> Iterator[list[bytes]]:
    """The lines in order, up to SLICE_ROWS at a time. Raises Unavailable, NotDurable."""
    with database.reading() as connection:
        for _, lines in pieces(connection, wanted):
            yield lines


def pieces(connection: Connection, wanted: Wanted) -> Iterator[tuple[tuple[str, str], list[bytes]]]:
    """The same over a connection, each slice with the site and the gateway it is of."""
    for stream in connection.execute(streams(wanted)).all():
        for lines in _of_stream(connection, stream.id, wanted.since_seq - 1):
            yield (stream.site, stream.gateway), lines


def streams(wanted: Wanted) -> Select[int, str, str, str]:
    """The streams that are wanted: id, site, gateway, epoch; in the order of their names."""
    names = tables.streams.c
    chosen = select(names.id, names.site, names.gateway, names.epoch)
    for column in (names.site, names.gateway, names.epoch):
        value = getattr(wanted, column.name)
        chosen = chosen if value is None else chosen.where(column == value)
    return chosen.order_by(names.site, names.gateway, names.epoch)


def _of_stream(connection: Connection, stream: int, seq: int) -> Iterator[list[bytes]]:
    records, conflicts = tables.records.c, tables.conflicts.c
    kept = select(records.seq, records.line).where(records.stream == stream, records.line != b"")
    other = select(conflicts.seq, conflicts.line).where(conflicts.stream == stream, conflicts.line != b"")
    while rows := connection.execute(kept.where(records.seq > seq).order_by(records.seq).limit(SLICE_ROWS)).all():
        last = rows[-1].seq
        beside = other.where(conflicts.seq > seq, conflicts.seq <= last).order_by(conflicts.seq, conflicts.rowid)
        others = connection.execute(beside).all()
        seq = last
        yield [line for _, line in sorted([*rows, *others], key=itemgetter(0))]
