"""Places and their visitors, crowds, oddities and their causes, the allowed line; knowledge as rows."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from presence_world import ALL, LANES, at, punch, worlds

from traceability.presence.allowed import Allowance, breaches
from traceability.presence.atlas import Lane, Map, Zone, names_of
from traceability.presence.coverage import Sign
from traceability.presence.crowding import density, gatherings, peaks
from traceability.presence.facts import Fact, Move, Punch
from traceability.presence.history import Change, history
from traceability.presence.memory import Presence
from traceability.presence.moments import HOUR_MS, MINUTE_MS, Span
from traceability.presence.oddities import Oddity, oddities
from traceability.presence.resolve import step_of
from traceability.presence.visits import places_of, visitors

DAY = Span(at(0), at(24 * 60))


def stay(token: str, begin: float, end: float | None, lane: str = "gate", site: str = "hq") -> list[Punch]:
    facts = [punch(begin, token, lane=lane, site=site)]
    return facts if end is None else [*facts, punch(end, token, "out", lane, site=site)]


def hq(**zones: Zone) -> Map:
    lanes = {("hq", lane): Lane("hq", lane, lane, *ends) for lane, ends in LANES.items()}
    return Map(sites={"hq": "work"}, zones=names_of(zones.values()), lanes=lanes)


# --- places


def test_visitors_of_a_place_are_those_of_the_window_with_how_long() -> None:
    presence = Presence([*stay("k1:a", 10, 20), *stay("k1:b", 100, 200), *stay("k1:c", 15, 60)])
    told = visitors(presence, "hq", "lobby", Span(at(0), at(30)))
    assert [(each.subject, each.likely_ms) for each in told.visitors] == [
        ("card/k1:a", 10 * MINUTE_MS),
        ("card/k1:c", 15 * MINUTE_MS),
    ]


def test_who_may_have_been_there_unseen_is_a_possible_visitor_only() -> None:
    presence = Presence([*stay("k1:a", 10, None), *stay("k1:a", 50, 60, site="dorm")])
    told = visitors(presence, "hq", "lobby", Span(at(20), at(40)))
    assert (told.visitors, [each.subject for each in told.possible]) == ((), ["card/k1:a"])


def test_who_came_later_on_the_same_day_is_not_selected() -> None:
    presence = Presence([*stay("k1:a", 10, 20), *stay("k1:b", 30, 40)])
    assert [each.subject for each in presence.in_site("hq", Span(at(12), at(15)))] == ["card/k1:a"]


def test_who_is_in_a_room_is_in_what_it_lies_in() -> None:
    presence = Presence([*stay("k1:a", 0, 5), punch(1, "k1:a", lane="door"), punch(4, "k1:a", "out", "door")])
    presence.chart(hq(office=Zone("hq", "office", within="lobby")))
    [told] = visitors(presence, "hq", "lobby", DAY).visitors
    assert told.likely_ms == 5 * MINUTE_MS


def test_places_of_a_person_name_who_was_there_at_that_time() -> None:
    presence = Presence([*stay("k1:a", 10, 20), *stay("k1:b", 15, 30), *stay("k1:c", 25, 40)])
    [told] = places_of(presence, "card/k1:a", DAY).places
    assert (told.zone, told.spans, told.others) == ("lobby", (Span(at(10), at(20)),), ("card/k1:b",))


# --- crowds


def test_density_is_by_area_and_capacity_with_an_alarm_above_it() -> None:
    presence = Presence([fact for token in "abc" for fact in stay(f"k1:{token}", 10 + ord(token) % 3, None)])
    presence.chart(hq(lobby=Zone("hq", "lobby", capacity=2, area_m2=6.0)))
    told = density(presence, "hq", "lobby", at(60))
    assert (told.people, told.per_m2, told.of_capacity, told.alarm) == (3, 0.5, 1.5, True)


def test_the_peak_is_found_and_the_time_above_the_capacity() -> None:
    presence = Presence([*stay("k1:a", 10, 50), *stay("k1:b", 20, 40), *stay("k1:c", 30, 35)])
    presence.chart(hq(lobby=Zone("hq", "lobby", capacity=1)))
    told = peaks(presence, "hq", "lobby", DAY)
    assert (told.peak, told.peak_at_ms) == (3, at(30))
    assert [(alarm.span, alarm.people) for alarm in told.alarms] == [(Span(at(20), at(40)), 3)]
    assert told.alarms[0].subjects == ("card/k1:a", "card/k1:b", "card/k1:c")


def test_unnamed_people_fill_a_place_too() -> None:
    facts: list[Fact] = [
        *stay("k1:a", 10, 50),
        punch(20, None, outcome="forced"),
        punch(30, None, "out", outcome="forced"),
    ]
    assert (
        peaks(Presence(facts), "hq", "lobby", DAY).peak,
        peaks(Presence(facts), "hq", "lobby", DAY).peak_at_ms,
    ) == (
        2,
        at(20),
    )


def test_a_gathering_is_more_than_so_many_for_so_long() -> None:
    presence = Presence([*stay("k1:a", 0, 50), *stay("k1:b", 10, 40), *stay("k1:c", 60, 65), *stay("k1:a", 61, 64)])
    [(zone, told)] = gatherings(presence, "hq", 1, 10 * MINUTE_MS, DAY).gatherings
    assert (zone, told.span, told.people) == ("lobby", Span(at(10), at(40)), 2)


# --- oddities


def only(presence: Presence) -> Oddity:
    [told] = oddities(presence, "hq", DAY).oddities
    return told


def test_in_after_in_is_told_with_the_span_in_which_the_exit_was_missed() -> None:
    told = only(Presence([*stay("k1:a", 10, None), *stay("k1:a", 50, 60)]))
    assert (told.kind, told.missed, told.cause) == ("no_exit", Span(at(10), at(50)), "unknown")


def test_an_unnamed_pass_out_in_between_is_the_likely_cause() -> None:
    tailgater = punch(30, None, "out", outcome="tailgate")
    told = only(Presence([*stay("k1:a", 10, None), *stay("k1:a", 50, 60), tailgater]))
    assert (told.cause, told.evidence) == ("unnamed_pass", (tailgater.id,))


def test_an_unnamed_pass_in_is_no_cause_of_a_missing_exit() -> None:
    told = only(Presence([*stay("k1:a", 10, None), *stay("k1:a", 50, 60), punch(30, None, outcome="forced")]))
    assert told.cause == "unknown"


def test_a_card_that_was_handed_back_is_named_so() -> None:
    assert only(Presence([*stay("k1:a", 10, None), *stay("k1:a", 10.5, 60)])).cause == "card_passed_back"


def test_a_lane_with_a_reader_on_one_side_only_is_the_cause_if_nothing_else_is() -> None:
    presence = Presence([*stay("k1:a", 10, None), *stay("k1:a", 50, 60)])
    presence.chart(Map(lanes={("hq", "gate"): Lane("hq", "gate", "gate", "outside", "lobby", readers="in")}))
    assert (only(presence).cause, only(presence).evidence) == ("one_sided", ("gate",))


def test_out_without_in_is_told_with_an_ambiguous_read_as_its_cause() -> None:
    read = punch(5, "k1:a", outcome="ambiguous")
    told = only(Presence([read, punch(50, "k1:a", "out")]))
    assert (told.kind, told.cause, told.evidence) == ("no_entry", "ambiguous_read", (read.id,))


def test_who_never_punched_out_is_told_once_it_is_no_longer_likely() -> None:
    told = only(Presence(stay("k1:a", 10, None)))
    assert (told.kind, told.missed) == ("never_out", Span(at(10), DAY.end_ms))


def test_a_time_in_which_nobody_watched_is_the_first_cause_to_be_thought_of() -> None:
    presence = Presence([*stay("k1:a", 10, None), *stay("k1:a", 50, 60)])
    for seq, (minute, kind) in enumerate([(0, "gateway.started"), (20, "gateway.stopped"), (40, "gateway.started")]):
        presence.watch(
            Sign(f"hq/edge/e/{seq + 1}", at(minute), at(minute), "hq", "edge", "e", seq + 1, kind, lane="gate")
        )
    assert (only(presence).cause, only(presence).evidence) == ("blind", ("gate",))


# --- the allowed line


@pytest.mark.parametrize(("site", "expected"), [("dorm", []), ("mall", ["elsewhere"])])
def test_home_and_work_are_allowed_and_nothing_else(site: str, expected: list[str]) -> None:
    presence = Presence([*stay("k1:a", 10, 20), *stay("k1:a", 40, 50, site=site)])
    told = breaches(presence, [Allowance("card/k1:a", ("dorm", "hq"), DAY, DAY.length_ms)], DAY)
    assert [breach.kind for breach in told.breaches] == expected


def test_too_long_on_the_way_is_a_breach_too() -> None:
    presence = Presence([*stay("k1:a", 10, 20), *stay("k1:a", 200, 210, site="dorm")])
    told = breaches(presence, [Allowance("card/k1:a", ("dorm", "hq"), DAY, 2 * HOUR_MS)], DAY).breaches
    assert (told[0].kind, told[0].span) == ("too_long", Span(at(20), at(200)))


def test_who_has_left_and_is_not_back_after_the_time_the_way_takes_is_told_before_he_comes() -> None:
    presence = Presence(stay("k1:a", 10, 20))
    [told] = breaches(presence, [Allowance("card/k1:a", ("dorm", "hq"), DAY, 2 * HOUR_MS)], DAY).breaches
    assert (told.kind, told.span) == ("not_back", Span(at(20), DAY.end_ms))


# --- rows


@given(worlds(), st.randoms(use_true_random=False), st.integers(0, 110))
def test_the_rows_that_hold_at_a_moment_are_what_was_known_then(facts: list[Fact], rng: object, minute: int) -> None:
    presence = Presence()
    changes: dict[str, list[Change]] = {}
    versions = {(fact.id, fact.known_ms): fact for fact in sorted(facts, key=repr)}  # of one moment there is one
    for fact in (fact for fact in versions.values() if isinstance(fact, Punch | Move)):
        step = step_of(fact, presence.bindings, presence.atlas)
        if step is not None:
            changes.setdefault(step.subject, []).append(Change(fact.known_ms, fact.id, step))
            presence.add(fact)
    known = presence.as_known_at(at(minute))
    for subject, of_subject in changes.items():
        alone = {change.id for change in of_subject}
        if any(change.id in alone for other in changes if other != subject for change in changes[other]):
            continue
        rng.shuffle(of_subject)  # type: ignore[attr-defined]
        told = [row.stay for row in history(of_subject) if row.holds(at(minute))]
        held = known.of_subject(subject, Span(ALL.begin_ms - 10**12, ALL.end_ms + 10**12))
        assert sorted(map(repr, told)) == sorted(map(repr, held))
