"""What punches would be with other parameters of pairing, beside what they are: only where they say something else.

Punches belong together where they rest on a common read or pass: a read that was `not_taken` and a pass that was
`forced` become one that is `completed`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from traceability.presence.answers import Scope
from traceability.presence.facts import Punch
from traceability.presence.moments import Span
from traceability.presence.readings import Rules


@dataclass(frozen=True, slots=True)
class Conclusion:
    """What a punch says; `subject` null: somebody without a name. `records`: the reads and passes it rests on."""

    at_ms: int
    outcome: str
    direction: str
    confidence: str
    subject: str | None
    count: int
    records: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Difference:
    """What rests on the same records: as it was concluded, and as it would be."""

    at_ms: int
    was: tuple[Conclusion, ...]
    would_be: tuple[Conclusion, ...]


@dataclass(frozen=True, slots=True)
class Trial:
    """One lane in a window. `was` and `would_be` count all its punches by outcome; `differences` are in order.

    `moved`: who would have gone through and did not, or the other way round.
    """

    scope: Scope
    site: str
    lane: str
    window: Span
    rules: Rules
    reads: int
    passes: int
    was: tuple[tuple[str, int], ...]
    would_be: tuple[tuple[str, int], ...]
    differences: tuple[Difference, ...]
    moved: tuple[str, ...]


@dataclass(slots=True)
class _Group:
    """What rests on common records, on both sides."""

    records: set[str]
    sides: tuple[list[Conclusion], list[Conclusion]] = field(default_factory=lambda: ([], []))

    def join(self, other: _Group) -> None:
        self.records |= other.records
        for mine, theirs in zip(self.sides, other.sides, strict=True):
            mine.extend(theirs)

    def differs(self) -> bool:
        before, after = (Counter(map(_said, side)) for side in self.sides)
        return before != after

    def difference(self) -> Difference:
        was, would_be = (_ordered(side) for side in self.sides)
        return Difference(min(each.at_ms for each in (*was, *would_be)), was, would_be)


Named = tuple[Punch, str | None]
"""A punch with its subject."""


def compare(was: Iterable[Named], now: Iterable[Named], window: Span) -> tuple[Difference, ...]:
    """Where they say something else, of what begins in a window."""
    of: dict[str, _Group] = {}
    for side, punches in enumerate((was, now)):
        for punch, subject in punches:
            group = _Group(set(punch.refs or (punch.id,)))
            group.sides[side].append(_conclusion(punch, subject))
            for other in {id(held): held for each in group.records if (held := of.get(each)) is not None}.values():
                group.join(other)
            of |= dict.fromkeys(group.records, group)
    groups = {id(group): group for group in of.values()}.values()
    found = [group.difference() for group in groups if group.differs()]
    return tuple(sorted((each for each in found if window.holds(each.at_ms)), key=repr))


def outcomes(punches: Iterable[Named], window: Span) -> tuple[tuple[str, int], ...]:
    """How many there are in a window, by outcome."""
    told = Counter(punch.outcome for punch, _ in punches if window.holds(punch.when.best_ms))
    return tuple(sorted(told.items()))


def moved(differences: Iterable[Difference], punches: Sequence[Named]) -> tuple[str, ...]:
    """Who would be moved otherwise."""
    moving = frozenset({punch.outcome for punch, _ in punches if punch.moves_person})
    found: set[str] = set()
    for difference in differences:
        before, after = (
            Counter((each.subject, each.direction) for each in side if each.outcome in moving)
            for side in (difference.was, difference.would_be)
        )
        found |= {subject for subject, _ in (before - after) + (after - before) if subject is not None}
    return tuple(sorted(found))


def _conclusion(punch: Punch, subject: str | None) -> Conclusion:
    return Conclusion(
        punch.when.best_ms,
        punch.outcome,
        punch.direction,
        punch.confidence,
        subject,
        punch.count,
        tuple(sorted(punch.refs)),
    )


def _said(told: Conclusion) -> tuple[str, str, str, str | None, int]:
    return told.outcome, told.direction, told.confidence, told.subject, told.count


def _ordered(told: Iterable[Conclusion]) -> tuple[Conclusion, ...]:
    return tuple(sorted(told, key=lambda each: (each.at_ms, each.records, each.outcome)))
