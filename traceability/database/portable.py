"""What SQLite and PostgreSQL say differently: many rows in one statement, keep if new, put over, take turns.

A statement over many rows gets them as one parameter, a JSON text, and reads them as the table `given`; so its text
is always the same, and on a server it costs one round trip whatever there is to ask:

    def _ends(dialect):                                          made once for each engine, and kept
        asked = given(dialect, column("stream", BIG))
        return select(...).join_from(asked, ...)
    rows = ask(connection, _ends, [(1,), (2,)])
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import cache
from typing import Any

from sqlalchemy import (
    JSON,
    ColumnClause,
    ColumnElement,
    CursorResult,
    Executable,
    FromClause,
    Table,
    Text,
    bindparam,
    cast,
    func,
    select,
    true,
)
from sqlalchemy.dialects import postgresql, sqlite

from traceability.database import bulk
from traceability.database.base import Connection

Row = Mapping[str, object]
Maker = Callable[[str], Executable]
"""Makes a statement over `given` in the dialect of this name; cached."""


def is_server(connection: Connection) -> bool:
    """Whether others may be writing beside us."""
    return connection.dialect.name == "postgresql"


def add(connection: Connection, table: Table, row: Row) -> bool:
    """Insert a row; False if there is one under its key, which stays as it is."""
    return connection.execute(_adding(table, connection.dialect.name), row).rowcount == 1


def put(connection: Connection, table: Table, rows: Sequence[Row]) -> None:
    """Insert rows of the same columns, none of bytes; one under the same primary key is overwritten."""
    if rows:
        columns = tuple(rows[0])
        statement = _putting(table, connection.dialect.name, columns)
        execute(connection, statement, [[row[name] for name in columns] for row in rows])


def append(connection: Connection, table: Table, rows: Sequence[Row]) -> None:
    """Insert rows of the same columns in the same order, none of bytes, that are known to be new."""
    if not rows:
        return
    columns, values = tuple(rows[0]), [tuple(row.values()) for row in rows]
    if is_server(connection):
        bulk.append(connection, table.name, columns, values)
    else:
        marks = ", ".join("?" * len(columns))
        connection.exec_driver_sql(f"INSERT INTO {table.name} ({', '.join(columns)}) VALUES ({marks})", values)


def append_lines(
    connection: Connection,
    table: Table,
    rows: Iterable[bulk.LineRow],
    at_ms: int,
    meanwhile: Callable[[], None] | None = None,
) -> None:
    """Insert lines (stream, seq, SHA-256, line) that are known to be new, all taken at the same time (unix ms).
    `meanwhile`: called now and then while a server takes them in."""
    if is_server(connection):
        bulk.append_lines(connection, table.name, rows, at_ms, meanwhile)
    elif lines := list(rows):
        names, marks = ", ".join(bulk.LINE_COLUMNS), "?, " * 4
        connection.exec_driver_sql(f"INSERT INTO {table.name} ({names}) VALUES ({marks}{at_ms})", lines)


# --- many rows in one statement


def given(dialect: str, *columns: ColumnClause[Any]) -> FromClause:
    """The rows a statement is given, as a table of these columns."""
    value: ColumnElement[Any]
    found: list[ColumnElement[Any]]
    rows: Any = bindparam("given", type_=Text)
    if dialect == "postgresql":
        value = func.json_array_elements(cast(rows, JSON)).column_valued("value")
        found = [cast(value.op("->>")(at), column.type) for at, column in enumerate(columns)]
    else:
        value = func.json_each(rows).table_valued("value").c.value
        found = [func.json_extract(value, f"$[{at}]", type_=column.type) for at, column in enumerate(columns)]
    labels = [value.label(column.name) for value, column in zip(found, columns, strict=True)]
    return select(*labels).cte("given")


def ask(connection: Connection, maker: Maker, rows: Sequence[Sequence[object]], **words: object) -> Sequence[Any]:
    """What a statement made over `given` answers for these rows; nothing for none."""
    return execute(connection, maker(connection.dialect.name), rows, **words).all() if rows else ()


def execute(
    connection: Connection, statement: Executable, rows: Sequence[Sequence[object]], **words: object
) -> CursorResult[Any]:
    """Run a statement over `given` with these rows."""
    return connection.execute(statement, {"given": json.dumps(rows, separators=(",", ":")), **words})


# --- turns


def transactions(connection: Connection) -> tuple[int, int]:
    """Of a server's transactions that write: the oldest that runs, and the one that will begin next."""
    words = "txid_snapshot_xmin(seen), txid_snapshot_xmax(seen) FROM txid_current_snapshot() AS seen"
    oldest, next_one = connection.exec_driver_sql(f"SELECT {words}").one()
    return int(oldest), int(next_one)


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


def hold_desk(connection: Connection) -> None:
    """Until the end of the transaction no other operator says anything; to be asked before what was said is read."""
    if is_server(connection):
        bulk.lock(connection, [bulk.DESK])


@cache
def _adding(table: Table, dialect: str) -> Any:
    return insert(table, dialect).on_conflict_do_nothing()


@cache
def _appending(table: Table, dialect: str, columns: tuple[str, ...]) -> Any:
    rows = given(dialect, *(table.c[name] for name in columns))
    # SQLite needs a WHERE here to tell ON CONFLICT from a join's ON.
    return insert(table, dialect).from_select(list(columns), select(rows).where(true()), include_defaults=False)


@cache
def _putting(table: Table, dialect: str, columns: tuple[str, ...]) -> Any:
    statement = _appending(table, dialect, columns)
    keys = [column.name for column in table.primary_key]
    values = {name: statement.excluded[name] for name in columns if name not in keys}
    return statement.on_conflict_do_update(index_elements=keys, set_=values)


def insert(table: Table, dialect: str) -> Any:
    """An INSERT that knows ON CONFLICT."""
    return (postgresql.insert if dialect == "postgresql" else sqlite.insert)(table)
