"""How far a device with a memory was heard stands or falls with the record it came with."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from journal_bench import Disk, Heard, make_store, moment, notice, run, until

from gateway.journal import Journal, Reader, find_journal
from gateway.journal.letters import seal, unseal
from gateway.journal.marks import advanced, latest, rewound
from gateway.records import Draft

PAGE_BYTES = 4096


def marked(number: int, mark: str) -> Draft:
    draft = notice(number)
    draft.mark = ("clock-1", mark)
    return draft


def kept(folder: Path) -> dict[str, str]:
    reader = Reader(find_journal(folder))
    try:
        return reader.marks()
    finally:
        reader.close()


def test_a_mark_is_there_after_a_restart_and_the_latest_counts(tmp_path: Path) -> None:
    async def story(journal: Journal, heard: Heard) -> None:
        journal.append([marked(1, "one"), marked(2, "two")])
        await journal.flush()

    run(tmp_path, story)
    assert kept(tmp_path) == {"clock-1": "two"}
    assert make_store(tmp_path).marks() == {"clock-1": "two"}


def test_a_mark_that_comes_with_no_record_is_kept_too(tmp_path: Path) -> None:
    async def story(journal: Journal, heard: Heard) -> None:
        journal.append([notice(1)])
        journal.keep_mark("clock-1", "base")
        await journal.flush()

    run(tmp_path, story)
    assert kept(tmp_path) == {"clock-1": "base"}


def test_a_commit_that_fails_takes_its_mark_with_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    disk = Disk(monkeypatch)
    store = make_store(tmp_path)
    with store.transaction():
        store.append([marked(1, "one")], 1)
    disk.fail(1, "COMMIT")
    with pytest.raises(sqlite3.OperationalError), store.transaction():
        store.append([marked(2, "two")], 2)
    assert store.marks() == {"clock-1": "one"}
    store.close()


def test_what_a_failed_commit_left_behind_is_taken_back_with_its_mark(tmp_path: Path) -> None:
    store = make_store(tmp_path)
    with store.transaction():
        store.append([marked(1, "one")], 1)
    known = store.as_previous()
    with store.transaction():
        store.append([marked(2, "two"), marked(3, "three")], 2)
    assert store.rewind(known)
    assert store.marks() == {"clock-1": "one"}
    with store.transaction():
        store.append([notice(4), notice(5), notice(6)], 3)
    assert store.marks() == {"clock-1": "one"}, "the numbers were given again, the marks were not"
    store.close()


def test_a_disk_that_fails_and_comes_back_has_the_record_and_its_mark(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    disk = Disk(monkeypatch)

    async def story(journal: Journal, heard: Heard) -> None:
        disk.fail(2, "COMMIT")
        journal.append([marked(1, "one")])
        await until(lambda: heard.entries)

    run(tmp_path, story)
    assert kept(tmp_path) == {"clock-1": "one"}


def test_a_new_epoch_goes_on_where_the_devices_were(tmp_path: Path) -> None:
    async def story(journal: Journal, heard: Heard) -> None:
        journal.append([marked(1, "one")])
        await journal.flush()
        journal.begin_epoch()
        await until(lambda: heard.epochs)

    heard = run(tmp_path, story)
    assert heard.epochs[0].marks == {"clock-1": "one"}
    assert kept(tmp_path) == {"clock-1": "one"}


def test_a_damaged_journal_still_says_how_far_the_devices_were_if_it_can_be_read(tmp_path: Path) -> None:
    store = make_store(tmp_path)
    with store.transaction():
        store.append([marked(1, "one"), *(notice(number, "x" * 500) for number in range(2, 400))], 1)
    pages = store._connection.execute("PRAGMA page_count").fetchone()[0]
    store.close()
    with find_journal(tmp_path).open("r+b") as file:
        file.seek((pages - 6) * PAGE_BYTES)
        file.write(b"\xa5" * (6 * PAGE_BYTES))

    async def story(journal: Journal, heard: Heard) -> None:
        assert journal.found_damaged

    run(tmp_path, story)
    assert kept(tmp_path) == {"clock-1": "one"}


def test_a_mark_survives_in_the_emergency_ring() -> None:
    draft = marked(1, "one")
    (again,) = unseal(seal([draft], {id(draft): 7}, "e"), {}, "e")
    assert again.mark == ("clock-1", "one")
    plain = Draft(draft.body, moment())
    (again,) = unseal(seal([plain], {id(plain): 8}, "e"), {}, "e")
    assert again.mark is None


@given(st.lists(st.tuples(st.integers(1, 5), st.booleans()), max_size=30))
def test_after_any_commits_and_falls_the_mark_is_that_of_the_last_durable_record(
    groups: list[tuple[int, bool]],
) -> None:
    kept_text, durable, truth = None, 0, None
    for size, succeeds in groups:
        text = kept_text
        for seq in range(durable + 1, durable + size + 1):
            text = advanced(text, durable, seq, f"m{seq}")
        if succeeds:
            kept_text, durable, truth = text, durable + size, f"m{durable + size}"
        else:
            kept_text = rewound(text or "[]", durable)  # it had landed after all, and was taken back
        assert latest([("mark:d", kept_text or "[]")], durable).get("d") == truth
