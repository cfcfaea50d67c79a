"""Which entries of a terminal's log have been told, kept in two thousand characters at most.

A log is a list that grows at its end; when it is full it loses its oldest entries, and nothing says where: it drops
them and goes on at its end, or it goes on at its beginning and overwrites them one by one. In the order of age it is
the same: oldest … newest. So what has been told is a place in that order, between two lots of keys:

    oldest … | what comes next |            `tail`: the keys of the entries told last, which stand before the place
     ▲            tail ▲       ▲ place      `oldest`: the keys of those that a full log will lose first

What stands behind the tail and in front of the oldest that is left is new, whatever any clock says. No time is
trusted for that: entries of the same second, a clock that was set and entries dated 2000 after a power cut keep their
places. `drivers.zk.news` says how the place is found again.

That a log goes on at this place is sure once entries were seen to come there. Of a log that was full when it was
read first it is not, nor of one that was overwritten beyond what is known: then `copy` stands for the whole log, so
that it is noticed if it is another, wherever.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass

from drivers.zk.records import Entry

TAIL = 16
KEPT = 64
"""So many of the oldest keys are kept in a mark."""
MOST_IN_A_SECOND = 64
KEY_BYTES = 6
AMID = "+"
NO_COPY = "?" + AMID
"""For the `copy` of a log that nobody has kept: a mark of an earlier version has none."""
NO_TOP = 0xFFFFFFFF


@dataclass(frozen=True, slots=True)
class Cursor:
    """A place in the log: `count` entries stand before it where the log has it, `tail` are the keys of the last told,
    `oldest` of those that go first, the oldest first; none: not known, or the log is far from full.

    `newest` is the latest time among those told that is believed (encoded), `at` the keys told of that second: for a
    log without order. `top` is the latest time of all entries told that the log holds, `size` is how many it held.
    `copy` stands for the log as it was read (`drivers.zk.index`), with AMID behind it while there are more to be told
    of it, as long as it is not sure that the log goes on here, else it is empty.
    """

    count: int = 0
    tail: tuple[str, ...] = ()
    newest: int = 0
    at: tuple[str, ...] = ()
    oldest: tuple[str, ...] = ()
    top: int = 0
    size: int = 0
    copy: str = ""

    @property
    def is_proved(self) -> bool:
        """Whether new entries that stand at this place show that the log goes on here."""
        return not self.copy.endswith(AMID)

    @property
    def knows_all(self) -> bool:
        """Whether `oldest` are all entries told that the log holds."""
        return self.oldest[-len(self.tail) :] == self.tail if self.tail else not self.count

    def past(self, key: str, stamp: int, latest: int) -> Cursor:
        """The place behind the next entry; a time beyond `latest` (encoded) is not believed."""
        newest, at = self.newest, self.at
        if newest < stamp <= latest:
            newest, at = stamp, (key,)
        elif stamp == newest:
            at = (*at, key)[-MOST_IN_A_SECOND:]
        oldest = (*self.oldest, key) if self.knows_all and len(self.oldest) < KEPT else self.oldest
        tail = (*self.tail, key)[-TAIL:]
        return Cursor(self.count + 1, tail, newest, at, oldest, max(self.top, stamp), self.size, self.copy)

    def mark(self, clock: dict[str, object] | None = None) -> str:
        """The place as text, and `clock` (drivers.zk.watch)."""
        kept: dict[str, object] = {
            "n": self.count, "tail": "".join(self.tail), "newest": self.newest, "at": "".join(self.at),
            "oldest": "".join(self.oldest), "top": self.top, "of": self.size,
            "copy": self.copy,
        }  # fmt: skip
        return json.dumps(kept if clock is None else kept | {"clock": clock}, separators=(",", ":"))

    def found_in(self, entries: Sequence[Entry]) -> int | None:
        """Behind which of the entries the place is; None: its keys do not stand there, all of them and together."""
        keys, size = [one.key for one in entries], len(self.tail)
        if not size:
            return None
        ends = (end for end in range(len(keys), size - 1, -1) if tuple(keys[end - size : end]) == self.tail)
        return next(ends, None)

    def news_in(self, keys: Sequence[str]) -> int | None:
        """How many of the keys that stand behind the place are new: those in front of the oldest one that is left;
        None: none of the oldest is there, or not all that should stand behind it.
        """
        oldest = self.oldest
        known = frozenset(oldest)
        number = next((i for i, key in enumerate(keys) if key in known), None)
        if number is None:
            return None
        for rank in (i for i, key in enumerate(oldest[: number + 1]) if key == keys[number]):
            size = min(len(keys) - number, len(oldest) - rank)
            if tuple(keys[number : number + size]) == oldest[rank : rank + size]:
                return number
        return None


def from_mark(mark: str | None) -> Cursor | None:
    """The place a mark stands for; None: there is no mark, or it is not one of ours. One of an earlier version knows
    only the tail, and that a log goes on at its end.
    """
    try:
        kept = json.loads(mark or "null")
        count, newest = int(kept["n"]), int(kept["newest"])
        oldest, top, size = kept.get("oldest", ""), int(kept.get("top", NO_TOP)), int(kept.get("of", count))
        place = Cursor(
            count, _keys(kept["tail"]), newest, _keys(kept["at"]), _keys(oldest)[:KEPT], top, size,
            str(kept.get("copy", NO_COPY)),
        )  # fmt: skip
    except (ValueError, TypeError, KeyError, AttributeError, OverflowError):
        return None
    return place if count >= 0 else None


def _keys(text: str) -> tuple[str, ...]:
    size = 2 * KEY_BYTES
    if len(text) % size:
        raise ValueError("half a key")
    return tuple(bytes.fromhex(text[i : i + size]).hex() for i in range(0, len(text), size))
