"""A journal on a bench: drafts, a loop that listens, and a disk that fails to order."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from typing import Any

from gateway.clock import Clock, Moment, Quality
from gateway.journal import (
    Entry,
    Journal,
    Limits,
    Listeners,
    Opened,
    Reader,
    Store,
    Trouble,
    find_journal,
    schema,
    store,
    writer,
)
from gateway.records import CredentialRead, Draft, Notice, Place, Punch, Subject
from gateway.spans import Range
from gateway.wire import GENESIS, line_hash, read_line

NAMES = ("hq", "edge-01", "Asia/Shanghai")
ROOMY = Limits(1 << 30, 7 * 86_400_000, ring_bytes=256 * 1024)
PLACE = Place("lobby", "lobby-1", "outside", "lobby")
SOMEBODY = Subject("credential", token="k1:00", scheme="em4100", bits=40)


def moment(number: int = 0, *, live: bool = True) -> Moment:
    """A fixed instant, `number` ms later."""
    return Moment(
        1_795_400_000_000 + number, 100.0 + number / 1000, number, Quality("synced", "ntp", 1, "boot"), live
    )


def notice(number: int = 0, text: str = "") -> Draft:
    """A record that says nothing but its number."""
    return Draft(
        Notice(kind="device.up", device="lane-1-in", details={"number": number, "text": text}), moment(number)
    )


def read(number: int = 0) -> Draft:
    """A read that pairing has not closed yet."""
    body = CredentialRead(device="lane-1-in", place=PLACE, driver="em4100", side="in", subject=SOMEBODY)
    return Draft(body, moment(number), opens=True)


def punch(of: Draft) -> Draft:
    """The punch that closes a read."""
    body = Punch(
        device="lane-1-in",
        place=PLACE,
        driver="em4100",
        direction="in",
        basis="reader_side",
        subject=SOMEBODY,
        outcome="assumed",
        confidence="assumed",
        read=of,
    )
    return Draft(body, of.moment, closes=(of,))


def number_of(entry: Entry) -> Any:
    """The number a `notice` was made with; None for other records."""
    return read_line(entry.line).data.get("number")


def all_lines(state_dir: Path) -> list[Entry]:
    """Everything in the journal's file."""
    reader = Reader(find_journal(state_dir))
    try:
        return reader.lines(1, 2**62, 2**62, 2**62)
    finally:
        reader.close()


def assert_chain(entries: Sequence[Entry]) -> None:
    """Numbers from 1 without a gap, each line naming the hash of the one before."""
    prev = GENESIS
    for at, entry in enumerate(entries, 1):
        line = read_line(entry.line)
        assert (entry.seq, line.seq, line.prev) == (at, at, prev)
        prev = line_hash(entry.line)


class Heard:
    """What a journal told its listeners."""

    def __init__(self) -> None:
        self.entries: list[Entry] = []
        self.troubles: list[Trouble | None] = []
        self.epochs: list[Opened] = []
        self.bugs: list[BaseException] = []
        self.levels: list[str] = []
        self.left_open: list[Entry] = []
        self.expired: list[Range] = []

    def listeners(self) -> Listeners:
        return Listeners(
            self.entries.extend,
            self.troubles.append,
            self.epochs.append,
            lambda level, _: self.levels.append(level),
            self.left_open.extend,
            self.expired.extend,
        )


def run(
    state_dir: Path, story: Callable[[Journal, Heard], Awaitable[None]], limits: Limits = ROOMY, *, close: bool = True
) -> Heard:
    """Open a journal, let the story happen, close it."""
    heard = Heard()

    async def main() -> None:
        loop = asyncio.get_running_loop()
        loop.set_exception_handler(lambda _, context: heard.bugs.append(context["exception"]))
        journal = Journal(state_dir, NAMES, limits, Clock())
        journal.open(heard.listeners())
        await story(journal, heard)
        if close:
            await journal.close()

    asyncio.run(main())
    return heard


async def until(true: Callable[[], object], seconds: float = 60.0) -> None:
    """Wait for something to become true."""
    async with asyncio.timeout(seconds):
        while not true():
            await asyncio.sleep(0.005)


def make_store(state_dir: Path) -> Store:
    """A store of its own, without a thread."""
    return Store(find_journal(state_dir), NAMES)


class Disk:
    """Fails what it is told to fail. `plan` is asked for each statement; it may raise before or after it."""

    def __init__(self, monkeypatch: Any) -> None:
        self.before: Callable[[str], None] = lambda _: None
        self.after: Callable[[str], None] = lambda _: None
        self.opened = 0
        monkeypatch.setattr(store, "connect_writer", self._connect)
        monkeypatch.setattr(writer, "RETRY_FIRST_S", 0.01)
        monkeypatch.setattr(writer, "RETRY_MAX_S", 0.02)

    def fail(self, times: int, word: str = "COMMIT", *, late: bool = False, error: str = "disk I/O error") -> None:
        """The next `times` statements that begin with `word` fail: before they act, or (late) after they did."""
        left = [times]

        def check(statement: str) -> None:
            if statement.startswith(word) and left[0]:
                left[0] -= 1
                raise sqlite3.OperationalError(error)

        if late:
            self.after = check
        else:
            self.before = check

    def heal(self) -> None:
        """Everything works again."""
        self.before = self.after = lambda _: None

    def _connect(self, path: Path, copying: schema.Progress = schema.mute) -> Any:
        self.opened += 1
        return _Connection(schema.connect_writer(path, copying), self)


class _Connection:
    def __init__(self, real: sqlite3.Connection, disk: Disk) -> None:
        self._real, self._disk = real, disk

    def execute(self, statement: str, *values: Any) -> sqlite3.Cursor:
        self._disk.before(statement)
        cursor = self._real.execute(statement, *values)
        self._disk.after(statement)
        return cursor

    def __getattr__(self, name: str) -> Any:
        return getattr(self._real, name)
