"""The journal's file: its tables, its version, how a connection is set up. The only importer of sqlite3 here.

One file is one epoch. WAL with synchronous=FULL survives kill -9 and a power cut after each commit; 4 KiB pages write
the least. Exactly one connection writes and checkpoints (SQLite before 3.51.3 can lose commits when two do); every
other is opened read-only.

An older file is taken over step by step, in one transaction, after a copy of it was made. Every step only adds, so
that the release before goes on writing the file it led to: whoever goes back loses nothing. What is newer than that
is refused.
"""

from __future__ import annotations

import errno
import os
import sqlite3
from collections.abc import Callable
from pathlib import Path
from urllib.parse import quote

from gateway.errors import NotDurable
from gateway.journal.ring import find_ring

STEPS = (
    """
CREATE TABLE meta (key TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE records (seq INTEGER PRIMARY KEY, made_ms INTEGER NOT NULL, line BLOB NOT NULL);
CREATE TABLE open_reads (seq INTEGER PRIMARY KEY);
CREATE TABLE quarantine (seq INTEGER PRIMARY KEY, reason TEXT NOT NULL, at_ms INTEGER NOT NULL);
""",
    """
CREATE TABLE tombstones (seq INTEGER PRIMARY KEY, hash BLOB NOT NULL);
""",
)
"""What leads from each version to the next; nothing here is ever changed, only added to."""

OLDEST_WRITERS = (1, 2)
"""For each version the oldest one whose releases may go on writing such a file. From 3 on it is at most the version
before: a step adds tables, or columns with a default, and what it adds may be missing where an older release wrote.
"""

SCHEMA_VERSION = len(STEPS)
WRITABLE_SINCE = "writable_since"
TOMBSTONES_SINCE = 2
SQLITE_VERSION = sqlite3.sqlite_version
Connection = sqlite3.Connection
Error = sqlite3.Error
SQLITE_ERROR = sqlite3.SQLITE_ERROR
DAMAGE = {sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB}
NO_VERSION_FROM = 10_000
COPY_PAGES = 1024
BACK_UP_PAGES = 4096

Progress = Callable[[int, int], None]
"""Pages done, and pages in all."""


def mute(_done: int, _all: int) -> None:
    """Nobody asks how far it is."""


class Damaged(sqlite3.OperationalError):
    """The file is broken, though SQLite has not noticed."""

    sqlite_errorcode = sqlite3.SQLITE_CORRUPT


def connect_writer(path: Path, copying: Progress = mute) -> Connection:
    """The one connection that writes. Raises sqlite3.Error if the file is damaged or cannot be written.

    `copying` hears of the copy that is made before an older file is taken over, as it reaches the disk.
    """
    existed = path.exists() and (path.stat().st_size > 0 or find_ring(path).exists())
    connection = sqlite3.connect(path, isolation_level=None, check_same_thread=False, timeout=5.0)
    try:
        connection.execute("PRAGMA page_size=4096")
        connection.execute("PRAGMA journal_mode=WAL")
        connection.execute("PRAGMA synchronous=FULL")
        connection.execute("PRAGMA temp_store=MEMORY")
        _migrate(connection, path, copying, existed=existed)
    except BaseException:
        connection.close()
        raise
    return connection


def connect_reader(path: Path) -> Connection:
    """A connection that can only read; it never checkpoints. Raises sqlite3.Error."""
    return sqlite3.connect(
        f"file:{quote(str(path))}?mode=ro", uri=True, isolation_level=None, check_same_thread=False, timeout=5.0
    )


def copy_to(source: Connection, target: Path, progress: Progress) -> None:
    """Copy the database as `source` sees it now into one plain file, without a log beside it, and look whether it is
    whole. `progress` gets pages done and pages in all. `source` has to be inside a transaction that has read, or each
    commit of another connection begins the copy anew. Raises sqlite3.Error.
    """
    copy = sqlite3.connect(target, isolation_level=None)
    try:
        source.backup(copy, pages=COPY_PAGES, progress=lambda _, left, pages: progress(pages - left, pages))
        copy.execute("PRAGMA journal_mode=DELETE").fetchall()
        (verdict,) = copy.execute("PRAGMA quick_check(1)").fetchone()
        if verdict != "ok":
            raise Damaged(str(verdict))
    finally:
        copy.close()
    sync(target)


def is_damage(error: BaseException) -> bool:
    """Whether the file itself is broken, as against a full disk, a lock or missing permission."""
    return (getattr(error, "sqlite_errorcode", 0) & 0xFF) in DAMAGE


def is_no_room(error: BaseException) -> bool:
    """Whether only room is missing on the disk: then nothing that is there has suffered."""
    if isinstance(error, OSError):
        return error.errno in (errno.ENOSPC, errno.EDQUOT)
    return (getattr(error, "sqlite_errorcode", 0) & 0xFF) == sqlite3.SQLITE_FULL


def _migrate(connection: Connection, path: Path, copying: Progress, *, existed: bool) -> None:
    """Make the file one of SCHEMA_VERSION; interrupted, it is as it was. Raises sqlite3.Error, NotDurable.

    `existed`: there was something in it, or its ring says that there must have been.
    """
    (version,) = connection.execute("PRAGMA user_version").fetchone()
    if not 0 <= version < NO_VERSION_FROM:
        raise Damaged(f"schema {version}")
    if version > SCHEMA_VERSION:
        if usable_since(connection) <= SCHEMA_VERSION:
            return
        raise NotDurable(
            f"{path}: journal of a newer punchgate (schema {version}, this one knows {SCHEMA_VERSION})",
            remedy="install the newer version again, or move the file away to begin a new epoch",
        )
    if version == SCHEMA_VERSION:
        return
    if version == 0 and existed:
        raise Damaged("nothing is left in it, or not its version")
    if version > 0:
        _back_up(connection, Path(f"{path}.v{version}.bak"), copying)
    steps = "".join(STEPS[version:])
    if (since := OLDEST_WRITERS[SCHEMA_VERSION - 1]) < SCHEMA_VERSION:
        steps += f"INSERT OR REPLACE INTO meta VALUES ('{WRITABLE_SINCE}', '{since}');"
    connection.executescript(f"BEGIN IMMEDIATE;{steps}PRAGMA user_version={SCHEMA_VERSION};COMMIT;")


def usable_since(connection: Connection) -> int:
    """The oldest schema whose releases may write this file; its own if it does not say. Raises sqlite3.Error."""
    (version,) = connection.execute("PRAGMA user_version").fetchone()
    try:
        row = connection.execute("SELECT value FROM meta WHERE key = ?", (WRITABLE_SINCE,)).fetchone()
    except sqlite3.OperationalError as error:
        if error.sqlite_errorcode != SQLITE_ERROR:
            raise
        row = None
    said = str(row[0]) if row else ""
    return min(int(said), int(version)) if said.isascii() and said.isdigit() else int(version)


def _back_up(connection: Connection, copy: Path, copying: Progress) -> None:
    """A consistent copy of the journal as it was, complete under its name or not there. Raises NotDurable."""
    part = copy.with_name(f"{copy.name}.part")

    def tell(_: int, left: int, pages: int) -> None:
        sync(part)
        copying(pages - left, pages)

    try:
        part.unlink(missing_ok=True)
        target = sqlite3.connect(part, isolation_level=None)
        try:
            target.execute("PRAGMA synchronous=OFF")
            connection.backup(target, pages=BACK_UP_PAGES, progress=tell)
        finally:
            target.close()
        sync(part)
        part.replace(copy)
        sync(copy.parent)
    except (sqlite3.Error, OSError) as error:
        part.unlink(missing_ok=True)
        if is_damage(error):
            raise
        raise NotDurable(
            f"{copy}: the journal could not be copied before it is taken over: {error}",
            remedy="make as much room on the disk as the journal takes, or go back to the older version",
        ) from error


def sync(path: Path) -> None:
    """Make a file, or the names in a folder, durable. Raises OSError."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
