"""Look for the place in a log where it should be, in few ranges of it.

    check ──the tail stands there──> front ──> found
      └─not─> near the end ──────────> └──────────────> not found: the whole log is to be read

`check`: the last few entries told, and what follows (`behind`: some more of it). `near`: the last ones of the log,
among which the place is if old entries were dropped. `front`: the first ones of a log that is full, or may be: it may
go on there, and they are the oldest otherwise.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Literal

from drivers.zk.cursor import KEPT, TAIL, Cursor
from drivers.zk.news import News, full_log, shortened
from drivers.zk.records import Entry

NEAR_FULL = 4096
"""A log with less room than this is so near to being full that its oldest entries are kept in mind."""


class Look:
    """For the place `told` in a log of `size` entries; a range has `most` of them. `seen`: what has been read, by
    number. `room`: for how many entries the log has room, None: not known.
    """

    def __init__(self, told: Cursor, size: int, room: int | None, *, most: int) -> None:
        is_near_full = room is None or size > room - NEAR_FULL
        self._told = told if is_near_full else replace(told, oldest=())
        self._keeps = is_near_full
        self._size, self._room, self._most = size, room, most
        self._full = full = full_log(size, room)
        self._start = self._stop = told.count
        self._phase: Literal["check", "near", "behind", "front"] = "check"
        self.seen: dict[int, Entry] = {}
        self.is_done = False
        self.has_grown = False
        self.news: News | None = None
        self.wants = range(0)
        if size < told.count:
            self._near()
        else:
            stop = size if full == "no" else min(size, told.count + 2 * KEPT)
            begin = max(0, told.count - TAIL - 2 * KEPT * (full == "yes" and told.count == size))
            self.wants = range(begin, min(stop, begin + most))

    def take(self, found: list[Entry]) -> None:
        """The entries that were wanted."""
        first = self.wants.start
        stop = first + len(found)
        self.seen.update(enumerate(found, first))
        if self._phase == "front":
            self._found_front([one.key for one in found])
        elif self._phase == "behind" or self._is_in_place(found, self._told.count - first):
            self._look_behind(stop)
        elif self._phase == "check" and stop < self._size:
            self._near()
        elif (behind := self._told.found_in(found)) is not None and first + behind < self._told.count:
            self._start = first + behind
            self._look_behind(stop)
        elif self._phase == "check":
            self._near()
        else:
            self.is_done = True

    def _is_in_place(self, found: list[Entry], size: int) -> bool:
        """Whether the tail stands right in front of entry `size`, where it stood; if it has come over the end of the
        log, its end does.
        """
        tail = self._told.tail[-size:] if size else ()
        return size >= 0 and tuple(one.key for one in found[max(0, size - TAIL) : size]) == tail

    @property
    def dropped(self) -> int:
        """How many of the first entries are gone."""
        return self._told.count - self._start

    @property
    def _has_moved(self) -> bool:
        return self._start != self._told.count

    @property
    def _appends(self) -> bool:
        """Whether all that stands behind the place is new, and nothing in front of it."""
        return self._full == "no" or self._has_moved or not self._start

    def _near(self) -> None:
        self._phase, self.wants = "near", range(max(0, self._size - self._most), self._size)

    def _keys(self, stop: int) -> list[str]:
        return [self.seen[i].key for i in range(self._start, stop)]

    def _look_behind(self, stop: int) -> None:
        """What stands behind the place has been read, up to `stop`."""
        self._stop = stop
        keys = self._keys(stop)
        new = self._told.news_in(keys)
        if self._appends and new is None:
            if self._keeps and self._start and (self._has_moved or not self._told.oldest):
                self._front()
            else:
                self._found(self._size - self._start, self._told.oldest)
        elif self._appends:
            self._lost()
        elif stop < self._size and new is not None and len(keys) < new + KEPT:
            self._phase, self.wants = "behind", range(stop, min(self._size, stop + KEPT))
        elif stop < self._size and new is not None:
            self._found(new, tuple(keys[new : new + KEPT]))
        else:
            self._front()

    def _front(self) -> None:
        self._phase, self.wants = "front", range(min(self._start, 2 * KEPT))

    def _found_front(self, front: list[str]) -> None:
        has_not_wrapped = self._stop < self._size and self._told.news_in(front) == 0
        if self._appends or has_not_wrapped:
            self._found(self._size - self._start, tuple(front[:KEPT]))
            return
        keys = self._keys(self._stop) + front
        new = self._told.news_in(keys)
        if new is None or self._stop < self._size:
            self._lost()
        else:
            self._found(new, tuple(keys[new : new + KEPT]))

    def _found(self, new: int, oldest: tuple[str, ...]) -> None:
        told, start = self._told, self._start
        is_sure = self._full == "no" or self._has_moved or new > 0
        left = told.tail[-(self._size - new) :] if new < self._size else ()
        copy = "" if is_sure else told.copy
        place = replace(told, count=start, tail=left, oldest=oldest, size=self._size, copy=copy)
        gone = shortened(told, told.count - start, new, self._room)
        self.is_done, self.news = True, News(place, new, reason=gone)
        self.has_grown = not self._has_moved and (self._full != "maybe" or self._size > told.size)

    def _lost(self) -> None:
        self.is_done = True
