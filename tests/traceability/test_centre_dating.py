"""When records happened, against a world in which the true time is known."""

from __future__ import annotations

import random
from dataclasses import dataclass, field, replace
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from traceability.anchors import Anchor, Reading
from traceability.dating import Chronicle, Dated

NOW_MS = 1_795_390_000_000
HOUR_MS = 3_600_000
S = 1_000_000_000


def anchor(boot_s: float, offset_ms: int, state: str = "synced", boot: str = "b1", seq: int = 1) -> Anchor:
    error_ms = 12 if state == "synced" else None
    return Anchor(f"hq/edge-01/e/{seq}", boot, round(boot_s * S), offset_ms, state, error_ms, (0, 0, seq))


def reading(boot_s: float, offset_ms: int, state: str, boot: str = "b1", **more: object) -> Reading:
    boot_ns = round(boot_s * S)
    return Reading(offset_ms + boot_ns // 1_000_000, boot, boot_ns, state, **more)  # type: ignore[arg-type]


def date(of: Reading, *anchors: Anchor, **last_s: float) -> Dated:
    return Chronicle(anchors, {boot: round(at * S) for boot, at in last_s.items()}).date(of)


def test_a_record_of_a_good_clock_keeps_its_time() -> None:
    told = date(reading(50, NOW_MS, "synced", error_ms=7))
    assert (told.time_ms, told.error_ms, told.basis, told.by) == (NOW_MS + 50_000, 7, "clock", None)


def test_what_was_read_in_1970_is_dated_by_the_anchor_that_came_hours_later() -> None:
    told = date(reading(60, 0, "unset"), anchor(1, 0, "unset"), anchor(7260, NOW_MS, seq=9))
    assert (told.time_ms, told.basis, told.by, told.quality) == (
        NOW_MS + 60_000,
        "anchor",
        "hq/edge-01/e/9",
        "synced",
    )
    assert told.error_ms == 12 + 500 + 720
    assert (told.earliest_ms, told.latest_ms) == (NOW_MS + 60_000 - 1232, NOW_MS + 60_000 + 1232)


def test_what_had_been_waiting_may_be_older_by_so_much_and_no_younger() -> None:
    told = date(reading(60, 0, "unset", error_ms=30_000, live=False), anchor(60, NOW_MS))
    assert told.time_ms is not None
    assert (told.error_ms, told.earliest_ms) == (30_512, told.time_ms - 30_512)
    assert told.latest_ms == told.time_ms + 512


def test_a_wait_that_is_said_apart_widens_an_anchors_bounds_to_the_past_only() -> None:
    for state, error_ms in (("unset", None), ("holdover", 46_000)):
        told = date(reading(60, 0, state, error_ms=error_ms, live=False, waited_ms=30_000), anchor(60, NOW_MS))
        at = NOW_MS + 60_000
        assert (told.time_ms, told.basis, told.error_ms) == (at, "anchor", 30_512)
        assert (told.earliest_ms, told.latest_ms) == (at - 30_512, at + 512), "whatever its own clock's error was"


def test_a_wait_makes_a_record_of_a_good_clock_earlier_and_no_later() -> None:
    told = date(reading(60, NOW_MS, "synced", error_ms=30_007, live=False, waited_ms=30_000))
    assert (told.error_ms, told.basis) == (30_007, "clock")
    assert (told.earliest_ms, told.latest_ms) == (NOW_MS + 60_000 - 30_007, NOW_MS + 60_000 + 7)
    held = date(reading(70, NOW_MS, "holdover", error_ms=2040, waited_ms=2000), anchor(10, NOW_MS))
    assert (held.basis, held.error_ms, held.latest_ms) == ("clock", 518 + 2000, NOW_MS + 70_000 + 518)


YEARS_MS = 3650 * 24 * HOUR_MS


def test_a_wait_of_which_nobody_knew_how_long_ends_where_the_boot_before_is_known_to_have_been() -> None:
    """A box without a battery was off for three days; the counter that it then asked had moved meanwhile."""
    on_ms = NOW_MS + 72 * HOUR_MS
    before, behind = anchor(10, NOW_MS, boot="b0"), anchor(90, on_ms, seq=2)
    read = reading(40, 0, "unset", live=False, waited_ms=YEARS_MS, since=("b0", 3600 * S))
    told = date(read, before, behind, b0=3700)
    assert (told.basis, told.time_ms, told.latest_ms) == ("anchor", on_ms + 40_000, on_ms + 40_000 + 512 + 5)
    assert told.earliest_ms == NOW_MS + HOUR_MS - 512 - 359
    assert told.error_ms == on_ms + 40_000 - told.earliest_ms


def test_such_a_wait_stays_wide_while_the_boot_before_cannot_be_dated() -> None:
    read = reading(40, 0, "unset", live=False, waited_ms=YEARS_MS, since=("b0", 3600 * S))
    behind = anchor(90, NOW_MS, seq=2)
    for others in ((), (anchor(10, 0, "unset", boot="b0"),)):
        told = date(read, behind, *others)
        assert told.earliest_ms == NOW_MS + 40_000 - 517 - YEARS_MS


def test_such_a_wait_is_bounded_by_a_boot_before_that_is_known_by_its_order_only() -> None:
    read = reading(40, 0, "restored", boot="b2", live=False, waited_ms=YEARS_MS, since=("b1", 60 * S))
    told = date(
        read,
        anchor(0, NOW_MS, boot="b0"),
        anchor(1, 0, "unset", boot="b1", seq=2),
        anchor(1, 0, "unset", boot="b2", seq=3),
        b0=100,
    )
    assert told.basis == "order"
    assert told.earliest_ms == NOW_MS + 100_000 - 522 + 60_000 - 6


def test_a_wait_of_a_good_clock_is_bounded_in_the_same_way() -> None:
    read = reading(40, NOW_MS, "synced", error_ms=YEARS_MS + 5, live=False, waited_ms=YEARS_MS, since=("b0", 5 * S))
    told = date(read, anchor(5, NOW_MS - HOUR_MS, boot="b0"))
    assert (told.basis, told.earliest_ms, told.latest_ms) == (
        "clock",
        NOW_MS - HOUR_MS + 5000 - 512,
        NOW_MS + 40_000 + 5,
    )


def test_what_a_device_may_be_wrong_by_counts_either_way_whatever_the_clock_was() -> None:
    told = date(reading(60, 0, "unset", live=False, device_error_ms=1500), anchor(60, NOW_MS))
    at = NOW_MS + 60_000
    assert (told.earliest_ms, told.latest_ms) == (at - 2012, at + 2012)


def test_the_nearest_of_several_good_anchors_counts() -> None:
    near, far = anchor(100, NOW_MS + 3, seq=2), anchor(9000, NOW_MS + 9, seq=3)
    assert date(reading(60, 0, "unset"), far, near).by == near.id


def test_a_clock_that_was_only_set_by_somebody_dates_without_a_bound() -> None:
    told = date(reading(60, 0, "unset"), anchor(1, 0, "unset"), anchor(90, NOW_MS, "restored", seq=4))
    assert (told.time_ms, told.error_ms, told.basis) == (NOW_MS + 60_000, None, "anchor")
    assert (told.quality, told.by) == ("restored", "hq/edge-01/e/4")
    assert (told.earliest_ms, told.latest_ms) == (None, None)


def test_a_restored_clock_that_was_set_later_is_corrected_and_one_set_before_is_believed() -> None:
    steps = [anchor(1, NOW_MS, "restored"), anchor(90, NOW_MS + 2 * HOUR_MS, "restored", seq=2)]
    before, after = (
        date(reading(at, off, "restored"), *steps) for at, off in ((60, NOW_MS), (99, NOW_MS + 2 * HOUR_MS))
    )
    assert (before.time_ms, before.basis) == (NOW_MS + 60_000 + 2 * HOUR_MS, "anchor")
    assert (after.time_ms, after.basis, after.quality) == (NOW_MS + 99_000 + 2 * HOUR_MS, "clock", "restored")


def test_a_record_behind_the_last_step_is_not_dated_by_an_older_clock() -> None:
    """The anchor that says the second step is not here yet."""
    told = date(reading(99, NOW_MS, "restored"), anchor(1, NOW_MS + HOUR_MS, "restored"))
    assert (told.time_ms, told.basis) == (NOW_MS + 99_000, "clock")


def test_a_good_clock_that_somebody_sets_wrong_is_believed_until_then_only() -> None:
    wrong = date(reading(70, NOW_MS - HOUR_MS, "holdover", error_ms=16_000), anchor(10, NOW_MS))
    assert (wrong.time_ms, wrong.basis) == (NOW_MS + 70_000, "anchor")
    left_alone = date(reading(70, NOW_MS, "holdover", error_ms=40), anchor(10, NOW_MS))
    assert (left_alone.time_ms, left_alone.basis, left_alone.error_ms) == (NOW_MS + 70_000, "clock", 12 + 500 + 6 + 0)


def test_two_good_clocks_that_contradict_each_other_make_an_interval_of_both() -> None:
    told = date(reading(60, NOW_MS, "synced", error_ms=5), anchor(1, NOW_MS), anchor(90, NOW_MS + HOUR_MS, seq=2))
    assert (told.time_ms, told.basis) == (NOW_MS + 60_000, "clock")
    assert (told.earliest_ms, told.latest_ms) == (NOW_MS + 59_995, NOW_MS + HOUR_MS + 60_000 + 515)
    assert told.error_ms == HOUR_MS + 515


def test_a_boot_whose_clock_was_never_set_lies_between_its_neighbours() -> None:
    before, after = anchor(10, NOW_MS, boot="b1", seq=1), anchor(10, NOW_MS + HOUR_MS, boot="b3", seq=3)
    own = anchor(5, 0, "unset", boot="b2", seq=2)
    told = date(reading(60, 0, "unset", boot="b2"), after, own, before, b1=600, b2=120, b3=20)
    assert (told.time_ms, told.basis, told.between) == (None, "order", (before.id, after.id))
    assert told.earliest_ms == NOW_MS + 600_000 - (512 + 59) + 60_000 - 6
    assert told.latest_ms == NOW_MS + HOUR_MS + (512 + 1) - 60_000 + 6


def test_the_interval_is_open_where_nothing_is_known() -> None:
    told = date(reading(60, 0, "unset"), anchor(1, 0, "unset"))
    assert (told.basis, told.earliest_ms, told.latest_ms) == ("order", None, None)
    assert date(reading(60, 0, "none", boot="")).basis == "order"


def test_a_time_nobody_vouches_for_is_not_told_where_the_order_disproves_it() -> None:
    good = anchor(10, NOW_MS, boot="b1", seq=1)
    stale = anchor(5, NOW_MS - HOUR_MS, "restored", boot="b2", seq=2)
    told = date(reading(6, NOW_MS - HOUR_MS, "restored", boot="b2"), good, stale, b1=20)
    assert (told.time_ms, told.basis) == (None, "order")
    assert told.earliest_ms is not None


# --- a world with a true clock


@dataclass
class World:
    """Boots of one box: a true time, a crystal that is a little off, a wall clock that is set and slewed."""

    chance: random.Random
    true_ms: float = float(NOW_MS)
    readings: list[tuple[Reading, float]] = field(default_factory=list)
    anchors: list[Anchor] = field(default_factory=list)
    last_ns: dict[str, int] = field(default_factory=dict)
    moments: list[tuple[str, int, float]] = field(default_factory=list)

    def boot(self, name: str) -> None:
        """One boot, from power on to power off."""
        self.true_ms += self.chance.uniform(1_000, HOUR_MS)
        self.name, self.boot_ms, self.rate = (
            name,
            self.chance.uniform(1e3, 3e4),
            1 + self.chance.uniform(-95e-6, 95e-6),
        )
        self.true_ms += self.boot_ms
        self.offset_ms, self.state, self.error_ms = 0.0, "unset", 0.0
        if self.chance.random() < 0.5:
            wrong_ms = self.chance.choice([self.chance.uniform(-390, 390), self.chance.uniform(-9, 9) * HOUR_MS])
            self.offset_ms, self.state = self.true_ms - self.boot_ms + wrong_ms, "restored"
        self.say()
        for _ in range(self.chance.randrange(12)):
            self.go(self.chance.uniform(0, 3e6))
            self.chance.choice([self.read, self.read, self.sync, self.set, self.slew, self.say])()

    def go(self, ms: float) -> None:
        self.true_ms += ms
        self.boot_ms += ms * self.rate
        if self.state == "synced":  # kept right by small corrections of the rate
            self.boot_ms += self.true_ms - self.offset_ms - self.boot_ms + self.chance.uniform(-1, 1) * self.error_ms

    def sync(self) -> None:
        """NTP: a step if it is far off, else slewed; either way the clock is as good as it says."""
        self.error_ms = self.chance.uniform(3, 40)
        off = self.true_ms - self.offset_ms - self.boot_ms + self.chance.uniform(-0.9, 0.9) * self.error_ms
        if abs(off) < 400:
            self.boot_ms += off
        else:
            self.offset_ms += off
        self.state = "synced"
        self.say()

    def set(self) -> None:
        """Somebody sets it, wrong or right, by hours and either way; the kernel knows of nothing good any more."""
        before_ms = NOW_MS if self.state == "unset" else self.offset_ms
        self.offset_ms = before_ms + self.chance.choice([-1, 1]) * self.chance.uniform(600, 8 * HOUR_MS)
        self.state = "holdover" if self.state in {"synced", "holdover"} else "restored"
        self.say()

    def slew(self) -> None:
        """A correction too small to be a step, while nothing is synchronised."""
        if self.state == "restored" and self.chance.random() < 0.3:
            self.offset_ms += self.chance.uniform(-300, 300)

    def say(self) -> None:
        seq = len(self.anchors) + 1
        boot_ns = round(self.boot_ms * 1e6)
        offset_ms = int(self.offset_ms + self.boot_ms) - boot_ns // 1_000_000
        anchor = Anchor(f"a{seq}", self.name, boot_ns, offset_ms, self.state, self._error(), (0, 0, seq))
        self.anchors.append(anchor)
        self.last_ns[self.name] = boot_ns

    def read(self) -> None:
        waited_ms = self.chance.choice([0.0, 0.0, self.chance.uniform(0, 60_000)])
        boot_ns, error = round(self.boot_ms * 1e6), self._error()
        error_ms = error if not waited_ms else (error or 0) + int(waited_ms) + 1
        read = Reading(int(self.offset_ms + self.boot_ms), self.name, boot_ns, self.state, error_ms, not waited_ms)
        true_ms = self.true_ms - waited_ms
        if self.chance.random() < 0.5:
            device_ms = self.chance.choice([0, 0, self.chance.randrange(1, 5000)])
            read = self._told_apart(read, round(waited_ms) + 1 if waited_ms else 0, device_ms)
            true_ms += self.chance.uniform(-1, 1) * device_ms
        before = [moment for moment in self.moments if moment[0] != self.name]
        if before and self.chance.random() < 0.3:
            boot, since_ns, since_ms = self.chance.choice(before)
            read = replace(read, live=False, error_ms=None, waited_ms=YEARS_MS, since=(boot, since_ns))
            if self.state == "synced":
                read = replace(read, error_ms=int(self.error_ms) + 2 + YEARS_MS + read.device_error_ms)
            true_ms = self.chance.uniform(since_ms, self.true_ms)
        self.readings.append((read, true_ms))
        self.moments.append((self.name, boot_ns, self.true_ms))
        self.last_ns[self.name] = boot_ns

    def _told_apart(self, read: Reading, waited_ms: int, device_ms: int) -> Reading:
        """As gateways say it that do not mix a wait into the error of a clock nobody vouches for."""
        own_ms = self._error()
        error_ms = None if own_ms is None else own_ms + waited_ms + device_ms
        return replace(read, error_ms=error_ms, waited_ms=waited_ms or None, device_error_ms=device_ms)

    def _error(self) -> int | None:
        """As the kernel says it; a clock that was set by hand is within 16 s, it says, and that is not believed."""
        if self.state in {"unset", "restored"}:
            return None
        return int(self.error_ms) + 2 if self.state == "synced" else 16_000


@settings(max_examples=300, deadline=None)
@given(st.integers(0, 2**32), st.integers(1, 5), st.floats(0, 0.6))
def test_no_record_is_dated_beyond_what_is_said_of_its_error(seed: int, boots: int, lost: float) -> None:
    """Whatever the clocks do, in whatever order the anchors come, and whichever of them are missing."""
    world = World(random.Random(seed))
    for number in range(boots):
        world.boot(f"b{number}")
    here = [anchor for anchor in world.anchors if world.chance.random() >= lost]
    world.chance.shuffle(here)
    chronicle = Chronicle(here, world.last_ns)
    good = {anchor.boot for anchor in here if anchor.state == "synced"}
    for read, true_ms in world.readings:
        told = chronicle.date(read)
        assert told.earliest_ms is None or told.earliest_ms - 1 <= true_ms, (read, told)
        assert told.latest_ms is None or true_ms <= told.latest_ms + 1, (read, told)
        if read.boot in good:
            assert told.time_ms is not None
            assert told.error_ms is not None
            assert abs(told.time_ms - true_ms) <= told.error_ms + 1, (read, told)
        assert chronicle.date(read) == Chronicle(reversed(here), world.last_ns).date(read)


@given(st.integers(0, 2**32))
def test_records_of_one_boot_keep_their_order(seed: int) -> None:
    world = World(random.Random(seed))
    world.boot("b0")
    world.sync()
    chronicle = Chronicle(world.anchors, world.last_ns)
    told = [chronicle.date(read) for read, _ in world.readings if read.state in {"unset", "restored"}]
    for one, next_ in pairwise(told):
        assert one.by != next_.by or (one.time_ms or 0) <= (next_.time_ms or 0)


@pytest.mark.parametrize("state", ["unset", "restored", "holdover", "synced", "none"])
def test_any_state_has_an_answer_without_anchors(state: str) -> None:
    assert date(reading(1, NOW_MS, state, error_ms=5)).basis in {"clock", "order"}
