"""The few things SQLite and PostgreSQL say differently: keep if new, put over, many at once, take turns."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from functools import cache
from typing import Any

from sqlalchemy import Table
from sqlalchemy.dialects import postgresql, sqlite

from traceability.database import bulk
from traceability.database.base import Connection

Row = Mapping[str, object]

STAGED_FROM_ROWS = 8
"""From here on one COPY is cheaper than a round trip for each row."""


def is_server(connection: Connection) -> bool:
    """Whether others may be writing beside us."""
    return connection.dialect.name == "postgresql"


def add(connection: Connection, table: Table, row: Row) -> bool:
    """Insert a row; False if there is one under its key, which stays as it is."""
    return connection.execute(_adding(table, connection.dialect.name), row).rowcount == 1


def put(connection: Connection, table: Table, rows: Sequence[Row]) -> None:
    """Insert rows of the same columns; one under the same primary key is overwritten."""
    if is_server(connection) and len(rows) >= STAGED_FROM_ROWS:
        bulk.put(connection, table, rows)
    elif rows:
        connection.execute(_putting(table, connection.dialect.name, tuple(rows[0])), rows)


def append(connection: Connection, table: Table, rows: Sequence[Row]) -> None:
    """Insert rows of the same columns that are known to be new."""
    if is_server(connection):
        bulk.append(connection, table, rows)
    elif rows:
        connection.execute(_inserting(table), rows)


def hold(connection: Connection, names: Iterable[tuple[str, str]]) -> None:
    """Until the end of the transaction nobody else writes what is of these gateways (site, gateway).

    To be asked once, before anything else, for all of them: they are taken in one order everywhere, so no two
    transactions wait for each other.
    """
    if is_server(connection):
        bulk.lock(connection, sorted(bulk.number(*name) for name in set(names)))


def hold_ledger(connection: Connection) -> None:
    """Until the end of the transaction nobody else mints a ledger id; after `hold`, never before it."""
    if is_server(connection):
        bulk.lock(connection, [bulk.LEDGER])


def hold_derivation(connection: Connection) -> None:
    """Until the end of the transaction nobody else derives; to be asked first."""
    if is_server(connection):
        bulk.lock(connection, [bulk.DERIVATION])


@cache
def _adding(table: Table, dialect: str) -> Any:
    return _insert(table, dialect).on_conflict_do_nothing()


@cache
def _putting(table: Table, dialect: str, columns: tuple[str, ...]) -> Any:
    insert = _insert(table, dialect)
    keys = [column.name for column in table.primary_key]
    values = {name: insert.excluded[name] for name in columns if name not in keys}
    return insert.on_conflict_do_update(index_elements=keys, set_=values)


@cache
def _inserting(table: Table) -> Any:
    return table.insert()


def _insert(table: Table, dialect: str) -> Any:
    return (postgresql.insert if dialect == "postgresql" else sqlite.insert)(table)
