"""Read a terminal's log once, from where it was told last, and tell what is new.

The log is read in ranges of bytes which the script asks for. Usually one is enough: the last few entries told, which
prove the place, and what follows them. If they are not there they are looked for at the end of the log, where they
are if old entries were dropped; only when they are not found there either the whole log is read for its keys
(`drivers.zk.cursor`), and then a second time, from the place on.

    head ──> check ──found──> tell ──> done
     │         └─not─> near ──found──> tell
     │                  └─not─> find ──> tell
     └─first pull, or thorough ──┘

The clock was read before the terminal copied its log, and may have been set before the copy was made. So the first
entries to be told wait until it has been read once more, behind the copy (`awaits_time`, `date`). All ranges come
from that copy: the entries of the others are told as they come.
"""

from __future__ import annotations

from collections import deque
from dataclasses import replace
from datetime import timedelta
from typing import Literal

from drivers.events import DeviceChange, Event
from drivers.zk.age import Ages
from drivers.zk.cursor import Cursor, Index
from drivers.zk.records import HEADER_BYTES, Entry, entry, records_in, to_stamp, width_of
from drivers.zk.schedule import Sizes
from drivers.zk.stream import read
from drivers.zk.watch import Watch

CHUNK_BYTES = 16_000
"""A multiple of all record sizes."""
HEAD_BYTES = HEADER_BYTES + 960
AHEAD = timedelta(hours=1)
CLEARED = "somebody has cleared the log"
OVERTAKEN = "the log is full, and none of the entries told last is left: others may be lost"
NO_SIZES = Sizes()

History = Literal["all", "none"] | int
Phase = Literal["head", "check", "near", "find", "tell", "done"]


class Pull:
    """One reading of a log of `total` bytes, its size in front. `told`: the place, None before the first pull.

    `watch` has read the clock; `width`: the size of a record if known; `sizes`: what the terminal says of its log;
    `thoroughly`: read all of it, whatever stands at its end. `cursor` is the place behind what has been told so far.
    """

    def __init__(
        self, total: int, told: Cursor | None, watch: Watch, history: History,
        *, width: int | None = None, sizes: Sizes = NO_SIZES, thoroughly: bool = False,
    ) -> None:  # fmt: skip
        assert watch.reading is not None
        self.reading = watch.reading
        self._total = total
        self._watch = watch
        self._ages: Ages | None = None
        self._has_grown = False
        self._clocks = watch.kept(), watch.kept(self.reading)
        self._history: History = history
        self._sizes = sizes
        self._is_thorough = thoroughly
        self._index = Index()
        self._untold: list[int] | None = None  # in a log without order
        self._waiting: deque[Entry] = deque()  # read, and not told yet
        self._latest = to_stamp(self.reading.time + AHEAD)
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

    @property
    def is_proof(self) -> bool:
        """Whether nothing can be in the log that was not told, once this is done.

        The end of a full log that is overwritten in place proves nothing.
        """
        return not self._sizes.is_full or self._is_thorough or self.told > 0

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
        if self.phase == "find":
            return self._note(found)
        events: list[Event] = []
        if self.phase == "check":
            found = self._check(found)
        elif self.phase == "near":
            events, found = self._look_near(found)
        if self.phase == "tell":
            self._wait(found)
            events += self._told(at)
        return events

    @property
    def awaits_time(self) -> bool:
        """Whether entries are to be told, and the clock is to be read for them once more."""
        return self._ages is None and bool(self._waiting) and self._is_ripe

    def holds(self, most: int) -> bool:
        """Whether so many entries wait that they are to be told before more is read."""
        return self._untold is None and len(self._waiting) >= most

    def date(self, at: float, *, is_behind: bool = True) -> list[Event]:
        """The clock has been read behind the log, or cannot be (False): tell what has waited for it."""
        self._ages = self._watch.ages(grown=self._has_grown, is_behind=is_behind)
        self._clocks = self._watch.kept(), self._watch.kept(self.reading)
        return self._told(at)

    @property
    def _is_ripe(self) -> bool:
        """Without order there is no place in between: all are told when the last has come, and it moves the mark."""
        return self._untold is None or len(self._waiting) == len(self._untold)

    def _wait(self, found: list[Entry]) -> None:
        untold = self._untold
        for number, one in enumerate(found, self._next):
            if untold is None or (not self._is_ripe and number == untold[len(self._waiting)]):
                self._waiting.append(one)
        self._next += len(found)
        if self._next >= self.entries or (untold is not None and self._is_ripe):
            self._next, self.phase = self.entries, "done"

    def _told(self, at: float) -> list[Event]:
        """What can be told of what waits."""
        if self._ages is None or not self._is_ripe:
            return []
        if self._untold is not None:
            return self._tell_unordered(self._ages, at)
        events: list[Event] = []
        while self._waiting:
            events += self._tell(self._waiting.popleft(), self._ages, at)
        return events

    def _head(self, data: bytes) -> list[Event]:
        size = int.from_bytes(data[:HEADER_BYTES], "little")
        if size < self._total - HEADER_BYTES or len(data) <= HEADER_BYTES:
            self._total = size + HEADER_BYTES
        width = width_of(data[HEADER_BYTES:], size, self._sizes.count) if size else 40
        if width is None:
            self.phase, self.is_strange = "done", True
            return []
        return self._settle(width)

    def _settle(self, width: int) -> list[Event]:
        """The size of records is known: where to begin."""
        self.width = width
        told = self.cursor
        if told is None or not self.entries or self._is_thorough or (not told.count and self._sizes.is_full):
            return self._find()
        if self.entries < told.count:
            self._next, self.phase = self._near(), "near"
            return []
        self._next, self.phase = told.count - len(told.tail), "check"
        if self._next >= self.entries:
            self.phase = "done"
        return []

    def _find(self) -> list[Event]:
        self._next, self.phase = 0, "find"
        return [] if self.entries else self._locate()

    def _near(self) -> int:
        """Where the last entries begin that come in one range."""
        assert self.width is not None
        return max(0, self.entries - CHUNK_BYTES // self.width)

    def _check(self, found: list[Entry]) -> list[Entry]:
        """The place is where it was, and what follows is returned; or it is looked for."""
        assert self.cursor is not None
        size = len(self.cursor.tail)
        if tuple(one.key for one in found[:size]) == self.cursor.tail:
            self._next, self.phase = self._next + size, "tell"
            self._has_grown = True
            return found[size:]
        self._next, self.phase = self._near(), "near"
        return []

    def _look_near(self, found: list[Entry]) -> tuple[list[Event], list[Entry]]:
        """The last entries of the log: the place stands among them, further in front than before, or nowhere."""
        told = self.cursor
        assert told is not None
        behind = told.found_in(found)
        if behind is None or self._next + behind > told.count:
            return self._find(), []
        self._next, self.phase = self._next + behind, "tell"
        self.cursor = replace(told, count=self._next)
        return self._shortened(told, self._next), found[behind:]

    def _shortened(self, told: Cursor, place: int) -> list[Event]:
        """What to say if entries in front of the place are gone; a full log drops them by itself."""
        sizes, gone = self._sizes, told.count - place
        is_usual = sizes.is_full or (sizes.room is None and self.entries >= told.count)
        if gone <= 0 or is_usual:
            return []
        reason = f"somebody has shortened the log: {gone} of the entries known before are gone"
        return [DeviceChange(kind="log", reason=reason, mark=self._mark())]

    def _mark(self) -> str | None:
        """The place, with the clock; without order there is none before the last entry is told."""
        if self.cursor is None or (self._untold is not None and not self._is_ripe):
            return None
        return self.cursor.mark(self._clocks[self._next >= self.entries and not self._waiting])

    def _note(self, found: list[Entry]) -> list[Event]:
        for one in found:
            self._index.add(one)
        self._next += len(found)
        return self._locate() if self._next >= self.entries else []

    def _locate(self) -> list[Event]:
        """The whole log has been read: where is what is new?"""
        self._next, events = self._first() if self.cursor is None else self._again(self.cursor)
        self.phase = "tell" if self._next < self.entries else "done"
        return events

    def _first(self) -> tuple[int, list[Event]]:
        if self._history == "all":
            start = 0
        elif self._history == "none":
            start = self.entries
        else:
            start = self._index.since(to_stamp(self.reading.time - timedelta(days=self._history)), self._latest)
        self._next, self.cursor = start, self._index.place(start, self._latest)
        reason = f"first reading: {start} of {self.entries} entries are older and are not told"
        return start, [DeviceChange(kind="log", reason=reason, mark=self._mark())]

    def _again(self, told: Cursor) -> tuple[int, list[Event]]:
        found, start = self._index.find(told)
        if self._sizes.is_full:
            found = self._index.in_full_log(found, told, start, self._latest)
        if found == "cleared":
            self._next, self.cursor = 0, Cursor()
            reason = OVERTAKEN if self._sizes.is_full else CLEARED
            return 0, [DeviceChange(kind="log", reason=reason, mark=self._mark())]
        place = self._index.place(start if found != "unordered" else self.entries, self._latest)
        place = replace(place, newest=told.newest, at=told.at)
        if found == "unordered" and (untold := self._index.untold(told)):
            self._untold = untold
            return untold[0], self._shortened(told, self.entries)
        self._next, self.cursor = place.count, place
        return place.count, self._shortened(told, place.count)

    def _tell(self, one: Entry, ages: Ages, at: float) -> list[Event]:
        assert self.cursor is not None
        key = one.key
        is_twice = key in self.cursor.tail
        self.cursor = self.cursor.past(key, one.stamp, self._latest)
        if is_twice:
            return []
        self.told += 1
        return [read(one, ages.origin(one, at), self._mark())]

    def _tell_unordered(self, ages: Ages, at: float) -> list[Event]:
        self.cursor = self._index.place(self.entries, self._latest)
        self.told = len(self._waiting)
        events = [read(one, ages.origin(one, at)) for one in self._waiting]
        self._waiting.clear()
        self._untold = None
        return [*events[:-1], replace(events[-1], mark=self._mark())]
