"""Killed at any write, on a disk that fills and empties: no entry of a device is lost in silence or told twice so.

A device with a memory has the entries 1, 2, 3 … and tells those behind its mark at each start. The journal's thread
is driven by hand, and falls at the nth statement or write, before it, after it, or in the middle of it.
"""

from __future__ import annotations

import contextlib
import json
import os
import sqlite3
import tempfile
from collections import Counter
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from journal_bench import NAMES, Disk, all_lines, assert_chain, notice

from gateway.clock import Clock
from gateway.journal import Limits, find_journal
from gateway.journal import copy as copies
from gateway.journal import ring as rings
from gateway.journal.intake import Callbacks
from gateway.journal.ring import FRAMES_AT, count_of
from gateway.journal.writer import Writer
from gateway.records import Draft, Heard, drafts_of
from gateway.wire import MAX_LINE_BYTES, read_line

NARROW = Limits(1 << 30, 7 * 86_400_000, ring_bytes=FRAMES_AT + 2600)
NEVER = 1 << 40
HUGE = "x" * MAX_LINE_BYTES
STEPS = st.sampled_from(
    ["entry", "entry", "silent", "huge", "commit", "late", "full", "room", "kill", "stop", "delete", "garble"]
)
STORIES = st.lists(STEPS | st.integers(1, 40), min_size=3, max_size=40)


class Fall(BaseException):
    """The process is gone."""


class Strike(Disk):
    """Counts the writes, and lets the process fall at one of them; has no room while `is_full`."""

    def __init__(self, patch: pytest.MonkeyPatch) -> None:
        super().__init__(patch)
        self.left, self.is_full, self.is_late, self.has_written = NEVER, False, False, False
        self.before, self.after = self._before, self._after
        self._write, write_copy = rings._write, copies.Copy._write

        def copy_write(copy: copies.Copy, words: Any) -> None:
            self.count()
            write_copy(copy, words)
            self.count()

        patch.setattr(rings, "_write", self._ring_write)
        patch.setattr(copies.Copy, "_write", copy_write)

    def count(self) -> None:
        self.left -= 1
        if self.left <= 0:
            raise Fall

    def _before(self, statement: str) -> None:
        if self.is_full and statement.startswith(("INSERT", "DELETE")):
            error = sqlite3.OperationalError("database or disk is full")
            error.sqlite_errorcode = sqlite3.SQLITE_FULL
            raise error
        self.count()

    def _after(self, statement: str) -> None:
        self.has_written = statement.startswith("INSERT") or (self.has_written and statement != "BEGIN IMMEDIATE")
        if self.is_late and self.has_written and statement == "COMMIT":
            self.is_late = False
            raise sqlite3.OperationalError("disk I/O error")
        self.count()

    def _ring_write(self, file: int, data: bytes, at: int) -> None:
        try:
            self.count()
        except Fall:
            os.pwrite(file, data[: len(data) // 2], at)
            raise
        self._write(file, data, at)
        self.count()


class Box:
    """A gateway's journal, and one device with a memory."""

    def __init__(self, folder: Path, strike: Strike) -> None:
        self.folder, self.strike = folder, strike
        self.newest = 0  # the device's
        self.heard = 0
        self.silent: set[int] = set()
        self.told: set[int] = set()
        self.gone: set[int] = set()
        self.writer: Writer
        self.start()

    def start(self) -> None:
        ignored: Any = lambda *_: None  # noqa: E731
        report = Callbacks(*[ignored] * 8)
        self.strike.left, self.strike.is_late = NEVER, False
        self.writer = Writer(find_journal(self.folder), NAMES, NARROW, Clock(), report)
        self.check()
        for number in range(self.heard + 1, self.newest + 1):
            self.hear(number)

    def hear(self, number: int, text: str = "") -> None:
        drafts = [] if number in self.silent else [notice(number, text)]
        self.heard = number
        self.writer.append([*drafts, Heard("clock", str(number))])
        self.writer.when_durable(lambda: self.told.update(_taken(drafts)))

    def step(self, step: str | int) -> None:
        if isinstance(step, int):
            self.strike.left = step
        elif step in ("entry", "silent", "huge"):
            self.newest += 1
            if step == "silent":
                self.silent.add(self.newest)
            self.hear(self.newest, HUGE if step == "huge" else "")
        elif step == "late":
            self.strike.is_late = True
        elif step in ("full", "room"):
            self.strike.is_full = step == "full"
        elif step == "commit":
            self.commit()
        elif step == "stop":
            self.strike.left = NEVER
            self.stop()
            self.start()
        else:
            self.abandon()
            if step != "kill":
                self.strike.is_full = False
                self.spoil(delete=step == "delete")
            self.start()

    def commit(self) -> None:
        self.writer.put(lambda _: [])
        jobs, _ = self.writer._take()
        self.writer._insist(partial(self.writer._commit, jobs))
        self.writer._copy.follow(self.writer.store)

    def stop(self) -> None:
        self.writer.stop()
        self.writer.start()
        self.writer.join(10)
        assert not self.writer.is_alive()

    def abandon(self) -> None:
        """What a kill leaves open is closed; nothing is written."""
        self.strike.left = NEVER
        with contextlib.suppress(sqlite3.Error):
            self.writer.store._connection.close()
        self.writer.overflow.close()

    def spoil(self, *, delete: bool) -> None:
        """The journal is gone, or nothing of it can be read; before that, what waits is let in."""
        self.strike.left = NEVER
        self.start()
        self.abandon()
        self.gone |= set(range(1, self.marked + 1))
        path = find_journal(self.folder)
        for suffix in ("-wal", "-shm"):
            Path(f"{path}{suffix}").unlink(missing_ok=True)
        if delete:
            path.unlink()
        else:
            path.write_bytes(b"\xa5" * path.stat().st_size)

    def numbers(self) -> list[int]:
        return [line.data["number"] for line in self.lines() if "number" in line.data]

    def lines(self) -> list[Any]:
        kept = all_lines(self.folder)
        assert_chain(kept)
        return [read_line(entry.line) for entry in kept]

    def check(self) -> None:
        store, overflow = self.writer.store, self.writer.overflow
        self.heard = self.marked = int((store.marks() | overflow.marks()).get("clock", "0"))
        waiting = [draft.body.words()["number"] for draft in drafts_of(overflow._items)]
        here = Counter([*self.numbers(), *waiting])
        assert set(here.values()) <= {1}, "no entry is there twice"
        assert all(number <= self.heard for number in here), "none will be told again"
        assert self.told <= set(here) | self.gone, "what was told to be durable is there"
        said = [line.data["lost"]["count"] or 0 for line in self.lines() if "lost" in line.data]
        stated = sum(said) + count_of(_refused(self.writer)) + count_of(overflow._ring.filling.refused)
        missing = set(range(1, self.heard + 1)) - set(here) - self.gone - self.silent
        assert len(missing) <= stated, "what is missing is stated"
        if self.gone:
            first, second = self.lines()[:2]
            assert (first.data["lost"]["cause"], second.type) == ("damage", "punchgate.journal.marks.v1")


def _refused(writer: Writer) -> dict[str, Any]:
    refused: dict[str, Any] = json.loads(writer.store.kept_beside.get("refused", "{}"))
    return refused


def _taken(drafts: list[Draft]) -> list[int]:
    return [draft.body.words()["number"] for draft in drafts if draft.is_taken]  # type: ignore[misc]


@contextlib.contextmanager
def box(copy_every_s: float) -> Iterator[Box]:
    memory = Path("/dev/shm")
    folders = tempfile.TemporaryDirectory(dir=memory if memory.is_dir() else None)
    with folders as folder, pytest.MonkeyPatch.context() as patch:
        patch.setattr("gateway.journal.intake.SHORT_S", 0.0)
        patch.setattr(copies, "COPY_EVERY_S", copy_every_s)
        patch.setattr(os, "fsync", lambda _: None)
        patch.setattr(os, "fdatasync", lambda _: None)
        box = Box(Path(folder), Strike(patch))
        yield box
        box.abandon()


@settings(max_examples=150, deadline=None)
@given(STORIES, st.sampled_from([0.0, 1e9]))
def test_every_entry_up_to_the_mark_is_there_or_its_loss_is_stated(
    story: list[str | int], copy_every_s: float
) -> None:
    with box(copy_every_s) as one:
        for step in [*story, "kill", "room", "commit", "stop"]:
            try:
                one.step(step)
            except Fall:
                one.abandon()
                one.start()
        assert one.heard == one.newest, "the device has told all it has"


WAITING = ["entry", "commit", "full", "entry", "silent", "entry", "commit"]
OVERFULL = ["full", *["entry"] * 12, "commit", "silent", "entry", "commit"]


@pytest.mark.parametrize(
    ("before", "while_counted"),
    [
        ([], ["full", "entry", "silent", "commit", "entry", "commit"]),
        (WAITING, ["room", "commit", "entry", "commit"]),
        (WAITING, ["room", "late", "commit", "entry", "commit"]),
        (OVERFULL, ["room", "commit", "entry", "commit"]),
        (OVERFULL, ["room", "late", "commit", "entry", "commit"]),
        (["entry", "commit"], ["late", "huge", "commit", "entry", "commit"]),
        (["entry", "commit"], ["late", "silent", "commit", "entry", "commit"]),
    ],
)
def test_it_falls_at_each_write_of_a_story_in_turn(before: list[str], while_counted: list[str]) -> None:
    fallen, at = True, 0
    while fallen:
        fallen, at = False, at + 1
        with box(0.0) as one:
            for step in before:
                one.step(step)
            one.step(at)
            try:
                for step in while_counted:
                    one.step(step)
            except Fall:
                fallen = True
            for step in ("kill", "room", "commit", "stop"):
                one.step(step)
            assert one.heard == one.newest
    assert at > 5, "it was struck"
