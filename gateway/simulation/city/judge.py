"""A centre's answers held against the truth, claim by claim. Answers are what programs get: JSON objects.

A claim is one person in a roster, the number of people in a place, a span of somebody's way, the time two people were
together. The answer may say itself that a claim is in doubt: by its flags, its bounds, or the gaps of its scope that
lie where and when it matters; a doubt somewhere else in the answer does not count.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from itertools import pairwise
from typing import Any

from gateway.simulation.city.claims import Tally
from gateway.simulation.city.layout import Place
from gateway.simulation.city.settings import DAY
from gateway.simulation.city.truth import Truth
from gateway.simulation.city.walk import TrueStay

Answer = Mapping[str, Any]
Window = tuple[int, int]
SLACK_MS = 1_000
"""Clocks that were said to be good are not better than that."""
PERSON, CARD = "person/", "card/"


@dataclass
class Judge:
    """Counts what it is shown in `tallies`, by question."""

    truth: Truth
    tallies: dict[str, Tally] = field(default_factory=dict)

    def tally(self, question: str) -> Tally:
        """The one of a question; one more answer is counted in it."""
        tally = self.tallies.setdefault(question, Tally())
        tally.answers += 1
        return tally

    @property
    def unflagged(self) -> int:
        """How many claims are wrong without a word of doubt."""
        return sum(tally.unflagged for tally in self.tallies.values())

    # --- who is here

    def roster(self, answer: Answer, name: str = "roster") -> None:
        """Everybody who is named, and everybody who should have been."""
        tally, site, at_ms = self.tally(name), answer["site"], answer["scope"]["as_of_ms"]
        here = {person: zone for zone, people in self.truth.roster(site, at_ms).items() for person in people}
        gaps = answer["scope"]["gaps"]
        named: set[str] = set()
        for entry in answer["present"]:
            who = self.bearers(entry["subject"], at_ms)
            named |= who
            is_right = any(here.get(person) == entry["zone"] for person in who)
            rests_on = entry["since_ms"], max(at_ms + 1, entry["seen_ms"])
            doubts = {*entry["flags"], *entry_doubts(entry), *states(gaps, None, rests_on)}
            zones = {person: here.get(person) for person in sorted(who)}
            tally.add(is_right, doubts, f"{entry} at {site} {at_ms}: is {zones}", beyond=self.beyond(who, at_ms))
        possible = {person: entry for entry in answer["possible"] for person in self.bearers(entry["subject"], at_ms)}
        for person, zone in sorted(here.items()):
            if person not in named:
                doubts = {"possible"} if person in possible else set()
                doubts |= states(gaps, None, (at_ms - DAY, at_ms + 1))
                doubts |= {"unnamed"} if answer["unnamed"]["high"] else set()
                doubts |= {"no_card"} if not self.is_carrier(person, at_ms) else set()
                words = f"{person} is at {site} {zone} at {at_ms} and not named"
                tally.add(False, doubts, words, beyond=self.beyond({person}, at_ms))
        for person in sorted(possible.keys() - here.keys() - named):
            tally.add(True, {"possible"}, f"{person} is possible at {site} at {at_ms}")

    def headcount(self, answer: Answer, zone: str | None, name: str = "headcount") -> None:
        """One number with its bounds."""
        tally, site, at_ms = self.tally(name), answer["site"], answer["scope"]["as_of_ms"]
        count = self.truth.headcount(site, at_ms, zone)
        low, high = answer["total_low"], answer["total_high"]
        doubts = states(answer["scope"]["gaps"], None, looked_at(answer))
        if low < high and low <= count <= high:
            doubts.add("bounds")
        words = f"{site} {zone} at {at_ms}: {count}, not {low} to {high} ({answer['named']} by name)"
        lent = sum(self.truth.persons[stay.person].shares for stay in self._lately(site, zone, at_ms))
        beyond = "shared_card" if low - lent <= count <= high + lent else None
        tally.add(count == answer["named"] and low <= count <= high, doubts, words, beyond=beyond)

    def _lately(self, site: str, zone: str | None, at_ms: int) -> set[TrueStay]:
        """The stays at a place of a site in the day before a moment."""
        return {stay for stay in self.truth.near(site, at_ms - DAY, at_ms) if zone in (None, stay.zone)}

    # --- where somebody was

    def trajectory(self, answer: Answer, window: Window) -> None:
        """The time of the window, weighed in ms."""
        tally, person = self.tally("trajectory"), next(iter(self.bearers(answer["subject"], window[0])))
        for begin_ms, end_ms in _cut(window, [*self._ends(person, window), *_leg_ends(answer["legs"])]):
            claimed, doubts = _claim(answer, window, begin_ms, end_ms)
            place = self.truth.place_of(person, begin_ms)
            is_right = claimed == {place} or end_ms - begin_ms <= SLACK_MS
            words = f"{person} is at {place} from {begin_ms} to {end_ms}, not at {claimed}"
            tally.add(is_right, doubts, words, end_ms - begin_ms, self.beyond({person}, begin_ms))

    def _ends(self, person: str, window: Window) -> Iterator[int]:
        for stay in self.truth.trajectory(person, *window):
            yield stay.from_ms
            yield window[1] if stay.to_ms is None else stay.to_ms

    # --- who a subject is

    def bearers(self, subject: str, at_ms: int) -> set[str]:
        """The people a subject can be: the one it names, or those who use the card."""
        if subject.startswith(PERSON):
            return {subject.removeprefix(PERSON)}
        return set(self._users.get(subject.removeprefix(CARD), ()))

    def is_carrier(self, person: str, at_ms: int) -> bool:
        """Whether the centre knows of a card of somebody's at a moment."""
        return any(begin <= at_ms < end for begin, end in self._bound.get(person, ()))

    def beyond(
        self, people: Iterable[str], at_ms: int, since_ms: int | None = None, place: Place | None = None
    ) -> str | None:
        """Why no record can show where these people are, or were since a moment: somebody else carries their card,
        they carry one that is nobody's besides one that is theirs, or they left and came back without a name
        (`place`: there).
        """
        for person in people:
            if self.truth.persons[person].shares:
                return "shared_card"
            begin_ms = at_ms if since_ms is None else since_ms
            doubts = self.truth.doubts(person, begin_ms, at_ms)
            if "unbound" in doubts and self.is_carrier(person, at_ms):
                return "unbound_card"
            if self.truth.unnoticed(person, begin_ms, at_ms, place):
                return "back_unnamed"
        return None

    @cached_property
    def _users(self) -> dict[str, list[str]]:
        users: dict[str, list[str]] = {}
        for person in self.truth.persons.values():
            for token in person.cards:
                users.setdefault(token, []).append(person.id)
        return users

    @cached_property
    def _bound(self) -> dict[str, list[Window]]:
        bound: dict[str, list[Window]] = {}
        for each in self.truth.bindings:
            bound.setdefault(each.person, []).append((each.from_ms, 2**62 if each.to_ms is None else each.to_ms))
        return bound


def states(gaps: Iterable[Answer], sites: set[str] | None, window: Window) -> set[str]:
    """What the gaps of these sites (None: all) in a window are."""
    return {
        gap["state"]
        for gap in gaps
        if (sites is None or gap["site"] in sites)
        and gap["span"]["begin_ms"] < window[1]
        and window[0] < gap["span"]["end_ms"]
    }


def looked_at(answer: Answer) -> Window:
    """What an answer rests on, more than what was asked for."""
    span: Answer = answer["scope"]["looked_at"]
    return span["begin_ms"], span["end_ms"]


def entry_doubts(entry: Answer) -> Iterator[str]:
    """Of somebody in a roster."""
    if entry["is_open"]:
        yield "open"
    if entry["aged"]:
        yield "aged"
    if entry["subject"].startswith(CARD):
        yield "unresolved"


# --- the way of somebody


def _cut(window: Window, ends: Iterable[int]) -> Iterator[Window]:
    """The window in pieces, cut at these moments."""
    moments = sorted({*window, *(each for each in ends if window[0] < each < window[1])})
    yield from pairwise(moments)


def _leg_ends(legs: Iterable[Answer]) -> Iterator[int]:
    for leg in legs:
        for span in (leg["span"], leg["sure"], leg["possible"]):
            if span is not None:
                yield from (span["begin_ms"], span["end_ms"])


def _claim(answer: Answer, window: Window, begin_ms: int, end_ms: int) -> tuple[set[Place | None], set[str]]:
    """Where somebody is said to be in a piece, and what is said against it."""
    claimed: set[Place | None] = set()
    doubts: set[str] = set()
    for leg in answer["legs"]:
        is_likely = _holds(leg["span"], begin_ms) and leg["kind"] != "possible"
        if is_likely:
            claimed.add((leg["site"], leg["zone"]) if leg["kind"] == "stay" else None)
            doubts |= {*leg["flags"], *_leg_doubts(leg, begin_ms)}
            since = _rests_on(answer, window, leg, end_ms)
            if leg["kind"] == "outside":
                doubts |= states(answer["scope"]["gaps"], None, since) | states(answer["elsewhere"], None, since)
            else:
                others = set(answer["scope"]["sites"]) - {leg["site"]}
                near = [gap for gap in answer["scope"]["gaps"] if gap["site"] not in others]
                doubts |= states(near, None, since)
        elif leg["possible"] is not None and _holds(leg["possible"], begin_ms):
            doubts.add("possible")
    return claimed, doubts or (set() if claimed else {"unsaid"})


def _rests_on(answer: Answer, window: Window, leg: Answer, end_ms: int) -> Window:
    """When it matters for a piece of a leg that somebody may have been missed: since the leg began, which may have
    been before the window; of a stay that goes on behind the window until it ended.
    """
    begin_ms, until_ms = leg["span"]["begin_ms"], leg["span"]["end_ms"]
    goes_on = leg["kind"] == "stay" and until_ms == window[1]
    return (
        window[0] - DAY if begin_ms == window[0] else begin_ms,
        looked_at(answer)[1] if goes_on else end_ms,
    )


def _leg_doubts(leg: Answer, at_ms: int) -> Iterator[str]:
    if leg["kind"] == "unknown":
        yield "unknown"
    if leg["is_open"]:
        yield "open"
    if leg["sure"] is not None and not _holds(leg["sure"], at_ms):
        yield "bounds"


def _holds(span: Answer, at_ms: int) -> bool:
    begin_ms: int = span["begin_ms"]
    end_ms: int = span["end_ms"]
    return begin_ms <= at_ms < end_ms
