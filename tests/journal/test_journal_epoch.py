"""Files that cannot be used: damaged, of a newer version, a copy. And what an epoch must not do to the next one."""

from __future__ import annotations

import sqlite3
from pathlib import Path
from typing import Any

import pytest
from journal_bench import (
    NAMES,
    Disk,
    Heard,
    all_lines,
    assert_chain,
    make_store,
    notice,
    number_of,
    punch,
    read,
    run,
    until,
)

from gateway.errors import NotDurable
from gateway.journal import Journal, Opened, Store, find_journal
from gateway.spans import Spans
from gateway.wire import read_line


def fill(state_dir: Path, count: int, settled: int = 0) -> tuple[str, str]:
    """A journal of `count` records; its epoch and head."""
    store = make_store(state_dir)
    with store.transaction():
        store.append([notice(number, "x" * 600) for number in range(count)], 0)
        store.remember("settled", f"[[1,{settled}]]" if settled else "[]")
    known = store.origin.epoch, store.head
    store.close()
    return known


def lost(entry: Any) -> dict[str, Any]:
    """What a records.lost record says."""
    data = read_line(entry.line).data
    return {**data["lost"], "previous": data.get("previous")}


async def nothing(_: Journal, __: Heard) -> None:
    """An empty story."""


def overwrite(path: Path, offset: int, size: int) -> None:
    with path.open("r+b") as file:
        file.seek(offset)
        file.write(b"\xa5" * size)


@pytest.mark.parametrize("offset", [0, 4096], ids=["not-a-database", "first-table"])
def test_a_damaged_file_is_set_aside_and_a_new_epoch_says_so(tmp_path: Path, offset: int) -> None:
    epoch, _ = fill(tmp_path, 50)
    overwrite(find_journal(tmp_path), offset, 20_000)
    run(tmp_path, nothing)
    kept = all_lines(tmp_path)
    assert read_line(kept[0].line).epoch != epoch
    assert lost(kept[0])["cause"] == "damage"
    assert list(tmp_path.glob("journal-*.aside"))
    assert_chain(kept)


def test_a_cut_file_is_set_aside(tmp_path: Path) -> None:
    fill(tmp_path, 500)
    path = find_journal(tmp_path)
    with path.open("r+b") as file:
        file.truncate(path.stat().st_size // 2 // 4096 * 4096)
    run(tmp_path, nothing)
    kept = all_lines(tmp_path)
    assert lost(kept[0])["cause"] == "damage"
    assert_chain(kept)


def test_a_damaged_file_that_still_knows_its_epoch_is_named(tmp_path: Path) -> None:
    epoch, _ = fill(tmp_path, 2000, settled=700)
    store = make_store(tmp_path)
    root = store._connection.execute("SELECT rootpage FROM sqlite_master WHERE name='records'").fetchone()[0]
    store.close()
    overwrite(find_journal(tmp_path), (root - 1) * 4096, 4096)
    run(tmp_path, nothing)
    said = lost(all_lines(tmp_path)[0])
    assert (said["epoch"], said["first"], said["last"]) == (epoch, 701, None)


def test_damage_while_running_begins_an_epoch_that_names_the_last(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    epoch, head = fill(tmp_path, 10, settled=4)
    disk = Disk(monkeypatch)
    corrupt = sqlite3.DatabaseError("database disk image is malformed")
    corrupt.sqlite_errorcode = sqlite3.SQLITE_CORRUPT

    async def story(journal: Journal, heard: Heard) -> None:
        failed: list[str] = []

        def fail_once(statement: str) -> None:
            if statement.startswith("INSERT INTO records") and not failed:
                failed.append(statement)
                raise corrupt

        disk.before = fail_once
        journal.append([notice(10)])
        journal.settle(Spans([(1, 9)]), "ledger", 3)
        journal.refuse([(9, "because")])
        await until(lambda: len(heard.entries) >= 2)

    heard = run(tmp_path, story)
    assert [opened.newest for opened in heard.epochs] == [1]
    said = lost(heard.entries[0])
    assert (said["epoch"], said["first"], said["last"], said["count"]) == (epoch, 5, 10, 6)
    assert said["previous"] == {"epoch": epoch, "seq": 10, "hash": head}
    assert number_of(heard.entries[1]) == 10
    assert [trouble and trouble.kind for trouble in heard.troubles] == ["damage", None]


def test_what_was_settled_in_one_epoch_is_not_settled_in_the_next(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fill(tmp_path, 10)
    seen: list[Opened] = []

    async def story(journal: Journal, heard: Heard) -> None:
        journal.begin_epoch()
        journal.settle(Spans([(1, 10)]), "ledger", 3)
        journal.refuse([(1, "because")])
        await until(lambda: heard.epochs)
        await journal.flush()

    run(tmp_path, story)
    store = make_store(tmp_path)
    assert (store.settled(), store.meta("ledger"), store.quarantine()) == (Spans(), None, [])
    assert seen == []


def test_what_is_appended_after_the_end_of_an_epoch_is_in_the_next_one(tmp_path: Path) -> None:
    fill(tmp_path, 3)

    async def story(journal: Journal, heard: Heard) -> None:
        journal.append([notice(100)])
        journal.begin_epoch()
        journal.append([notice(101)])
        journal.begin_epoch()
        await until(lambda: len(heard.entries) >= 4)
        await journal.flush()

    heard = run(tmp_path, story)
    assert len(heard.epochs) == 1, "asked twice, done once"
    assert [number_of(entry) for entry in heard.entries] == [100, None, None, 101]
    assert (lost(heard.entries[1])["first"], lost(heard.entries[1])["last"]) == (1, 4)
    assert_chain(all_lines(tmp_path))


def test_of_a_copy_whose_records_are_all_settled_nobody_knows_how_many_came_after_them(tmp_path: Path) -> None:
    fill(tmp_path, 3, settled=3)

    async def story(journal: Journal, heard: Heard) -> None:
        journal.begin_epoch()
        await until(lambda: heard.entries)

    said = lost(run(tmp_path, story).entries[0])
    assert (said["first"], said["last"], said["count"]) == (None, None, None)


def test_a_new_epoch_that_fails_half_way_is_finished_later(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    epoch, _ = fill(tmp_path, 3)
    disk = Disk(monkeypatch)

    async def story(journal: Journal, heard: Heard) -> None:
        disk.fail(3, "INSERT INTO records")
        journal.begin_epoch()
        await until(lambda: len(heard.entries) >= 1)
        journal.append([notice(7)])
        await until(lambda: len(heard.entries) >= 2)

    heard = run(tmp_path, story)
    assert lost(heard.entries[0])["epoch"] == epoch
    assert len(heard.epochs) == 1
    assert len(list(tmp_path.glob("*.aside*"))) == 1
    assert heard.troubles[-1] is None
    assert_chain(all_lines(tmp_path))


def test_damage_that_only_a_reader_meets_ends_the_epoch_too(tmp_path: Path) -> None:
    fill(tmp_path, 2000)
    store = make_store(tmp_path)
    pages = store._connection.execute("PRAGMA page_count").fetchone()[0]
    store.close()
    overwrite(find_journal(tmp_path), pages // 3 * 4096, 50 * 4096)

    async def story(journal: Journal, heard: Heard) -> None:
        with pytest.raises(NotDurable):
            await journal.read(1, 1500, 2000, 1 << 30)
        await until(lambda: heard.epochs)
        assert [entry.seq for entry in await journal.read(1, 9, 9, 9999)] == [1]

    assert lost(run(tmp_path, story).entries[0])["last"] == 2000


def test_a_damaged_open_read_does_not_stop_the_start(tmp_path: Path) -> None:
    store = make_store(tmp_path)
    with store.transaction():
        store.append([read(0)], 0)
        store.append([notice(number, "x" * 600) for number in range(2000)], 0)
    page = store._connection.execute("SELECT rootpage FROM sqlite_master WHERE name='open_reads'").fetchone()[0]
    store.close()
    overwrite(find_journal(tmp_path), (page - 1) * 4096, 4096)
    run(tmp_path, nothing)
    assert lost(all_lines(tmp_path)[0])["cause"] == "damage"


def test_a_journal_of_a_newer_version_is_refused_and_left_alone(tmp_path: Path) -> None:
    fill(tmp_path, 3)
    connection = sqlite3.connect(find_journal(tmp_path))
    connection.execute("PRAGMA user_version=99")
    connection.close()
    before = find_journal(tmp_path).read_bytes()
    with pytest.raises(NotDurable, match="newer punchgate"):
        run(tmp_path, nothing)
    assert find_journal(tmp_path).read_bytes() == before


def test_a_state_directory_that_is_not_there_is_said(tmp_path: Path) -> None:
    with pytest.raises(NotDurable, match="cannot be opened"):
        run(tmp_path / "nowhere", nothing)


def test_an_empty_file_is_a_new_journal(tmp_path: Path) -> None:
    find_journal(tmp_path).touch()
    run(tmp_path, nothing)
    assert all_lines(tmp_path) == []


def test_a_store_that_cannot_be_read_lets_go_of_the_file(tmp_path: Path) -> None:
    fill(tmp_path, 3)
    connection = sqlite3.connect(find_journal(tmp_path))
    connection.execute("DROP TABLE records")
    connection.close()
    with pytest.raises(sqlite3.OperationalError):
        Store(find_journal(tmp_path), NAMES)
    connection = sqlite3.connect(find_journal(tmp_path), timeout=0.1)
    assert connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()[0] == 0
    connection.close()


def test_reads_left_open_are_there_at_the_next_start(tmp_path: Path) -> None:
    first, second = read(1), read(2)

    async def story(journal: Journal, heard: Heard) -> None:
        journal.append([first, second])
        journal.append([punch(first)])
        await until(lambda: len(heard.entries) >= 3)

    run(tmp_path, story)
    assert [entry.seq for entry in make_store(tmp_path).open_reads()] == [2]
