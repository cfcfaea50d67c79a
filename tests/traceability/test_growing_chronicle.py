"""A chronicle that grows dates as one made of all at once, and says which readings it dates otherwise than before."""

from __future__ import annotations

import random
from collections.abc import Callable

from hypothesis import given, settings
from hypothesis import strategies as st
from test_centre_dating import NOW_MS, S, World, anchor, reading
from test_whereabouts_speed import punch
from test_whereabouts_tables import WINDOW, Both, Journal

from traceability.anchors import Anchor, Reading
from traceability.dating import Chronicle
from traceability.growing import Growing, Stirred
from traceability.whereabouts.deriver import Deriver
from traceability.whereabouts.view import TableView

Times = tuple[int | None, int | None, int | None]


def times(chronicle: Chronicle, of: Reading) -> Times:
    told = chronicle.date(of)
    return told.time_ms, told.earliest_ms, told.latest_ms


def is_stirred(stirred: Stirred, of: Reading) -> bool:
    if of.since is not None and not stirred.boots.isdisjoint({of.boot, of.since[0]}):
        return True
    first, last = stirred.ranges.get(of.boot, (1, 0))
    return first <= of.boot_ns <= last


@settings(max_examples=300, deadline=None)
@given(st.integers(0, 2**32), st.integers(1, 5), st.booleans())
def test_in_any_order_it_dates_as_one_of_all_and_names_each_reading_that_changed(
    seed: int, boots: int, shuffled: bool
) -> None:
    world = World(random.Random(seed))
    for number in range(boots):
        world.boot(f"b{number}")
    doubts = [read for read, _ in world.readings if read.state != "synced" or read.since is not None]
    told: list[Anchor | Reading] = [*world.anchors, *(read for read, _ in world.readings)]
    told.sort(key=lambda each: (each.boot, each.boot_ns))
    if shuffled:
        world.chance.shuffle(told)
    growing, here, last_ns = Growing([], {}), list[Anchor](), dict[str, int]()
    before = {read: times(growing, read) for read in doubts}
    for each in told:
        last_ns[each.boot] = max(each.boot_ns, last_ns.get(each.boot, 0))
        growing.tick(each.boot, each.boot_ns)
        if isinstance(each, Anchor):
            here.append(each)
            growing.add(each)
        whole, stirred = Chronicle(here, last_ns), growing.stirred()
        for read in doubts:
            now = times(growing, read)
            assert now == times(whole, read)
            assert now == before[read] or is_stirred(stirred, read)
            before[read] = now


def test_an_anchor_behind_all_others_of_a_good_clock_stirs_only_what_came_since_the_last() -> None:
    growing = Growing([anchor(100, NOW_MS), anchor(3700, NOW_MS, seq=2)], {})
    growing.add(anchor(7300, NOW_MS, seq=3))
    first, last = growing.stirred().ranges["b1"]
    assert (first, last >= 8000 * S) == (3700 * S, True)


def test_the_same_anchor_again_and_a_moment_of_the_boot_that_runs_stir_nothing() -> None:
    growing = Growing([anchor(100, NOW_MS)], {})
    growing.add(anchor(100, NOW_MS))
    growing.tick("b1", 900 * S)
    assert growing.stirred() == Stirred()
    assert times(growing, reading(50, NOW_MS, "holdover"))[0] == NOW_MS + 50_000


def test_what_another_centre_took_meanwhile_is_not_forgotten(new_place: Callable[..., str]) -> None:
    """Each of two centres keeps in memory what dates records; a turn of the other one makes that old."""
    both = Both(new_place())
    mine, other = both.deriver, Deriver(both.database, lambda: both.now_ms)
    made = Journal("edge-0", 30)
    made.write(0, "gateway.started", reason="start")
    made.write(1, "clock.anchor")
    for minute, deriver in ((10, mine), (31, other), (60, mine)):
        punch(made, minute, f"k1:{minute}")
        made.write(minute + 5, "clock.anchor")
        both.deriver = deriver
        both.arrive(made.lines[-2:] if deriver is other else made.lines)
    with both.database.reading(at_once=True) as connection:
        view = TableView(connection)
        for minute in (10, 31, 60):
            subject = f"card/k1:{minute}"
            assert view.of_subject(subject, WINDOW) == both.memory.of_subject(subject, WINDOW)
        assert list(view.coverage("hq", WINDOW)) == both.memory.coverage("hq", WINDOW)
    both.close()
