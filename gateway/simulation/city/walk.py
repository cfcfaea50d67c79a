"""Everybody through the lanes, in the order of time: what happens physically, and so what is true.

A lane serves one person after another, as a turnstile does; who comes meanwhile waits, and all the rest of his day
moves with him. What comes out are crossings (who, where, when, with which card, in which manner) for the gateways to
see, and true stays, which no gateway has touched.
"""

from __future__ import annotations

from array import array
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, field
from enum import IntEnum
from heapq import heappop, heappush

from gateway.simulation.city import people, plans
from gateway.simulation.city.layout import NOWHERE, TRENCH, Layout, Place
from gateway.simulation.city.people import Crowd
from gateway.simulation.city.plans import Leg
from gateway.simulation.city.settings import SECOND, YARD

NO_CARD, STILL = -1, -1
WIDTH = 7
"""Numbers that a crossing takes in an array."""
CLOSE_MS = 3 * SECOND
"""Who is so close behind somebody, or waits in line behind him, may go through with him."""
WINDOW_MS = 6 * SECOND
"""Longer than any lane waits for a pass."""


class Habit(IntEnum):
    """How somebody crosses: plainly; with the card held for a while; refused at first; away again after reading;
    close behind another without a card; by a door that no gateway watches."""

    PLAIN = 0
    HELD = 1
    REFUSED_FIRST = 2
    WALKS_AWAY = 3
    BEHIND = 4
    FIRE_DOOR = 5


@dataclass(frozen=True, slots=True)
class Crossing:
    """A person at a lane: presents a card at `read_ms` (or has none), is through at `pass_ms`; in or out of it."""

    read_ms: int
    pass_ms: int
    lane: int
    is_in: bool
    card: int
    habit: Habit
    person: int

    @property
    def is_made(self) -> bool:
        """Whether the person went through."""
        return self.habit is not Habit.WALKS_AWAY


@dataclass(frozen=True, slots=True)
class TrueStay:
    """A person was at a place of a site from a moment to another; None: is there still at the end."""

    person: str
    site: str
    zone: str
    from_ms: int
    to_ms: int | None


@dataclass(slots=True)
class _Walker:
    """Where a person is, since when, and what is still to be done."""

    place: Place = NOWHERE
    since_ms: int = 0
    card: int = NO_CARD
    legs: deque[Leg] = field(default_factory=deque)
    is_due: bool = False


class Walk:
    """`run` once; then `stays` is the truth and `kept` what the lanes of a gateway saw."""

    def __init__(self, layout: Layout, crowd: Crowd) -> None:
        self._stays = array("q")
        self._places = [(site, zone) for site, zones in layout.zones.items() for zone in (*zones, TRENCH)]
        self._numbers = {place: number for number, place in enumerate(self._places)}
        self._layout = layout
        self._crowd = crowd
        self._rng = layout.settings.random("walk")
        self._calm = layout.settings.calm
        self._walkers = [_Walker() for _ in crowd.people]
        self._due: list[tuple[int, int]] = []
        self._free_ms = [0] * len(layout.lanes)
        self._last = [(0, False)] * len(layout.lanes)
        self._kept = {gateway: array("q") for gateway in layout.gateways}

    def run(self) -> None:
        """All days; who is inside at the end stays there."""
        settings = self._layout.settings
        for day in range(settings.days):
            self._until(settings.midnight_ms(day))
            self._plan(day)
        self._until(settings.end_ms)
        for person, walker in zip(self._crowd.people, self._walkers, strict=True):
            if walker.place != NOWHERE:
                self._stayed(person.number, walker, STILL)

    def stays(self) -> Iterator[TrueStay]:
        """The truth, in the order in which the stays ended."""
        numbers = iter(self._stays)
        for person, place, from_ms, to_ms in zip(*[numbers] * 4, strict=True):
            site, zone = self._places[place]
            yield TrueStay(self._crowd.people[person].id, site, zone, from_ms, None if to_ms == STILL else to_ms)

    def kept(self, gateway: tuple[str, str]) -> array[int]:
        """The crossings of a gateway as numbers, for another process."""
        return self._kept[gateway]

    def _plan(self, day: int) -> None:
        lent: dict[int, int] = {}
        for person, walker in zip(self._crowd.people, self._walkers, strict=True):
            legs = plans.day_of(self._layout, person, day)
            if not legs:
                continue
            if person.kind == "visitor":
                site = plans.visited(self._layout, person, day)
                lent[site] = lent.get(site, -1) + 1
                walker.card = people.lend(self._layout, self._crowd, person, site, day, lent[site])
            walker.legs.extend(legs)
            if not walker.is_due:
                walker.is_due = True
                heappush(self._due, (max(walker.since_ms, legs[0].at_ms), person.number))

    def _until(self, end_ms: int) -> None:
        while self._due and self._due[0][0] < end_ms:
            at_ms, number = heappop(self._due)
            again_ms = self._step(at_ms, number, self._walkers[number])
            if again_ms is not None:
                heappush(self._due, (again_ms, number))

    def _step(self, at_ms: int, number: int, walker: _Walker) -> int | None:
        """One lane nearer to the first leg's place; returns when to go on, None: nothing is left to do."""
        while walker.legs and walker.legs[0].place == walker.place:
            walker.legs.popleft()
        if not walker.legs:
            walker.is_due = False
            return None
        leg = walker.legs[0]
        if leg.at_ms > at_ms:
            return leg.at_ms
        lane, is_in, there = self._way(at_ms, leg, walker.place)
        if walker.place == NOWHERE and self._crowd.people[number].cards:
            walker.card = self._rng.choice(self._crowd.people[number].cards)
        return self._cross(at_ms, number, walker, lane, is_in, there)

    def _way(self, at_ms: int, leg: Leg, here: Place) -> tuple[int, bool, Place]:
        """The lane to take, a free one if there is any; whether that is a movement in; the place behind it."""
        if leg.wheel is not None:
            return leg.wheel, leg.place != NOWHERE, leg.place
        if here == NOWHERE:
            outer, inner, is_in = NOWHERE, (leg.place[0], YARD), True
        elif here[1] != YARD:
            outer, inner, is_in = (here[0], YARD), here, False
        elif leg.place[0] == here[0]:
            outer, inner, is_in = here, leg.place, True
        else:
            outer, inner, is_in = NOWHERE, here, False
        lanes = self._layout.between[outer, inner]
        lane = min(lanes, key=lambda each: (max(at_ms, self._free_ms[each]), self._rng.random()))
        return lane, is_in, inner if is_in else outer

    def _cross(self, at_ms: int, number: int, walker: _Walker, lane: int, is_in: bool, there: Place) -> int | None:
        plan, rng = self._layout.lanes[lane], self._rng
        habit = self._habit(at_ms, lane, is_in, plan.is_sensed)
        if habit is Habit.FIRE_DOOR:
            self._note(lane, Crossing(at_ms, at_ms, lane, is_in, NO_CARD, habit, number))
            return self._arrive(at_ms, number, walker, there)
        read_ms = max(at_ms, self._free_ms[lane])
        if habit is Habit.BEHIND:
            pass_ms = max(read_ms, self._last[lane][0] + 500)
            self._note(lane, Crossing(pass_ms, pass_ms, lane, is_in, NO_CARD, habit, number))
        elif habit is Habit.WALKS_AWAY:
            self._note(lane, Crossing(read_ms, read_ms, lane, is_in, walker.card, habit, number))
            self._free_ms[lane] = read_ms + WINDOW_MS
            return read_ms + WINDOW_MS + rng.randint(5, 40) * SECOND
        else:
            wait_ms = 2 * SECOND if habit is Habit.REFUSED_FIRST else 0
            pass_ms = read_ms + wait_ms + (rng.randint(800, 1600) if plan.is_sensed else 400)
            self._note(lane, Crossing(read_ms, pass_ms, lane, is_in, walker.card, habit, number))
        self._free_ms[lane], self._last[lane] = pass_ms + rng.randint(400, 900), (pass_ms, is_in)
        told_ms = pass_ms if plan.is_sensed else pass_ms - 400
        return self._arrive(told_ms, number, walker, there, pass_ms)

    def _arrive(self, at_ms: int, number: int, walker: _Walker, there: Place, done_ms: int | None = None) -> int:
        """The person is at a new place since `at_ms`."""
        if walker.place != NOWHERE:
            self._stayed(number, walker, at_ms)
        walker.place, walker.since_ms = there, at_ms
        return (at_ms if done_ms is None else done_ms) + self._rng.randint(20, 60) * SECOND

    def _stayed(self, number: int, walker: _Walker, to_ms: int) -> None:
        self._stays.extend((number, self._numbers[walker.place], walker.since_ms, to_ms))

    def _habit(self, at_ms: int, lane: int, is_in: bool, is_sensed: bool) -> Habit:
        chance = self._rng.random()
        if chance < 0.02:
            return Habit.HELD
        if chance < 0.025:
            return Habit.REFUSED_FIRST
        if chance < 0.03 and is_sensed:
            return Habit.WALKS_AWAY
        if self._calm:
            return Habit.PLAIN
        if chance < 0.0305:
            return Habit.WALKS_AWAY
        if chance < 0.0315 and not is_in:
            return Habit.FIRE_DOOR
        last_ms, was_in = self._last[lane]
        if chance < 0.3 and was_in == is_in and at_ms - last_ms < CLOSE_MS and self._is_arm(lane):
            return Habit.BEHIND
        return Habit.PLAIN

    def _is_arm(self, lane: int) -> bool:
        return self._layout.lanes[lane].rules.sensor == "per_direction"

    def _note(self, lane: int, it: Crossing) -> None:
        plan = self._layout.lanes[lane]
        row = (it.read_ms, it.pass_ms, it.lane, int(it.is_in), it.card, int(it.habit), it.person)
        self._kept[plan.site, plan.gateway].extend(row)


def crossings(kept: array[int]) -> Iterator[Crossing]:
    """Out of numbers again, in the order in which they were made."""
    numbers = iter(kept)
    for read_ms, pass_ms, lane, is_in, card, habit, person in zip(*[numbers] * WIDTH, strict=True):
        yield Crossing(read_ms, pass_ms, lane, bool(is_in), card, Habit(habit), person)
