"""Which rows of the ledger were looked at, and which may still come among them.

On a server a row has its number before it is committed, so one of a lower number may be there later than one of a
higher. What is missing among the rows that are there is a hole: it is looked at again at each turn, until it is
filled or can be filled no more, because no transaction runs that was begun when it was found.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable
from dataclasses import dataclass, replace
from operator import attrgetter

IN_FLIGHT_MS = 60_000
"""A hole is looked at for so long at least: a transaction may have a row's number before it has one of its own."""
NEAR_ROWS = 64
"""Holes that are no further apart are looked at as one."""

Rows = tuple[int, int]
"""The first and the last of them."""


@dataclass(frozen=True, slots=True)
class Hole:
    """Rows that were not there at `found_ms` (unix ms), when no transaction from `next_one` on had begun."""

    first: int
    last: int
    found_ms: int
    next_one: int


class Arrivals:
    """What one deriver has looked at since it began."""

    def __init__(self) -> None:
        self._last = 0
        self._holes: list[Hole] = []

    def since(self, upto: int) -> int:
        """Behind which row to look for new ones; `upto`: up to where others looked at all that can come."""
        return max(upto, self._last)

    def missing(self) -> list[Rows]:
        """The holes, and as much between them that they are few."""
        found: list[Rows] = []
        for hole in self._holes:
            if found and hole.first - found[-1][1] <= NEAR_ROWS:
                found[-1] = (found[-1][0], hole.last)
            else:
                found.append((hole.first, hole.last))
        return found

    def looked(self, since: int, there: Iterable[int], upto: int, now_ms: int, next_one: int) -> None:
        """All rows behind `since` up to `upto` were looked at: those that were there, in order, the last of them
        `upto` itself; what was missing was so before the transaction `next_one`.
        """
        before = since
        for row in there:
            if row > upto:
                break
            if row > before + 1:
                self._holes.append(Hole(before + 1, row - 1, now_ms, next_one))
            before = row
        self._last = max(self._last, upto)

    def came(self, rows: Iterable[int]) -> None:
        """These are there now."""
        for row in rows:
            at = bisect_right(self._holes, row, key=_first) - 1
            if at < 0 or row > self._holes[at].last:
                continue
            hole = self._holes[at]
            parts = (replace(hole, last=row - 1), replace(hole, first=row + 1))
            self._holes[at : at + 1] = [part for part in parts if part.first <= part.last]

    def give_up(self, now_ms: int, oldest: int) -> None:
        """Forget the holes that nothing can fill: they were looked at when no transaction before `oldest` ran."""
        self._holes = [
            hole for hole in self._holes if hole.next_one > oldest or 0 <= now_ms - hole.found_ms < IN_FLIGHT_MS
        ]

    def upto(self) -> int:
        """Up to which row nothing can come any more."""
        return self._holes[0].first - 1 if self._holes else self._last


_first = attrgetter("first")
