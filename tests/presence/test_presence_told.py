"""An answer as a person reads it says what could not be seen, as the one for programs does."""

from __future__ import annotations

from presence_world import at, punch
from test_presence_doubts import charted, stay

from traceability.presence.contacts import Rules, contacts
from traceability.presence.memory import Presence
from traceability.presence.moments import Span
from traceability.presence.oddities import oddities
from traceability.presence.roster import headcount, roster
from traceability.presence.second_degree import second_degree
from traceability.presence.trajectory import trajectory
from traceability.whereabouts.telling import lines


def test_a_roster_and_a_count_name_those_without_a_name() -> None:
    presence = Presence([punch(10, None, outcome="tailgate"), *stay("k1:a", 20, 60)])
    assert "without a name 1 to 1: 1 in, 0 out" in lines(roster(presence, "hq", at(30)))
    told = list(lines(headcount(presence, "hq", at(30))))
    assert told[:3] == ["hq: 2 to 2 people", "with a name 1, possibly 0 more", "without a name 1 to 1: 1 in, 0 out"]


def test_a_way_and_contacts_tell_where_else_nobody_would_have_been_seen() -> None:
    presence = charted(*stay("k1:a", 10, 100), *stay("k1:a", 130, 150))
    window = Span(at(0), at(140))
    for told in (trajectory(presence, "card/k1:a", window), contacts(presence, "card/k1:a", window)):
        assert any(line.startswith("may have been at dorm unseen") for line in lines(told))


def test_somebody_outside_is_at_no_place() -> None:
    presence = Presence([*stay("k1:a", 10, 20), *stay("k1:a", 40, 50)])
    told = [line for line in lines(trajectory(presence, "card/k1:a", Span(at(10), at(50)))) if "outside" in line]
    assert len(told) == 1
    assert told[0].endswith("00")


def test_contacts_tell_when_nobody_knows_where_the_subject_was() -> None:
    told = list(lines(contacts(Presence([*stay("k1:a", 10, 20)]), "card/k1:a", Span(at(0), at(20)))))
    assert sum(line.startswith("nobody knows where it was") for line in told) == 1


def test_of_the_second_degree_those_are_told_too_who_are_no_more_than_possible() -> None:
    others = [
        *stay("k1:b", 10, 40),
        *stay("k1:c", 30, 50),
        punch(38, "k1:d", error_ms=600_000),
        punch(60, "k1:d", "out"),
    ]
    rules = Rules(threshold_ms=6 * 60_000, brush_ms=0)
    presence = Presence([*stay("k1:a", 0, 25), *others])
    told = list(lines(second_degree(presence, "card/k1:a", Span(at(0), at(60)), {}, rules)))
    assert "of the second degree: 1, 1 possibly" in told
    assert [line.split()[:2] for line in told if "  by card/k1:b" in line] == [
        ["card/k1:c", "10.0"],
        ["possibly", "card/k1:d"],
    ]


def test_many_of_a_kind_are_told_one_by_one_by_the_name_of_one() -> None:
    told = oddities(Presence([punch(10, "k1:a"), punch(20, "k1:a")]), "hq", Span(at(0), at(60)))
    assert "- oddity" in lines(told)
