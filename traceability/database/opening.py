"""A `database` setting, and what it means."""

from __future__ import annotations

from pathlib import Path

from gateway.errors import Misconfigured
from traceability.database.base import Database
from traceability.database.sqlite import SqliteFile


def open_database(setting: str) -> Database:
    """What a `database` setting names; nothing is opened yet. Raises Misconfigured for an unknown engine."""
    if "://" in setting:
        raise Misconfigured(
            f"centre.database: {setting.partition(':')[0]}:// is not supported by this version",
            remedy='give the path of an SQLite file, such as database = "ledger.sqlite"',
        )
    return SqliteFile(Path(setting))
