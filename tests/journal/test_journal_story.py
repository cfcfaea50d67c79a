"""Any story of a disk that fills, empties, fails and loses its power: each draft is in the journal once, in order."""

from __future__ import annotations

import shutil
import sqlite3
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from journal_bench import Disk, Limits, assert_chain, make_store, punch, read

from gateway.clock import Clock
from gateway.journal.intake import FAILURES, Callbacks, Intake
from gateway.journal.jobs import Append
from gateway.journal.quota import Quota
from gateway.journal.ring import FRAMES_AT
from gateway.records import Draft
from gateway.wire import read_line, timestamp

LIMITS = Limits(1 << 30, 7 * 86_400_000, ring_bytes=FRAMES_AT + 128 * 1024)
ACTS = (
    "read",
    "read",
    "punch",
    "pair",
    "full",
    "full",
    "free",
    "restart",
    "crash",
    "crash in commit",
    "crash in drain",
)


class Box:
    """A journal without its thread, on a disk that does as it is told. `expected`: what was told to be durable."""

    def __init__(self, root: Path, patch: pytest.MonkeyPatch) -> None:
        patch.setattr("gateway.journal.intake.SHORT_S", 0.0)
        self._disk = Disk(patch)
        self._root, self._starts = root, 0
        self._is_full = False
        self._number = 0
        self.expected: list[tuple[str, str]] = []
        self._disk.before = self._refuse
        self.folder = root / "0"
        self.folder.mkdir()
        self._open()

    def act(self, word: str) -> None:
        self._number += 1
        if word in ("full", "free"):
            self._is_full = word == "full"
        elif word == "restart":
            self._close()
            self._open()
        elif word == "crash":
            self._crash()
        elif word.startswith("crash in"):
            self._fail_in(word)
        else:
            self._keep(self._drafts(word))

    def finish(self) -> list[tuple[str, str]]:
        """Give it room and start it once more; all that is in the journal then, as type and time."""
        self._is_full = False
        self._close()
        self._open()
        self.intake.commit(self.store, [])
        entries = self.store.lines(1, 1 << 40, 1 << 40, 1 << 40)
        assert self.intake.overflow.is_empty
        self._close()
        assert_chain(entries)
        lines = [read_line(entry.line) for entry in entries]
        for line in lines:
            if line.type == "punchgate.punch.v1":
                assert lines[line.data["refs"]["read"] - 1].time == line.time, "it is the punch of its own read"
        return [(line.type, line.time) for line in lines]

    def _drafts(self, word: str) -> list[Draft]:
        if word == "pair":
            first = read(self._number)
            return [first, punch(first)]
        if word == "punch" and self._open_reads:
            return [punch(self._open_reads.pop())]
        self._open_reads.append(read(self._number))
        return self._open_reads[-1:]

    def _keep(self, drafts: list[Draft]) -> None:
        self.intake.commit(self.store, [Append(drafts, self._quota, self._clock)])
        types = {"CredentialRead": "credential.read", "Punch": "punch"}
        self.expected += [
            (f"punchgate.{types[type(draft.body).__name__]}.v1", timestamp(draft.moment.time_ms)) for draft in drafts
        ]

    def _fail_in(self, word: str) -> None:
        """The power goes after a commit of nothing new but what waits, before anybody was told."""
        if self._is_full:
            return
        if word == "crash in commit":
            self._disk.fail(1, late=True)
        else:
            self.intake.overflow._ring.empty = self._no_power  # type: ignore[method-assign]
        waits = not self.intake.overflow.is_empty
        try:
            self.intake.commit(self.store, [])
            assert word == "crash in drain"
            assert not waits
        except FAILURES:
            pass
        self._disk.after = lambda _: None
        self._crash()

    def _no_power(self) -> None:
        raise OSError(5, "Input/output error")

    def _refuse(self, statement: str) -> None:
        if self._is_full and statement.startswith(("INSERT", "DELETE")):
            error = sqlite3.OperationalError("database or disk is full")
            error.sqlite_errorcode = sqlite3.SQLITE_FULL
            raise error

    def _crash(self) -> None:
        """What is on the disk now is all that is left."""
        self._starts += 1
        folder = self._root / str(self._starts)
        shutil.copytree(self.folder, folder)
        self._close()
        self.folder = folder
        self._open()

    def _open(self) -> None:
        self._open_reads: list[Draft] = []
        self._clock = Clock()
        self.store = make_store(self.folder)
        self._quota = Quota(LIMITS, self._clock)
        report = Callbacks(*[_ignore] * 8)
        self.intake = Intake(self.store.path, LIMITS, self.store, self._quota, self._clock, report)
        self.intake.commit(self.store, [])

    def _close(self) -> None:
        self.intake.overflow.close()
        self.store.close()


def _ignore(*_: Any) -> None:
    """Nobody listens."""


@settings(max_examples=80, deadline=None)
@given(st.lists(st.sampled_from(ACTS), min_size=3, max_size=25))
def test_every_draft_is_in_the_journal_once_and_in_order(
    tmp_path_factory: pytest.TempPathFactory, story: list[str]
) -> None:
    with pytest.MonkeyPatch.context() as patch:
        box = Box(tmp_path_factory.mktemp("story"), patch)
        for word in story:
            box.act(word)
        assert box.finish() == box.expected
