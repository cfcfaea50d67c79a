"""What an answer says of itself that it cannot know: people without a name, cards, sites that nobody watched."""

from __future__ import annotations

import pytest
from presence_world import ALL, at, punch

from traceability.presence.atlas import Lane, Map, Position, Zone, names_of
from traceability.presence.bindings import Binding
from traceability.presence.contacts import contacts
from traceability.presence.coverage import Sign
from traceability.presence.crowding import gatherings, peaks
from traceability.presence.facts import Fact
from traceability.presence.memory import Presence
from traceability.presence.moments import Span
from traceability.presence.roster import headcount, roster
from traceability.presence.second_degree import second_degree
from traceability.presence.trajectory import KNOWN_MS, trajectory
from traceability.presence.visits import places_of, visitors

DAY = Span(at(0), at(300))


def stay(token: str, begin: float, end: float, **more: object) -> list[Fact]:
    return [punch(begin, token, **more), punch(end, token, "out", **more)]  # type: ignore[arg-type]


def charted(*facts: Fact) -> Presence:
    """Two sites, and a read point on wheels that stood at `hq`; from minute 100 to 120 only `hq` was watched."""
    presence = Presence(facts)
    wheels = Lane("lines", "crew", "crew", "outside", "trench", positions=(Position(DAY, "hq", "outside", "trench"),))
    zones = names_of([Zone("hq", "lobby"), Zone("dorm", "lobby")])
    presence.chart(Map(zones=zones, lanes={("lines", "crew"): wheels}))
    for site, lane in (("hq", "gate"), ("dorm", "gate"), ("lines", "crew")):
        minutes = [(-2000, "gateway.started"), (-1999, "device.up"), (100, "punch"), (120, "gateway.started")]
        kept = minutes if site != "hq" else minutes[:3]
        for seq, (minute, kind) in enumerate([*kept, (121, "device.up"), (400, "punch")], 1):
            presence.watch(
                Sign(f"{site}/e/e/{seq}", 0, at(minute), site, "e", "e", seq, kind, lane=lane, device="reader")
            )
    return presence


def test_a_roster_says_of_whom_nobody_has_seen_the_end_yet_and_how_many_have_no_name() -> None:
    presence = Presence([punch(10, "k1:a"), *stay("k1:b", 20, 60), punch(30, None, outcome="tailgate")])
    told = roster(presence, "hq", at(40))
    assert [(each.subject, each.is_open) for each in told.present] == [("card/k1:a", True), ("card/k1:b", False)]
    assert (told.unnamed.low, told.unnamed.high) == (1, 1)


def test_who_came_in_unnamed_and_left_by_name_is_not_inside_for_a_day() -> None:
    presence = Presence([punch(10, None, outcome="tailgate"), punch(50, "k1:a", "out")])
    told = headcount(presence, "hq", at(60))
    assert (told.unnamed.low, told.unnamed.high, told.unnamed.known) == (0, 1, 1)
    assert (told.total_low, told.total_high) == (0, 1)


def test_who_came_in_unnamed_and_is_read_inside_may_be_counted_once() -> None:
    presence = Presence([punch(10, None, outcome="tailgate"), punch(20, "k1:a", lane="door")])
    told = headcount(presence, "hq", at(60))
    assert (told.named, told.total_low, told.total_high) == (1, 1, 2)


def test_a_card_that_became_somebodys_while_inside_is_not_there_besides_him() -> None:
    presence = Presence([punch(10, "k1:a"), punch(90, "k1:a", "out")])
    presence.bind(Binding("b1", 0, "k1:a", "ann", at(50)))
    assert [each.subject for each in roster(presence, "hq", at(40)).present] == ["card/k1:a"]
    late = roster(presence, "hq", at(100))
    assert (late.present, [each.subject for each in late.possible]) == ((), ["card/k1:a"])
    assert headcount(presence, "hq", at(100)).named == 0


def test_where_somebody_was_before_anything_was_known_of_him_is_unknown_and_not_outside() -> None:
    presence = Presence(stay("k1:a", 10, 20))
    first, *_, last = trajectory(presence, "card/k1:a", DAY).legs
    assert (first.kind, first.span, last.kind) == ("unknown", Span(at(0), at(10)), "outside")
    [stranger] = trajectory(presence, "person/ann", DAY).legs
    assert (stranger.kind, stranger.span) == ("unknown", DAY)
    assert contacts(presence, "person/ann", DAY).unknown == (DAY,)


def test_who_went_out_before_the_window_is_outside_when_it_begins() -> None:
    presence = Presence([*stay("k1:a", -30, -20), *stay("k1:a", 10, 20)])
    assert [leg.kind for leg in trajectory(presence, "card/k1:a", DAY).legs] == ["outside", "stay", "outside"]
    assert contacts(presence, "card/k1:a", DAY).unknown == ()
    later = Span(at(30) + KNOWN_MS, at(60) + KNOWN_MS)
    assert [leg.kind for leg in trajectory(presence, "card/k1:a", later).legs] == ["unknown"]


def test_who_is_outside_may_have_been_at_a_site_that_nobody_watched() -> None:
    presence = charted(*stay("k1:a", -30, -20), *stay("k1:a", 10, 20))
    told = trajectory(presence, "card/k1:a", DAY)
    assert told.scope.sites == ("hq",)
    dead = [(gap.site, gap.lane, gap.span, gap.state) for gap in told.elsewhere if gap.site == "dorm"]
    assert dead == [("dorm", "*", Span(at(100), at(121)), "blind")]
    assert contacts(presence, "card/k1:a", DAY).elsewhere == told.elsewhere


def test_who_was_inside_all_along_was_at_no_other_site() -> None:
    assert trajectory(charted(*stay("k1:a", -30, 310)), "card/k1:a", DAY).elsewhere == ()


def test_a_read_point_on_wheels_is_looked_at_where_it_stood() -> None:
    gaps = roster(charted(), "hq", at(130)).scope.gaps
    assert {(gap.site, gap.lane, gap.state) for gap in gaps} == {("lines", "crew", "blind")}
    assert (gaps[0].span.begin_ms, gaps[-1].span.end_ms) == (at(100), at(121))
    assert "lines" not in {gap.site for gap in roster(charted(), "dorm", at(130)).scope.gaps}


def test_a_contact_of_somebody_whose_exit_is_missing_is_a_possible_second_one() -> None:
    facts = [*stay("k1:a", 0, 30), punch(10, "k1:b"), punch(90, "k1:b", site="dorm"), *stay("k1:c", 40, 60)]
    told = second_degree(Presence(facts), "card/k1:a", ALL)
    assert [each.subject for each in told.first.possible] == ["card/k1:b"]
    assert [each.subject for each in told.second] == []
    assert [(each.subject, each.by) for each in told.possible] == [("card/k1:c", "card/k1:b")]


def one_watched(*facts: Fact) -> Presence:
    """`hq` was watched for some days, but not in the minutes 500 to 520, when its gateway was dead."""
    presence = Presence(facts)
    presence.chart(Map(zones=names_of([Zone("hq", "lobby")])))
    for seq, (minute, kind) in enumerate(
        [(-3000, "gateway.started"), (-2999, "device.up"), (500, "punch"), (520, "gateway.started"),
         (520.1, "device.up"), (4000, "punch")],
        1,
    ):  # fmt: skip
        presence.watch(Sign(f"hq/e/e/{seq}", 0, at(minute), "hq", "e", "e", seq, kind, lane="gate", device="reader"))
    return presence


ASKED = {
    "roster": lambda view, window: roster(view, "hq", window.end_ms),
    "headcount": lambda view, window: headcount(view, "hq", window.end_ms),
    "visitors": lambda view, window: visitors(view, "hq", None, window),
    "places": lambda view, window: places_of(view, "card/k1:a", window),
    "peaks": lambda view, window: peaks(view, "hq", "lobby", window),
    "gatherings": lambda view, window: gatherings(view, "hq", 0, 1, window),
    "trajectory": lambda view, window: trajectory(view, "card/k1:a", window),
    "contacts": lambda view, window: contacts(view, "card/k1:a", window),
}


@pytest.mark.parametrize("question", ASKED)
def test_who_is_taken_to_have_stayed_until_he_was_seen_later_may_have_been_missed_until_then(question: str) -> None:
    presence = one_watched(*stay("k1:a", 10, 600))
    told = ASKED[question](presence, Span(at(100), at(200)))
    assert [gap.state for gap in told.scope.gaps] == ["blind", "blind"]
    assert not told.scope.complete
    assert told.scope.looked_at.end_ms == at(600)


@pytest.mark.parametrize("question", ASKED)
def test_what_was_not_watched_behind_the_last_who_left_is_of_no_matter(question: str) -> None:
    told = ASKED[question](one_watched(*stay("k1:a", 10, 400)), Span(at(100), at(200)))
    assert (told.scope.gaps, told.scope.complete) == ((), True)


@pytest.mark.parametrize("question", sorted(ASKED.keys() - {"roster", "headcount"}))
def test_who_came_before_the_window_may_have_been_missed_since_then(question: str) -> None:
    told = ASKED[question](one_watched(*stay("k1:a", 10, 800)), Span(at(600), at(700)))
    assert [gap.state for gap in told.scope.gaps] == ["blind", "blind"]
    assert told.scope.looked_at == Span(at(10), at(800))


def test_no_further_than_a_day_beside_the_window_is_looked() -> None:
    told = trajectory(one_watched(*stay("k1:a", -2000, 3000)), "card/k1:a", Span(at(100), at(200)))
    assert told.scope.looked_at == Span(at(100 - 1440), at(200 + 1440))


def test_a_contact_may_have_left_unseen_behind_the_window() -> None:
    presence = one_watched(*stay("k1:a", 10, 150), *stay("k1:b", 20, 600))
    assert contacts(presence, "card/k1:a", Span(at(100), at(200))).scope.looked_at == Span(at(10), at(600))


def test_who_was_out_before_the_window_may_have_come_in_elsewhere_since_then() -> None:
    presence = charted(*stay("k1:a", 10, 90))
    told = trajectory(presence, "card/k1:a", Span(at(125), at(200)))
    assert [leg.span for leg in told.legs] == [Span(at(125), at(200))]
    assert any(gap.span.begin_ms < at(125) for gap in told.elsewhere)
    assert all(gap.span.begin_ms >= at(90) for gap in told.elsewhere)


def test_where_somebody_is_known_to_be_is_no_time_unknown_though_a_stay_of_a_moment_began_with_it() -> None:
    presence = Presence([punch(10, "k1:a", "out", lane="door"), punch(60, "k1:a", "out")])
    told = trajectory(presence, "card/k1:a", Span(at(0), at(100)))
    away = [(leg.kind, leg.span) for leg in told.legs if leg.site is None]
    assert away == [("unknown", Span(at(0), at(10))), ("outside", Span(at(60), at(100)))]


def test_who_came_in_by_a_card_that_was_bound_later_is_there_until_something_else_is_seen_of_him() -> None:
    presence = Presence([punch(10, "k1:a")])
    presence.bind(Binding("b1", 0, "k1:a", "ann", at(50)))
    told = headcount(presence, "hq", at(60))
    assert (told.named, told.total_low, told.total_high) == (1, 1, 1)


def test_where_a_clock_leaves_the_order_of_two_moves_open_it_may_still_be_where_the_earlier_one_led() -> None:
    facts = [punch(100, "k1:a", error_ms=80 * 60_000), punch(105, "k1:a", site="dorm")]
    presence = Presence(facts)
    assert [each.subject for each in roster(presence, "dorm", at(300)).present] == ["card/k1:a"]
    [other] = roster(presence, "hq", at(300)).possible
    assert (other.subject, other.flags) == ("card/k1:a", ("ambiguous",))
    left = Presence([*facts, punch(400, "k1:a", "out", site="dorm")])
    assert [each.subject for each in roster(left, "hq", at(300)).possible] == ["card/k1:a"]
    assert roster(left, "hq", at(500)).possible == ()
