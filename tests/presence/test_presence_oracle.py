"""Against a naive oracle that walks minute by minute and knows nothing of gaps, steps or indexes.

The oracle keeps one place for each subject and moves it with each punch in order of time; where a punch does not fit
it says that it does not know. Where it knows, presence says the same; where it does not, presence is in doubt aloud.
"""

from __future__ import annotations

import random
from collections.abc import Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from presence_world import LANES, at, punch

from traceability.presence.contacts import contacts
from traceability.presence.facts import Punch
from traceability.presence.memory import Presence
from traceability.presence.moments import MINUTE_MS, Span
from traceability.presence.roster import roster
from traceability.presence.trajectory import trajectory

Walk = list[tuple[str, str] | None]
OUT = ("", "outside")
MINUTES = 240
TOKENS = tuple(f"k1:{letter}" for letter in "abcdef")


def day(rng: random.Random, token: str, first_seq: int) -> tuple[list[Punch], Walk]:
    """A day of one person who punches at every lane: the records, and where he was minute by minute."""
    facts: list[Punch] = []
    walk: Walk = []
    site, zone = "", "outside"
    minute = 0
    while minute < MINUTES:
        stop = min(MINUTES, minute + rng.randint(1, 40))
        walk += [(site, zone)] * (stop - minute)
        minute = stop
        lane, direction = rng.choice([(name, way) for name, ends in LANES.items() for way in _ways(ends, zone)])
        site = rng.choice(("hq", "dorm")) if zone == "outside" else site
        facts.append(punch(minute, token, direction, lane, site=site, seq=first_seq + len(facts)))
        zone = LANES[lane][1] if direction == "in" else LANES[lane][0]
        site = site if zone != "outside" else ""
    return facts, walk


def _ways(ends: tuple[str, str], zone: str) -> list[str]:
    return ["in"] if ends[0] == zone else ["out"] if ends[1] == zone else []


def city(seed: int) -> tuple[list[Punch], dict[str, Walk]]:
    rng = random.Random(seed)
    facts: list[Punch] = []
    walks: dict[str, Walk] = {}
    for number, token in enumerate(TOKENS):
        made, walks[f"card/{token}"] = day(rng, token, number * 1000 + 1)
        facts += made
    rng.shuffle(facts)
    return facts, walks


def inside(walk: Walk, minute: int) -> bool:
    return walk[minute] not in {None, OUT}


@pytest.mark.parametrize("seed", range(8))
def test_in_an_undisturbed_day_everybody_is_where_he_was(seed: int) -> None:
    facts, walks = city(seed)
    presence = Presence(facts)
    assert all(not stay.flags for stay in presence.stays)
    for minute in range(0, MINUTES, 7):
        for site in ("hq", "dorm"):
            told = {each.subject: each.zone for each in roster(presence, site, at(minute)).present}
            true = {who: walk[minute] for who, walk in walks.items() if walk[minute][0] == site}  # type: ignore[index]
            assert told == {who: place[1] for who, place in true.items() if place is not None}
            assert roster(presence, site, at(minute)).possible == ()


@pytest.mark.parametrize("seed", range(8))
def test_in_an_undisturbed_day_contacts_are_the_minutes_together(seed: int) -> None:
    facts, walks = city(seed)
    presence = Presence(facts)
    window = Span(at(30), at(200))
    for who, walk in walks.items():
        told = {each.subject: each.likely_ms for each in contacts(presence, who, window).contacts if each.likely_ms}
        true = {
            other: sum(walk[minute] == theirs[minute] and inside(walk, minute) for minute in range(30, 200))
            for other, theirs in walks.items()
            if other != who
        }
        assert told == {other: minutes * MINUTE_MS for other, minutes in true.items() if minutes}


def disturb(facts: Sequence[Punch], rng: random.Random, share: float) -> list[Punch]:
    """Some records never came."""
    return [fact for fact in facts if rng.random() >= share]


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 10_000))
def test_with_records_missing_it_tells_what_the_rest_proves_and_doubts_what_it_does_not(seed: int) -> None:
    facts, walks = city(seed)
    presence = Presence(disturb(facts, random.Random(seed), 0.2))
    for who in walks:
        stays = presence.of_subject(who, Span(at(0), at(MINUTES)))
        told = naive([fact for fact in facts if presence.has(fact.id) and f"card/{fact.token}" == who])
        for minute in range(MINUTES):
            here = {(stay.site, stay.zone) for stay in stays if stay.extent("likely").holds(at(minute))}
            possible = {(stay.site, stay.zone) for stay in stays if stay.extent("possible").holds(at(minute))}
            assert len(here) <= 1
            assert here <= possible
            if told[minute] is not None:
                assert here == ({told[minute]} - {OUT})
                assert possible == here


def naive(facts: Sequence[Punch]) -> Walk:
    """Where the records say that one card was, minute by minute; None between two punches that do not fit."""
    walk: Walk = []
    place: tuple[str, str] | None = None
    for fact in sorted(facts, key=lambda each: each.when.best_ms):
        minute = (fact.when.best_ms - at(0)) // MINUTE_MS
        came_from = (fact.site, fact.from_zone or "") if fact.from_zone != "outside" else OUT
        walk += [place if place == came_from else None] * (minute - len(walk))
        place = (fact.site, fact.to_zone or "") if fact.to_zone != "outside" else OUT
    return (walk + [place] * MINUTES)[:MINUTES]


@pytest.mark.parametrize("seed", range(4))
def test_a_trajectory_tells_the_whole_day_of_who_was_seen_all_along(seed: int) -> None:
    facts, walks = city(seed)
    presence = Presence(facts)
    for who, walk in walks.items():
        legs = trajectory(presence, who, Span(at(0), at(MINUTES))).legs
        for leg in legs:
            minutes = range((leg.span.begin_ms - at(0)) // MINUTE_MS, (leg.span.end_ms - at(0)) // MINUTE_MS)
            true = {walk[minute] for minute in minutes}
            assert true <= {(leg.site, leg.zone) if leg.kind == "stay" else OUT}
            assert leg.kind != "unknown" or leg is legs[0]
