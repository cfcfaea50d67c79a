"""No room: drafts wait in the ring, durable, in order, and come into the journal once; what cannot is confessed."""

from __future__ import annotations

import asyncio
import os
import random
import signal
import sqlite3
import time
from pathlib import Path

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

from gateway.clock import Clock
from gateway.journal import Entry, Journal, Limits, Listeners
from gateway.journal.ring import FRAMES_AT
from gateway.records import Draft
from gateway.spans import Spans
from gateway.wire import Line, read_line

WIDE = Limits(1 << 30, 7 * 86_400_000, ring_bytes=FRAMES_AT + 64 * 1024)
NARROW = Limits(1 << 30, 7 * 86_400_000, ring_bytes=FRAMES_AT + 3 * 1024)


class FullDisk(Disk):
    """A disk that has no room while `is_full`."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        super().__init__(monkeypatch)
        monkeypatch.setattr("gateway.journal.intake.SHORT_S", 0.02)
        monkeypatch.setattr("gateway.journal.writer.RETRY_MAX_S", 0.02)
        self.is_full = False
        self.before = self._check

    def _check(self, statement: str) -> None:
        if self.is_full and statement.startswith(("INSERT", "DELETE")):
            error = sqlite3.OperationalError("database or disk is full")
            error.sqlite_errorcode = sqlite3.SQLITE_FULL
            raise error


def lines(state_dir: Path) -> list[Line]:
    kept = all_lines(state_dir)
    assert_chain(kept)
    return [read_line(entry.line) for entry in kept]


def test_what_waits_is_durable_but_not_told_and_comes_first_when_there_is_room(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    disk = FullDisk(monkeypatch)
    first = read(2)

    async def story(journal: Journal, heard: Heard) -> None:
        journal.append([notice(1)])
        await journal.flush()
        disk.is_full = True
        journal.append([first])
        journal.append([notice(3)])
        assert await journal.flush(), "durable in the ring"
        assert [number_of(entry) for entry in heard.entries] == [1]
        assert (first.seq, journal.fullness().waiting.kept) == (None, 2)
        disk.is_full = False
        journal.append([punch(first), notice(4)])
        await until(lambda: len(heard.entries) >= 5)
        assert journal.fullness().waiting.kept == 0

    heard = run(tmp_path, story, WIDE)
    assert [trouble and trouble.kind for trouble in heard.troubles] == ["quota", None], "the ports are read on"
    kept = lines(tmp_path)
    assert [line.data.get("number") for line in kept] == [1, None, 3, None, 4]
    assert kept[3].data["refs"]["read"] == kept[1].seq == first.seq
    assert [entry.line for entry in heard.entries] == [line.raw for line in kept]
    assert make_store(tmp_path).open_reads() == []


def test_a_start_takes_up_what_an_earlier_run_left_waiting(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    disk = FullDisk(monkeypatch)
    first, second = read(1), read(2)

    async def fill(journal: Journal, _: Heard) -> None:
        disk.is_full = True
        journal.append([first, second])
        journal.append([punch(first)])
        await journal.flush()

    async def nothing(journal: Journal, _: Heard) -> None:
        journal.append([notice(3)])

    run(tmp_path, fill, WIDE)
    disk.is_full = False
    run(tmp_path, nothing, WIDE)
    run(tmp_path, nothing, WIDE)
    kept = lines(tmp_path)
    assert [line.type.split(".")[1] for line in kept] == ["credential", "credential", "punch", "device", "device"]
    assert [line.time for line in kept[:2]] == [
        "2026-11-23T02:13:20.001Z",
        "2026-11-23T02:13:20.002Z",
    ], "the moment is that of the reading"
    assert [entry.seq for entry in make_store(tmp_path).open_reads()] == [2]


def test_reads_an_earlier_run_left_open_in_the_ring_are_told_when_they_get_their_number(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    disk = FullDisk(monkeypatch)
    closed = read(2)

    async def fill(journal: Journal, _: Heard) -> None:
        disk.is_full = True
        journal.append([read(1), closed])
        journal.append([punch(closed)])
        await journal.flush()

    async def go_on(journal: Journal, heard: Heard) -> None:
        journal.append([read(3)])
        await journal.flush()
        assert heard.left_open == []
        disk.is_full = False
        await until(lambda: heard.left_open)

    run(tmp_path, fill, WIDE)
    heard = run(tmp_path, go_on, WIDE)
    assert [entry.seq for entry in heard.left_open] == [1]
    assert [line.data["seq"] for line in lines(tmp_path) if line.type.endswith("read.v1")] == [1, 2, 4]


def test_a_full_ring_refuses_counts_and_confesses_after_a_restart_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    disk = FullDisk(monkeypatch)

    async def fill(journal: Journal, _: Heard) -> None:
        disk.is_full = True
        for number in range(30):
            journal.append([notice(number)])
        await journal.flush()
        waiting = journal.fullness().waiting
        assert waiting.kept + waiting.refused == 30
        assert waiting.refused > 5

    async def go_on(journal: Journal, _: Heard) -> None:
        journal.append([notice(30)])
        await journal.flush()
        disk.is_full = False
        await until(lambda: not journal.fullness().waiting.refused)
        journal.append([notice(31)])

    run(tmp_path, fill, NARROW)
    run(tmp_path, go_on, NARROW)
    kept = lines(tmp_path)
    numbers = [line.data["number"] for line in kept if "number" in line.data]
    lost = [line.data["lost"] for line in kept if "lost" in line.data]
    assert numbers == [*range(len(numbers) - 1), 31]
    assert [(gap["cause"], gap["device"], gap["count"]) for gap in lost] == [
        ("quota", "lane-1-in", 31 - (len(numbers) - 1))
    ]
    assert (lost[0]["from"], lost[0]["to"]) == (
        f"2026-11-23T02:13:20.{len(numbers) - 1:03d}Z",
        "2026-11-23T02:13:20.030Z",
    )


def test_a_punch_whose_read_was_refused_is_refused_too_and_a_reached_quota_uses_the_ring(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("gateway.journal.quota.MEASURE_EVERY", 2)
    limits = Limits(200_000, 7 * 86_400_000, ring_bytes=NARROW.ring_bytes)
    last = read(9)

    async def story(journal: Journal, heard: Heard) -> None:
        while not any(heard.troubles):
            journal.append([notice(1, "x" * 1000)])
            await journal.flush()
        for number in range(20):
            journal.append([notice(number)])
        journal.append([last])
        await journal.flush()
        journal.append([punch(last)])
        await journal.flush()
        journal.settle(Spans([(1, heard.entries[-1].seq)]), "ledger", 1)
        await until(lambda: heard.troubles[-1] is None)
        journal.append([punch(last)])
        await journal.flush()
        journal.append([notice(7)])
        await until(lambda: b'"cause":"refused"' in heard.entries[-2].line)

    heard = run(tmp_path, story, limits)
    assert last.seq is None
    assert b"credential.read" not in b"".join(entry.line for entry in heard.entries)


@pytest.mark.parametrize("fails", ["COMMIT", "ring"])
def test_an_error_between_journal_and_ring_doubles_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, fails: str
) -> None:
    disk = FullDisk(monkeypatch)

    async def story(journal: Journal, heard: Heard) -> None:
        disk.is_full = True
        journal.append([notice(1)])
        await journal.flush()
        journal.append([notice(2)])
        await journal.flush()
        empty, left = journal._writer.overflow._ring.empty, [3]

        def fail() -> None:
            left[0] -= 1
            if left[0] >= 0:
                raise OSError(5, "Input/output error")
            empty()

        if fails == "ring":
            monkeypatch.setattr(journal._writer.overflow._ring, "empty", fail)
        else:
            disk.fail(3, late=True)
        disk.is_full = False
        await until(lambda: len(heard.entries) >= 2)
        journal.append([notice(3)])

    run(tmp_path, story, WIDE)
    assert [line.data["number"] for line in lines(tmp_path)] == [1, 2, 3]


def test_a_crash_between_the_commit_and_the_emptying_doubles_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    disk = FullDisk(monkeypatch)

    async def fill(journal: Journal, _: Heard) -> None:
        disk.is_full = True
        journal.append([notice(1)])
        await journal.flush()

    async def nothing(_: Journal, __: Heard) -> None:
        pass

    run(tmp_path, fill, WIDE)
    before = (tmp_path / "journal.ring").read_bytes()
    disk.is_full = False
    run(tmp_path, nothing, WIDE)
    (tmp_path / "journal.ring").write_bytes(before)
    run(tmp_path, nothing, WIDE)
    assert [line.data["number"] for line in lines(tmp_path)] == [1]


def test_what_waits_goes_into_the_next_epoch_without_its_references_into_the_last(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    disk = FullDisk(monkeypatch)
    first = read(1)

    async def story(journal: Journal, heard: Heard) -> None:
        journal.append([first])
        await journal.flush()
        disk.is_full = True
        journal.append([punch(first)])
        journal.append([notice(2)])
        await journal.flush()

    run(tmp_path, story, WIDE)
    (tmp_path / "journal.sqlite").write_bytes(b"\xa5" * 60_000)
    disk.is_full = False
    run(tmp_path, story_of_nothing, WIDE)
    kept = lines(tmp_path)
    assert [line.data.get("lost", {}).get("cause") for line in kept] == ["damage", None, None, "refused"]
    assert (kept[1].type, kept[2].data["number"]) == ("punchgate.journal.marks.v1", 2)


async def story_of_nothing(_: Journal, __: Heard) -> None:
    """An empty story."""


def _write_on_a_disk_that_fills(state_dir: Path, pipe: int, begin: int, chance: random.Random) -> None:
    async def main() -> None:
        patch = pytest.MonkeyPatch()
        disk = FullDisk(patch)
        journal = Journal(state_dir, NAMES, NARROW, Clock())
        ignored = lambda *_: None  # noqa: E731
        journal.open(Listeners(ignored, ignored, ignored))
        number, last = begin, Draft(notice().body, notice().moment)
        while True:
            disk.is_full = chance.random() < 0.7
            for _ in range(chance.randint(1, 6)):
                last = notice(number)
                journal.append([last])
                journal.when_durable(lambda told=number: os.write(pipe, b"%d\n" % told))
                number += 1
            await asyncio.sleep(chance.choice((0, 0, 0.001, 0.03)))

    asyncio.run(main())


def _killed(state_dir: Path, begin: int, chance: random.Random) -> int:
    """Write in a child until it is killed; the last number that was told to be durable."""
    ours, theirs = os.pipe()
    child = os.fork()
    if not child:
        try:
            _write_on_a_disk_that_fills(state_dir, theirs, begin, chance)
        finally:
            os._exit(1)
    os.close(theirs)
    with os.fdopen(ours, "rb") as told:
        first = told.readline()
        time.sleep(chance.uniform(0.0, 0.08))
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
        return int((first + told.read()).split(b"\n")[-2])


def test_kill_9_while_the_disk_fills_and_empties_loses_and_doubles_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    chance = random.Random(3)
    FullDisk(monkeypatch)
    told: list[int] = []
    for turn in range(25):
        begin = turn * 100_000
        told += range(begin, _killed(tmp_path, begin, chance) + 1)
    entries: list[Entry] = run(tmp_path, story_of_nothing, NARROW).entries
    assert all(entry in all_lines(tmp_path) for entry in entries)
    kept = lines(tmp_path)
    numbers = [line.data["number"] for line in kept if "number" in line.data]
    refused = sum(line.data["lost"]["count"] for line in kept if "lost" in line.data)
    assert {line.data["lost"]["cause"] for line in kept if "lost" in line.data} <= {"quota"}
    assert numbers == sorted(set(numbers)), "once, in order"
    assert len(set(told) - set(numbers)) <= refused, "what is not there was counted"
    assert len(told) > 300
    assert 0 < refused < len(told)
