"""Moments that are known only so well, and spans of time. All times are unix ms; None is an end that is open.

A stay has three extents: `sure` (it held for certain), `likely` (by the best estimates) and `possible` (nothing known
speaks against it); sure ⊆ likely ⊆ possible. Spans are half-open.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

from traceability.dating import Dated

PAST, FUTURE = -(2**53), 2**53
MINUTE_MS, HOUR_MS, DAY_MS = 60_000, 3_600_000, 86_400_000

Basis = Literal["clock", "anchor", "order", "operator"]
Level = Literal["sure", "likely", "possible"]
LEVELS: tuple[Level, ...] = ("sure", "likely", "possible")


@dataclass(frozen=True, slots=True, order=True)
class Span:
    """From `begin_ms` up to, not including, `end_ms`."""

    begin_ms: int
    end_ms: int

    @property
    def length_ms(self) -> int:
        return max(0, self.end_ms - self.begin_ms)

    def cut(self, other: Span) -> Span:
        """What both have; empty (length 0) where they do not meet."""
        begin_ms = max(self.begin_ms, other.begin_ms)
        return Span(begin_ms, max(begin_ms, min(self.end_ms, other.end_ms)))

    def meets(self, other: Span) -> bool:
        """Whether they share a moment; a span without length is a moment of its own."""
        if self.begin_ms == other.begin_ms:
            return True
        return self.begin_ms < other.end_ms and other.begin_ms < self.end_ms

    def holds(self, at_ms: int) -> bool:
        return self.begin_ms <= at_ms < self.end_ms


@dataclass(frozen=True, slots=True)
class When:
    """When something happened: best estimate, and between which moments; None: no bound is known."""

    best_ms: int
    earliest_ms: int | None
    latest_ms: int | None
    basis: Basis = "clock"

    @property
    def first_ms(self) -> int:
        """`earliest_ms` as a number."""
        return PAST if self.earliest_ms is None else self.earliest_ms

    @property
    def last_ms(self) -> int:
        """`latest_ms` as a number."""
        return FUTURE if self.latest_ms is None else self.latest_ms

    def until(self, other: When) -> When:
        """Somewhere between this moment and the other; the best estimate is this one."""
        latest_ms = None if other.latest_ms is None else max(other.latest_ms, self.best_ms)
        return When(self.best_ms, self.earliest_ms, latest_ms, self.basis)

    def since(self, other: When) -> When:
        """Somewhere between the other moment and this one; the best estimate is this one."""
        earliest_ms = None if other.earliest_ms is None else min(other.earliest_ms, self.best_ms)
        return When(self.best_ms, earliest_ms, self.latest_ms, self.basis)


def when_of(dated: Dated) -> When | None:
    """What dating says, with a best estimate also where only the order is known; None: it cannot be placed."""
    first, last, best = dated.earliest_ms, dated.latest_ms, dated.time_ms
    if best is None and first is not None and last is not None:
        best = (first + last) // 2
    if best is None:
        best = last if last is not None else first
    if best is None:
        return None
    first = None if first is None else min(first, best)
    return When(best, first, None if last is None else max(last, best), dated.basis)


def exactly(at_ms: int, basis: Basis = "operator") -> When:
    """A moment without doubt."""
    return When(at_ms, at_ms, at_ms, basis)


def merged(spans: Iterable[Span]) -> Iterator[Span]:
    """The same time as spans that do not touch, in order; empty ones are left out."""
    begin = end = None
    for span in sorted(span for span in spans if span.length_ms):
        if begin is not None and end is not None and span.begin_ms <= end:
            end = max(end, span.end_ms)
            continue
        if begin is not None and end is not None:
            yield Span(begin, end)
        begin, end = span.begin_ms, span.end_ms
    if begin is not None and end is not None:
        yield Span(begin, end)


def total_ms(spans: Iterable[Span]) -> int:
    """How long all of them are together, no moment counted twice."""
    return sum(span.length_ms for span in merged(spans))


def covered_ms(pairs: Sequence[tuple[int, int]]) -> int:
    """As `total_ms`, for pairs of numbers none of which is empty."""
    if len(pairs) < 2:
        return sum(end - begin for begin, end in pairs)
    length, until = 0, PAST
    for begin, end in sorted(pairs):
        if end > until:
            length += end - max(begin, until)
            until = end
    return length
