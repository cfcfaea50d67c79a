"""What really happened in a city, and its answers to the questions a centre is asked. No record was looked at for it.

The answers are worked out the plain way, over all stays, so that they can be believed; they are for the people and
moments that a test picks, not for all. Zones are the inmost ones: who is in a building is not counted in the yard.
Who has no stay is outside.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise

from gateway.simulation.city.blame import Blind, Unseen
from gateway.simulation.city.corrections import Correction, correct
from gateway.simulation.city.layout import Layout, Place
from gateway.simulation.city.people import Bound, Crowd
from gateway.simulation.city.places import draw_map
from gateway.simulation.city.settings import DAY
from gateway.simulation.city.walk import TrueStay

END = 2**62
UNNAMED = frozenset({"tailgate", "one_sided", "fire_door", "silent_sensor"})
"""Why somebody passes unnamed though all seems well: no gap of the coverage tells of it, of a silent sensor none
until it is found.
"""


@dataclass(frozen=True, slots=True)
class TruePerson:
    """`cards`: tokens that were used, bound or not; `shares`: the card is also used by somebody else."""

    id: str
    kind: str
    employer: str
    unit: str
    cards: tuple[str, ...]
    shares: bool


@dataclass(frozen=True)
class Truth:
    """The truth of a city; `unseen` and `blind` say what of it no record can tell."""

    persons: Mapping[str, TruePerson]
    stays: tuple[TrueStay, ...]
    bindings: tuple[Bound, ...]
    unseen: tuple[Unseen, ...]
    blind: tuple[Blind, ...]
    corrections: tuple[Correction, ...]
    places: str
    """The map as an operator would write it (TOML)."""

    @classmethod
    def of(
        cls, layout: Layout, crowd: Crowd, stays: Iterable[TrueStay], unseen: Iterable[Unseen], blind: Iterable[Blind]
    ) -> Truth:
        """Put together from what was simulated."""
        shared = {person.shares for person in crowd.people if person.shares is not None}
        lent: dict[str, set[str]] = {}
        for bound in crowd.bindings:
            lent.setdefault(bound.person, set()).add(bound.token)
        persons = {
            person.id: TruePerson(
                person.id,
                person.kind,
                person.employer,
                f"{layout.sites[person.home]}-{person.number % 5}",
                tuple(sorted(lent.get(person.id, set()) | {crowd.token(card) for card in person.cards})),
                person.shares is not None or person.number in shared,
            )
            for person in crowd.people
        }
        missed = tuple(unseen)
        ordered = sorted(stays, key=lambda stay: (stay.from_ms, stay.person))
        told = tuple(correct(layout.settings, missed))
        return cls(persons, tuple(ordered), tuple(crowd.bindings), missed, tuple(blind), told, draw_map(layout))

    # --- questions

    def place_of(self, person: str, at_ms: int) -> Place | None:
        """Site and zone of somebody; None: outside."""
        stays = self._by_person.get(person, [])
        at = bisect_right(stays, at_ms, key=lambda stay: stay.from_ms) - 1
        return (stays[at].site, stays[at].zone) if at >= 0 and at_ms < _end(stays[at]) else None

    def roster(self, site: str, at_ms: int) -> dict[str, set[str]]:
        """Who is at a site, by zone."""
        found: dict[str, set[str]] = {}
        for stay in self._at_site.get((site, at_ms // DAY), ()):
            if stay.from_ms <= at_ms < _end(stay):
                found.setdefault(stay.zone, set()).add(stay.person)
        return found

    def headcount(self, site: str, at_ms: int, zone: str | None = None) -> int:
        """How many are at a site, or in one zone of it."""
        roster = self.roster(site, at_ms)
        return sum(map(len, roster.values())) if zone is None else len(roster.get(zone, ()))

    def trajectory(self, person: str, begin_ms: int, end_ms: int) -> list[TrueStay]:
        """The stays of somebody that meet the window, in order."""
        return [stay for stay in self._by_person.get(person, []) if stay.from_ms < end_ms and begin_ms < _end(stay)]

    def contacts(self, person: str, begin_ms: int, end_ms: int, least_ms: int = 0) -> dict[str, int]:
        """Who was in the same zone at the same time, and for how many ms in all; at least `least_ms`, above 0."""
        together: dict[str, int] = {}
        for (other, _), ms in self.meetings(person, begin_ms, end_ms).items():
            together[other] = together.get(other, 0) + ms
        return {other: ms for other, ms in sorted(together.items()) if ms >= least_ms}

    def meetings(self, person: str, begin_ms: int, end_ms: int) -> dict[tuple[str, Place], int]:
        """Who was in the same zone at the same time, which one, and for how many ms, above 0."""
        together: dict[tuple[str, Place], int] = {}
        for mine in self.trajectory(person, begin_ms, end_ms):
            for other in self.near(mine.site, max(mine.from_ms, begin_ms), min(_end(mine), end_ms)):
                if other.zone == mine.zone and other.person != person:
                    shared_ms = min(_end(mine), _end(other), end_ms) - max(mine.from_ms, other.from_ms, begin_ms)
                    if shared_ms > 0:
                        pair = other.person, (mine.site, mine.zone)
                        together[pair] = together.get(pair, 0) + shared_ms
        return together

    def second_degree(self, person: str, begin_ms: int, end_ms: int, least_ms: int = 0) -> dict[str, int]:
        """Whom the contacts met from the first moment on at which they themselves had met the person; ms in all."""
        first = self.contacts(person, begin_ms, end_ms, least_ms)
        since = {other: self._first_met(person, other, begin_ms, end_ms) for other in first}
        found: dict[str, int] = {}
        for other, met_ms in since.items():
            for third, ms in self.contacts(other, met_ms, end_ms, least_ms).items():
                if third != person and third not in since:
                    found[third] = max(ms, found.get(third, 0))
        return dict(sorted(found.items()))

    def _first_met(self, person: str, other: str, begin_ms: int, end_ms: int) -> int:
        theirs = self.trajectory(other, begin_ms, end_ms)
        meetings = [
            max(mine.from_ms, stay.from_ms, begin_ms)
            for mine in self.trajectory(person, begin_ms, end_ms)
            for stay in theirs
            if (stay.site, stay.zone) == (mine.site, mine.zone)
            and max(mine.from_ms, stay.from_ms, begin_ms) < min(_end(mine), _end(stay), end_ms)
        ]
        return min(meetings)

    def stays_at(self, site: str) -> list[TrueStay]:
        """All stays at a site."""
        return [stay for (where, _), stays in self._at_site.items() if where == site for stay in stays]

    # --- what can be known

    def doubt(self, person: str, at_ms: int) -> str | None:
        """Why no record can tell where somebody is at a moment; None: records tell it.

        The last crossing decides: where it was seen, nothing before it matters.
        """
        if self.persons[person].shares:
            return "shared_card"
        missed = self._missed_by.get(person, [])
        at = bisect_right(missed, at_ms, key=lambda it: it.at_ms) - 1
        if at < 0 or missed[at].at_ms < self._moved_ms(person, at_ms):
            return None
        return missed[at].why

    def doubts(self, person: str, begin_ms: int, end_ms: int) -> set[str]:
        """The same for all of a span."""
        moments = [it.at_ms for it in self._missed_by.get(person, []) if begin_ms < it.at_ms <= end_ms]
        return {why for at_ms in (begin_ms, *moments) if (why := self.doubt(person, at_ms)) is not None}

    def unnoticed(self, person: str, begin_ms: int, end_ms: int, place: Place | None = None) -> bool:
        """Whether all that was seen of somebody says that he stayed where he did not, some time of a span: he left
        without a name, though all was well, and came back so. `place`: if he left that one, or went there.
        """
        return any(
            first.at_ms <= end_ms and begin_ms < last.at_ms and place in {None, first.origin, first.target}
            for first, last in self._loops.get(person, ())
        )

    @cached_property
    def _loops(self) -> dict[str, list[tuple[Unseen, Unseen]]]:
        """Unseen crossings with none that was seen between them, the last of which leads to where the first began."""
        found: dict[str, list[tuple[Unseen, Unseen]]] = {}
        for person, missed in self._missed_by.items():
            crossed = sorted({ms for stay in self._by_person.get(person, ()) for ms in (stay.from_ms, _end(stay))})
            for first, last in pairwise(missed):
                is_next = bisect_right(crossed, last.at_ms) - bisect_right(crossed, first.at_ms) == 1
                if is_next and first.origin == last.target and {first.why, last.why} <= UNNAMED:
                    found.setdefault(person, []).append((first, last))
        return found

    def _moved_ms(self, person: str, at_ms: int) -> int:
        """When somebody last went through a lane."""
        stays = self._by_person.get(person, [])
        at = bisect_right(stays, at_ms, key=lambda stay: stay.from_ms) - 1
        if at < 0:
            return -END
        return _end(stays[at]) if _end(stays[at]) <= at_ms else stays[at].from_ms

    def near(self, site: str, begin_ms: int, end_ms: int) -> Iterator[TrueStay]:
        """The stays of a site that may meet a window, each once; days are looked at as a whole."""
        first, last = begin_ms // DAY, end_ms // DAY
        for day in range(first, last + 1):
            for other in self._at_site.get((site, day), ()):
                if day == first or other.from_ms // DAY == day:
                    yield other

    @cached_property
    def _at_site(self) -> dict[tuple[str, int], list[TrueStay]]:
        """By site and day (of UTC), up to the day behind the last stay."""
        last_ms = max((max(stay.from_ms, stay.to_ms or 0) for stay in self.stays), default=0)
        found: dict[tuple[str, int], list[TrueStay]] = {}
        for stay in self.stays:
            for day in range(stay.from_ms // DAY, min(_end(stay), last_ms + DAY) // DAY + 1):
                found.setdefault((stay.site, day), []).append(stay)
        return found

    @cached_property
    def _by_person(self) -> dict[str, list[TrueStay]]:
        found: dict[str, list[TrueStay]] = {}
        for stay in self.stays:
            found.setdefault(stay.person, []).append(stay)
        return found

    @cached_property
    def _missed_by(self) -> dict[str, list[Unseen]]:
        found: dict[str, list[Unseen]] = {}
        for it in self.unseen:
            found.setdefault(it.person, []).append(it)
        return found


def _end(stay: TrueStay) -> int:
    return END if stay.to_ms is None else stay.to_ms
