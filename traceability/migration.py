"""A ledger of an earlier version, brought forward: in one transaction, after a copy of it was put beside it.

Forward only: who wants the earlier version back takes the copy. Lines are never touched; what later versions keep
beside them is made from the lines that are there.
"""

from __future__ import annotations

from collections.abc import Iterator

from gateway.wire import Line, read_line
from traceability import clocks, schema
from traceability.database import Connection

SLICE_ROWS = 2000
CLOCKS_SINCE = 2
WAITS_SINCE = 5


def bring_forward(connection: Connection, version: int) -> None:
    """From this version (0: an empty file) to ours; to be called inside a transaction."""
    for step in schema.STEPS[version:]:
        for statement in step.split(";"):
            connection.execute(statement)
    if 0 < version < CLOCKS_SINCE:
        _read_clocks(connection)
    elif 0 < version < WAITS_SINCE:
        _read_waits(connection)
    connection.execute(f"PRAGMA application_id = {schema.APPLICATION_ID}")
    connection.execute(f"PRAGMA user_version = {schema.VERSION}")


def _read_clocks(connection: Connection) -> None:
    for (stream,) in connection.execute("SELECT id FROM streams").fetchall():
        for lines in _slices(connection, stream):
            clocks.note(connection, stream, lines)


def _read_waits(connection: Connection) -> None:
    """Of records whose clock was no good; a gateway may have been brought forward before its centre."""
    for (stream,) in connection.execute("SELECT id FROM streams").fetchall():
        seq = 0
        while rows := connection.execute(_DOUBTFUL, (stream, seq, SLICE_ROWS)).fetchall():
            seq = rows[-1][0]
            clocks.note(connection, stream, [read_line(raw) for _, raw in rows])


_DOUBTFUL = """
SELECT doubts.seq, line FROM doubts JOIN records USING (stream, seq)
WHERE doubts.stream = ? AND doubts.seq > ? AND line <> x'' ORDER BY doubts.seq LIMIT ?
"""


def _slices(connection: Connection, stream: int) -> Iterator[list[Line]]:
    seq = 0
    while rows := connection.execute(
        "SELECT seq, line FROM records WHERE stream = ? AND seq > ? ORDER BY seq LIMIT ?", (stream, seq, SLICE_ROWS)
    ).fetchall():
        seq = rows[-1][0]
        yield [read_line(raw) for _, raw in rows]
