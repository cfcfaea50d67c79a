"""A terminal's clock, watched: what a mark brings back, what counts as a jump, which readings are kept."""

from __future__ import annotations

import json
from datetime import datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from drivers.contract import START, Command
from drivers.zk.age import Reading
from drivers.zk.records import to_stamp
from drivers.zk.watch import MOST_READINGS, Here, Watch, jump, thinned
from drivers.zk_terminal import DRIVER

NOON = datetime(2026, 3, 2, 12, 0, 0)  # noqa: DTZ001


def stamp(after_s: float) -> int:
    return to_stamp(NOON + timedelta(seconds=int(after_s)))


def mark_of(watch: Watch, *, whole: bool = True) -> str:
    return json.dumps({"clock": watch.kept(watch.reading if whole else None)})


def first(boot: str | None = "a", wall: float | None = 1e9) -> Watch:
    watch = Watch(Here(100.0, boot, wall))
    watch.read(stamp(0), 110.0, 0.1)
    return watch


def later(by_s: float, here: Here, mark: str) -> list[str]:
    watch = Watch(here, mark)
    watch.read(stamp(by_s), here.at, 0.1)
    return watch.jumps()


def test_the_clock_of_an_earlier_version_s_mark_stood_still_in_a_suspension_and_is_not_relied_upon() -> None:
    old = json.loads(mark_of(first()))
    old["clock"]["boot"] = old["clock"].pop("since")
    (reading,) = Watch(Here(5110.0, "a", 1e9 + 5000.0), json.dumps(old))._readings
    assert not reading.is_sure


def test_a_clock_that_went_on_over_a_restart_of_the_daemon_has_not_jumped() -> None:
    assert later(5000.0, Here(5110.0, "a", 7.0), mark_of(first())) == []


def test_a_restart_of_the_daemon_hides_no_jump_whatever_the_wall_clock_does() -> None:
    (told,) = later(5600.0, Here(5110.0, "a", 7.0), mark_of(first()))
    assert told == "the terminal's clock was set: +600 s"


def test_over_a_reboot_the_wall_clock_counts_and_may_be_the_one_that_was_set() -> None:
    assert later(5000.0, Here(20.0, "b", 1e9 + 5010.0), mark_of(first())) == []
    (told,) = later(5600.0, Here(20.0, "b", 1e9 + 5010.0), mark_of(first()))
    assert told == "the terminal's clock or ours was set: +600 s"


@pytest.mark.parametrize("here", [Here(20.0), Here(20.0, "b"), Here(20.0, None, 1e9 - 500.0)])
def test_without_a_clock_in_common_nothing_is_concluded(here: Here) -> None:
    assert later(90_000.0, here, mark_of(first())) == []


def test_what_came_over_a_reboot_stays_unsure_at_the_next_restart() -> None:
    after = Watch(Here(20.0, "b", 1e9 + 5010.0), mark_of(first()))
    (told,) = later(9600.0, Here(4020.0, "b", 1e9 + 9010.0), mark_of(after, whole=False))
    assert told.startswith("the terminal's clock or ours")


def test_a_gateway_that_tells_no_clocks_keeps_none() -> None:
    assert first(None, None).kept() is None


def test_an_entry_of_before_a_reboot_may_be_off_either_way_by_what_a_wall_clock_is() -> None:
    watch = Watch(Here(20.0, "b", 1e9 + 5010.0), mark_of(first()))
    watch.read(stamp(5000), 20.0, 0.1)
    (reading, _) = watch.ages()._readings
    low, high = reading.when(NOON)
    assert (low, high) == pytest.approx((-4980.0 - 3.1, -4980.0 + 3.0), abs=0.01)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=6) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=12,
)
NUMBERS = st.one_of(st.integers(), st.floats(), st.none(), st.booleans(), st.text(max_size=3))
ROWS = st.lists(st.lists(NUMBERS, min_size=5, max_size=5), max_size=8)
CLOCKS = st.one_of(
    JSON, st.fixed_dictionaries({"since": st.just("a"), "whole": JSON, "readings": st.one_of(JSON, ROWS)})
)


@given(CLOCKS, st.one_of(st.none(), st.floats(), st.text()), st.one_of(st.just("a"), JSON))
def test_no_mark_and_no_clock_of_ours_makes_it_fail(clock: object, wall_ms: object, boot: object) -> None:
    mark = json.dumps({"n": 0, "tail": "", "newest": 0, "at": "", "clock": clock})
    driver = DRIVER.new()
    driver.send(Command(START, {"mark": mark, "boot": boot, "wall_ms": wall_ms}), 0.0)
    watch = Watch(Here(1000.0, "a", 1e9), mark)
    watch.read(stamp(5), 1000.0, 0.1)
    watch.ages()
    assert json.dumps(watch.kept())


@given(st.lists(st.tuples(st.floats(0.5, 100.0), st.sampled_from([0.0] * 9 + [500.0])), min_size=1, max_size=60))
def test_a_jump_is_never_thinned_out_before_what_is_plain(steps: list[tuple[float, float]]) -> None:
    at, off = 0.0, 0.0
    readings = [Reading(NOON, 0.0, 0.0)]
    for every, by in steps:
        at, off = at + every, off + by
        readings.append(Reading(NOON + timedelta(seconds=int(at + off)), at, 0.0))
    left = thinned(readings, MOST_READINGS)
    assert len(left) <= MOST_READINGS
    assert (left[0], left[-1]) == (readings[0], readings[-1])
    jumps = [n for n in range(1, len(readings)) if jump(readings[n - 1], readings[n])]
    if 2 * len(jumps) + 2 <= MOST_READINGS:
        assert all(readings[n - 1] in left and readings[n] in left for n in jumps)
