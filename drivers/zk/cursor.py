"""Which entries of a terminal's log have been told, kept in a few hundred characters.

A log is a list that grows at its end. So what has been told is a place in it: how many entries lie before the place,
and the keys of the last few of them, which prove it. No time is trusted for that: entries of the same second, a clock
that was set back and entries dated 2000 after a power cut keep their places.

The place is found again by its keys when the log is not what it was:

    the keys stand where they stood               what lies behind them is new
    they stand further in front                   old entries were dropped: what lies behind them is new
    none of them is left                          somebody has cleared the log: all of it is new
    they stand further behind, or in other order  the terminal does not append: what is not older than the newest
                                                  entry told is new, except those of its second already told
    a run of newer ones stands right before the   a full log is overwritten in place: the run is new
    oldest entry of a full log

`at` holds the keys of that second; entries that agree in user, time, verify and state are one.
"""

from __future__ import annotations

import json
from array import array
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from drivers.zk.records import Entry

TAIL = 16
MOST_IN_A_SECOND = 64
KEY_BYTES = 6

Found = Literal["in place", "moved", "cleared", "unordered"]


@dataclass(frozen=True, slots=True)
class Cursor:
    """A place in the log: `count` entries before it, `tail` the keys of the last of them, oldest first.

    `newest` is the latest time among those told (encoded), `at` the keys told of that second.
    """

    count: int = 0
    tail: tuple[str, ...] = ()
    newest: int = 0
    at: tuple[str, ...] = ()

    def past(self, key: str, stamp: int, latest: int) -> Cursor:
        """The place behind the next entry; a time beyond `latest` (encoded) is not believed."""
        newest, at = self.newest, self.at
        if newest < stamp <= latest:
            newest, at = stamp, (key,)
        elif stamp == newest:
            at = (*at, key)[-MOST_IN_A_SECOND:]
        return Cursor(self.count + 1, (*self.tail, key)[-TAIL:], newest, at)

    def mark(self, clock: dict[str, object] | None = None) -> str:
        """The place as text: at most about 1500 characters, and `clock` (drivers.zk.watch)."""
        kept: dict[str, object] = {
            "n": self.count, "tail": "".join(self.tail), "newest": self.newest, "at": "".join(self.at),
        }  # fmt: skip
        return json.dumps(kept if clock is None else kept | {"clock": clock}, separators=(",", ":"))

    def found_in(self, entries: Sequence[Entry]) -> int | None:
        """Behind which of the entries the place is; None: its keys do not stand there, all of them and together."""
        keys, size = [one.key for one in entries], len(self.tail)
        if not size:
            return None
        ends = (end for end in range(len(keys), size - 1, -1) if tuple(keys[end - size : end]) == self.tail)
        return next(ends, None)


def from_mark(mark: str | None) -> Cursor | None:
    """The place a mark stands for; None: there is no mark, or it is not one of ours."""
    try:
        kept = json.loads(mark or "null")
        count, newest = int(kept["n"]), int(kept["newest"])
        return Cursor(count, _keys(kept["tail"]), newest, _keys(kept["at"])) if count >= 0 else None
    except (ValueError, TypeError, KeyError):
        return None


def _keys(text: str) -> tuple[str, ...]:
    size = 2 * KEY_BYTES
    return tuple(bytes.fromhex(text[i : i + size]).hex() for i in range(0, len(text), size))


class Index:
    """The keys and times of a whole log, ten bytes an entry."""

    def __init__(self) -> None:
        self._keys = bytearray()
        self.stamps = array("I")

    def add(self, entry: Entry) -> None:
        """The next entry of the log."""
        self._keys += bytes.fromhex(entry.key)
        self.stamps.append(entry.stamp)

    def __len__(self) -> int:
        return len(self.stamps)

    def key(self, at: int) -> str:
        """The key of entry `at`."""
        return self._keys[at * KEY_BYTES : (at + 1) * KEY_BYTES].hex()

    def place(self, at: int, latest: int) -> Cursor:
        """The place before entry `at`, as if all before it had been told; no time beyond `latest` is believed."""
        tail = tuple(self.key(i) for i in range(max(0, at - TAIL), at))
        newest = max((stamp for stamp in self.stamps[:at] if stamp <= latest), default=0)
        same = [self.key(i) for i in range(at) if self.stamps[i] == newest]
        return Cursor(at, tail, newest, tuple(same[-MOST_IN_A_SECOND:]))

    def find(self, told: Cursor) -> tuple[Found, int]:
        """Where the place is now, and the number of the first entry that may be new."""
        places = [at for at in (self._last(key) for key in told.tail) if at is not None]
        if not places:
            return ("cleared", 0) if told.count else ("in place", 0)
        if places != sorted(places) or places[-1] + 1 > told.count:
            return "unordered", 0
        return "in place" if places[-1] + 1 == told.count else "moved", places[-1] + 1

    def _last(self, key: str) -> int | None:
        """The last entry with a key."""
        wanted, end = bytes.fromhex(key), len(self._keys)
        while (at := self._keys.rfind(wanted, 0, end)) >= 0:
            if at % KEY_BYTES == 0:
                return at // KEY_BYTES
            end = at + KEY_BYTES - 1
        return None

    def untold(self, told: Cursor) -> list[int]:
        """The entries that were not told, by their time, in a log without order."""
        newer = (i for i, stamp in enumerate(self.stamps) if stamp >= told.newest)
        return [i for i in newer if self.key(i) not in told.at and self.key(i) not in told.tail]

    def in_full_log(self, found: Found, told: Cursor, start: int, latest: int) -> Found:
        """What `find` has found, in a log that may be overwritten in place; of an empty place more may have come than
        it has room for.
        """
        is_placed = found in ("in place", "moved")
        if is_placed and not told.count:
            return "cleared"
        if is_placed:
            return "unordered" if self.overwritten(told, start, latest) else found
        return "unordered" if self.holds_newest(told) else found

    def overwritten(self, told: Cursor, start: int, latest: int) -> list[int]:
        """The entries before `start` that were not told, in a full log whose oldest ones are overwritten in place;
        usually none. What lies behind is new whatever the log does.

        They are one run, and right behind it stands the oldest entry of all: so it looks in no other log.
        """
        new = [i for i in self.untold(told) if i < start and self.stamps[i] <= latest]
        if not new or new[-1] - new[0] >= len(new) or new[-1] + 1 >= len(self):
            return []
        return new if self.stamps[new[-1] + 1] == min(self.stamps) else []

    def holds_newest(self, told: Cursor) -> bool:
        """Whether an entry of the newest second told is still there."""
        return any(self._last(key) is not None for key in told.at)

    def since(self, low: int, high: int) -> int:
        """The first entry dated from `low` to `high` (encoded times); the end of the log if there is none."""
        return next((i for i, stamp in enumerate(self.stamps) if low <= stamp <= high), len(self))
