"""Where somebody wants to be on a day: legs, each a time and a place. How one gets there is the walk's affair.

What begins on a day belongs to it, so a night shift ends on the next one.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from random import Random

from gateway.simulation.city.layout import NOWHERE, Layout, Place
from gateway.simulation.city.people import Kind, Person
from gateway.simulation.city.settings import HOUR, MINUTE, YARD

REST_DAY, VISITS_A_DAY, MEETING = 0.12, 0.25, 0.3
SHIFTS = (6 * HOUR, 14 * HOUR, 22 * HOUR)


@dataclass(frozen=True, slots=True)
class Leg:
    """To be at a place from a time on (unix ms); `HOME` is outside. Crews name their lane as the way."""

    at_ms: int
    place: Place
    wheel: int | None = None


HOME = NOWHERE


def day_of(layout: Layout, person: Person, day: int) -> list[Leg]:
    """The legs of a day in order; none on a day of rest."""
    rng = layout.settings.random("plan", person.number, day)
    legs = PLANS[person.kind](_Day(layout, person, day, rng))
    return sorted(legs, key=lambda leg: leg.at_ms)


@dataclass(slots=True)
class _Day:
    """What a plan is made of."""

    layout: Layout
    person: Person
    day: int
    rng: Random

    def at(self, offset_ms: float, spread_ms: float) -> int:
        """About that long after midnight."""
        return self.layout.settings.midnight_ms(self.day) + round(offset_ms + self.rng.gauss(0, spread_ms))

    def site(self, number: int) -> str:
        return self.layout.sites[number % self.layout.settings.sites]

    @property
    def home(self) -> str:
        return self.site(self.person.home)

    def room(self, site: str) -> Place:
        """One's own building at a site, more often than not the first one."""
        buildings = self.layout.zones[site][1:]
        return (site, buildings[min(len(buildings) - 1, int(self.person.number % 7 / 3))])

    def other_room(self, site: str) -> Place:
        return (site, self.rng.choice(self.layout.zones[site]))

    def rests(self, share: float = REST_DAY) -> bool:
        return self.rng.random() < share


def _staff(today: _Day) -> list[Leg]:
    if today.rests():
        return []
    rng, site = today.rng, today.home
    room = today.room(site)
    legs = [Leg(today.at(8.5 * HOUR, 25 * MINUTE), room)]
    lunch = today.at(12 * HOUR, 12 * MINUTE)
    legs.append(Leg(lunch, HOME if rng.random() < 0.4 else (site, YARD)))
    legs.append(Leg(lunch + rng.randint(30, 60) * MINUTE, room))
    if rng.random() < MEETING:
        meeting = today.at(15 * HOUR, 30 * MINUTE)
        legs += [Leg(meeting, today.other_room(site)), Leg(meeting + rng.randint(20, 70) * MINUTE, room)]
    return [*legs, Leg(today.at(18 * HOUR, 30 * MINUTE), HOME)]


def _shift(today: _Day) -> list[Leg]:
    """Early, late or night, a week of each; Sunday is free, so a night never runs into an early morning."""
    week, weekday = divmod(today.day, 7)
    if weekday == 6:
        return []
    offset = SHIFTS[(week + today.person.number) % 3]
    room, begin = today.room(today.home), today.at(offset - 12 * MINUTE, 5 * MINUTE)
    pause = begin + 4 * HOUR + today.rng.randint(-20, 20) * MINUTE
    back = pause + today.rng.randint(15, 30) * MINUTE
    return [
        Leg(begin, room),
        Leg(pause, (today.home, YARD)),
        Leg(back, room),
        Leg(today.at(offset + 8 * HOUR, 6 * MINUTE), HOME),
    ]


def _guard(today: _Day) -> list[Leg]:
    """Rounds through the buildings of two sites, by day or by night in turns of two days."""
    if today.day % 4 == 3:
        return []
    by_night = (today.day // 4 + today.person.number) % 2 == 1
    begin = today.at(20 * HOUR if by_night else 7 * HOUR, 8 * MINUTE)
    legs, at_ms = [], begin
    for round_number in range(3):
        site = today.site(today.person.home + (round_number == 1))
        for building in today.layout.zones[site][1:]:
            legs.append(Leg(at_ms, (site, building)))
            at_ms += today.rng.randint(15, 35) * MINUTE
            legs.append(Leg(at_ms, (site, YARD)))
            at_ms += today.rng.randint(5, 20) * MINUTE
        at_ms += 20 * MINUTE
    return [*legs, Leg(at_ms, HOME)]


def _courier(today: _Day) -> list[Leg]:
    """Minutes each at many sites."""
    if today.rests():
        return []
    legs, at_ms = [], today.at(8 * HOUR, 20 * MINUTE)
    for _ in range(today.rng.randint(6, 14)):
        site = today.site(today.rng.randrange(today.layout.settings.sites))
        legs.append(Leg(at_ms, today.other_room(site)))
        at_ms += today.rng.randint(3, 9) * MINUTE
        legs.append(Leg(at_ms, HOME))
        at_ms += today.rng.randint(15, 35) * MINUTE
    return legs


def _visitor(today: _Day) -> list[Leg]:
    if not today.rests(VISITS_A_DAY):
        return []
    site = today.site(visited(today.layout, today.person, today.day))
    begin = today.at(11 * HOUR, 70 * MINUTE)
    return [Leg(begin, today.other_room(site)), Leg(begin + today.rng.randint(30, 150) * MINUTE, HOME)]


def _cleaner(today: _Day) -> list[Leg]:
    if today.rests():
        return []
    legs, at_ms = [], today.at(4.5 * HOUR, 10 * MINUTE)
    for building in today.layout.zones[today.home][1:]:
        legs.append(Leg(at_ms, (today.home, building)))
        at_ms += today.rng.randint(40, 60) * MINUTE
    return [*legs, Leg(at_ms, HOME)]


def _crew(today: _Day) -> list[Leg]:
    """To the trench, by the read point that stands there; out of it at noon and in the evening."""
    if today.rests() or today.person.wheel is None:
        return []
    wheel, noon = today.person.wheel, today.at(12 * HOUR, 5 * MINUTE)
    _, inner = today.layout.lanes[wheel].places_at(noon)
    back = noon + today.rng.randint(40, 60) * MINUTE
    return [
        Leg(today.at(7 * HOUR, 10 * MINUTE), inner, wheel),
        Leg(noon, HOME, wheel),
        Leg(back, inner, wheel),
        Leg(today.at(17 * HOUR, 15 * MINUTE), HOME, wheel),
    ]


def visited(layout: Layout, person: Person, day: int) -> int:
    """The number of the site that a visitor comes to on a day."""
    return layout.settings.random("visit", person.number, day).randrange(layout.settings.sites)


PLANS: dict[Kind, Callable[[_Day], list[Leg]]] = {
    "staff": _staff,
    "shift": _shift,
    "guard": _guard,
    "courier": _courier,
    "visitor": _visitor,
    "cleaner": _cleaner,
    "crew": _crew,
}
