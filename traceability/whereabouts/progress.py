"""How far the ledger has been taken into account."""

from __future__ import annotations

from sqlalchemy import select, update

from traceability.database import Connection
from traceability.whereabouts import tables
from traceability.whereabouts.lines import Lines


def progress(connection: Connection) -> tuple[int, int]:
    """Up to which row of the ledger all was taken, and when the last turn was (unix ms; 0: never)."""
    c = tables.derived.c
    row = connection.execute(select(c.upto, c.known_ms)).first()
    return (0, 0) if row is None else (row[0], row[1])


def behind(connection: Connection) -> int:
    """How many records of the ledger are waiting."""
    return Lines(connection).waiting(progress(connection)[0])


def go_on(connection: Connection, upto: int, known_ms: int) -> None:
    """All up to that row is taken, by a turn of that moment."""
    row = {"upto": upto, "known_ms": known_ms}
    if not connection.execute(update(tables.derived).values(**row)).rowcount:
        connection.execute(tables.derived.insert(), {"number": 1, **row})
