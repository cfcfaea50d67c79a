"""When the journal is unreadable or gone, a copy says how far devices were heard, and the next epoch that it did."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from journal_bench import NAMES, ROOMY, Heard, all_lines, make_store, notice, run

from gateway.clock import Clock
from gateway.journal import Journal, Opened, copy, find_journal
from gateway.journal.marks import marks_in
from gateway.records import Heard as Mark
from gateway.records import Item
from gateway.wire import read_line


def marked(number: int, text: str) -> list[Item]:
    return [notice(number), Mark("clock-1", text)]


def kept(folder: Path) -> dict[str, str]:
    store = make_store(folder)
    try:
        return store.marks()
    finally:
        store.close()


async def nothing(_: Journal, __: Heard) -> None:
    """An empty story."""


def spoiled(folder: Path, how: str) -> str:
    """A journal with a mark that is gone then, or cannot be read; its epoch."""

    async def story(journal: Journal, heard: Heard) -> None:
        journal.append(marked(1, "one"))
        await journal.flush()

    run(folder, story)
    path = find_journal(folder)
    epoch = read_line(all_lines(folder)[0].line).epoch
    if how == "unreadable":
        path.write_bytes(b"\xa5" * path.stat().st_size)
    else:
        path.unlink()
    if how == "a start was cut short":
        make_store(folder).close()
    return epoch


@pytest.mark.parametrize("how", ["unreadable", "deleted", "a start was cut short"])
def test_a_journal_that_is_gone_is_named_and_the_copy_knows_the_marks_which_is_said(tmp_path: Path, how: str) -> None:
    epoch = spoiled(tmp_path, how)

    async def story(journal: Journal, heard: Heard) -> None:
        assert journal.found_damaged
        journal.append([notice(2)])

    run(tmp_path, story)
    lost, doubt, last = (read_line(entry.line) for entry in all_lines(tmp_path))
    assert (lost.data["lost"]["cause"], lost.data["lost"]["epoch"]) == ("damage", epoch)
    assert (doubt.type, doubt.data["devices"]) == ("punchgate.journal.marks.v1", ["clock-1"])
    assert last.data["number"] == 2
    assert kept(tmp_path) == {"clock-1": "one"}
    run(tmp_path, nothing)
    assert len(all_lines(tmp_path)) == 3, "it is said once"


@pytest.mark.parametrize("how", ["unreadable", "deleted"])
def test_what_a_new_epoch_begins_with_does_not_prove_that_anybody_listened(tmp_path: Path, how: str) -> None:
    """It was written by the start that found the old one gone."""
    spoiled(tmp_path, how)

    async def main() -> Opened:
        journal = Journal(tmp_path, NAMES, ROOMY, Clock())
        found = journal.open(Heard().listeners())
        await journal.close()
        return found

    found = asyncio.run(main())
    assert (found.newest, found.last) == (2, None)


@pytest.mark.parametrize(
    "text", [b"", b"[]", b'{"check": 1}', b"\xa5\x00", b"null", b"1", b'"x"', b"[" * 99999, None]
)
def test_a_copy_that_is_not_whole_is_no_copy(tmp_path: Path, text: bytes | None) -> None:
    spoiled(tmp_path, "unreadable")
    whole = tmp_path / "journal.marks"
    whole.write_bytes(whole.read_bytes().replace(b"one", b"two") if text is None else text)
    run(tmp_path, nothing)
    assert kept(tmp_path) == {}
    assert read_line(all_lines(tmp_path)[1].line).data["devices"] == []


def test_the_copy_is_written_now_and_then_and_at_the_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    written: list[dict[str, str]] = []
    write = copy.Copy._write

    def count(self: copy.Copy, words: copy.Words) -> None:
        written.append(marks_in(words[1]))
        write(self, words)

    monkeypatch.setattr(copy.Copy, "_write", count)

    async def story(journal: Journal, heard: Heard) -> None:
        for number in range(20):
            journal.append(marked(number, str(number)))
            await journal.flush()

    run(tmp_path, story)
    assert written == [{}, {"clock-1": "19"}]


def test_a_disk_that_does_not_take_the_copy_holds_up_nothing_and_is_not_pestered(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tries: list[copy.Words] = []

    def fail(_: copy.Copy, words: copy.Words) -> None:
        tries.append(words)
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(copy.Copy, "_write", fail)

    async def story(journal: Journal, heard: Heard) -> None:
        for number in range(10):
            journal.append(marked(number, "one"))
            assert await journal.flush()

    assert run(tmp_path, story).troubles == []
    assert len(tries) == 2, "at the start and at the end"
