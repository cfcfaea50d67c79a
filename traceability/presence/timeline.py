"""The steps of one subject in order, and its stays; one more step, or one less, recomputes the gaps beside it."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from operator import attrgetter

from traceability.presence.facts import Order
from traceability.presence.stays import Stay, Step, stays_between
from traceability.presence.travel import Travel


@dataclass(frozen=True, slots=True)
class Delta:
    """What a change did: stays that are no longer held, and those that are new."""

    gone: tuple[Stay, ...] = ()
    new: tuple[Stay, ...] = ()

    def then(self, later: Delta) -> Delta:
        """Both, as one change."""
        if not (self.gone or self.new):
            return later
        made, ended = set(self.new), set(later.gone)
        gone = [*self.gone, *(stay for stay in later.gone if stay not in made)]
        new = [*(stay for stay in self.new if stay not in ended), *later.new]
        back = set(gone) & set(new)
        return Delta(
            tuple(stay for stay in gone if stay not in back), tuple(stay for stay in new if stay not in back)
        )


class Timeline:
    """One subject. The answer depends on the set of steps, not on the order in which they were put in.

    Gaps are derived when they are asked for, and kept as long as nothing beside them changes.
    """

    def __init__(self, steps: Iterable[Step] = (), travel: Callable[[int], Travel] = lambda _: Travel()) -> None:
        self._travel = travel
        self._steps = sorted(steps, key=attrgetter("order"))
        self._gaps: dict[Order | None, tuple[Stay, ...]] = {}

    @property
    def steps(self) -> tuple[Step, ...]:
        return tuple(self._steps)

    @property
    def stays(self) -> tuple[Stay, ...]:
        """In order of their likely beginnings."""
        found = self._stays(0, len(self._steps))
        return tuple(sorted(found, key=lambda stay: (stay.start.when.best_ms, stay.id)))

    def derive(self) -> Delta:
        """Derive all of them anew: how long it takes from site to site may have changed."""
        held = self._taken_out(0, len(self._steps))
        return _difference(held, self._stays(0, len(self._steps)))

    def put(self, step: Step) -> Delta:
        """Add a step; the same step again changes nothing."""
        at = bisect_left(self._steps, step.order, key=attrgetter("order"))
        if at < len(self._steps) and self._steps[at] == step:
            return Delta()
        held = self._taken_out(at, at)
        self._steps.insert(at, step)
        return _difference(held, self._stays(at, at + 1))

    def drop(self, step: Step) -> Delta:
        """Take a step out that is in."""
        at = bisect_left(self._steps, step.order, key=attrgetter("order"))
        if at == len(self._steps) or self._steps[at] != step:
            raise LookupError(f"{step.id} is not in the timeline")
        held = self._taken_out(at, at + 1)
        del self._steps[at]
        return _difference(held, self._stays(at, at))

    def _stays(self, first: int, last: int) -> list[Stay]:
        """Of the gaps beside the steps `first` to `last`, and of the one behind, which knows the move before."""
        return [stay for left, right in self._gaps_beside(first, last) for stay in self._gap(left, right)]

    def _taken_out(self, first: int, last: int) -> list[Stay]:
        """The same, for the last time: something beside these gaps changes."""
        found = self._stays(first, last)
        for left, _ in self._gaps_beside(first, last):
            del self._gaps[self._key(left)]
        return found

    def _gap(self, left: int | None, right: int | None) -> tuple[Stay, ...]:
        """What is between two neighbouring moves."""
        key = self._key(left)
        if key not in self._gaps:
            before = None if left is None else self._steps[left]
            after = None if right is None else self._steps[right]
            between = self._steps[0 if left is None else left + 1 : right]
            prior = None if left is None else self._move_before(left)
            mover = None if prior is None else self._steps[prior]
            self._gaps[key] = tuple(stays_between(mover, before, between, after, self._travel_of(before, after)))
        return self._gaps[key]

    def _key(self, left: int | None) -> Order | None:
        return None if left is None else self._steps[left].order

    def _travel_of(self, before: Step | None, after: Step | None) -> Travel:
        step = before or after
        return Travel() if step is None else self._travel(step.when.best_ms)

    def _gaps_beside(self, first: int, last: int) -> Iterator[tuple[int | None, int | None]]:
        """Pairs of indexes of neighbouring moves, from the one before `first` to the second one behind `last`."""
        left = self._move_before(first)
        behind = 0
        while behind < 2:
            right = self._move_from(0 if left is None else left + 1)
            yield left, right
            if right is None:
                return
            behind += right >= last
            left = right

    def _move_before(self, at: int) -> int | None:
        return next((index for index in range(at - 1, -1, -1) if self._steps[index].role == "moved"), None)

    def _move_from(self, at: int) -> int | None:
        return next((index for index in range(at, len(self._steps)) if self._steps[index].role == "moved"), None)


def _difference(held: Sequence[Stay], found: Sequence[Stay]) -> Delta:
    """What is no longer there, and what is new."""
    gone = tuple(stay for stay in held if stay not in found)
    return Delta(gone, tuple(stay for stay in found if stay not in held))


def neighbourhood(steps: Sequence[Step], late: Step) -> Sequence[Step]:
    """Of ordered steps those that a change at `late` can concern: from the second move before to the second behind.

    A timeline of these alone gives the same delta as one of all; who keeps steps in tables selects no more.
    """
    at = bisect_left(steps, late.order, key=attrgetter("order"))
    moves = [index for index, step in enumerate(steps) if step.role == "moved"]
    behind = bisect_left(moves, at)
    first = moves[behind - 2] if behind >= 2 else 0
    last = moves[behind + 1] if behind + 1 < len(moves) else len(steps) - 1
    return steps[first : last + 1]
