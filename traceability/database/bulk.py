"""PostgreSQL's own words: COPY for many rows in one round trip, advisory locks for taking turns."""

from __future__ import annotations

import hashlib
import struct
from collections.abc import Mapping, Sequence
from io import BytesIO

from sqlalchemy import Table

from traceability.database.base import Connection

Row = Mapping[str, object]

LEDGER, DERIVATION = 0x70676C67, 0x70676C69
"""The locks of the ledger itself and of what is derived from it; far from what `number` gives, of all 63 bits."""

_HEAD = b"PGCOPY\n\xff\r\n\x00" + struct.pack(">ii", 0, 0)
_END = struct.pack(">h", -1)
_WHOLE = struct.Struct(">iq")
_LENGTH = struct.Struct(">i")


def append(connection: Connection, table: Table, rows: Sequence[Row]) -> None:
    """Insert new rows by one COPY; all have the columns of the first."""
    if rows:
        _copy(connection, table.name, rows)


def put(connection: Connection, table: Table, rows: Sequence[Row]) -> None:
    """Insert rows, or overwrite those of the same primary key, by way of a temporary table."""
    columns, keys = list(rows[0]), [column.name for column in table.primary_key]
    staged, names = f"staged_{table.name}", ", ".join(columns)
    values = ", ".join(f"{name} = excluded.{name}" for name in columns if name not in keys)
    connection.exec_driver_sql(
        f"CREATE TEMPORARY TABLE IF NOT EXISTS {staged} ON COMMIT DELETE ROWS "
        f"AS SELECT {names} FROM {table.name} LIMIT 0"
    )
    _copy(connection, staged, rows)
    connection.exec_driver_sql(
        f"INSERT INTO {table.name} ({names}) SELECT {names} FROM {staged} "
        f"ON CONFLICT ({', '.join(keys)}) DO UPDATE SET {values}"
    )
    connection.exec_driver_sql(f"TRUNCATE {staged}")


def lock(connection: Connection, numbers: Sequence[int]) -> None:
    """Take these locks in this order, until the end of the transaction."""
    if numbers:
        wanted = ",".join(map(str, numbers))
        connection.exec_driver_sql(f"SELECT pg_advisory_xact_lock(n) FROM unnest('{{{wanted}}}'::bigint[]) AS n")


def number(site: str, gateway: str) -> int:
    """The lock of a gateway. Two of one number only wait for each other without need."""
    digest = hashlib.sha256(f"{site}/{gateway}".encode()).digest()
    return int.from_bytes(digest[:8]) >> 1


def _copy(connection: Connection, table: str, rows: Sequence[Row]) -> None:
    parts, columns = [_HEAD], list(rows[0])
    count = struct.pack(">h", len(columns))
    for row in rows:
        parts.append(count)
        parts += [_field(row[name]) for name in columns]
    parts.append(_END)
    cursor = connection.connection.cursor()
    try:
        statement = f"COPY {table} ({', '.join(columns)}) FROM STDIN WITH (FORMAT binary)"
        cursor.execute(statement, stream=BytesIO(b"".join(parts)))  # type: ignore[call-arg]
    finally:
        cursor.close()


def _field(value: object) -> bytes:
    """A value of one of our column types, as COPY's binary format has it: its length, its bytes."""
    match value:
        case None:
            return _LENGTH.pack(-1)
        case bool():
            return _LENGTH.pack(1) + bytes([value])
        case int():
            return _WHOLE.pack(8, value)
        case bytes():
            return _LENGTH.pack(len(value)) + value
        case _:
            text = str(value).encode()
            return _LENGTH.pack(len(text)) + text
