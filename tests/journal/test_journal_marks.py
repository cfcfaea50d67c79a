"""How far a device with a memory was heard is kept behind its records: never before them, never without them."""

from __future__ import annotations

import json
import sqlite3
from dataclasses import replace
from pathlib import Path

import pytest
from journal_bench import Disk, Heard, all_lines, make_store, moment, notice, punch, read, run, until

from gateway.journal import Journal, Limits, Reader, find_journal
from gateway.journal.letters import drafts_in, seal, unseal
from gateway.journal.marks import filed, legible, marks_in, resolved
from gateway.journal.ring import FRAMES_AT
from gateway.records import Draft, Item
from gateway.records import Heard as Mark
from gateway.wire import MAX_LINE_BYTES, read_line

PAGE_BYTES = 4096
WIDE = Limits(1 << 30, 7 * 86_400_000, ring_bytes=FRAMES_AT + 64 * 1024)
NARROW = Limits(1 << 30, 7 * 86_400_000, ring_bytes=FRAMES_AT + 1024)
NO_RING = Limits(400_000, 7 * 86_400_000, ring_bytes=0)


def mark(text: str, device: str = "clock-1") -> Mark:
    return Mark(device, text)


def marked(number: int, text: str) -> list[Item]:
    return [notice(number), mark(text)]


def kept(folder: Path) -> dict[str, str]:
    reader = Reader(find_journal(folder))
    try:
        return reader.marks()
    finally:
        reader.close()


class FullDisk(Disk):
    """A disk without room while `is_full`."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        super().__init__(monkeypatch)
        monkeypatch.setattr("gateway.journal.intake.SHORT_S", 0.02)
        self.is_full = False
        self.before = self._check

    def _check(self, statement: str) -> None:
        if self.is_full and statement.startswith(("INSERT", "DELETE")):
            error = sqlite3.OperationalError("database or disk is full")
            error.sqlite_errorcode = sqlite3.SQLITE_FULL
            raise error


async def nothing(_: Journal, __: Heard) -> None:
    """An empty story."""


def test_a_mark_is_there_after_a_restart_and_the_latest_counts(tmp_path: Path) -> None:
    async def story(journal: Journal, heard: Heard) -> None:
        journal.append([*marked(1, "one"), *marked(2, "two")])
        await journal.flush()

    run(tmp_path, story)
    assert kept(tmp_path) == {"clock-1": "two"}
    assert make_store(tmp_path).marks() == {"clock-1": "two"}


def test_a_mark_that_comes_with_no_record_is_kept_too(tmp_path: Path) -> None:
    async def story(journal: Journal, heard: Heard) -> None:
        journal.append([notice(1)])
        journal.append([mark("base")])
        await journal.flush()

    run(tmp_path, story)
    assert kept(tmp_path) == {"clock-1": "base"}


def test_a_commit_that_fails_takes_its_mark_with_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    disk = Disk(monkeypatch)
    store = make_store(tmp_path)
    with store.transaction():
        store.append(marked(1, "one"), 1)
    disk.fail(1, "COMMIT")
    with pytest.raises(sqlite3.OperationalError), store.transaction():
        store.append(marked(2, "two"), 2)
    assert store.marks() == marks_in(store.kept_beside) == {"clock-1": "one"}
    store.close()


def test_what_a_failed_commit_left_behind_is_taken_back_with_all_that_stood_beside_it(tmp_path: Path) -> None:
    store = make_store(tmp_path)
    with store.transaction():
        store.append(marked(1, "one"), 1)
        store.remember("drained", "7")
    known = store.as_previous()
    with store.transaction():
        store.append([*marked(2, "two"), mark("new", "clock-2")], 2)
        store.remember("drained", "8")
        store.remember("refused", "{}")
    store.close()
    store = make_store(tmp_path)
    assert store.rewind(known)
    assert store.beside() == store.kept_beside == {"mark:clock-1": filed(1, "one"), "drained": "7"}
    store.close()


def test_a_disk_that_fails_and_comes_back_has_the_record_and_its_mark(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    disk = Disk(monkeypatch)

    async def story(journal: Journal, heard: Heard) -> None:
        disk.fail(2, "COMMIT")
        journal.append(marked(1, "one"))
        await until(lambda: heard.entries)

    run(tmp_path, story)
    assert kept(tmp_path) == {"clock-1": "one"}


def test_marks_wait_in_the_ring_behind_their_records_and_a_start_knows_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    disk = FullDisk(monkeypatch)

    async def fill(journal: Journal, _: Heard) -> None:
        journal.append(marked(1, "one"))
        await journal.flush()
        disk.is_full = True
        journal.append(marked(2, "two"))
        journal.append([mark("silent")])
        assert await journal.flush()
        assert journal.fullness().waiting.kept == 1, "a mark is no record"

    async def look(journal: Journal, heard: Heard) -> None:
        assert journal._describe(journal._writer.store).marks == {"clock-1": "silent"}
        assert kept(tmp_path) == {"clock-1": "one"}, "its records are not there yet"
        disk.is_full = False
        await until(lambda: heard.entries)

    run(tmp_path, fill, WIDE)
    run(tmp_path, look, WIDE)
    assert kept(tmp_path) == {"clock-1": "silent"}


def test_a_full_quota_does_not_let_a_mark_overtake_the_records_in_the_ring(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("gateway.journal.quota.MEASURE_EVERY", 2)
    limits = Limits(200_000, 7 * 86_400_000, ring_bytes=WIDE.ring_bytes)

    async def story(journal: Journal, heard: Heard) -> None:
        while not any(heard.troubles):
            journal.append([notice(1, "x" * 1000)])
            await journal.flush()
        journal.append([notice(2)])
        journal.append([mark("two")])
        await journal.flush()
        assert kept(tmp_path) == {}
        assert journal._writer.overflow.marks() == {"clock-1": "two"}

    run(tmp_path, story, limits)


@pytest.mark.parametrize("limits", [NARROW, NO_RING], ids=["ring", "journal"])
def test_what_is_refused_for_want_of_room_keeps_no_mark_so_the_device_tells_it_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, limits: Limits
) -> None:
    monkeypatch.setattr("gateway.journal.quota.MEASURE_EVERY", 2)
    disk = FullDisk(monkeypatch)

    async def story(journal: Journal, heard: Heard) -> None:
        journal.append(marked(1, "one"))
        await journal.flush()
        while limits is NO_RING and not any(heard.troubles):
            journal.append([notice(1, "x" * 1000)])
            await journal.flush()
        disk.is_full = limits is NARROW
        for number in range(2, 9):
            journal.append(marked(number, str(number)))
        await journal.flush()

    run(tmp_path, story, limits)
    disk.is_full = False
    opened = run(tmp_path, nothing)
    numbers = [read_line(entry.line).data.get("number") for entry in all_lines(tmp_path)]
    last = max(number for number in numbers if number)
    assert last < 8
    assert kept(tmp_path) == {"clock-1": "one" if last == 1 else str(last)}
    assert opened.bugs == []


def test_what_no_centre_would_take_is_stated_and_passed_by(tmp_path: Path) -> None:
    async def story(journal: Journal, heard: Heard) -> None:
        journal.append([notice(1, "x" * MAX_LINE_BYTES), mark("one")])
        await journal.flush()
        assert kept(tmp_path) == {"clock-1": "one"}
        journal.append([notice(2)])
        await until(lambda: len(heard.entries) >= 2)

    heard = run(tmp_path, story)
    assert any(b'"cause":"refused"' in entry.line for entry in heard.entries)
    assert kept(tmp_path) == {"clock-1": "one"}


def test_those_who_ask_are_told_whether_it_was_taken_or_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    disk = FullDisk(monkeypatch)
    told: list[bool] = []

    async def story(journal: Journal, heard: Heard) -> None:
        async def ask(draft: Draft) -> None:
            journal.append([draft])
            journal.when_taken([draft], told.append)
            await until(lambda: len(told) == asked)

        asked = 1
        await ask(notice(1))
        disk.is_full = True
        for asked in range(2, 12):
            await ask(notice(asked))
        assert (told[:2], told[-1]) == ([True, True], False)
        disk.is_full = False
        asked = 12
        await ask(notice(1, "x" * MAX_LINE_BYTES))
        assert told[-1] is False

    run(tmp_path, story, NARROW)


def test_a_new_epoch_goes_on_where_the_devices_were(tmp_path: Path) -> None:
    async def story(journal: Journal, heard: Heard) -> None:
        journal.append(marked(1, "one"))
        await journal.flush()
        journal.begin_epoch()
        await until(lambda: heard.epochs)

    heard = run(tmp_path, story)
    assert heard.epochs[0].marks == {"clock-1": "one"}
    assert kept(tmp_path) == {"clock-1": "one"}


def test_a_damaged_journal_still_says_how_far_the_devices_were_if_it_can_be_read(tmp_path: Path) -> None:
    store = make_store(tmp_path)
    with store.transaction():
        store.append([*marked(1, "one"), *(notice(number, "x" * 500) for number in range(2, 400))], 1)
    pages = store._connection.execute("PRAGMA page_count").fetchone()[0]
    store.close()
    with find_journal(tmp_path).open("r+b") as file:
        file.seek((pages - 6) * PAGE_BYTES)
        file.write(b"\xa5" * (6 * PAGE_BYTES))

    async def story(journal: Journal, heard: Heard) -> None:
        assert journal.found_damaged

    run(tmp_path, story)
    assert kept(tmp_path) == {"clock-1": "one"}


def test_an_old_copy_of_a_journal_does_not_know_what_came_after_it(tmp_path: Path) -> None:
    async def story(journal: Journal, heard: Heard) -> None:
        journal.append(marked(1, "one"))
        journal.begin_epoch()
        await until(lambda: len(heard.entries) >= 3)

    run(tmp_path, story)
    assert [read_line(entry.line).type.split(".")[1] for entry in all_lines(tmp_path)] == ["records", "journal"]


def test_what_was_taken_from_the_ring_is_not_taken_again_by_the_next_epoch(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    disk = FullDisk(monkeypatch)

    async def fill(journal: Journal, _: Heard) -> None:
        journal.append([notice(number, "x" * 500) for number in range(10, 400)])
        await journal.flush()
        disk.is_full = True
        journal.append(marked(1, "one"))
        await journal.flush()

    run(tmp_path, fill, WIDE)
    waiting = (tmp_path / "journal.ring").read_bytes()
    disk.is_full = False
    run(tmp_path, nothing, WIDE)
    (tmp_path / "journal.ring").write_bytes(waiting)
    damage_records(tmp_path)
    run(tmp_path, nothing, WIDE)
    lines = [read_line(entry.line) for entry in all_lines(tmp_path)]
    assert [line.data.get("number") for line in lines if "number" in line.data] == []
    assert kept(tmp_path) == {"clock-1": "one"}


def damage_records(folder: Path) -> None:
    """The last pages of the file are garbage; what stood beside the records can be read."""
    path = find_journal(folder)
    pages = path.stat().st_size // PAGE_BYTES
    with path.open("r+b") as file:
        file.seek((pages - 6) * PAGE_BYTES)
        file.write(b"\xa5" * (6 * PAGE_BYTES))


def test_what_was_refused_and_not_yet_said_is_said_by_the_next_epoch(tmp_path: Path) -> None:
    gaps = {json.dumps(["clock-1", "quota"]): {"count": 3, "since": "then", "until": "now"}}
    store = make_store(tmp_path)
    with store.transaction():
        store.append([notice(1)], 0)
    previous = store.as_previous()
    store.close()
    find_journal(tmp_path).unlink()
    store = make_store(tmp_path)
    store.begin(replace(previous, beside={"refused": json.dumps(gaps)}), moment())
    store.close()
    heard = run(tmp_path, nothing)
    (said,) = [read_line(entry.line).data["lost"] for entry in heard.entries]
    assert (said["cause"], said["count"], said["device"]) == ("quota", 3, "clock-1")


def test_of_a_damaged_file_only_what_has_the_right_form_is_believed() -> None:
    beside = {
        "mark:a": filed(3, "one"),
        "mark:b": "[[1,",
        "mark:c": "[[1, 2]]",
        "mark:d": "[]",
        "refused": '{"x": 1}',
        "drained": "12",
        "epoch": "x",
    }
    assert legible(beside) == {"mark:a": filed(3, "one"), "drained": "12"}
    assert marks_in({"mark:d": "[]"}) == {}


OLD = {"mark:a": '[[1, "before"], [4, "last"]]'}


@pytest.mark.parametrize(("newest", "mark"), [(3, "before"), (4, "last"), (9, "last"), (None, "before")])
def test_of_two_marks_of_an_earlier_version_the_one_whose_record_is_there_counts(
    newest: int | None, mark: str
) -> None:
    assert marks_in(resolved(OLD, newest)) == {"a": mark}
    assert marks_in(legible(OLD)) == {"a": "before"}, "the end of a damaged file is not believed"


def test_a_mark_without_its_record_does_not_come_to_life_when_more_records_are_written(tmp_path: Path) -> None:
    store = make_store(tmp_path)
    with store.transaction():
        store.append([notice(1)], 1)
        store.remember("mark:clock-1", OLD["mark:a"])
    store.close()
    store = make_store(tmp_path)
    assert store.marks() == {"clock-1": "before"}
    with store.transaction():
        store.append([notice(number) for number in range(2, 9)], 2)
    store.close()
    assert make_store(tmp_path).marks() == {"clock-1": "before"}


def test_a_mark_survives_in_the_emergency_ring() -> None:
    first, second = read(1), read(2)
    group: list[Item] = [first, mark("one"), mark("other", "clock-2"), second, punch(first)]
    places = {id(item): at for at, item in enumerate(item for item in group if isinstance(item, Draft))}
    letter = seal(group, places, "e")
    again = unseal(letter, {}, "e")
    marks = [(at, item.device, item.mark) for at, item in enumerate(again) if isinstance(item, Mark)]
    assert marks == [(1, "clock-1", "one"), (2, "clock-2", "other")]
    assert drafts_in(letter) == 3
    assert again[4].closes == (again[0],)  # type: ignore[union-attr]


def test_a_mark_that_an_older_version_left_in_the_ring_stands_behind_its_record() -> None:
    draft = notice(1)
    parts = json.loads(seal([draft], {id(draft): 7}, "e"))
    parts[0]["mark"] = ["clock-1", "one"]
    one, heard = unseal(json.dumps(parts).encode(), {}, "e")
    assert isinstance(one, Draft)
    assert isinstance(heard, Mark)
    assert (heard.device, heard.mark) == ("clock-1", "one")
