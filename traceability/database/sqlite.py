"""The ledger's file: one writer at a time, readers beside it, nothing believed after an error.

SQLite before 3.51.3 can lose commits when two connections write and checkpoint at the same moment, and several
centres may share one ledger. So whoever writes, checkpoints or closes first takes an flock on `<database>.lock`;
checkpoints happen inside commits, hence under the same lock. Readers open `mode=ro` and cannot checkpoint.

After any error of a write the connection is thrown away and the next write opens a new one: a failed fsync must
never be asked again and believed. This is the only module of the package that imports sqlite3.

A file of an earlier version is brought forward when it is opened for writing, after a copy of it was put beside it.
`user_version` says which it is, so that an earlier punchgate refuses what is newer.
"""

from __future__ import annotations

import fcntl
import os
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from urllib.parse import quote

from sqlalchemy import Engine, create_engine, event
from sqlalchemy.exc import DBAPIError, IntegrityError
from sqlalchemy.pool import NullPool

from gateway.errors import NotDurable, Unavailable
from gateway.whole_file import open_of_service
from traceability.database.base import MISTAKE, VERSION, Connection, Database

APPLICATION_ID = 0x70676C67
BUSY_TIMEOUT_S = 10.0
CACHE_KIB = 16_384
LOOK = "look at the disk: free space, permissions, kernel log"
ITS_USER = "run as the user the centre runs as"


class SqliteFile(Database):
    """A ledger in a file of its own; writers take turns."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._writer, self._reader = _engine(self._connect), _engine(self._look)
        event.listen(self._writer, "begin", lambda connection: connection.exec_driver_sql("BEGIN IMMEDIATE"))
        self._version = VERSION
        self._connection: Connection | None = None
        self._lock: int | None = None

    @property
    def name(self) -> str:
        """Its path."""
        return str(self.path)

    @contextmanager
    def writing(self) -> Iterator[Connection]:
        """One transaction, alone on the file."""
        try:
            with self._alone():
                connection = self._open()
                try:
                    with connection.begin():
                        yield connection
                except BaseException:
                    self._discard()
                    raise
        except (DBAPIError, sqlite3.Error, OSError) as error:
            remedy = MISTAKE if isinstance(error, IntegrityError) else LOOK
            raise NotDurable(f"{self.path}: {_reason(error)}", remedy=remedy) from error

    @contextmanager
    def reading(self, *, at_once: bool = False) -> Iterator[Connection]:
        """A connection that is read-only."""
        with self._read_by(self._reader) as connection:
            if at_once:
                connection.exec_driver_sql("BEGIN")
            yield connection

    @contextmanager
    def _read_by(self, engine: Engine) -> Iterator[Connection]:
        try:
            if not self.path.is_file():
                remedy = "has `punchgate centre run` been started once?"
                raise Unavailable(f"{self.path}: no ledger there", remedy=remedy)
        except OSError as error:
            raise NotDurable(f"{self.path}: {error.strerror}", remedy=ITS_USER) from error
        try:
            with engine.connect() as connection:
                yield connection
        except (DBAPIError, sqlite3.Error) as error:
            raise NotDurable(f"{self.path}: {_reason(error)}", remedy=ITS_USER) from error

    @contextmanager
    def sketching(self) -> Iterator[Connection]:
        """A connection that can write temporary tables and nothing else."""
        engine = _engine(self._look)
        event.listen(engine, "begin", lambda connection: connection.exec_driver_sql("BEGIN"))
        with self._read_by(engine) as connection:
            yield connection

    def close(self) -> None:
        """Checkpoint and close, under the lock."""
        with suppress(OSError), self._alone():
            self._discard()
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None

    @contextmanager
    def _alone(self) -> Iterator[None]:
        if self._lock is None:
            self._lock = open_of_service(self.path.with_name(f"{self.path.name}.lock"))
        fcntl.flock(self._lock, fcntl.LOCK_EX)
        try:
            yield
        finally:
            fcntl.flock(self._lock, fcntl.LOCK_UN)

    def _open(self) -> Connection:
        if self._connection is None:
            _create(self.path)
            connection = self._writer.connect()
            try:
                self._prepare(connection)
            except BaseException:
                connection.close()
                raise
            self._connection = connection
        return self._connection

    def _prepare(self, connection: Connection) -> None:
        """Bring the tables forward, if they are not ours yet."""
        if self._version == VERSION:
            return
        from traceability.migration import bring_forward  # with Alembic, which most starts do not need

        with connection.begin():
            bring_forward(connection, self._version)
            connection.exec_driver_sql(f"PRAGMA application_id = {APPLICATION_ID}")
            connection.exec_driver_sql(f"PRAGMA user_version = {VERSION}")

    def _connect(self) -> sqlite3.Connection:
        """The writing connection; of an earlier version's file a copy is made here."""
        raw = sqlite3.connect(self.path, timeout=BUSY_TIMEOUT_S, isolation_level=None)
        try:
            self._version = _version(raw, self.path)
            raw.execute("PRAGMA journal_mode = WAL")
            raw.execute("PRAGMA synchronous = FULL")
            raw.execute("PRAGMA foreign_keys = ON")
            raw.execute("PRAGMA secure_delete = ON")
            raw.execute(f"PRAGMA cache_size = -{CACHE_KIB}")
            if 0 < self._version < VERSION:
                self.copied = _copy(raw, self.path, self._version)
        except BaseException:
            raw.close()
            raise
        return raw

    def _look(self) -> sqlite3.Connection:
        """A reading connection."""
        raw = sqlite3.connect(
            f"file:{quote(str(self.path))}?mode=ro", uri=True, timeout=BUSY_TIMEOUT_S, isolation_level=None
        )
        try:
            _check(raw, self.path)
        except BaseException:
            raw.close()
            raise
        return raw

    def _discard(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            with suppress(sqlite3.Error, DBAPIError):
                connection.close()


def _engine(connect: Callable[[], sqlite3.Connection]) -> Engine:
    """Without a pool: what is closed is closed. Values are kept out of what errors say."""
    return create_engine("sqlite://", creator=connect, poolclass=NullPool, hide_parameters=True)


def _reason(error: Exception) -> object:
    return error.orig if isinstance(error, DBAPIError) else error


def _create(path: Path) -> None:
    """An empty file that others cannot read (SQLite gives its side files the same mode), and its name on disk."""
    with suppress(FileExistsError):
        os.close(open_of_service(path, os.O_EXCL))
        _sync(path.parent)


def _copy(connection: sqlite3.Connection, path: Path, version: int) -> Path:
    """All of the file as it is, on the disk before anything is changed."""
    copy = path.with_name(f"{path.name}.schema-{version}")
    part = copy.with_name(f"{copy.name}.part")
    part.unlink(missing_ok=True)
    os.close(open_of_service(part, os.O_EXCL))
    target = sqlite3.connect(part)
    try:
        connection.backup(target)
    finally:
        target.close()
    _sync(part)
    part.rename(copy)
    _sync(path.parent)
    return copy


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _check(connection: sqlite3.Connection, path: Path) -> None:
    version = _version(connection, path)
    if version == 0:
        raise Unavailable(f"{path}: the ledger is empty", remedy="has `punchgate centre run` been started once?")
    if version < VERSION:
        raise Unavailable(
            f"{path}: written by an earlier punchgate (schema {version}, this one reads {VERSION})",
            remedy="start `punchgate centre run` of this version: it brings the ledger forward",
        )


def _version(connection: sqlite3.Connection, path: Path) -> int:
    """Schema version of our file; 0 for an empty one. Raises NotDurable for a newer or a foreign one."""
    (version,) = connection.execute("PRAGMA user_version").fetchone()
    (application,) = connection.execute("PRAGMA application_id").fetchone()
    (tables,) = connection.execute("SELECT count(*) FROM sqlite_schema").fetchone()
    if application != APPLICATION_ID and (tables or version):
        raise NotDurable(f"{path}: an SQLite file of another program", remedy="name another database")
    if version > VERSION:
        raise NotDurable(
            f"{path}: written by a newer punchgate (schema {version}, this one knows {VERSION})",
            remedy="install that version again; it is left untouched",
        )
    return int(version)
