"""Sets of record numbers as sorted, disjoint, closed ranges: what is settled, sent, missing.

Numbers of an epoch are gapless, so such a set is a handful of ranges however many records it names; every operation
costs the number of ranges it touches, not the number of records.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Iterator

Range = tuple[int, int]


class Spans:
    """A mutable set of whole numbers. `Spans([(1, 3), (7, 7)])` holds 1, 2, 3 and 7."""

    __slots__ = ("_first", "_last")

    def __init__(self, ranges: Iterable[Range] = ()) -> None:
        self._first: list[int] = []
        self._last: list[int] = []
        for first, last in ranges:
            self.add(first, last)

    def __iter__(self) -> Iterator[Range]:
        """The ranges, lowest first."""
        return iter(list(zip(self._first, self._last, strict=True)))

    def __bool__(self) -> bool:
        return bool(self._first)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Spans) and list(self) == list(other)

    def __hash__(self) -> int:
        raise TypeError("Spans is mutable")

    def __repr__(self) -> str:
        return f"Spans({list(self)})"

    def __contains__(self, number: int) -> bool:
        at = bisect_right(self._first, number) - 1
        return at >= 0 and number <= self._last[at]

    def __len__(self) -> int:
        """How many numbers, not how many ranges."""
        return sum(self._last) - sum(self._first) + len(self._first)

    def add(self, first: int, last: int) -> None:
        """Put `first` to `last` in; nothing if the range is empty."""
        if first > last:
            return
        left = bisect_left(self._last, first - 1)
        right = bisect_right(self._first, last + 1)
        if left < right:
            first, last = min(first, self._first[left]), max(last, self._last[right - 1])
        self._first[left:right], self._last[left:right] = [first], [last]

    def remove(self, first: int, last: int) -> None:
        """Take `first` to `last` out; nothing if the range is empty."""
        if first > last:
            return
        left = bisect_left(self._last, first)
        right = bisect_right(self._first, last)
        if left >= right:
            return
        rest = [(self._first[left], first - 1), (last + 1, self._last[right - 1])]
        kept = [(low, high) for low, high in rest if low <= high]
        self._first[left:right] = [low for low, _ in kept]
        self._last[left:right] = [high for _, high in kept]

    def update(self, ranges: Iterable[Range]) -> None:
        """Put all of `ranges` in."""
        for first, last in ranges:
            self.add(first, last)

    def subtract(self, ranges: Iterable[Range]) -> None:
        """Take all of `ranges` out."""
        for first, last in ranges:
            self.remove(first, last)

    def gaps(self, first: int, last: int) -> list[Range]:
        """The ranges of `first` to `last` that are not in the set, lowest first."""
        gaps: list[Range] = []
        for at in range(bisect_left(self._last, first), len(self._first)):
            if self._first[at] > last:
                break
            if self._first[at] > first:
                gaps.append((first, self._first[at] - 1))
            first = self._last[at] + 1
        if first <= last:
            gaps.append((first, last))
        return gaps

    def within(self, first: int, last: int) -> list[Range]:
        """The ranges of the set cut to `first` to `last`, lowest first."""
        cut: list[Range] = []
        if first > last:
            return cut
        for at in range(bisect_left(self._last, first), len(self._first)):
            if self._first[at] > last:
                break
            cut.append((max(first, self._first[at]), min(last, self._last[at])))
        return cut

    def through(self) -> int:
        """The highest number up to which all from 1 are in; 0 if 1 is not."""
        at = bisect_left(self._last, 1)
        return self._last[at] if at < len(self._last) and self._first[at] <= 1 else 0

    def lowest(self) -> int | None:
        """The lowest number in the set."""
        return self._first[0] if self._first else None

    def highest(self) -> int | None:
        """The highest number in the set."""
        return self._last[-1] if self._last else None

    def copy(self) -> Spans:
        """An independent copy."""
        return Spans(self)
