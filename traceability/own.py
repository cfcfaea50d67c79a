"""The database that the centre's configuration names."""

from __future__ import annotations

from pathlib import Path
from typing import Protocol

from config import ConfigError, read_password
from gateway.errors import Misconfigured
from traceability.database import Database, open_database


class Settings(Protocol):
    """What has to be told; `config.CentreSettings.centre` is one."""

    @property
    def database(self) -> str: ...
    @property
    def database_password_file(self) -> Path | None: ...


def own_database(settings: Settings) -> Database:
    """The ledger these settings name; nothing is opened yet. Raises Misconfigured."""
    file = settings.database_password_file
    try:
        password = read_password(file, key="centre.database_password_file") if file else None
    except ConfigError as error:
        raise Misconfigured(str(error)) from error
    return open_database(settings.database, password)
