"""A `database` setting, and what it means."""

from __future__ import annotations

from pathlib import Path

from traceability.database.address import is_address, read_address
from traceability.database.base import Database
from traceability.database.postgresql import PostgresServer
from traceability.database.sqlite import SqliteFile


def open_database(setting: str, password: str | None = None) -> Database:
    """What a `database` setting names; nothing is opened yet. Raises Misconfigured for one that makes no sense."""
    if is_address(setting):
        return PostgresServer(read_address(setting), password)
    return SqliteFile(Path(setting))
