"""Every page of a journal's file damaged or cut off: it starts, serves no changed line, and says what is lost.

A page of records in the place of another one is a page to SQLite. The journal goes on, and the records that are not
found any more are declared lost when it is their turn to be sent (tests/uplink).
"""

from __future__ import annotations

import random
import shutil
from pathlib import Path

import pytest
from journal_bench import Heard, Limits, all_lines, make_store, notice, punch, read, run

from gateway.errors import NotDurable
from gateway.journal import Entry, Journal, Reader, find_journal
from gateway.journal.ring import find_ring
from gateway.wire import Line, line_hash, read_line

PAGE = 4096
COUNT = 240
LIMITS = Limits(1 << 30, 7 * 86_400_000, ring_bytes=256 * 1024)
NEW = 7777


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A journal after an orderly stop: 240 records, some settled, refused, expired, open."""
    folder = tmp_path_factory.mktemp("whole")

    async def story(journal: Journal, _: Heard) -> None:
        for number in range(COUNT // 3):
            first = read(number)
            journal.append([first, punch(first)] if number % 20 else [first, notice(number)])
            journal.append([notice(number, "x" * 300)])
        await journal.flush()
        journal.refuse([(9, "because of this")])

    run(folder, story, LIMITS)
    store = make_store(folder)
    with store.transaction():
        store.remember("settled", "[[1,60],[70,75]]")
        for entry in store.lines(1, 5, 5, 1 << 20):
            store.bury(entry.seq, line_hash(entry.line))
        store.forget(range(1, 6))
        store.remember("refused", "{}")
    store.close()
    return folder


def damaged(file: bytes, page: int, kind: str, chance: random.Random) -> bytes:
    at = page * PAGE
    if kind == "cut":
        return file[: at + chance.choice((0, chance.randrange(PAGE)))]
    if kind == "zeros":
        return file[:at] + bytes(PAGE) + file[at + PAGE :]
    if kind == "noise":
        return file[:at] + chance.randbytes(PAGE) + file[at + PAGE :]
    if kind == "other":
        other = chance.randrange(len(file) // PAGE) * PAGE
        return file[:at] + file[other : other + PAGE] + file[at + PAGE :]
    flipped = bytearray(file)
    for _ in range(chance.randint(1, 4)):
        flipped[at + chance.randrange(PAGE)] ^= 1 << chance.randrange(8)
    return bytes(flipped)


def served_after(folder: Path) -> tuple[Heard, list[Entry]]:
    """Start on what is there, read all back as the replay does, write something; what was served."""
    served: list[Entry] = []

    async def story(journal: Journal, _: Heard) -> None:
        first = 1
        while first <= COUNT:
            try:
                entries = await journal.read(first, COUNT, 50, 1 << 20)
            except NotDurable:
                break
            served.extend(entries)
            first = max(entries[-1].seq + 1 if entries else COUNT + 1, first + 1)
        journal.append([notice(NEW)])
        await journal.flush()

    return run(folder, story, LIMITS), served


def ends(folder: Path) -> tuple[Line, Line]:
    """The newest record and the first of its epoch, or the oldest that can be read of one that goes on."""
    reader = Reader(find_journal(folder))
    first, last = reader.bounds()
    found = [read_line(entry.line) for seq in (last, first) for entry in reader.lines(seq, seq, 1, 1)]
    reader.close()
    return found[0], found[-1]


@pytest.mark.parametrize("kind", ["flips", "noise", "zeros", "other", "cut"])
def test_no_page_stops_the_start_or_lets_a_changed_line_out(whole: Path, tmp_path: Path, kind: str) -> None:
    original = {entry.seq: entry.line for entry in all_lines(whole)}
    (epoch,) = {read_line(line).epoch for line in original.values()}
    file = find_journal(whole).read_bytes()
    chance = random.Random(kind)
    outcomes = {"kept": 0, "set aside": 0}
    for page in range(len(file) // PAGE):
        folder = tmp_path / str(page)
        folder.mkdir()
        shutil.copy(find_ring(find_journal(whole)), folder)
        find_journal(folder).write_bytes(damaged(file, page, kind, chance))
        heard, served = served_after(folder)
        assert heard.bugs == [], page
        last, said = ends(folder)
        assert last.data.get("number") == NEW, page
        ours = [entry for entry in served if read_line(entry.line).epoch == epoch]
        assert [original.get(entry.seq) for entry in ours] == [entry.line for entry in ours], page
        if last.epoch == epoch:
            outcomes["kept"] += 1
        else:
            outcomes["set aside"] += 1
            assert said.data["lost"]["cause"] == "damage", page
            assert list(folder.glob("journal-*.aside")), page
        shutil.rmtree(folder)
    assert outcomes["set aside"] > (3 if kind == "other" else len(file) // PAGE // 3)
