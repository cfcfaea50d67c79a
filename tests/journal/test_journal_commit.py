"""What is told as committed is on disk, once, in order, chained; whatever the disk does."""

from __future__ import annotations

import asyncio
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from journal_bench import (
    NAMES,
    ROOMY,
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
from gateway.journal import Entry, Journal, Listeners, Reader, find_journal
from gateway.wire import read_line


async def _append_and_wait(journal: Journal, heard: Heard, numbers: range) -> None:
    for number in numbers:
        journal.append([notice(number)])
    await until(lambda: len(heard.entries) >= len(numbers))


def test_what_is_told_is_on_disk_in_the_order_it_was_appended(tmp_path: Path) -> None:
    heard = run(tmp_path, lambda journal, heard: _append_and_wait(journal, heard, range(500)))
    kept = all_lines(tmp_path)
    assert heard.entries == kept
    assert [number_of(entry) for entry in kept] == list(range(500))
    assert_chain(kept)


def test_a_journal_goes_on_where_it_was(tmp_path: Path) -> None:
    run(tmp_path, lambda journal, heard: _append_and_wait(journal, heard, range(3)))
    run(tmp_path, lambda journal, heard: _append_and_wait(journal, heard, range(3, 6)))
    kept = all_lines(tmp_path)
    assert [number_of(entry) for entry in kept] == list(range(6))
    assert len({read_line(entry.line).epoch for entry in kept}) == 1
    assert_chain(kept)


def test_closing_commits_what_was_queued(tmp_path: Path) -> None:
    async def story(journal: Journal, _: Heard) -> None:
        for number in range(2000):
            journal.append([notice(number)])

    run(tmp_path, story)
    assert [number_of(entry) for entry in all_lines(tmp_path)] == list(range(2000))


@pytest.mark.parametrize("late", [False, True], ids=["nothing-written", "written-all-the-same"])
@pytest.mark.parametrize("times", [1, 3])
def test_a_failed_commit_is_tried_again_and_nothing_is_there_twice(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, times: int, late: bool
) -> None:
    disk = Disk(monkeypatch)

    async def story(journal: Journal, heard: Heard) -> None:
        await _append_and_wait(journal, heard, range(5))
        disk.fail(times, late=late)
        for number in range(5, 10):
            journal.append([notice(number)])
        await until(lambda: len(heard.entries) >= 10)

    heard = run(tmp_path, story)
    kept = all_lines(tmp_path)
    assert [number_of(entry) for entry in kept] == list(range(10))
    assert heard.entries == kept
    assert heard.epochs == []
    assert_chain(kept)
    assert [trouble and trouble.kind for trouble in heard.troubles] == ["disk", None]


def test_an_error_while_recovering_is_tried_again_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    disk = Disk(monkeypatch)

    async def story(journal: Journal, heard: Heard) -> None:
        await _append_and_wait(journal, heard, range(5))
        disk.fail(1, late=True)
        disk.fail(2, "DELETE")
        journal.append([notice(5)])
        await until(lambda: len(heard.entries) >= 6)

    heard = run(tmp_path, story)
    assert heard.epochs == []
    assert [number_of(entry) for entry in all_lines(tmp_path)] == list(range(6))


def test_nothing_is_told_while_the_disk_refuses(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    disk = Disk(monkeypatch)

    async def story(journal: Journal, heard: Heard) -> None:
        disk.fail(10**9)
        journal.append([notice(1)])
        await until(lambda: heard.troubles)
        await asyncio.sleep(0.1)
        assert heard.entries == []
        disk.heal()
        await until(lambda: heard.entries)

    assert [number_of(entry) for entry in run(tmp_path, story).entries] == [1]


def test_a_stop_gives_up_a_dead_disk_and_writes_nothing_after_the_gap(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    disk = Disk(monkeypatch)
    first = read(1)

    async def story(journal: Journal, heard: Heard) -> None:
        disk.fail(1)
        monkeypatch.setattr("gateway.journal.writer.RETRY_FIRST_S", 5.0)
        journal.append([first])
        await until(lambda: heard.troubles)
        journal.append([punch(first)])

    heard = run(tmp_path, story)
    assert heard.entries == []
    assert all_lines(tmp_path) == []


def test_a_bug_in_the_thread_becomes_a_bug_of_the_process(tmp_path: Path) -> None:
    async def story(journal: Journal, heard: Heard) -> None:
        poison = notice(1)
        object.__setattr__(poison.body, "details", {"number": object()})
        journal.append([poison])
        await until(lambda: heard.bugs)

    assert isinstance(run(tmp_path, story).bugs[0], TypeError)


def test_a_punch_whose_read_was_refused_is_refused_and_said(tmp_path: Path) -> None:
    async def story(journal: Journal, heard: Heard) -> None:
        journal.append([punch(read(1)), notice(2)])
        await until(lambda: len(heard.entries) >= 1)
        journal.append([notice(3)])
        await until(lambda: len(heard.entries) >= 3)

    entries = run(tmp_path, story).entries
    assert [number_of(entry) for entry in entries] == [2, None, 3]
    lost = read_line(entries[1].line).data["lost"]
    assert (lost["cause"], lost["count"], lost["device"]) == ("refused", 1, "lane-1-in")


def test_a_line_no_centre_would_take_is_refused_and_said(tmp_path: Path) -> None:
    async def story(journal: Journal, heard: Heard) -> None:
        journal.append([notice(1, "x" * 70_000)])
        journal.append([notice(2)])
        await until(lambda: len(heard.entries) >= 1)
        journal.append([notice(3)])
        await until(lambda: len(heard.entries) >= 2)

    run(tmp_path, story)
    kept = all_lines(tmp_path)
    assert {number_of(entry) for entry in kept} == {2, 3, None}
    assert [read_line(entry.line).data["lost"]["count"] for entry in kept if number_of(entry) is None] == [1]
    assert_chain(kept)


def test_a_read_stays_open_until_its_punch_is_durable(tmp_path: Path) -> None:
    store = make_store(tmp_path)
    waiting, taken = read(1), read(2)
    with store.transaction():
        store.append([waiting, taken], 0)
        store.append([punch(taken)], 0)
    store.close()
    again = make_store(tmp_path)
    assert [entry.seq for entry in again.open_reads()] == [1]


def test_a_failed_transaction_leaves_the_head_where_it_was(tmp_path: Path) -> None:
    store = make_store(tmp_path)
    with store.transaction():
        store.append([notice(1)], 0)
    before = (store.newest, store.head)

    def fails() -> None:
        with store.transaction():
            store.append([notice(2)], 0)
            raise ValueError("stop")

    with pytest.raises(ValueError, match="stop"):
        fails()
    assert (store.newest, store.head) == before
    with store.transaction():
        store.append([notice(3)], 0)
    store.close()
    assert_chain(all_lines(tmp_path))


def _write_until_killed(state_dir: Path, pipe: int) -> None:
    async def main() -> None:
        journal = Journal(state_dir, NAMES, ROOMY, Clock())

        def told(entries: list[Entry]) -> None:
            os.write(pipe, b"".join(b"%d\n" % entry.seq for entry in entries))

        number = journal.open(Listeners(told, print, print)).newest
        while True:
            for _ in range(7):
                number += 1
                journal.append([notice(number)])
            await asyncio.sleep(0)

    asyncio.run(main())


def _killed_after(state_dir: Path, seconds: float) -> int:
    """Write in a child, kill it some time after it told of its first record; the last number it told."""
    ours, theirs = os.pipe()
    child = os.fork()
    if not child:
        try:
            _write_until_killed(state_dir, theirs)
        finally:
            os._exit(1)
    os.close(theirs)
    with os.fdopen(ours, "rb") as told:
        first = told.readline()
        time.sleep(seconds)
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
        return int((first + told.read()).split(b"\n")[-2])


def test_kill_9_in_the_middle_of_writing_loses_nothing_that_was_told(tmp_path: Path) -> None:
    chance = random.Random(20)
    told = 0
    for _ in range(20):
        told = max(told, _killed_after(tmp_path, chance.uniform(0.0, 0.03)))
        reader = Reader(find_journal(tmp_path))
        assert reader.bounds()[1] >= told
        reader.close()
    assert_chain(all_lines(tmp_path))


LIMITED = """
import asyncio, resource, signal, sys
sys.path.insert(0, sys.argv[2])
from journal_bench import Clock, Heard, Journal, NAMES, ROOMY, notice, until
from pathlib import Path

signal.signal(signal.SIGXFSZ, signal.SIG_IGN)

async def main():
    heard = Heard()
    journal = Journal(Path(sys.argv[1]), NAMES, ROOMY, Clock())
    journal.open(heard.listeners())
    journal.append([notice(0)])
    await until(lambda: heard.entries)
    hard = resource.getrlimit(resource.RLIMIT_FSIZE)[1]
    resource.setrlimit(resource.RLIMIT_FSIZE, (150_000, hard))
    for number in range(1, 400):
        journal.append([notice(number, "x" * 500)])
        await asyncio.sleep(0)
    await until(lambda: any(heard.troubles))
    told = len(heard.entries)
    assert told < 400
    resource.setrlimit(resource.RLIMIT_FSIZE, (hard, hard))
    await until(lambda: len(heard.entries) >= 400)
    assert heard.troubles[-1] is None and not heard.epochs
    await journal.close()

asyncio.run(main())
"""


def test_a_file_that_may_not_grow_is_trouble_until_it_may(tmp_path: Path) -> None:
    subprocess.run([sys.executable, "-c", LIMITED, str(tmp_path), str(Path(__file__).parent)], check=True, timeout=60)
    kept = all_lines(tmp_path)
    assert [number_of(entry) for entry in kept] == list(range(400))
    assert_chain(kept)
