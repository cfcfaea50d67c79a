"""Temporary tables that hide the ledger's own of the same name from one connection, so that the same code fills them.

Both databases look among a connection's temporary tables first. They are gone with the connection, whatever ends it.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from sqlalchemy import MetaData, Table, bindparam, text

from traceability.database.base import Connection
from traceability.database.portable import is_server

_INDEX = re.compile(r'^CREATE (UNIQUE )?INDEX "?(\w+)"? ON')
_PARTS = text(
    "SELECT sql FROM main.sqlite_schema WHERE tbl_name IN :names AND sql IS NOT NULL ORDER BY type = 'index', name"
).bindparams(bindparam("names", expanding=True))


def shadow(connection: Connection, tables: Sequence[Table]) -> list[Table]:
    """Make them, empty, with their indices; returns the ledger's own under names that are not hidden."""
    names = [table.name for table in tables]
    if not is_server(connection):
        for statement in connection.scalars(_PARTS, {"names": names}).all():
            here = re.sub("^CREATE TABLE", "CREATE TEMP TABLE", statement)
            connection.exec_driver_sql(_INDEX.sub(r"CREATE \1INDEX temp.\2 ON", here))
        return [table.to_metadata(MetaData(), schema="main") for table in tables]
    schema = str(connection.scalar(text("SELECT current_schema()")))
    for name in names:
        connection.exec_driver_sql(f'CREATE TEMP TABLE {name} (LIKE "{schema}".{name} INCLUDING ALL)')
    connection.commit()
    return [table.to_metadata(MetaData(), schema=schema) for table in tables]


def close_all_others(connection: Connection) -> None:
    """From here on nothing but temporary tables can be written over this connection."""
    if is_server(connection):
        connection.exec_driver_sql("SET SESSION CHARACTERISTICS AS TRANSACTION READ ONLY")
    connection.commit()


def analyze(connection: Connection, tables: Sequence[Table]) -> None:
    """Let the server know how large they have become; it does not look at temporary tables by itself."""
    for table in tables if is_server(connection) else ():
        connection.exec_driver_sql(f"ANALYZE {table.name}")


def be_patient(connection: Connection) -> None:
    """This transaction may stand still for as long as another connection works."""
    if is_server(connection):
        connection.exec_driver_sql("SET LOCAL idle_in_transaction_session_timeout = 0")
