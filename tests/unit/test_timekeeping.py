"""What a gateway says of its clock, on a clock that does what it is told."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from structlog.testing import capture_logs

from gateway.clock import Moment, Quality, State
from gateway.records import Draft, type_of
from gateway.timekeeping import Timekeeping, alarm, anchors
from gateway.wire import GENESIS, Origin, encode, read_line, timestamp

BOOT_MS = 1_795_390_000_000
HOUR_S = 3600.0
YEARS_56_MS = 1_767_225_600_000
SYNCED, RESTORED = ("synced", "ntp", 12), ("restored", "rtc", None)
UNSET = ("unset", "none", None)


class Watch:
    """A wall clock that can be set, over a CLOCK_BOOTTIME that only goes on. It knows how good it is after a look."""

    boot = "b1f2"

    def __init__(self) -> None:
        self.since_boot_s = 100.0
        self.wall_minus_boot_ms = BOOT_MS
        self.truth: tuple[State, str, int | None] = SYNCED
        self.forgotten = 0
        self.glitches_ms: list[int] = []

    def now(self) -> Moment:
        glitch_ms = self.glitches_ms.pop() if self.glitches_ms else 0
        boot_ns = round(self.since_boot_s * 1e9)
        time_ms = boot_ns // 1_000_000 + self.wall_minus_boot_ms + glitch_ms
        return Moment(time_ms, self.since_boot_s, boot_ns, self.quality())

    def quality(self) -> Quality:
        return Quality(*self.truth, self.boot)

    def forget_quality(self) -> None:
        self.forgotten += 1

    def go_on(self, seconds: float) -> None:
        self.since_boot_s += seconds

    def set_by(self, ms: int) -> None:
        self.wall_minus_boot_ms += ms


class Bench:
    """A timekeeping, its clock and what it has said."""

    def __init__(self) -> None:
        self.watch = Watch()
        self.drafts: list[Draft] = []
        self.times = Timekeeping(self.watch, self.drafts.extend)  # type: ignore[arg-type]

    def said(self) -> list[str]:
        """The records since the last call: `step`, or why there is an anchor."""
        words = [str(_words(draft).get("why", "stepped")) for draft in self.drafts]
        self.drafts.clear()
        return words

    def look(self) -> list[str]:
        self.times.look()
        return self.said()


def _words(draft: Draft) -> dict[str, Any]:
    return draft.body.words()


@pytest.fixture
def bench() -> Bench:
    """Nothing said yet."""
    return Bench()


def test_the_start_is_anchored_and_says_what_the_clocks_said(bench: Bench) -> None:
    bench.times.begin()
    draft = bench.drafts[0]
    assert type_of(draft.body) == "clock.anchor"
    assert _words(draft) == {
        "why": "start",
        "wall": timestamp(BOOT_MS + 100_000),
        "boot": "b1f2",
        "boot_ns": 100_000_000_000,
        "monotonic_s": 100.0,
        "offset_ms": BOOT_MS,
        "quality": {"state": "synced", "source": "ntp", "error_ms": 12},
    }
    assert bench.said() == ["start"]


def test_before_the_start_there_is_nothing_to_say(bench: Bench) -> None:
    bench.watch.set_by(5000)
    assert bench.look() == []


def test_while_the_clock_just_goes_nothing_is_said_for_an_hour(bench: Bench) -> None:
    bench.times.begin()
    assert bench.said() == ["start"]
    for _ in range(59):
        bench.watch.go_on(60.0)
        assert bench.look() == []
    bench.watch.go_on(60.0)
    assert bench.look() == ["hourly"]
    bench.watch.go_on(60.0)
    assert bench.look() == []


def test_an_hour_spent_asleep_counts(bench: Bench) -> None:
    bench.times.begin()
    bench.said()
    bench.watch.go_on(9 * HOUR_S)
    assert bench.look() == ["hourly"]


@pytest.mark.parametrize("by_ms", [501, -501, 7_200_000, -7_200_000, 86_400_000 * 365])
def test_a_step_is_recorded_with_its_size_and_anchored(bench: Bench, by_ms: int) -> None:
    bench.times.begin()
    bench.said()
    bench.watch.go_on(10.0)
    bench.watch.set_by(by_ms)
    bench.times.look()
    step = bench.drafts[0]
    assert type_of(step.body) == "clock.stepped"
    assert _words(step) == {"from_offset_ms": BOOT_MS, "to_offset_ms": BOOT_MS + by_ms, "by_ms": by_ms}
    assert step.moment.time_ms == BOOT_MS + by_ms + 110_000
    assert bench.said() == ["stepped", "step"]
    assert bench.look() == []


def test_half_a_second_is_no_step_but_two_of_them_are(bench: Bench) -> None:
    bench.times.begin()
    bench.said()
    bench.watch.set_by(500)
    assert bench.look() == []
    bench.watch.set_by(500)
    assert bench.look() == ["stepped", "step"]


def test_a_process_that_was_stopped_between_two_clocks_has_seen_no_step(bench: Bench) -> None:
    bench.times.begin()
    bench.said()
    bench.watch.glitches_ms = [-3000]
    assert bench.look() == []


def test_the_quality_is_asked_anew_after_a_step(bench: Bench) -> None:
    bench.times.begin()
    bench.watch.set_by(1000)
    bench.look()
    assert bench.watch.forgotten == 1


def test_the_first_synchronisation_is_anchored_once(bench: Bench) -> None:
    bench.watch.truth = RESTORED
    bench.times.begin()
    assert bench.said() == ["start"]
    bench.watch.truth = SYNCED
    assert bench.look() == ["first_sync"]
    bench.watch.truth = ("holdover", "local", 16_000)
    assert bench.look() == []
    bench.watch.truth = SYNCED
    assert bench.look() == []


def test_a_start_in_1970_is_dated_by_the_step_that_ends_it(bench: Bench) -> None:
    """The records of 1970 keep what they said; offset and boot time give them their true time."""
    bench.watch.set_by(-YEARS_56_MS)
    bench.watch.truth = UNSET
    bench.times.begin()
    bench.watch.go_on(50.0)
    read = bench.watch.now()
    assert read.quality.state == "unset"
    bench.watch.go_on(50.0)
    bench.watch.set_by(YEARS_56_MS)
    bench.watch.truth = SYNCED
    bench.times.look()
    assert bench.drafts[0].moment.quality.state == "unset"
    anchor = _words(bench.drafts[-1])
    assert bench.said() == ["start", "stepped", "step", "first_sync"]
    assert anchor["offset_ms"] + read.boot_ns // 1_000_000 == BOOT_MS + 150_000
    assert anchor["quality"]["state"] == "synced"


def test_a_change_of_quality_is_logged_once(bench: Bench) -> None:
    bench.watch.truth = UNSET
    bench.times = Timekeeping(bench.watch, bench.drafts.extend)  # type: ignore[arg-type]
    bench.times.begin()
    bench.watch.truth = SYNCED
    with capture_logs() as logs:
        bench.look()
        bench.look()
        bench.watch.truth = ("holdover", "local", 16_000)
        bench.look()
    said = [(entry["event"], entry["before"], entry["state"], entry["log_level"]) for entry in logs]
    assert said == [
        ("clock.state", "unset", "synced", "info"),
        ("clock.state", "synced", "holdover", "warning"),
    ]


def test_the_kernel_gives_an_alarm_that_costs_nothing_until_it_rings() -> None:
    descriptor = alarm.open_alarm()
    assert descriptor is not None
    try:
        alarm.acknowledge(descriptor)
        assert str(Path(f"/proc/self/fd/{descriptor}").readlink()) == "anon_inode:[timerfd]"
        settings = _timer(descriptor)
        assert settings["clockid"] == "0"
        assert settings["settime flags"] == "03"
        assert not settings["it_value"].startswith("(0, 0")
    finally:
        os.close(descriptor)


def _timer(descriptor: int) -> dict[str, str]:
    """What the kernel knows of a timer descriptor."""
    rows = Path(f"/proc/self/fdinfo/{descriptor}").read_text().splitlines()
    return {key.strip(): value.strip() for key, value in (row.split(":", 1) for row in rows if ":" in row)}


def test_the_alarm_makes_it_look_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """A pipe stands for the kernel's descriptor: nobody sets the clock of the machine that runs the tests."""

    async def story(bench: Bench, ring: int) -> None:
        bench.times.begin()
        bench.times.watch()
        bench.watch.set_by(90_000)
        os.write(ring, b"12345678")
        async with asyncio.timeout(5.0):
            while len(bench.drafts) < 3:
                await asyncio.sleep(0)
        bench.times.close()

    bell, ring = os.pipe()
    monkeypatch.setattr(anchors, "open_alarm", lambda: bell)
    bench = Bench()
    asyncio.run(story(bench, ring))
    os.close(ring)
    assert bench.said() == ["start", "stepped", "step"]


def test_where_the_kernel_has_no_alarm_a_step_is_seen_in_time(monkeypatch: pytest.MonkeyPatch) -> None:
    async def story(bench: Bench) -> None:
        bench.times.begin()
        bench.times.watch()
        bench.watch.set_by(90_000)
        async with asyncio.timeout(5.0):
            while len(bench.drafts) < 3:
                await asyncio.sleep(0.005)
        bench.times.close()

    monkeypatch.setattr(anchors, "open_alarm", lambda: None)
    monkeypatch.setattr(anchors, "LOOK_EVERY_S", 0.01)
    bench = Bench()
    asyncio.run(story(bench))
    assert bench.said() == ["start", "stepped", "step"]


@pytest.mark.parametrize(
    ("timezone", "since", "offsets"),
    [
        ("Asia/Shanghai", 1_790_812_800_000, ["+08:00", "+08:00", "+08:00", "+08:00"]),  # no summer time since 1991
        ("Europe/Berlin", 1_792_886_400_000, ["+02:00", "+02:00", "+01:00", "+01:00"]),  # 2026-10-25 01:00 UTC
        ("America/New_York", 1_772_949_600_000, ["-05:00", "-05:00", "-04:00", "-04:00"]),  # 2026-03-08 07:00 UTC
    ],
)
def test_a_record_has_the_sites_offset_of_its_own_time(timezone: str, since: int, offsets: Sequence[str]) -> None:
    """Across a change, the UTC time goes on by the half hour; only the offset changes, and nothing is a step."""
    bench = Bench()
    origin = Origin("hq", "edge-01", timezone, "5c1f0a9be2d74f11")
    bench.watch.set_by(since - bench.watch.now().time_ms)
    lines = []
    for seq in range(1, 5):
        draft = Draft(anchors._anchor("hourly", bench.watch.now()).body, bench.watch.now(), seq=seq)
        lines.append(read_line(encode(draft, origin, GENESIS)))
        bench.watch.go_on(1800.0)
    assert [line.data["tz_offset"] for line in lines] == offsets
    assert all(earlier.time < later.time for earlier, later in pairwise(lines))
