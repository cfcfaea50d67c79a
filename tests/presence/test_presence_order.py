"""The answer depends on the set of facts: not on their order, nor on how often they came."""

from __future__ import annotations

import random

from hypothesis import given, settings
from hypothesis import strategies as st
from presence_world import at, punch, punches, worlds

from traceability.presence.bindings import Binding
from traceability.presence.facts import Fact
from traceability.presence.memory import Presence
from traceability.presence.timeline import Timeline, neighbourhood

BINDINGS = (
    Binding("b1", at(5), "k1:a", "ann", at(0), at(20)),
    Binding("b1", at(70), "k1:a", "ann", at(0), at(30)),
    Binding("b2", at(6), "k1:b", "ann", at(10)),
    Binding("b3", at(7), "k1:c", "bob", at(0)),
    Binding("b4", at(8), "k1:c", "cat", at(25), at(35)),
)


def scratch(facts: list[Fact], known_at_ms: int | None = None) -> Presence:
    """Derived from nothing in the order of arrival."""
    known = [fact for fact in facts if known_at_ms is None or fact.known_ms <= known_at_ms]
    presence = Presence(sorted(known, key=lambda fact: (fact.known_ms, repr(fact))))
    for binding in BINDINGS:
        if known_at_ms is None or binding.known_ms <= known_at_ms:
            presence.bind(binding)
    return presence


@given(worlds(), st.randoms(use_true_random=False))
def test_any_order_doubled_and_with_bindings_in_between_gives_the_same(facts: list[Fact], rng: random.Random) -> None:
    things = [*facts, *facts, *BINDINGS]
    rng.shuffle(things)
    presence = Presence()
    for thing in things:
        if isinstance(thing, Binding):
            presence.bind(thing)
        else:
            presence.add(thing)
    assert presence.stays == scratch(facts).stays


@given(worlds(), st.randoms(use_true_random=False))
def test_each_change_tells_exactly_which_stays_it_ended_and_made(facts: list[Fact], rng: random.Random) -> None:
    presence = Presence()
    things = [*facts, *BINDINGS]
    rng.shuffle(things)
    for thing in things:
        before = set(presence.stays)
        delta = presence.bind(thing) if isinstance(thing, Binding) else presence.add(thing)
        after = set(presence.stays)
        assert (set(delta.gone), set(delta.new)) == (before - after, after - before)


@given(worlds())
def test_a_timeline_grown_step_by_step_is_the_one_made_at_once(facts: list[Fact]) -> None:
    presence = scratch(facts)
    for subject in presence.subjects_known():
        steps = presence.line(subject).steps
        line = Timeline()
        for step in reversed(steps):
            line.put(step)
        assert line.stays == Timeline(steps).stays
        for step in steps[::2]:
            line.drop(step)
        assert line.stays == Timeline(steps[1::2]).stays


@given(worlds())
def test_no_two_stays_of_a_subject_have_one_id(facts: list[Fact]) -> None:
    ids = [(stay.subject, stay.id) for stay in scratch(facts).stays]
    assert len(set(ids)) == len(ids)


@given(worlds(), st.integers(0, 110))
def test_what_was_known_then_is_what_follows_from_what_had_arrived(facts: list[Fact], minute: int) -> None:
    assert scratch(facts).as_known_at(at(minute)).stays == scratch(facts, at(minute)).stays


@given(worlds(), punches())
def test_a_late_fact_changes_nobody_but_its_subject(facts: list[Fact], late: Fact) -> None:
    presence = scratch(facts)
    old = {stay.subject for stay in presence.stays}
    delta = presence.add(late)
    changed = {stay.subject for stay in (*delta.gone, *delta.new)}
    assert len(changed) <= 2
    assert changed <= old | {stay.subject for stay in delta.new}


@settings(max_examples=30)
@given(st.lists(st.booleans(), min_size=300, max_size=300))
def test_a_late_fact_derives_its_neighbourhood_and_no_more(into: list[bool]) -> None:
    presence = Presence(punch(2 * n, "k1:a", "in" if way else "out") for n, way in enumerate(into))
    delta = presence.add(punch(301, "k1:a"))
    assert len(delta.gone) + len(delta.new) <= 8


def test_a_record_that_is_dated_better_later_moves_to_where_it_belongs() -> None:
    wrong_clock, right = punch(5, "k1:a", "out", seq=7), punch(20, "k1:a", "out", seq=7, known=60)
    presence = Presence([right, punch(10, "k1:a"), wrong_clock])
    assert [stay.flags for stay in presence.stays] == [()]
    assert presence.as_known_at(at(30)).stays[-1].end is None


@given(worlds(), st.integers(0, 1000))
def test_two_moves_before_and_behind_are_all_a_late_step_needs_to_be_known(facts: list[Fact], pick: int) -> None:
    presence = scratch(facts)
    for subject in presence.subjects_known():
        steps = list(presence.line(subject).steps)
        if not steps:
            continue
        late = steps.pop(pick % len(steps))
        whole, near = Timeline(steps), Timeline(neighbourhood(steps, late))
        told, expected = near.put(late), whole.put(late)
        assert (set(told.gone), set(told.new)) == (set(expected.gone), set(expected.new))
        told, expected = near.drop(late), whole.drop(late)
        assert (set(told.gone), set(told.new)) == (set(expected.gone), set(expected.new))
