"""A ledger of an earlier version, brought forward in one transaction: the tables by Alembic, then what they lacked.

Forward only: who wants an SQLite file's earlier version back takes the copy that was made of it. Lines are never
touched; what later versions keep beside them is made from the lines that are there.
"""

from __future__ import annotations

from collections.abc import Iterator

from alembic import command
from alembic.config import Config
from sqlalchemy import Select, select

from gateway.wire import Line, read_line
from traceability import clocks
from traceability.database import Connection, tables

SLICE_ROWS = 2000
CLOCKS_SINCE = 2
WAITS_SINCE = 5


def bring_forward(connection: Connection, version: int) -> None:
    """From this version (0: nothing is there) to ours; to be called inside a transaction."""
    steps = Config()
    steps.set_main_option("script_location", "traceability:database/migrations")
    steps.attributes["connection"] = connection
    if version:
        command.stamp(steps, str(version))
    command.upgrade(steps, "head")
    if 0 < version < CLOCKS_SINCE:
        _read_clocks(connection)
    elif 0 < version < WAITS_SINCE:
        _read_waits(connection)


def _read_clocks(connection: Connection) -> None:
    records = tables.records
    for stream in connection.scalars(select(tables.streams.c.id)).all():
        for lines in _slices(connection, select(records.c.seq, records.c.line).where(records.c.stream == stream)):
            _note(connection, stream, lines)


def _read_waits(connection: Connection) -> None:
    """Of records whose clock was no good; a gateway may have been brought forward before its centre."""
    records, doubts = tables.records, tables.doubts
    both = records.join(doubts, (doubts.c.stream == records.c.stream) & (doubts.c.seq == records.c.seq))
    for stream in connection.scalars(select(tables.streams.c.id)).all():
        wanted = select(records.c.seq, records.c.line).select_from(both)
        for lines in _slices(connection, wanted.where(records.c.stream == stream, records.c.line != b"")):
            _note(connection, stream, lines)


def _note(connection: Connection, stream: int, lines: list[Line]) -> None:
    notes = clocks.Notes()
    for line in lines:
        notes.take(stream, line)
    notes.write(connection)


def _slices(connection: Connection, wanted: Select[int, bytes]) -> Iterator[list[Line]]:
    seq, number = 0, tables.records.c.seq
    while rows := connection.execute(wanted.where(number > seq).order_by(number).limit(SLICE_ROWS)).all():
        seq = rows[-1][0]
        yield [read_line(raw) for _, raw in rows]
