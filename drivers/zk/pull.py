"""Read a terminal's log once, from where it was told last, and tell what is new.

The log is read in ranges of bytes which the script asks for. Usually one is enough: the last few entries told, which
prove the place, and what follows them (`drivers.zk.look`). Only when the place is not found the whole log is read for
its keys (`drivers.zk.news`), and then a second time, from the place on.

    head ──> look ──found──> tell ──> done
     │         └─not─> find ──> tell
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
from drivers.zk.cursor import AMID, KEY_BYTES, Cursor
from drivers.zk.index import Index, changed
from drivers.zk.look import Look
from drivers.zk.news import Full, News, ascending, full_log, news
from drivers.zk.records import HEADER_BYTES, Entry, entry, records_in, to_stamp, width_of
from drivers.zk.schedule import Sizes
from drivers.zk.stream import read
from drivers.zk.watch import Watch

CHUNK_BYTES = 16_000
"""A multiple of all record sizes."""
HEAD_BYTES = HEADER_BYTES + 960
AHEAD = timedelta(hours=1)
NO_SIZES = Sizes()

History = Literal["all", "none"] | int
Phase = Literal["head", "look", "find", "tell", "done"]


class Pull:
    """One reading of a log of `total` bytes, its size in front. `told`: the place, None before the first pull.

    `watch` has read the clock; `width`: the size of a record if known; `sizes`: what the terminal says of its log;
    `thoroughly`: read all of it, whatever stands at its end; `held`: the keys of all entries that it held when all of
    it had been told, if they are known. `cursor` is the place behind what has been told so far.
    """

    def __init__(
        self, total: int, told: Cursor | None, watch: Watch, history: History,
        *, width: int | None = None, sizes: Sizes = NO_SIZES, thoroughly: bool = False, held: bytearray | None = None,
    ) -> None:  # fmt: skip
        assert watch.reading is not None
        self.reading = watch.reading
        self._total = total
        self._watch = watch
        self._ages: Ages | None = None
        self._clocks = watch.kept(), watch.kept(self.reading)
        self._history: History = history
        self._sizes = sizes
        self._is_thorough = thoroughly
        self._held = held
        self._index = Index()
        self._look: Look | None = None
        self._news = News(Cursor())
        self._only: frozenset[int] | None = None
        self._spans: deque[range] = deque()  # of entries, to be read for what is to be told
        self._seen: dict[int, Entry] = {}  # read, and not yet looked at for that
        self._waiting: deque[Entry] = deque()  # to be told
        self._keys: list[str] = []  # of what is told, in order
        self._latest = to_stamp(self.reading.time + AHEAD)
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
    def full(self) -> Full:
        """Whether the log cannot grow any more."""
        return full_log(self.entries, self._sizes.room or None)

    @property
    def is_proof(self) -> bool:
        """Whether nothing can be in the log that was not told, once this is done. As long as it is not sure where a
        full log goes on, its end proves nothing.
        """
        return self._look is None or self.cursor is None or not self.cursor.copy

    @property
    def held(self) -> bytearray | None:
        """The keys of all entries, once this is done; None: they are not known, or not worth the room."""
        if self.full == "no" or self.cursor is None:
            return None
        if self._look is None:
            return self._index.keys
        if self._held is None:
            return None
        keys = changed(self._held, self._news.place.count, self._keys, self.entries, self._look.dropped)
        return keys if len(keys) == self.entries * KEY_BYTES else None

    def wants(self) -> tuple[int, int] | None:
        """The range to read next: first byte, size; None: done."""
        if self.phase == "done":
            return None
        if self.phase == "head":
            return 0, min(self._total, HEAD_BYTES)
        assert self.width is not None
        wanted = self._spans[0] if self._look is None or self.phase == "tell" else self._look.wants
        return HEADER_BYTES + wanted.start * self.width, min(CHUNK_BYTES, len(wanted) * self.width)

    def take(self, data: bytes, at: float) -> list[Event]:
        """The bytes of the range that was wanted, at the monotonic second `at`; what they mean."""
        if self.phase == "head":
            return self._head(data)
        assert self.width is not None
        found = [entry(record) for record in records_in(data, self.width)]
        if self.phase == "find":
            return self._note(found)
        events: list[Event] = []
        if self.phase == "look":
            events += self._looked(found)
        else:
            self._seen.update(enumerate(found, self._spans[0].start))
        self._wait()
        return events + self._told(at)

    @property
    def awaits_time(self) -> bool:
        """Whether entries are to be told, and the clock is to be read for them once more."""
        return self._ages is None and bool(self._waiting) and self._is_ripe

    def holds(self, most: int) -> bool:
        """Whether so many entries wait that they are to be told before more is read."""
        return self._news.only is None and len(self._waiting) >= most

    def date(self, at: float, *, is_behind: bool = True) -> list[Event]:
        """The clock has been read behind the log, or cannot be (False): tell what has waited for it."""
        has_grown = self._look is not None and self._look.has_grown
        self._ages = self._watch.ages(grown=has_grown, is_behind=is_behind)
        self._clocks = self._watch.kept(), self._watch.kept(self.reading)
        return self._told(at)

    @property
    def _is_ripe(self) -> bool:
        """Without a place in between all are told when the last has come, and move the mark."""
        return self._news.only is None or not self._spans

    def _wait(self) -> None:
        """What has been read of what is to be told waits for it."""
        only = self._only
        while self._spans:
            span = self._spans.popleft()
            stop = next((i for i in span if i not in self._seen), span.stop)
            self._waiting += [self._seen.pop(i) for i in range(span.start, stop) if only is None or i in only]
            if stop < span.stop:
                self._spans.appendleft(range(stop, span.stop))
                return
        if self.phase == "tell":
            self._seen.clear()
            self.phase = "done"

    def _told(self, at: float) -> list[Event]:
        """What can be told of what waits."""
        if self._ages is None or not self._is_ripe:
            return []
        if self._news.only is not None:
            return self._tell_at_once(self._ages, at) if self._waiting else []
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
        if told is None or not self.entries or self._is_thorough:
            return self._find()
        is_unsure = not told.count or (bool(told.copy) and self._held is None)
        may_wrap = self.full == "yes" or (self.full == "maybe" and self.entries <= told.size)
        if is_unsure and may_wrap:
            return self._find()
        most = CHUNK_BYTES // width
        self._look = Look(told, self.entries, self._sizes.room or None, most=most)
        self.phase = "look"
        return []

    def _looked(self, found: list[Entry]) -> list[Event]:
        look = self._look
        assert look is not None
        look.take(found)
        if not look.is_done:
            return []
        if look.news is None:
            return self._find()
        self._seen = look.seen
        return self._plan(look.news)

    def _find(self) -> list[Event]:
        self._look, self.phase = None, "find"
        self._spans.append(range(self.entries))
        return [] if self.entries else self._locate()

    def _note(self, found: list[Entry]) -> list[Event]:
        for one in found:
            self._index.add(one)
        self._spans[0] = range(len(self._index), self.entries)
        return [] if self._spans[0] else self._locate()

    def _locate(self) -> list[Event]:
        """The whole log has been read: where is what is new?"""
        if self.cursor is None:
            return self._plan(self._first())
        return self._plan(news(self._index, self.cursor, self._held, self._sizes.room or None))

    def _plan(self, found: News) -> list[Event]:
        """What is to be read again, and told."""
        self._news, self.cursor, self.phase = found, found.place, "tell"
        self._only = None if found.only is None else frozenset(found.only)
        self._spans.clear()
        if found.only is not None:
            self._spans += ascending(found.only)
        elif found.new:
            first = found.place.count % self.entries
            stop = first + found.new
            self._spans += [range(first, min(stop, self.entries)), range(stop - self.entries)]
        self._wait()
        return [] if found.reason is None else [DeviceChange(kind="log", reason=found.reason, mark=self._mark())]

    def _first(self) -> News:
        index, size = self._index, self.entries
        if isinstance(self._history, int):
            old = index.since(to_stamp(self.reading.time - timedelta(days=self._history)), self._latest)
        else:
            old = 0 if self._history == "all" else size
        copy = "" if self.full == "no" else index.copy + AMID * (old < size)
        place = index.place(old, size - old, copy=copy) if size else Cursor()
        newest, at = index.believed(range(old), self._latest)
        reason = f"first reading: {old} of {size} entries are older and are not told"
        return News(replace(place, newest=newest, at=at), size - old, reason=reason)

    def _mark(self) -> str | None:
        """The place, with the clock; without a place in between there is none before the last entry is told."""
        if self.cursor is None or (self._news.only and not (self._is_ripe and not self._waiting)):
            return None
        return self.cursor.mark(self._clocks[self.phase == "done" and not self._waiting])

    def _tell(self, one: Entry, ages: Ages, at: float) -> list[Event]:
        assert self.cursor is not None
        key, place = one.key, self.cursor
        is_twice = key in place.tail
        if place.count >= self.entries:
            place = replace(place, count=0)
        place = place.past(key, one.stamp, self._latest)
        if self.phase == "done" and not self._waiting:
            place = replace(place, copy=place.copy.rstrip(AMID))
        self.cursor = place
        self._keys.append(key)
        if is_twice:
            return []
        self.told += 1
        return [read(one, ages.origin(one, at), self._mark())]

    def _tell_at_once(self, ages: Ages, at: float) -> list[Event]:
        assert self._news.behind is not None
        newest, keys = self._index.believed(range(self.entries), self._latest)
        self.cursor = replace(self._news.behind, newest=newest, at=keys)
        self.told = len(self._waiting)
        events = [read(one, ages.origin(one, at)) for one in self._waiting]
        self._waiting.clear()
        return [*events[:-1], replace(events[-1], mark=self._mark())]
