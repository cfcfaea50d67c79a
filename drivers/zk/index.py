"""The keys and times of a whole log, ten bytes an entry."""

from __future__ import annotations

from array import array
from hashlib import blake2b

from drivers.zk.cursor import KEPT, KEY_BYTES, MOST_IN_A_SECOND, TAIL, Cursor
from drivers.zk.records import Entry


class Index:
    """A log as it was read, entry by entry, where the terminal has them."""

    def __init__(self) -> None:
        self.keys = bytearray()
        self.stamps = array("I")

    def add(self, entry: Entry) -> None:
        """The next entry of the log."""
        self.keys += bytes.fromhex(entry.key)
        self.stamps.append(entry.stamp)

    def __len__(self) -> int:
        return len(self.stamps)

    def key(self, at: int) -> str:
        """The key of entry `at`."""
        return self.keys[at * KEY_BYTES : (at + 1) * KEY_BYTES].hex()

    @property
    def copy(self) -> str:
        """What stands for this log and no other: its length, and a digest of its keys."""
        return f"{len(self)}.{blake2b(self.keys, digest_size=8).hexdigest()}"

    def last(self, key: str) -> int | None:
        """The last entry with a key."""
        wanted, end = bytes.fromhex(key), len(self.keys)
        while (at := self.keys.rfind(wanted, 0, end)) >= 0:
            if at % KEY_BYTES == 0:
                return at // KEY_BYTES
            end = at + KEY_BYTES - 1
        return None

    def place(self, start: int, new: int, *, copy: str = "") -> Cursor:
        """The place before entry `start`, if it and the `new - 1` behind it (the first one comes behind the last) are
        the only ones that are new. No time is told: see `believed`.
        """
        size = len(self)
        told = range(start + new, start + size)
        tail = tuple(self.key(i % size) for i in told[max(0, len(told) - TAIL) :])
        oldest = tuple(self.key(i % size) for i in told[:KEPT])
        top = max((self.stamps[i % size] for i in told), default=0)
        count = start if start or new == size else size
        return Cursor(count, tail, oldest=oldest, top=top, size=size, copy=copy)

    def believed(self, told: range, latest: int) -> tuple[int, tuple[str, ...]]:
        """The latest time of some entries that is not beyond `latest` (encoded), and the keys of that second."""
        size = len(self)
        newest = max((stamp for i in told if (stamp := self.stamps[i % size]) <= latest), default=0)
        same = [self.key(i % size) for i in told if self.stamps[i % size] == newest]
        return newest, tuple(same[-MOST_IN_A_SECOND:])

    def since(self, low: int, high: int) -> int:
        """The first entry dated from `low` to `high` (encoded times); the end of the log if there is none."""
        return next((i for i, stamp in enumerate(self.stamps) if low <= stamp <= high), len(self))

    def untold(self, told: Cursor) -> list[int]:
        """The entries that were not told, by their time, in a log without order."""
        newer = (i for i, stamp in enumerate(self.stamps) if stamp >= told.newest)
        return [i for i in newer if self.key(i) not in told.at and self.key(i) not in told.tail]


def changed(keys: bytearray, start: int, new: list[str], size: int, dropped: int) -> bytearray:
    """The keys of a log that dropped its first ones, and got new ones from `start` on; it now has `size`."""
    del keys[: dropped * KEY_BYTES]
    for number, key in enumerate(new, start):
        at = number % size * KEY_BYTES
        keys[at : at + KEY_BYTES] = bytes.fromhex(key)
    return keys
