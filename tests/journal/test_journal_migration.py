"""A journal of an older version is copied and taken over in one go; interrupted, it starts again."""

from __future__ import annotations

import os
import sqlite3
from pathlib import Path

import pytest
from journal_bench import Heard, all_lines, assert_chain, moment, notice, number_of, read, run

from gateway.errors import NotDurable
from gateway.journal import Journal, Reader, Store, find_journal, schema
from gateway.wire import GENESIS, Origin, encode, line_hash

VERSION_1 = """
CREATE TABLE meta (key TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE records (seq INTEGER PRIMARY KEY, made_ms INTEGER NOT NULL, line BLOB NOT NULL);
CREATE TABLE open_reads (seq INTEGER PRIMARY KEY);
CREATE TABLE quarantine (seq INTEGER PRIMARY KEY, reason TEXT NOT NULL, at_ms INTEGER NOT NULL);
PRAGMA user_version=1;
"""
EPOCH = "5c1f0a9be2d74f11"
COUNT = 300


@pytest.fixture
def old(tmp_path: Path) -> Path:
    """A journal as version 1 left it: 300 records, 200 settled, one refused, one read open, not checkpointed."""
    connection = sqlite3.connect(find_journal(tmp_path), isolation_level=None)
    connection.execute("PRAGMA journal_mode=WAL")
    connection.executescript(VERSION_1)
    prev = GENESIS
    for seq in range(1, COUNT + 1):
        draft = read(seq) if seq == COUNT else notice(seq)
        draft.seq = seq
        line = encode(draft, Origin("hq", "edge-01", "Asia/Shanghai", EPOCH), prev)
        connection.execute("INSERT INTO records VALUES (?, ?, ?)", (seq, moment(seq).time_ms, line))
        prev = line_hash(line)
    connection.execute("INSERT INTO meta VALUES ('epoch', ?), ('settled', '[[1,200]]')", (EPOCH,))
    connection.execute("INSERT INTO quarantine VALUES (7, 'no', 1)")
    connection.execute("INSERT INTO open_reads VALUES (?)", (COUNT,))
    connection.close()
    return tmp_path


def version(path: Path) -> int:
    connection = sqlite3.connect(path)
    try:
        return int(connection.execute("PRAGMA user_version").fetchone()[0])
    finally:
        connection.close()


def content(path: Path) -> list[list[tuple[object, ...]]]:
    connection = sqlite3.connect(path)
    try:
        tables = ("meta", "records", "open_reads", "quarantine")
        return [connection.execute(f"SELECT * FROM {table} ORDER BY 1").fetchall() for table in tables]
    finally:
        connection.close()


def copy_of(state_dir: Path) -> Path:
    return state_dir / "journal.sqlite.v1.bak"


async def _one_more(journal: Journal, _: Heard) -> None:
    journal.append([notice(COUNT + 1)])


def test_an_old_journal_goes_on_and_a_copy_of_it_stays(old: Path) -> None:
    before = content(find_journal(old))
    run(old, _one_more)
    kept = all_lines(old)
    assert (len(kept), number_of(kept[-1])) == (COUNT + 1, COUNT + 1)
    assert_chain(kept)
    assert version(find_journal(old)) == schema.SCHEMA_VERSION > 1
    assert content(copy_of(old)) == before
    assert version(copy_of(old)) == 1
    reader = Reader(find_journal(old))
    assert (reader.meta("epoch"), reader.settled().through(), len(reader.open_reads())) == (EPOCH, 200, 1)


def test_how_far_the_copy_is_is_told_while_it_is_made(old: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(schema, "BACK_UP_PAGES", 4)
    told: list[tuple[int, int]] = []

    def copying(done: int, pages: int) -> None:
        assert not copy_of(old).exists()
        told.append((done, pages))

    Store(find_journal(old), ("hq", "edge-01", "UTC"), copying).close()
    pages = copy_of(old).stat().st_size // 4096
    assert [done for done, _ in told] == [*range(4, pages, 4), pages]
    assert {total for _, total in told} == {pages}


def test_a_reader_understands_an_old_journal_too(old: Path) -> None:
    reader = Reader(find_journal(old))
    assert (reader.bounds(), reader.stats().held, list(reader.expired())) == ((1, COUNT), COUNT, [])
    assert version(find_journal(old)) == 1


@pytest.mark.parametrize("at", ["CREATE TABLE tombstones", "copy"])
def test_an_interrupted_migration_leaves_the_old_journal_and_starts_again(
    old: Path, monkeypatch: pytest.MonkeyPatch, at: str
) -> None:
    before = content(find_journal(old))
    if at == "copy":
        monkeypatch.setattr(os, "fsync", _no_disk)
        with pytest.raises(NotDurable, match="could not be copied"):
            Store(find_journal(old), ("hq", "edge-01", "UTC"))
        assert not list(old.glob("*.bak*"))
    else:
        broken = (*schema.STEPS[:1], f"{schema.STEPS[1]}INSERT INTO nowhere VALUES (1);")
        monkeypatch.setattr(schema, "STEPS", broken)
        with pytest.raises(sqlite3.OperationalError):
            Store(find_journal(old), ("hq", "edge-01", "UTC"))
        assert content(copy_of(old)) == before
    assert (content(find_journal(old)), version(find_journal(old))) == (before, 1)
    monkeypatch.undo()
    run(old, _one_more)
    assert content(copy_of(old)) == before
    assert_chain(all_lines(old))


def test_killed_in_the_middle_it_starts_again(old: Path) -> None:
    before = content(find_journal(old))
    child = os.fork()
    if not child:
        connection = sqlite3.connect(find_journal(old), isolation_level=None)
        connection.execute("BEGIN IMMEDIATE")
        connection.execute("CREATE TABLE tombstones (seq INTEGER PRIMARY KEY, hash BLOB NOT NULL)")
        connection.execute("PRAGMA user_version=2")
        os.kill(os.getpid(), 9)
    os.waitpid(child, 0)
    assert content(find_journal(old)) == before
    run(old, _one_more)
    assert version(find_journal(old)) == schema.SCHEMA_VERSION
    assert content(copy_of(old)) == before


def test_a_fresh_journal_needs_no_copy(tmp_path: Path) -> None:
    run(tmp_path, _one_more)
    assert version(find_journal(tmp_path)) == schema.SCHEMA_VERSION
    assert not list(tmp_path.glob("*.bak*"))


def _no_disk(_: int) -> None:
    raise OSError(28, "No space left on device")
