"""Read a terminal's log once, from where it was told last, and tell what is new.

The log is read in ranges of bytes which the script asks for. Usually one is enough: the last few entries told, which
prove the place, and what follows them. Only when they are not found there the whole log is read for its keys
(`drivers.zk.cursor`), and then a second time, from the place on.

    head ──> check ──found──> tell ──> done
     │         └─not found─> find ──> tell
     └─first pull ────────────┘
"""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Literal

from drivers.events import DeviceChange, Event
from drivers.zk.age import Ages, Reading
from drivers.zk.cursor import Cursor, Index
from drivers.zk.records import HEADER_BYTES, Entry, entry, records_in, to_stamp, width_of
from drivers.zk.stream import read

CHUNK_BYTES = 16_000
"""A multiple of all record sizes."""
HEAD_BYTES = HEADER_BYTES + 960
AHEAD = timedelta(hours=1)

History = Literal["all", "none"] | int
Phase = Literal["head", "check", "find", "tell", "done"]


class Pull:
    """One reading of a log of `total` bytes, its size in front. `told`: the place, None before the first pull.

    `width`: the size of a record if known. `cursor` is the place behind what has been told so far.
    """

    def __init__(
        self, total: int, told: Cursor | None, reading: Reading, since: float | None, history: History,
        *, width: int | None = None, count: int | None = None,
    ) -> None:  # fmt: skip
        self._total = total
        self._reading = reading
        self._ages = Ages(reading, since)
        self._history: History = history
        self._count = count
        self._index = Index()
        self._untold: list[int] | None = None  # in a log without order
        self._told_of = 0  # how many of them have been told
        self._latest = to_stamp(reading.time + AHEAD)
        self._next = 0
        self.cursor = told
        self.width = width
        self.told = 0
        self.is_strange = False
        self.phase: Phase = "head"

    def begin(self) -> list[Event]:
        """What is known before anything is read: an empty log, or one whose records are known."""
        if self._total <= HEADER_BYTES:
            return self._locate()
        if self.width is not None and (self._total - HEADER_BYTES) % self.width == 0:
            return self._settle(self.width)
        return []

    @property
    def entries(self) -> int:
        """How many the log has."""
        return 0 if self.width is None else max(0, self._total - HEADER_BYTES) // self.width

    def wants(self) -> tuple[int, int] | None:
        """The range to read next: first byte, size; None: done."""
        if self.phase == "done":
            return None
        if self.phase == "head":
            return 0, min(self._total, HEAD_BYTES)
        assert self.width is not None
        start = HEADER_BYTES + self._next * self.width
        return start, min(CHUNK_BYTES, HEADER_BYTES + self.entries * self.width - start)

    def take(self, data: bytes, at: float) -> list[Event]:
        """The bytes of the range that was wanted, at the monotonic second `at`; what they mean."""
        if self.phase == "head":
            return self._head(data)
        assert self.width is not None
        found = [entry(record) for record in records_in(data, self.width)]
        if self.phase == "check" and (told := self._proved(found)) is not None:
            self.phase = "tell"
            self._next, found = self._next + told, found[told:]
        events: list[Event] = []
        if self.phase == "tell":
            events = [event for one in found for event in self._tell(one, at)]
        elif self.phase == "find":
            events = self._note(found)
        else:
            self._next, self.phase = 0, "find"
        if self.phase == "tell" and self._next >= self.entries:
            self.phase = "done"
        return events

    def _head(self, data: bytes) -> list[Event]:
        size = int.from_bytes(data[:HEADER_BYTES], "little")
        if size < self._total - HEADER_BYTES or len(data) <= HEADER_BYTES:
            self._total = size + HEADER_BYTES
        width = width_of(data[HEADER_BYTES:], size, self._count) if size else 40
        if width is None:
            self.phase, self.is_strange = "done", True
            return []
        return self._settle(width)

    def _settle(self, width: int) -> list[Event]:
        """The size of records is known: where to begin."""
        self.width = width
        if self.cursor is not None and self.entries >= self.cursor.count:
            self._next, self.phase = self.cursor.count - len(self.cursor.tail), "check"
            if self._next >= self.entries:
                self.phase = "done"
            return []
        self._next, self.phase = 0, "find"
        return [] if self.entries else self._locate()

    def _proved(self, found: list[Entry]) -> int | None:
        """How many of the entries are the last ones told; None: the place is not where it was."""
        assert self.cursor is not None
        tail = self.cursor.tail
        return len(tail) if tuple(one.key for one in found[: len(tail)]) == tail else None

    def _note(self, found: list[Entry]) -> list[Event]:
        for one in found:
            self._index.add(one)
        self._next += len(found)
        return self._locate() if self._next >= self.entries else []

    def _locate(self) -> list[Event]:
        """The whole log has been read: where is what is new?"""
        start, event = self._first() if self.cursor is None else self._again(self.cursor)
        self._next = start
        self.phase = "tell" if start < self.entries else "done"
        return [] if event is None else [event]

    def _first(self) -> tuple[int, DeviceChange]:
        if self._history == "all":
            start = 0
        elif self._history == "none":
            start = self.entries
        else:
            start = self._index.since(to_stamp(self._reading.time - timedelta(days=self._history)), self._latest)
        self.cursor = self._index.place(start, self._latest)
        reason = f"first reading: {start} of {self.entries} entries are older and are not told"
        return start, DeviceChange(kind="log", reason=reason, mark=self.cursor.mark())

    def _again(self, told: Cursor) -> tuple[int, DeviceChange | None]:
        found, start = self._index.find(told)
        if found == "cleared":
            self.cursor = Cursor()
            return 0, DeviceChange(kind="log", reason="somebody has cleared the log", mark=self.cursor.mark())
        if found == "unordered":
            self._untold = self._index.untold(told)
            return (self._untold[0] if self._untold else self.entries), None
        place = self._index.place(start, self._latest)
        if place.newest < told.newest:
            place = replace(place, newest=told.newest, at=told.at)
        self.cursor = place
        return start, None

    def _tell(self, one: Entry, at: float) -> list[Event]:
        number, self._next = self._next, self._next + 1
        if self._untold is not None:
            return self._tell_unordered(one, number, self._untold, at)
        assert self.cursor is not None
        key = one.key
        is_twice = key in self.cursor.tail
        self.cursor = self.cursor.past(key, one.stamp, self._latest)
        if is_twice:
            return []
        self.told += 1
        return [read(one, self._ages.origin(one, at), self.cursor.mark())]

    def _tell_unordered(self, one: Entry, number: int, untold: list[int], at: float) -> list[Event]:
        """Without order there is no place in between: only the last event moves the mark."""
        if number != untold[self._told_of]:
            return []
        self._told_of = min(self._told_of + 1, len(untold) - 1)
        mark = None
        if number == untold[-1]:
            self.cursor = self._index.place(self.entries, self._latest)
            mark = self.cursor.mark()
        self.told += 1
        return [read(one, self._ages.origin(one, at), mark)]
