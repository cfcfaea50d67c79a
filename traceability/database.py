"""The ledger's file: one writer at a time, readers beside it, nothing believed after an error.

SQLite before 3.51.3 can lose commits when two connections write and checkpoint at the same moment, and several
centres may share one ledger. So whoever writes, checkpoints or closes first takes an flock on `<database>.lock`;
checkpoints happen inside commits, hence under the same lock. Readers open `mode=ro` and cannot checkpoint.

After any error of a write the connection is thrown away and the next write opens a new one: a failed fsync must
never be asked again and believed. This is the only module of the package that imports sqlite3.

A file of an earlier version is brought forward when it is opened for writing, after a copy of it was put beside it.
"""

from __future__ import annotations

import fcntl
import os
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from urllib.parse import quote

from gateway.errors import Misconfigured, NotDurable, Unavailable
from traceability.schema import APPLICATION_ID, VERSION

BUSY_TIMEOUT_S = 10.0
CACHE_KIB = 16_384

Connection = sqlite3.Connection
Migration = Callable[[Connection, int], None]
"""Brings a file from its version (0: empty) to ours, inside a transaction."""


class Database:
    """The writing side. Belongs to one thread; any number of processes may have one on the same file.

    `copied` is the copy of a file that was brought forward; None: there was no need.
    """

    def __init__(self, path: Path, migration: Migration) -> None:
        self.path = path
        self.copied: Path | None = None
        self._migration = migration
        self._connection: Connection | None = None
        self._lock: int | None = None

    @contextmanager
    def writing(self) -> Iterator[Connection]:
        """One transaction, alone on the file; committed and synced when the block ends.

        Raises NotDurable if it could not be made durable: then nothing of it is in the ledger.
        """
        try:
            with self._alone():
                connection = self._open()
                connection.execute("BEGIN IMMEDIATE")
                try:
                    yield connection
                    connection.execute("COMMIT")
                except BaseException:
                    self._discard()
                    raise
        except (sqlite3.Error, OSError) as error:
            raise NotDurable(
                f"{self.path}: {error}", remedy="look at the disk: free space, permissions, kernel log"
            ) from error

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
            self._lock = os.open(f"{self.path}.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o640)
        fcntl.flock(self._lock, fcntl.LOCK_EX)
        try:
            yield
        finally:
            fcntl.flock(self._lock, fcntl.LOCK_UN)

    def _open(self) -> Connection:
        if self._connection is None:
            _create(self.path)
            connection = sqlite3.connect(self.path, timeout=BUSY_TIMEOUT_S, isolation_level=None)
            try:
                self._prepare(connection)
            except BaseException:
                connection.close()
                raise
            self._connection = connection
        return self._connection

    def _prepare(self, connection: Connection) -> None:
        version = _version(connection, self.path)
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA synchronous = FULL")
        connection.execute("PRAGMA foreign_keys = ON")
        connection.execute("PRAGMA secure_delete = ON")
        connection.execute(f"PRAGMA cache_size = -{CACHE_KIB}")
        if version == VERSION:
            return
        if version:
            self.copied = _copy(connection, self.path, version)
        connection.execute("BEGIN IMMEDIATE")
        self._migration(connection, version)
        connection.execute("COMMIT")

    def _discard(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            with suppress(sqlite3.Error):
                connection.close()


def database_path(setting: str) -> Path:
    """The file a `database` setting means. Raises Misconfigured for an engine that is not built in."""
    if "://" in setting:
        raise Misconfigured(
            f"centre.database: {setting.partition(':')[0]}:// is not supported by this version",
            remedy='give the path of an SQLite file, such as database = "ledger.sqlite"',
        )
    return Path(setting)


@contextmanager
def reading(path: Path) -> Iterator[Connection]:
    """A read-only connection. Raises Unavailable without a ledger, NotDurable if it cannot be read."""
    if not path.is_file():
        raise Unavailable(f"{path}: no ledger there", remedy="has `punchgate centre run` been started once?")
    try:
        connection = sqlite3.connect(
            f"file:{quote(str(path))}?mode=ro", uri=True, timeout=BUSY_TIMEOUT_S, isolation_level=None
        )
        try:
            _check(connection, path)
            yield connection
        finally:
            connection.close()
    except sqlite3.Error as error:
        raise NotDurable(f"{path}: {error}", remedy="run as the user the centre runs as") from error


def _create(path: Path) -> None:
    """An empty file that others cannot read (SQLite gives its side files the same mode), and its name on disk."""
    with suppress(FileExistsError):
        os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o640))
        _sync(path.parent)


def _copy(connection: Connection, path: Path, version: int) -> Path:
    """All of the file as it is, on the disk before anything is changed."""
    copy = path.with_name(f"{path.name}.schema-{version}")
    part = copy.with_name(f"{copy.name}.part")
    part.unlink(missing_ok=True)
    os.close(os.open(part, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o640))
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


def _check(connection: Connection, path: Path) -> None:
    version = _version(connection, path)
    if version == 0:
        raise Unavailable(f"{path}: the ledger is empty", remedy="has `punchgate centre run` been started once?")
    if version < VERSION:
        raise Unavailable(
            f"{path}: written by an earlier punchgate (schema {version}, this one reads {VERSION})",
            remedy="start `punchgate centre run` of this version: it brings the ledger forward",
        )


def _version(connection: Connection, path: Path) -> int:
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
