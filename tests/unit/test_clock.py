"""How far the wall clock may be believed."""

from __future__ import annotations

import ctypes
import os
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from gateway import clock
from gateway.clock import STA_UNSYNC, Clock, Moment, Quality, Wait

SYNCED = Moment(1_795_390_000_000, 200.0, 100 * 10**9, Quality("synced", "ntp", 12, "b"))


class Kernel:
    """adjtimex(2) on a bench."""

    def __init__(self) -> None:
        self.status, self.maxerror_us, self.answer = 0, 7_000, 0

    def adjtimex(self, timex: Any) -> int:
        timex._obj.status, timex._obj.maxerror = self.status, self.maxerror_us
        return self.answer


@pytest.fixture
def kernel(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Kernel:
    bench = Kernel()
    monkeypatch.setattr(ctypes, "CDLL", lambda *_, **__: bench)
    monkeypatch.setattr(clock, "TIMESYNC_STAMP", tmp_path / "synchronized")
    monkeypatch.setattr(clock, "QUALITY_MAX_AGE_S", 0.0)
    return bench


def state(of: Clock) -> tuple[str, str, int | None]:
    quality = of.quality()
    return quality.state, quality.source, quality.error_ms


def test_the_kernel_knows_whether_the_clock_is_synced(kernel: Kernel) -> None:
    assert state(Clock()) == ("synced", "ntp", 7)


def test_a_clock_that_was_synced_holds_over(kernel: Kernel) -> None:
    watch = Clock()
    kernel.status, kernel.maxerror_us, kernel.answer = STA_UNSYNC, 16_000_000, 5
    assert state(watch) == ("holdover", "local", 16_000)


def test_a_clock_that_never_was_is_restored_from_the_rtc(kernel: Kernel) -> None:
    kernel.status, kernel.answer = STA_UNSYNC, 5
    assert state(Clock()) == ("restored", "rtc", None)


def test_a_stamp_of_timesyncd_is_no_proof_against_the_kernel(kernel: Kernel) -> None:
    """The kernel lets go when nobody disciplines the clock any more."""
    clock.TIMESYNC_STAMP.touch()
    kernel.status, kernel.answer = STA_UNSYNC, 5
    assert state(Clock())[0] == "holdover"


class LongUp(Clock):
    def boot_ns(self) -> int:
        return 864_000 * 10**9


def stamped(ago_s: float) -> Clock:
    """A clock of a box that is up for ten days, was synchronised so long ago, and may not ask its kernel."""
    clock.TIMESYNC_STAMP.touch()
    then = time.time() - ago_s
    os.utime(clock.TIMESYNC_STAMP, (then, then))
    return LongUp()


def test_where_the_kernel_may_not_be_asked_timesyncd_tells_by_when_it_last_set_the_clock(kernel: Kernel) -> None:
    kernel.answer = -1
    assert state(Clock()) == ("restored", "rtc", None)
    assert state(stamped(0.0)) == ("synced", "timesyncd", 1)
    assert state(stamped(2048.0)) == ("synced", "timesyncd", 1024)


def test_nine_hours_without_timesyncd_the_clock_holds_over_as_the_kernel_would_say(kernel: Kernel) -> None:
    kernel.answer = -1
    assert state(stamped(31_000.0))[0] == "synced"
    assert state(stamped(32_400.0)) == ("holdover", "local", 16_200)


@pytest.mark.parametrize("ago_s", [-3600.0, 870_000.0])
def test_a_clock_that_was_set_after_its_last_synchronisation_has_no_known_error(kernel: Kernel, ago_s: float) -> None:
    """The stamp lies in the future, or before the boot it was written in."""
    kernel.answer = -1
    assert state(stamped(ago_s)) == ("holdover", "local", None)


def test_a_clock_that_somebody_sets_while_we_look_has_no_known_error_until_it_is_synchronised_again(
    kernel: Kernel, monkeypatch: pytest.MonkeyPatch
) -> None:
    kernel.answer = -1
    watch = stamped(60.0)
    assert state(watch) == ("synced", "timesyncd", 30)
    true_time = time.time
    monkeypatch.setattr(time, "time", lambda: true_time() + 3600)
    assert state(watch) == ("holdover", "local", None)
    now = time.time()
    os.utime(clock.TIMESYNC_STAMP, (now, now))
    assert state(watch)[0] == "synced"


def test_a_year_before_this_software_is_unset(kernel: Kernel, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(time, "time", lambda: 0.0)
    assert state(Clock()) == ("unset", "none", None)


def test_what_waited_is_not_live_and_says_for_how_long_apart_from_the_error_of_the_clock() -> None:
    waited = SYNCED.waiting(Wait(5000))
    assert (waited.live, waited.time_ms, waited.waited_ms) == (False, SYNCED.time_ms, 5000)
    assert (waited.quality, waited.error_ms) == (SYNCED.quality, 5012)
    assert waited.late_by(30).waited_ms == 5030
    assert SYNCED.waiting(Wait(-5)).waited_ms == 0
    assert SYNCED.late_by(5) == SYNCED


def test_what_a_device_remembered_may_be_wrong_either_way_and_had_waited_only_before_this_boot() -> None:
    kept = SYNCED.remembered(60.0, 1.5, "2026-11-23T08:00:00")
    assert (kept.time_ms, kept.boot_ns) == (SYNCED.time_ms - 60_000, 40 * 10**9)
    assert (kept.waited_ms, kept.device_error_ms, kept.error_ms, kept.live) == (0, 1500, 1512, False)
    assert SYNCED.remembered(130.0, 1.5, "").waited_ms == 30_000


def test_where_nobody_knows_the_clocks_error_a_wait_makes_up_none() -> None:
    moment = replace(SYNCED, quality=Quality("restored", "rtc", None, "b")).waiting(Wait(5000))
    assert moment.error_ms is None
    assert moment.words() == {
        "state": "restored",
        "source": "rtc",
        "error_ms": None,
        "waited_ms": 5000,
        "boot": "b",
        "boot_ns": 100 * 10**9,
    }


def test_a_moment_that_did_not_wait_does_not_speak_of_it() -> None:
    assert "waited_ms" not in SYNCED.words()


def test_all_clocks_go_forward() -> None:
    watch = Clock()
    before, after = watch.now(), watch.now()
    assert after.boot_ns >= before.boot_ns
    assert after.mono >= before.mono
    assert abs(before.time_ms - time.time() * 1000) < 60_000
