"""How full the journal is: used of what it may have or can have; up at once, down only well below the mark."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from gateway.journal.ladder import ORDER, Level, Room

MIB = 1024 * 1024


def test_full_is_used_of_what_it_may_have_or_of_what_the_disk_has() -> None:
    roomy, tight = Room(70, 1000, 100), Room(70, 10, 100)
    assert (roomy.capacity, roomy.left, roomy.percent, roomy.limit) == (100, 30, 70, "max_mb")
    assert (tight.capacity, tight.left, tight.percent, tight.limit) == (80, 10, 87, "disk")
    assert (roomy.level(), tight.level()) == ("filling", "sparing")


def test_a_journal_beyond_its_limit_has_nothing_left() -> None:
    room = Room(120, 1000, 100)
    assert (room.left, room.level()) == (0, "critical")
    assert Room(0, 0, 100).level() == "ok"


def test_each_step_up_is_at_its_mark_and_each_step_down_well_below() -> None:
    level: Level = "ok"
    story = []
    for used in (69, 70, 84, 85, 95, 91, 90, 89, 81, 79, 95, 66, 64):
        level = Room(used, 1000, 100).level(level)
        story.append(level)
    assert story == [
        *("ok", "filling", "filling", "sparing", "critical", "critical", "critical"),
        *("sparing", "sparing", "filling", "critical", "filling", "ok"),
    ]


@given(st.lists(st.integers(0, 120), min_size=2, max_size=30))
def test_it_never_flutters_around_a_mark(story: list[int]) -> None:
    level: Level = "ok"
    for used in story:
        before, level = level, Room(used, 1000, 100).level(level)
        if ORDER.index(level) > ORDER.index(before):
            assert Room(used - 4, 1000, 100).level(level) == level
        assert ORDER.index(level) >= ORDER.index(Room(used, 1000, 100).level())
        assert ORDER.index(level) <= max(ORDER.index(before), ORDER.index(Room(used, 1000, 100).level()))
