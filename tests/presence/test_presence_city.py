"""Against a city whose truth is known: right wherever records could tell, in doubt aloud wherever not."""

from __future__ import annotations

import json
import random
from dataclasses import replace
from typing import Any

import pytest

from gateway.simulation.city.build import build as make
from gateway.simulation.city.settings import Settings
from gateway.wire import Line, read_line
from traceability.clocks import anchor_of, reading_of
from traceability.dating import Chronicle
from traceability.presence.bindings import Binding, Person
from traceability.presence.contacts import contacts
from traceability.presence.coverage import Beat
from traceability.presence.facts import Declaration, Move
from traceability.presence.map_file import read_map
from traceability.presence.memory import Presence
from traceability.presence.moments import HOUR_MS, Span, exactly
from traceability.presence.reading import fact_of, sign_of

Place = tuple[str, str] | None


def build(*, calm: bool, seed: int) -> Any:
    return make(Settings(sites=3, people=60, days=2, seed=seed, calm=calm))


def presence_of(city: Any) -> Presence:
    """Everything a centre would have in the end, dated by all anchors there are."""
    truth = city.truth
    people = [Person(each.id, each.kind, each.employer, each.unit) for each in truth.persons.values()]
    presence = Presence(people=people)
    presence.chart(read_map(truth.places, 0))
    streams: dict[tuple[str, str], dict[str, tuple[Line, int]]] = {}
    for each in city.deliveries():
        if each.leaf == "state":
            state = json.loads(each.lines[0])
            online, epoch, newest = state.get("status") == "online", state.get("epoch"), state.get("newest")
            presence.watch(Beat(each.site, each.gateway, each.arrive_ms, each.arrive_ms, online, epoch, newest))
            continue
        for line in map(read_line, each.lines):
            stream = streams.setdefault((each.site, each.gateway), {})
            stream.setdefault(f"{line.epoch}/{line.seq}", (line, each.arrive_ms))
    for stream in streams.values():
        take(presence, list(stream.values()))
    for number, bound in enumerate(truth.bindings):
        name = f"operator/b/{number}"
        presence.bind(Binding(name, bound.known_ms, bound.token, bound.person, bound.from_ms, bound.to_ms))
    for number, told in enumerate(truth.corrections):
        presence.add(corrected(number, told))
    return presence


def take(presence: Presence, lines: list[tuple[Line, int]]) -> None:
    """The records of one gateway."""
    names = dict.fromkeys(line.epoch for line, _ in lines)
    epochs = {epoch: number for number, epoch in enumerate(names)}
    anchors = [
        replace(anchor, place=(0, epochs[line.epoch], line.seq))
        for line, _ in lines
        if (anchor := anchor_of(line)) is not None
    ]
    last_ns: dict[str, int] = {}
    for line, _ in lines:
        clock = reading_of(line)
        last_ns[clock.boot] = max(clock.boot_ns, last_ns.get(clock.boot, 0))
    chronicle = Chronicle(anchors, last_ns)
    for line, arrived_ms in lines:
        dated = chronicle.date(reading_of(line))
        fact, sign = fact_of(line, dated, arrived_ms), sign_of(line, dated, arrived_ms)
        if fact is not None:
            presence.add(fact)
        if sign is not None:
            presence.watch(sign)


def corrected(number: int, told: Any) -> Move | Declaration:
    if told.kind == "move":
        when = exactly(told.at_ms)
        return Move(f"operator/m/{number}", told.known_ms, when, f"person/{told.person}", told.site, told.to_zone)
    return Declaration(f"operator/d/{number}", told.known_ms, told.target, "did_not_occur")


def claim(presence: Presence, person: Any, at_ms: int) -> tuple[Place, bool]:
    """Where somebody is said to be, and whether that is said to be in doubt."""
    stays = presence.of_subject(f"person/{person.id}", Span(at_ms, at_ms + 1))
    here = [stay for stay in stays if stay.extent("likely").holds(at_ms)]
    possible = [stay for stay in stays if stay.extent("possible").holds(at_ms)]
    doubt = bool({flag for stay in (*here, *possible) for flag in stay.flags} - {"assumed"})
    doubt = doubt or possible != here
    doubt = doubt or any(presence.bindings.state_of(card, at_ms) != "bound" for card in person.cards)
    for stay in here:
        since = Span(stay.start.when.best_ms, at_ms + 1)
        doubt = doubt or any(each.state != "observed" for each in presence.coverage(stay.site, since))
    return ((here[0].site, here[0].zone) if here else None), doubt


def test_in_a_calm_city_everybody_is_where_he_was_and_met_whom_he_met() -> None:
    city = build(calm=True, seed=1)
    truth, presence, settings = city.truth, presence_of(city), city.plan.settings
    rng = random.Random(1)
    for person in truth.persons.values():
        for at_ms in (rng.randrange(settings.begin_ms, settings.end_ms) for _ in range(20)):
            assert claim(presence, person, at_ms)[0] == truth.place_of(person.id, at_ms)
    window = Span(settings.begin_ms + 8 * HOUR_MS, settings.begin_ms + 32 * HOUR_MS)
    for person in sorted(truth.persons)[:10]:
        told = contacts(presence, f"person/{person}", window).contacts
        met = {each.subject.removeprefix("person/"): each.likely_ms for each in told if each.likely_ms}
        assert met == truth.contacts(person, window.begin_ms, window.end_ms)


@pytest.mark.parametrize("seed", [1, 2])
def test_in_a_city_where_things_break_nobody_is_elsewhere_without_a_word_of_doubt(seed: int) -> None:
    city = build(calm=False, seed=seed)
    truth, presence, settings = city.truth, presence_of(city), city.plan.settings
    rng = random.Random(seed)
    right = doubtful = 0
    for person in truth.persons.values():
        if person.shares:
            continue
        for at_ms in (rng.randrange(settings.begin_ms, settings.end_ms) for _ in range(20)):
            place, doubt = claim(presence, person, at_ms)
            assert doubt or place == truth.place_of(person.id, at_ms), f"{person.id} at {at_ms}"
            right += place == truth.place_of(person.id, at_ms)
            doubtful += doubt
    asked = 20 * sum(not person.shares for person in truth.persons.values())
    assert right >= 0.85 * asked
    assert doubtful <= 0.4 * asked
