"""The map an operator writes, read points that move, cards that change hands."""

from __future__ import annotations

import pytest
from presence_world import ALL, at, punch

from gateway.errors import Misconfigured
from traceability.presence.atlas import Atlas, Lane, Map, Position
from traceability.presence.bindings import Binding, Bindings
from traceability.presence.map_file import read_map
from traceability.presence.memory import Presence
from traceability.presence.moments import Span
from traceability.presence.travel import Travel

MAP = """
from = 2026-11-01T00:00:00+08:00
organisation = "acme"

[[sites]]
id = "hq"
kind = "work"
zones = [
  { id = "lobby", building = "a", capacity = 80, area_m2 = 120.0 },
  { id = "office", building = "a", within = "lobby" },
  { id = "safe", building = "a", within = "office" },
]
lanes = [
  { id = "gate", portal = "main", from_zone = "outside", to_zone = "lobby" },
  { id = "door", portal = "door", from_zone = "lobby", to_zone = "office", readers = "in" },
]

[[sites]]
id = "line"
zones = [{ id = "span-7" }, { id = "span-8" }]
[[sites.lanes]]
id = "crew"
portal = "bus"
from_zone = "outside"
to_zone = "span-7"
positions = [
  { from = 2026-11-23T00:00:00+08:00, to = 2026-11-24T00:00:00+08:00, from_zone = "outside", to_zone = "span-8" },
]

[[travel]]
between = ["hq", "line"]
minutes = 20
"""


def faults(text: str) -> list[str]:
    with pytest.raises(Misconfigured) as caught:
        read_map(text, 0)
    return str(caught.value).splitlines()


# --- the map


def test_a_map_is_read_with_its_tree_of_zones_and_its_times_of_travel() -> None:
    told = read_map(MAP, 5)
    assert told.under("hq", "lobby") == {"lobby", "office", "safe"}
    assert list(told.chain("hq", "safe")) == ["safe", "office", "lobby"]
    assert (told.zone("hq", "lobby").capacity, told.lanes["hq", "door"].readers) == (80, "in")
    assert told.travel.needed_ms("line", "hq") == 20 * 60_000
    assert (told.known_ms, told.organisation, told.sites["hq"]) == (5, "acme", "work")
    assert [(lane.id, leads_in) for lane, leads_in in told.boundary("hq", "office")] == [("door", True)]


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        (
            'to_zone = "lobby"',
            'to_zone = "loby"',
            "sites.0.lanes.0.to_zone: there is no zone 'loby'; did you mean 'lobby'?",
        ),
        ('within = "lobby"', 'within = "safe"', "sites.0.zones.1.within: 'office' lies within itself"),
        ('id = "line"', 'id = "hq"', "sites: 'hq' is there 2 times"),
        ('{ id = "lobby",', '{ id = "outside",', "sites.0.zones.0.id: 'outside' is the zone around all sites"),
        ('["hq", "line"]', '["hq", "lime"]', "travel.0.between: there is no site 'lime'; did you mean 'line'?"),
        ("to = 2026-11-24", "to = 2026-11-22", "sites.1.lanes.0.positions.0: it ends before it begins"),
        ('from_zone = "lobby"', 'from_zone = "office"', "sites.0.lanes.1: from_zone and to_zone are both 'office'"),
        ("capacity = 80", "capacity = 0", "sites.0.zones.0.capacity"),
        ("capacity = 80", "capacty = 80", "sites.0.zones.0.capacty: Extra inputs"),
        ("2026-11-01T00:00:00+08:00", "2026-11-01T00:00:00", "from: Input should have timezone info"),
        ("[[travel]]", "[[travel]", "not TOML"),
    ],
)
def test_a_fault_in_a_map_is_told_with_where_it_is(old: str, new: str, says: str) -> None:
    assert any(says in fault for fault in faults(MAP.replace(old, new, 1)))


def test_all_faults_are_told_at_once() -> None:
    assert len(faults(MAP.replace('within = "lobby"', 'within = "nowhere"').replace('"line"]', '"none"]'))) == 2


def test_a_read_point_does_not_stand_in_two_places_at_once() -> None:
    twice = '{ from = 2026-11-23T12:00:00+08:00, from_zone = "outside", to_zone = "span-7" },\n]'
    assert (
        "sites.1.lanes.0.positions.1: it stands in two places at once"
        in faults(MAP.replace("},\n]\n\n[[travel", f"}},\n  {twice}\n\n[[travel"))[0]
    )


def test_a_record_is_read_with_the_map_of_its_day() -> None:
    old, new = Map(from_ms=at(0), organisation="old"), Map(from_ms=at(50), organisation="new")
    mended = Map(from_ms=at(50), known_ms=at(70), organisation="mended")
    atlas = Atlas((new, old, mended))
    assert [atlas.at(at(minute)).organisation for minute in (-1, 0, 49, 50)] == ["", "old", "old", "mended"]
    assert atlas.as_known_at(at(60)).at(at(50)).organisation == "new"


def test_a_read_point_on_wheels_is_where_it_stood_that_day() -> None:
    lane = Lane(
        "hq",
        "gate",
        "bus",
        "outside",
        "lobby",
        positions=(Position(Span(at(0), at(20)), "line", "outside", "span-7"),),
    )
    facts = [punch(10, "k1:a"), punch(15, "k1:a", "out"), punch(30, "k1:a")]
    presence = Presence(facts)
    presence.chart(Map(lanes={("hq", "gate"): lane}))
    assert [(stay.site, stay.zone) for stay in presence.stays] == [("line", "span-7"), ("hq", "lobby")]
    assert presence.as_known_at(at(-1)).stays == []


def test_a_map_that_comes_late_explains_what_was_read_before_it() -> None:
    presence = Presence([punch(10, "k1:a"), punch(20, "k1:a", "out"), punch(30, "k1:a", site="dorm")])
    delta = presence.chart(Map(travel=Travel(between={("dorm", "hq"): 15 * 60_000})))
    assert [stay.flags for stay in delta.new] == [("impossible",)]


# --- bindings


def bound(name: str, person: str, begin: float, end: float | None = None, *, known: float = 0) -> Binding:
    return Binding(name, at(known), "k1:a", person, at(begin), None if end is None else at(end))


def test_a_card_is_a_persons_from_a_date_up_to_a_date() -> None:
    bindings = Bindings()
    bindings.add(bound("b1", "ann", 10, 20))
    bindings.add(bound("b2", "bob", 20))
    assert [bindings.subject_of("k1:a", at(minute)) for minute in (9, 10, 19, 20, 999)] == [
        "card/k1:a",
        "person/ann",
        "person/ann",
        "person/bob",
        "person/bob",
    ]
    assert bindings.conflicts() == []


def test_two_people_on_one_card_at_one_time_are_refused_and_nobody_is_guessed() -> None:
    bindings = Bindings()
    bindings.add(bound("b1", "ann", 10, 30))
    second = bound("b2", "bob", 20, 40)
    [conflict] = bindings.refuse(second)
    assert conflict.span == Span(at(20), at(30))
    bindings.add(second)
    assert len(bindings.conflicts()) == 1
    assert (bindings.state_of("k1:a", at(25)), bindings.subject_of("k1:a", at(25))) == ("conflict", "card/k1:a")
    assert bindings.subject_of("k1:a", at(35)) == "person/bob"


def test_a_binding_that_is_ended_later_was_open_until_that_was_known() -> None:
    bindings = Bindings()
    bindings.add(bound("b1", "ann", 10))
    bindings.add(bound("b1", "ann", 10, 20, known=50))
    assert bindings.subject_of("k1:a", at(30), at(49)) == "person/ann"
    assert bindings.subject_of("k1:a", at(30)) == "card/k1:a"
    assert bindings.refuse(bound("b2", "bob", 20)) == []


def test_an_unknown_card_is_explained_backwards_only_if_the_binding_is_dated_back() -> None:
    presence = Presence([punch(10, "k1:a"), punch(20, "k1:a", "out"), punch(30, "k1:a")])
    presence.bind(bound("b1", "ann", 25, known=60))
    assert [(stay.subject, stay.start.when.best_ms) for stay in presence.stays] == [
        ("card/k1:a", at(10)),
        ("person/ann", at(30)),
    ]
    presence.bind(bound("b1", "ann", 0, known=70))
    assert {stay.subject for stay in presence.stays} == {"person/ann"}
    assert {stay.subject for stay in presence.as_known_at(at(59)).stays} == {"card/k1:a"}
    assert presence.steps_of("card/k1:a", ALL) == []


def test_a_binding_that_ends_before_it_begins_is_refused() -> None:
    with pytest.raises(ValueError, match="b1"):
        Bindings().add(bound("b1", "ann", 20, 20))
