"""Who is there, how many, where somebody was, with whom."""

from __future__ import annotations

from unittest import mock

import pytest
from hypothesis import given
from presence_world import ALL, TOKENS, at, move, punch, worlds

from traceability.presence.answers import as_json
from traceability.presence.atlas import Map, Zone, names_of
from traceability.presence.bindings import Binding, Person
from traceability.presence.contacts import Rules, contacts
from traceability.presence.coverage import Sign
from traceability.presence.crowding import peaks
from traceability.presence.facts import Counted, Fact
from traceability.presence.memory import Presence
from traceability.presence.moments import MINUTE_MS, Span, exactly
from traceability.presence.roster import headcount, roster
from traceability.presence.second_degree import _Chain, second_degree
from traceability.presence.trajectory import impossible_moves, trajectory


def stay(token: str, begin: float, end: float | None, lane: str = "gate", **more: object) -> list[Fact]:
    """In and out; in alone without an end."""
    facts: list[Fact] = [punch(begin, token, lane=lane, **more)]  # type: ignore[arg-type]
    return facts if end is None else [*facts, punch(end, token, "out", lane, **more)]  # type: ignore[arg-type]


def names(present: object) -> list[str]:
    return [each.subject for each in present]  # type: ignore[attr-defined]


# --- roster, headcount


def test_the_roster_names_who_is_inside_at_that_moment() -> None:
    presence = Presence([*stay("k1:a", 10, 50), *stay("k1:b", 20, None), *stay("k1:c", 30, 40, site="dorm")])
    assert names(roster(presence, "hq", at(30)).present) == ["card/k1:a", "card/k1:b"]
    assert names(roster(presence, "hq", at(50)).present) == ["card/k1:b"]
    assert names(roster(presence, "dorm", at(35)).present) == ["card/k1:c"]


def test_who_may_have_left_unseen_is_possible_not_present() -> None:
    presence = Presence([*stay("k1:a", 10, None), *stay("k1:a", 50, None, site="dorm")])
    told = roster(presence, "hq", at(30))
    assert (names(told.present), names(told.possible)) == ([], ["card/k1:a"])
    assert names(roster(presence, "dorm", at(50)).present) == ["card/k1:a"]
    assert names(roster(presence, "hq", at(50)).possible) == []


def test_before_the_later_entry_was_known_he_was_still_present() -> None:
    presence = Presence([*stay("k1:a", 10, None), punch(50, "k1:a", site="dorm", known=500)])
    assert names(roster(presence.as_known_at(at(499)), "hq", at(60)).present) == ["card/k1:a"]
    assert names(roster(presence.as_known_at(at(500)), "hq", at(60)).present) == []


def test_who_was_not_seen_for_a_day_is_aged_and_never_dropped() -> None:
    told = roster(Presence(stay("k1:a", 10, None)), "hq", at(10 + 24 * 60))
    assert names(told.present) == []
    assert [(each.subject, each.aged) for each in told.possible] == [("card/k1:a", True)]


def test_people_are_counted_by_kind_employer_and_zone() -> None:
    people = [Person("ann", "employee", "acme"), Person("bob", "visitor", "other")]
    presence = Presence([*stay("k1:a", 1, None), *stay("k1:b", 2, None), *stay("k1:c", 3, None)], people=people)
    presence.add(punch(4, "k1:b", lane="door"))
    presence.bind(Binding("b1", 0, "k1:a", "ann", 0))
    presence.bind(Binding("b2", 0, "k1:b", "bob", 0))
    told = headcount(presence, "hq", at(10))
    assert told.named == 3
    assert told.by_kind == (("employee", 1), ("unresolved", 1), ("visitor", 1))
    assert told.by_employer == (("acme", 1), ("other", 1), ("unknown", 1))
    assert told.by_zone == (("lobby", 2), ("office", 1))


def test_a_tailgater_counts_beside_the_names() -> None:
    told = headcount(Presence([*stay("k1:a", 1, None), punch(2, None, outcome="tailgate")]), "hq", at(10))
    assert (told.named, told.unnamed.low, told.unnamed.high) == (1, 1, 1)
    assert (told.total_low, told.total_high) == (2, 2)


def test_an_unnamed_exit_may_have_been_a_named_person_whose_exit_is_missing() -> None:
    facts = [*stay("k1:a", 1, None), punch(2, None, outcome="tailgate"), punch(3, None, "out", outcome="tailgate")]
    told = headcount(Presence(facts), "hq", at(10))
    assert (told.unnamed.low, told.unnamed.high) == (0, 1)
    assert (told.total_low, told.total_high) == (1, 2)


def test_a_count_of_a_zone_counts_for_what_lies_within_it_and_in_the_course_of_a_window() -> None:
    presence = Presence([Counted("operator/c/1", at(5), exactly(at(5)), "hq", "floor", 3)])
    zones = [Zone("hq", "floor"), Zone("hq", "lobby", within="floor")]
    presence.chart(Map(zones=names_of(zones)))
    assert headcount(presence, "hq", at(9), zone="floor").unnamed.low == 3
    told = peaks(presence, "hq", "floor", Span(at(0), at(9)))
    assert (told.peak, told.peak_at_ms) == (3, at(5))


def test_an_operators_count_is_where_the_unnamed_are_counted_from() -> None:
    counted = Counted("operator/c/1", at(5), exactly(at(5)), "hq", "*", 7)
    told = headcount(
        Presence([punch(2, None, outcome="forced"), counted, punch(6, None, outcome="forced")]), "hq", at(9)
    )
    assert (told.unnamed.base, told.unnamed.low, told.unnamed.since_ms) == (7, 8, at(5))


def test_an_unnamed_pass_inside_changes_zones_and_not_the_site() -> None:
    presence = Presence([punch(1, None, outcome="forced"), punch(2, None, lane="door", outcome="forced")])
    assert headcount(presence, "hq", at(9)).unnamed.low == 1
    assert headcount(presence, "hq", at(9), zone="office").unnamed.low == 1
    assert headcount(presence, "hq", at(9), zone="lobby").unnamed.low == 0


def test_a_late_record_moves_now_only_if_it_is_the_newest_of_its_subject() -> None:
    presence = Presence([*stay("k1:a", 10, 20), *stay("k1:b", 10, None)])
    presence.add(punch(15, "k1:a", lane="door", known=9000))
    presence.add(punch(16, "k1:b", "out", known=9000))
    assert names(roster(presence, "hq", at(30)).present) == []
    assert names(roster(presence.as_known_at(at(8999)), "hq", at(30)).present) == ["card/k1:b"]


def test_what_was_known_of_a_person_then_is_what_the_answer_of_then_says() -> None:
    presence = Presence(stay("k1:a", 1, None), people=[Person("ann", "visitor"), Person("ann", known_ms=at(50))])
    presence.bind(Binding("b1", 0, "k1:a", "ann", 0))
    assert headcount(presence, "hq", at(10)).by_kind == (("employee", 1),)
    assert headcount(presence.as_known_at(at(49)), "hq", at(10)).by_kind == (("visitor", 1),)


def test_an_operators_move_of_a_card_is_the_persons_once_the_card_is() -> None:
    presence = Presence([*stay("k1:a", 1, None), move(5, "card/k1:a", "outside", known=6)])
    presence.bind(Binding("b1", at(9), "k1:a", "ann", 0))
    assert [(each.subject, each.end is None) for each in presence.stays] == [("person/ann", False)]


def test_an_answer_says_whether_all_lanes_were_watched_and_where_not() -> None:
    presence = Presence(stay("k1:a", 1, None))
    assert not roster(presence, "hq", at(10)).scope.complete
    signs = [(-2000, "gateway.started"), (-2000, "device.up"), (9.5, "punch")]
    for seq, (minute, kind) in enumerate(signs, 1):
        presence.watch(
            Sign(f"hq/edge/e/{seq}", 0, at(minute), "hq", "edge", "e", seq, kind, lane="gate", device="reader")
        )
    told = roster(presence, "hq", at(10)).scope
    assert (told.complete, [gap.state for gap in told.gaps]) == (True, ["pending"])
    assert not roster(presence, "hq", at(20)).scope.complete


# --- trajectory


def test_a_trajectory_tells_stays_the_time_outside_and_the_time_nobody_knows_of() -> None:
    facts = [*stay("k1:a", 10, 20), *stay("k1:a", 50, None), *stay("k1:a", 90, 95, site="dorm")]
    legs = trajectory(Presence(facts), "card/k1:a", Span(at(0), at(100))).legs
    assert [(leg.kind, leg.site, leg.span) for leg in legs] == [
        ("unknown", None, Span(at(0), at(10))),
        ("stay", "hq", Span(at(10), at(20))),
        ("outside", None, Span(at(20), at(50))),
        ("stay", "hq", Span(at(50), at(50))),
        ("unknown", None, Span(at(50), at(90))),
        ("stay", "dorm", Span(at(90), at(95))),
        ("outside", None, Span(at(95), at(100))),
    ]


def test_dwell_is_summed_by_zone_and_cut_to_the_window() -> None:
    told = trajectory(Presence([*stay("k1:a", 10, 20), *stay("k1:a", 30, 60)]), "card/k1:a", Span(at(15), at(40)))
    assert told.dwell_ms == (("hq", "lobby", 15 * MINUTE_MS),)


def test_all_cards_of_a_person_make_one_way() -> None:
    presence = Presence([punch(10, "k1:a"), punch(20, "k1:b", "out")])
    for number, token in enumerate(TOKENS[:2]):
        presence.bind(Binding(f"b{number}", 0, token, "ann", 0))
    legs = trajectory(presence, "person/ann", ALL).legs
    assert [leg.span for leg in legs if leg.kind == "stay"] == [Span(at(10), at(20))]


def test_impossible_moves_are_told_with_the_time_they_would_need() -> None:
    [told] = impossible_moves(
        Presence([punch(10, "k1:a", error_ms=100), punch(10.5, "k1:a", site="dorm")]), ["card/k1:a"], ALL
    ).moves
    assert (told.apart_ms, told.needed_ms) == (30_100, 60_000)


# --- contacts


def test_a_contact_is_the_time_two_stays_have_in_common() -> None:
    presence = Presence([*stay("k1:a", 0, 60, error_ms=1000), *stay("k1:b", 30, 90, error_ms=1000)])
    [told] = contacts(presence, "card/k1:a", ALL).contacts
    assert (told.subject, told.sure_ms, told.likely_ms, told.possible_ms, told.band) == (
        "card/k1:b",
        30 * MINUTE_MS - 2000,
        30 * MINUTE_MS,
        30 * MINUTE_MS + 2000,
        "medium",
    )


@pytest.mark.parametrize(("minutes", "band"), [(15, "short"), (16, "medium"), (240, "medium"), (241, "long")])
def test_bands_end_at_a_quarter_of_an_hour_and_at_four_hours(minutes: float, band: str) -> None:
    presence = Presence([*stay("k1:a", 0, 500), *stay("k1:b", 100, 100 + minutes)])
    assert contacts(presence, "card/k1:a", ALL).contacts[0].band == band


def test_different_zones_are_no_contact_unless_the_building_counts() -> None:
    presence = Presence([*stay("k1:a", 0, 60), *stay("k1:b", 10, 40, lane="door")])
    zones = [Zone("hq", "lobby", "a"), Zone("hq", "office", "a")]
    presence.chart(Map(sites={"hq": "work"}, zones=names_of(zones)))
    window = Span(at(0), at(40))
    assert contacts(presence, "card/k1:a", window).contacts == ()
    [told] = contacts(presence, "card/k1:a", window, Rules(near="building")).contacts
    assert told.likely_ms == 30 * MINUTE_MS


def test_a_missing_exit_makes_a_contact_possible_and_not_likely() -> None:
    presence = Presence([*stay("k1:a", 0, None), punch(60, "k1:a", site="dorm"), *stay("k1:b", 20, 40)])
    told = contacts(presence, "card/k1:b", ALL)
    assert [(each.subject, each.possible_ms) for each in told.possible] == [("card/k1:a", 20 * MINUTE_MS)]
    assert told.contacts == ()


def test_a_threshold_leaves_the_shorter_ones_out() -> None:
    presence = Presence([*stay("k1:a", 0, 60), *stay("k1:b", 10, 20), *stay("k1:c", 10, 50)])
    told = contacts(presence, "card/k1:a", ALL, Rules(threshold_ms=15 * MINUTE_MS))
    assert names(told.contacts) == ["card/k1:c"]


def test_the_same_lane_within_a_minute_is_a_contact_too() -> None:
    presence = Presence([punch(10, "k1:a", "out"), punch(10.5, "k1:b"), punch(12, "k1:c", "out")])
    [told] = contacts(presence, "card/k1:a", Span(at(9), at(11.9)), Rules(threshold_ms=10**9)).contacts
    assert (told.subject, [brush.other_ms - brush.at_ms for brush in told.brushes]) == ("card/k1:b", [30_000])


def test_the_second_degree_is_whom_a_contact_met_afterwards_and_not_before() -> None:
    facts = [*stay("k1:a", 100, 200), *stay("k1:b", 150, 260), *stay("k1:b", 10, 30), *stay("k1:c", 20, 29)]
    facts += [*stay("k1:d", 210, 250)]
    told = second_degree(Presence(facts), "card/k1:a", Span(at(0), at(300)))
    assert names(told.first.contacts) == ["card/k1:b"]
    assert [(each.subject, each.by, each.met_ms) for each in told.second] == [("card/k1:d", "card/k1:b", at(150))]


def test_who_was_isolated_met_nobody_from_then_on() -> None:
    facts = [*stay("k1:a", 100, 200), *stay("k1:b", 150, 260), *stay("k1:d", 210, 250)]
    told = second_degree(Presence(facts), "card/k1:a", Span(at(0), at(300)), {"card/k1:b": at(205)})
    assert told.second == ()


@pytest.mark.parametrize(("isolated", "of_it_ms"), [("card/k1:d", 20 * MINUTE_MS), ("card/k1:b", 20 * MINUTE_MS)])
def test_who_is_met_may_be_the_one_who_was_isolated(isolated: str, of_it_ms: int) -> None:
    facts = [*stay("k1:a", 100, 200), *stay("k1:b", 150, 260), *stay("k1:d", 210, 250)]
    told = second_degree(Presence(facts), "card/k1:a", Span(at(0), at(300)), {isolated: at(230)})
    assert [(each.subject, each.contact.likely_ms) for each in told.second] == [("card/k1:d", of_it_ms)]
    told = second_degree(Presence(facts), "card/k1:a", Span(at(0), at(300)), {"card/k1:d": at(205)})
    assert (told.second, told.possible) == ((), ())


@given(worlds())
def test_who_was_found_early_need_not_be_looked_for_again(facts: list[Fact]) -> None:
    presence, window = Presence(facts), Span(at(-10), at(90))
    for subject in presence.subjects(window):
        told = second_degree(presence, subject, window)
        with mock.patch.object(_Chain, "is_settled", lambda chain, other, **_: other in chain.known):
            assert as_json(second_degree(presence, subject, window)) == as_json(told)


def test_a_brush_with_somebody_isolated_is_none() -> None:
    facts = [punch(10, "k1:a", "out"), punch(10.5, "k1:b")]
    [met] = second_degree(Presence(facts), "card/k1:a", Span(at(9), at(12))).first.contacts
    assert met.subject == "card/k1:b"
    told = second_degree(Presence(facts), "card/k1:a", Span(at(9), at(12)), {"card/k1:b": at(10.5)})
    assert (told.first.contacts, told.first.possible) == ((), ())


@given(worlds())
def test_sure_is_within_likely_within_possible_and_contact_is_mutual(facts: list[Fact]) -> None:
    presence = Presence(facts)
    window = Span(at(-10), at(90))
    for each in presence.stays:
        sure, likely, possible = (each.extent(level) for level in ("sure", "likely", "possible"))
        assert sure.length_ms == 0 or (likely.begin_ms <= sure.begin_ms and sure.end_ms <= likely.end_ms)
        assert likely.length_ms == 0 or (possible.begin_ms <= likely.begin_ms and likely.end_ms <= possible.end_ms)
    for subject in presence.subjects(window):
        told = contacts(presence, subject, window)
        for other in (*told.contacts, *told.possible):
            assert other.sure_ms <= other.likely_ms <= other.possible_ms
            back = contacts(presence, other.subject, window)
            mirror = next(each for each in (*back.contacts, *back.possible) if each.subject == subject)
            assert (mirror.sure_ms, mirror.likely_ms, mirror.possible_ms) == (
                other.sure_ms,
                other.likely_ms,
                other.possible_ms,
            )


@given(worlds())
def test_answers_as_known_then_are_the_same_bytes_whatever_came_later(facts: list[Fact]) -> None:
    known = at(45)
    early = Presence(fact for fact in facts if fact.known_ms <= known).as_known_at(known)
    late = Presence(reversed(facts)).as_known_at(known)
    for ask in (
        lambda view: roster(view, "hq", at(30)),
        lambda view: headcount(view, "hq", at(30)),
        lambda view: contacts(view, "card/k1:a", Span(at(0), at(60))),
        lambda view: second_degree(view, "card/k1:a", Span(at(0), at(60))),
        lambda view: trajectory(view, "card/k1:a", Span(at(0), at(60))),
    ):
        assert as_json(ask(early)) == as_json(ask(late))
