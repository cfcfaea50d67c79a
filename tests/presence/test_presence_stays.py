"""What becomes of the movements of one person."""

from __future__ import annotations

import pytest
from presence_world import ALL, at, move, punch, stays, wrong

from traceability.presence.memory import Presence
from traceability.presence.moments import Span


def test_in_and_out_are_a_stay() -> None:
    assert stays(punch(10, "k1:a"), punch(50, "k1:a", "out")) == [("card/k1:a", "lobby", 10, 50, ())]


def test_a_way_through_zones_is_a_stay_in_each() -> None:
    assert stays(punch(1, "k1:a"), punch(2, "k1:a", lane="door"), punch(9, "k1:a", "out", "door")) == [
        ("card/k1:a", "lobby", 1, 2, ()),
        ("card/k1:a", "office", 2, 9, ()),
        ("card/k1:a", "lobby", 9, None, ()),
    ]


def test_who_has_not_left_stays_however_long_ago_he_came() -> None:
    [stay] = Presence([punch(10, "k1:a")]).of_subject("card/k1:a", Span(at(10**6), at(10**6 + 1)))
    assert stay.end is None


def test_in_after_in_ends_the_former_stay_somewhere_between_last_seen_and_then() -> None:
    first, second = Presence([punch(10, "k1:a", error_ms=12), punch(50, "k1:a", error_ms=12)]).stays
    assert first.flags == ("no_exit",)
    assert first.end is not None
    assert first.end.how == "unknown"
    assert (first.end.when.earliest_ms, first.end.when.best_ms, first.end.when.latest_ms) == (
        at(10) - 12,
        at(10),
        at(50) + 12,
    )
    assert (second.flags, second.end) == ((), None)


def test_being_seen_there_bounds_the_unknown_end_from_below() -> None:
    seen = punch(30, "k1:a", "out", outcome="not_taken")
    first, _ = Presence([punch(10, "k1:a"), seen, punch(50, "k1:a")]).stays
    assert first.end is not None
    assert (first.end.when.best_ms, first.end.when.latest_ms) == (at(30), at(50))


def test_being_seen_elsewhere_bounds_the_unknown_end_from_above() -> None:
    seen = punch(30, "k1:a", outcome="denied", site="dorm")
    first, _ = Presence([punch(10, "k1:a"), seen, punch(50, "k1:a")]).stays
    assert first.end is not None
    assert (first.end.when.best_ms, first.end.when.latest_ms) == (at(10), at(30))


def test_a_later_in_at_another_site_ends_the_stay() -> None:
    assert stays(punch(10, "k1:a"), punch(50, "k1:a", site="dorm")) == [
        ("card/k1:a", "lobby", 10, 10, ("no_exit",)),
        ("card/k1:a", "lobby", 50, None, ()),
    ]


def test_out_after_out_is_a_stay_nobody_saw_begin() -> None:
    found = Presence([punch(10, "k1:a", "out"), punch(50, "k1:a", "out")]).stays
    assert [stay.flags for stay in found] == [("no_entry",), ("no_entry",)]
    assert found[0].start.when.earliest_ms is None
    assert (found[1].start.when.earliest_ms, found[1].start.when.best_ms) == (at(10), at(50))


def test_who_was_missed_at_an_inner_door_was_on_the_site_all_the_time() -> None:
    assert stays(punch(1, "k1:a"), punch(2, "k1:a", lane="door"), punch(90, "k1:a", "out", "gate")) == [
        ("card/k1:a", "lobby", 1, 2, ()),
        ("card/k1:a", "office", 2, 90, ("no_exit",)),
        ("card/k1:a", "lobby", 90, 90, ("no_entry",)),
    ]


def test_a_direction_that_is_unknown_moves_nobody() -> None:
    [stay] = Presence([punch(10, "k1:a"), punch(20, "k1:a", "unknown")]).stays
    assert (stay.end, stay.seen.best_ms, stay.flags) == (None, at(20), ())


@pytest.mark.parametrize("outcome", ["not_taken", "denied", "wrong_way"])
def test_to_want_out_is_not_to_go_out(outcome: str) -> None:
    assert stays(punch(10, "k1:a"), punch(20, "k1:a", "out", outcome=outcome)) == [
        ("card/k1:a", "lobby", 10, None, ())
    ]


def test_who_is_seen_inside_though_nothing_led_there_may_be_there() -> None:
    [stay] = Presence([punch(5, "k1:a", "out"), punch(30, "k1:a", "out", outcome="not_taken")]).stays[1:]
    assert (stay.zone, stay.flags, stay.end) == ("lobby", ("ambiguous", "no_entry"), None)
    assert (stay.start.when.earliest_ms, stay.start.when.best_ms) == (at(5), at(30))
    assert stay.extent("likely").length_ms == 0


def test_an_ambiguous_entry_is_a_stay_that_is_possible_and_not_likely() -> None:
    [stay] = Presence([punch(10, "k1:a", outcome="ambiguous")]).stays
    assert (stay.flags, stay.end) == (("ambiguous",), None)
    assert stay.extent("likely").length_ms == stay.extent("sure").length_ms == 0
    assert stay.extent("possible").holds(at(500))


def test_an_ambiguous_exit_leaves_the_stay_open_and_in_doubt() -> None:
    [stay] = Presence([punch(10, "k1:a"), punch(20, "k1:a", "out", outcome="ambiguous")]).stays
    assert (stay.end, stay.flags) == (None, ("ambiguous",))


def test_an_ambiguous_entry_bears_out_the_exit_behind_it() -> None:
    [stay] = Presence([punch(10, "k1:a", outcome="ambiguous"), punch(50, "k1:a", "out")]).stays
    assert stay.flags == ("ambiguous", "no_entry")
    assert stay.start.ids == (punch(10, "k1:a").id,)


def test_an_ambiguous_entry_at_another_site_bears_out_nothing_here() -> None:
    """Zones of two sites may have one name; each of the two stays has an id of its own."""
    there = punch(10, "k1:a", outcome="ambiguous", site="dorm")
    here, elsewhere = Presence([there, punch(50, "k1:a", "out")]).stays
    assert {here.site, elsewhere.site} == {"hq", "dorm"}
    assert here.id != elsewhere.id


def test_a_lane_without_a_sensor_makes_an_assumed_stay() -> None:
    assert stays(punch(10, "k1:a", outcome="assumed"), punch(20, "k1:a", "out")) == [
        ("card/k1:a", "lobby", 10, 20, ("assumed",))
    ]


def test_two_sites_within_a_minute_are_impossible() -> None:
    found = stays(punch(10, "k1:a"), punch(20, "k1:a", "out"), punch(20.5, "k1:a", site="dorm"))
    assert [flags for *_, flags in found] == [(), ("impossible",)]


def test_clocks_that_may_be_wrong_make_nothing_impossible_but_the_order_doubtful() -> None:
    facts = [punch(10, "k1:a"), punch(20, "k1:a", "out", error_ms=60_000)]
    found = stays(*facts, punch(20.5, "k1:a", site="dorm", error_ms=60_000))
    assert [flags for *_, flags in found] == [(), ("ambiguous",)]


def test_what_did_not_occur_moves_nobody_and_leaves_a_mark() -> None:
    out = punch(20, "k1:a", "out")
    assert stays(punch(10, "k1:a"), out, wrong(out.id, known=60)) == [
        ("card/k1:a", "lobby", 10, None, ("corrected",))
    ]


def test_a_declaration_can_be_taken_back() -> None:
    out = punch(20, "k1:a", "out")
    again = [wrong(out.id, known=60), wrong("operator/d/1", known=70, seq=2)]
    assert stays(punch(10, "k1:a"), out, *again) == [("card/k1:a", "lobby", 10, 20, ())]


def test_a_declaration_cannot_undo_one_that_was_made_after_it() -> None:
    out = punch(20, "k1:a", "out")
    declared = [wrong("operator/d/2", known=60, seq=1), wrong(out.id, known=70, seq=2)]
    assert stays(punch(10, "k1:a"), out, *declared) == [("card/k1:a", "lobby", 10, None, ("corrected",))]


def test_a_zone_of_the_same_name_on_another_site_is_another_zone() -> None:
    assert stays(punch(10, "k1:a"), punch(50, "k1:a", "out", site="dorm")) == [
        ("card/k1:a", "lobby", 10, 10, ("no_exit",)),
        ("card/k1:a", "lobby", 50, 50, ("no_entry",)),
    ]


def test_an_operator_moves_a_person_from_wherever_he_was() -> None:
    moved = move(40, "card/k1:a", "outside", known=90)
    assert stays(punch(10, "k1:a"), moved) == [("card/k1:a", "lobby", 10, 40, ("corrected",))]


def test_the_original_is_kept_and_can_still_be_asked_for() -> None:
    out = punch(20, "k1:a", "out")
    presence = Presence([punch(10, "k1:a"), out, wrong(out.id, known=60)])
    assert presence.as_known_at(at(59)).stays == Presence([punch(10, "k1:a"), out]).stays
    assert [step.id for step in presence.steps_of("card/k1:a", ALL)] == [punch(10, "k1:a").id]
