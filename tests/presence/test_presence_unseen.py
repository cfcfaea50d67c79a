"""No answer says that all was watched where it looked at no site, at too few of them, or by a map of another day."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from presence_world import at, punch

from traceability.presence.allowed import Allowance, breaches
from traceability.presence.answers import Scope, completeness
from traceability.presence.atlas import Lane, Map, Position, Zone, names_of
from traceability.presence.contacts import contacts
from traceability.presence.coverage import Sign
from traceability.presence.crowding import gatherings, peaks
from traceability.presence.facts import Fact
from traceability.presence.memory import Presence
from traceability.presence.moments import MINUTE_MS, Span
from traceability.presence.roster import roster
from traceability.presence.second_degree import second_degree
from traceability.presence.trajectory import impossible_moves, trajectory
from traceability.presence.visits import places_of, visitors

DAY = Span(at(0), at(300))
HALL, ROOM = Zone("hq", "lobby", capacity=2), Zone("hq", "office", within="lobby")


def stay(token: str, begin: float, end: float, **more: Any) -> list[Fact]:
    return [punch(begin, token, **more), punch(end, token, "out", **more)]


def watched(presence: Presence, *, dark: str = "") -> Presence:
    """Gates of `hq` and `dorm` from long before until long after; that of `dark` was down from minute 65 to 250."""
    for site in ("hq", "dorm"):
        kinds = [(-3000, "gateway.started"), (-2999, "device.up")]
        kinds += [(65, "device.down"), (250, "device.up")] if site == dark else []
        for seq, (minute, kind) in enumerate([*kinds, (900, "punch")], 1):
            name = f"{site}/box/e/{seq}"
            presence.watch(Sign(name, 0, at(minute), site, "box", "e", seq, kind, lane="gate", device="reader"))
    return presence


def charted(presence: Presence, *maps: tuple[float, list[Zone]]) -> Presence:
    for minute, zones in maps:
        presence.chart(Map(from_ms=at(minute), zones=names_of(zones)))
    return presence


OF_A_STRANGER: dict[str, Callable[[Presence], Scope]] = {
    "trajectory": lambda view: trajectory(view, "person/nobody", DAY).scope,
    "contacts": lambda view: contacts(view, "person/nobody", DAY).scope,
    "second degree": lambda view: second_degree(view, "person/nobody", DAY).scope,
    "places": lambda view: places_of(view, "person/nobody", DAY).scope,
}


@pytest.mark.parametrize("question", OF_A_STRANGER)
def test_an_answer_that_looked_at_no_site_is_not_complete(question: str) -> None:
    assert not OF_A_STRANGER[question](watched(Presence(stay("k1:a", 10, 20)))).complete


def test_places_say_when_nobody_knows_where_somebody_was_and_where_it_may_have_been_unseen() -> None:
    told = places_of(watched(Presence(stay("k1:a", 10, 60)), dark="dorm"), "card/k1:a", DAY)
    assert told.unknown == (Span(at(0), at(10)),)
    assert [(gap.site, gap.span, gap.state) for gap in told.elsewhere] == [("dorm", Span(at(65), at(250)), "blind")]


def test_somebody_outside_may_have_been_at_a_dark_site_though_there_is_no_map() -> None:
    told = trajectory(watched(Presence(stay("k1:a", 10, 60)), dark="dorm"), "card/k1:a", DAY)
    assert [(gap.site, gap.state) for gap in told.elsewhere] == [("dorm", "blind")]


ANYWHERE: dict[str, Callable[[Presence], Scope]] = {
    "impossible": lambda view: impossible_moves(view, ["card/k1:a"], DAY).scope,
    "breaches": lambda view: breaches(view, [Allowance("card/k1:a", ("hq",), DAY)], DAY).scope,
}


@pytest.mark.parametrize("question", ANYWHERE)
def test_that_nothing_was_found_anywhere_rests_on_all_sites(question: str) -> None:
    facts = stay("k1:a", 10, 60)
    scope = ANYWHERE[question](watched(Presence(facts), dark="dorm"))
    assert (scope.sites, scope.complete) == (("dorm", "hq"), False)
    assert ANYWHERE[question](watched(Presence(facts))).complete


def test_whom_a_contact_met_later_rests_on_the_sites_it_went_to() -> None:
    facts = [*stay("k1:a", 10, 40), *stay("k1:b", 12, 50), punch(60, "k1:b", site="dorm")]
    told = second_degree(watched(Presence(facts), dark="dorm"), "card/k1:a", DAY)
    assert (told.second, told.possible) == ((), ())
    assert (told.scope.sites, told.scope.complete) == (("dorm", "hq"), False)


def test_a_meeting_before_the_likely_time_of_the_first_one_is_no_more_than_possible() -> None:
    late = [punch(150, "k1:a", error_ms=80 * MINUTE_MS, gateway="old"), punch(200, "k1:a", "out")]
    facts = [*stay("k1:b", 60, 220), *stay("k1:c", 65, 90), *stay("k1:d", 170, 180), *late]
    told = second_degree(Presence(facts), "card/k1:b", DAY)
    assert {each.subject for each in told.first.contacts} == {"card/k1:a", "card/k1:c", "card/k1:d"}
    told = second_degree(Presence(facts), "card/k1:a", DAY)
    [first] = [each for each in told.first.contacts if each.subject == "card/k1:b"]
    assert (first.first_ms, first.first_likely_ms) == (at(70), at(150))
    assert [each.subject for each in told.second] == []
    assert [each.subject for each in told.possible] == ["card/k1:c"]


def test_a_move_that_is_impossible_from_the_one_before_the_window_is_told() -> None:
    presence = Presence([punch(10, "k1:a"), punch(10.2, "k1:a", site="dorm")])
    assert len(impossible_moves(presence, ["card/k1:a"], Span(at(10.1), at(11))).moves) == 1
    assert not impossible_moves(presence, ["card/k1:a"], Span(at(10.3), at(11))).moves


def test_completeness_of_a_site_names_the_cards_of_that_site_alone() -> None:
    facts = [*stay("k1:a", 10, 20), *stay("k1:b", 10, 20, site="dorm")]
    presence = Presence([*facts, punch(30, "k1:c", outcome="denied")])
    assert completeness(presence, ["hq"], DAY).unresolved == ("card/k1:a", "card/k1:c")


# --- maps that change within a window


def inside_rooms() -> list[Fact]:
    """Two in the office, which lies within the lobby, one in the lobby, from minute 100 on."""
    come = [punch(100, token, seq=seq) for seq, token in enumerate(("k1:a", "k1:b", "k1:c"), 1)]
    return [*come, punch(110, "k1:a", lane="door", seq=4), punch(120, "k1:b", lane="door", seq=5)]


def test_who_is_in_a_room_is_in_the_hall_since_the_map_says_so_wherever_the_window_begins() -> None:
    presence = charted(Presence(inside_rooms()), (60, [HALL, ROOM]))
    told = visitors(presence, "hq", "lobby", DAY)
    assert {each.subject: each.likely_ms / MINUTE_MS for each in told.visitors} == dict.fromkeys(
        ("card/k1:a", "card/k1:b", "card/k1:c"), 200
    )
    assert told.zones == ("lobby", "office")
    assert peaks(presence, "hq", "lobby", DAY).peak == 3


def test_the_alarm_goes_by_the_capacity_of_its_time() -> None:
    wider = [Zone("hq", "lobby", capacity=3), ROOM]
    told = peaks(charted(Presence(inside_rooms()), (60, [HALL, ROOM]), (200, wider)), "hq", "lobby", DAY)
    assert [(alarm.span, alarm.people) for alarm in told.alarms] == [(Span(at(100), at(200)), 3)]
    assert told.capacity == 3
    told = peaks(charted(Presence(inside_rooms()), (-60, wider), (200, [HALL, ROOM])), "hq", "lobby", DAY)
    assert [alarm.span for alarm in told.alarms] == [Span(at(200), at(300))]


def test_exactly_as_many_as_a_place_may_hold_is_no_alarm() -> None:
    presence = charted(Presence(inside_rooms()), (60, [Zone("hq", "lobby", capacity=3), ROOM]))
    assert not peaks(presence, "hq", "lobby", DAY).alarms


def test_people_in_the_rooms_of_a_hall_are_a_gathering_in_the_hall() -> None:
    facts = [punch(100 + nth, f"k1:{nth}", lane="door" if nth % 2 else "lab") for nth in range(4)]
    zones = [Zone("hq", "wing"), Zone("hq", "office", within="wing"), Zone("hq", "lab", within="wing")]
    presence = charted(Presence(facts), (-60, zones))
    told = [(zone, crowd.people) for zone, crowd in gatherings(presence, "hq", 3, MINUTE_MS, DAY).gatherings]
    assert told == [("wing", 4)]


def test_a_read_point_on_wheels_is_looked_at_though_its_map_came_into_force_within_the_window() -> None:
    presence = watched(Presence())
    wheels = Lane("dorm", "gate", "gate", "outside", "trench", positions=(Position(DAY, "hq", "outside", "trench"),))
    presence.chart(Map(from_ms=at(-100), zones=names_of([HALL]), lanes={("dorm", "gate"): wheels}))
    for seq, (minute, kind) in enumerate([(100, "device.down"), (200, "device.up")], 10):
        name = f"dorm/box/e/{seq}"
        presence.watch(Sign(name, 0, at(minute), "dorm", "box", "e", seq, kind, lane="gate", device="reader"))
    assert "dorm" in {gap.site for gap in roster(presence, "hq", at(250)).scope.gaps}
