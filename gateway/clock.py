"""Every reading of a clock in the gateway, and how far it may be believed.

Three clocks are read together when a frame's last byte has arrived: the wall clock (for the record's `time`), the
monotonic clock (for pairing and time-outs, never for dates) and CLOCK_BOOTTIME (so that the centre can date what was
read while the wall clock was wrong). The kernel knows how good the wall clock is: adjtimex(2). Where it may not be
asked (the hardened unit), systemd-timesyncd(8) tells when it last set the clock, and the kernel's own rule the rest.
"""

from __future__ import annotations

import asyncio
import ctypes
import time
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

State = Literal["synced", "holdover", "restored", "unset"]

BOOT_ID = Path("/proc/sys/kernel/random/boot_id")
TIMESYNC_STAMP = Path("/run/systemd/timesync/synchronized")
EARLIEST_PLAUSIBLE_S = 1_735_689_600  # 2025-01-01: no box with this software was alive before
STA_UNSYNC, STA_CLOCKERR = 0x0040, 0x1000
DRIFT_MS_A_S, UNSYNC_MS = 0.5, 16_000
"""The kernel's rule for a clock that nobody corrects: 500 ppm, and no longer synchronised from 16 s on."""
SET_S = 1.0
"""A step of the wall clock beyond that, while the stamp stays, was made by somebody else."""
QUALITY_MAX_AGE_S = 1.0
LATE_LEAST_MS = 20
"""What is read so much later is not late: a second look at the clock costs as much on a busy box."""


@dataclass(frozen=True, slots=True)
class Quality:
    """How good the wall clock was: state, where it comes from, bound of its error in ms (None: unknown)."""

    state: State
    source: str
    error_ms: int | None
    boot: str


@dataclass(frozen=True, slots=True)
class Wait:
    """Something may have happened up to `ms` earlier. Where that reaches behind this boot, `since` names the moment
    of an earlier one (its id, CLOCK_BOOTTIME in ns) after which it was, if that is known.
    """

    ms: int
    since: tuple[str, int] | None = None

    def longer(self, ms: int) -> Wait:
        """Up to so many ms more."""
        since = None if self.since is None else (self.since[0], self.since[1] - ms * 1_000_000)
        return Wait(self.ms + ms, since)


@dataclass(frozen=True, slots=True)
class Moment:
    """One instant on all clocks: unix time in ms, monotonic seconds, CLOCK_BOOTTIME in ns.

    `live` is False for bytes that had been waiting in the kernel or in a device's memory. What is told of happened
    up to `waited_ms` before this instant and not after it, nor before `since`, if there is one (see Wait);
    `quality.error_ms` is the wall clock's alone. Of what a
    device had in its memory, `device_time` is the device's own reading (ISO 8601, no zone), and the instant that was
    worked out of it may be wrong by `device_error_ms` either way.
    """

    time_ms: int
    mono: float
    boot_ns: int
    quality: Quality
    live: bool = True
    waited_ms: int = 0
    device_time: str | None = None
    device_error_ms: int = 0
    since: tuple[str, int] | None = None

    @property
    def error_ms(self) -> int | None:
        """How far `time_ms` may be from the truth, all in all; None: nobody knows how good the wall clock was."""
        own_ms = self.quality.error_ms
        return None if own_ms is None else own_ms + self.device_error_ms + self.waited_ms

    @property
    def boot_s(self) -> float:
        """Seconds since boot, sleep included: what drivers are told, since a device does not sleep when we do."""
        return self.boot_ns / 1e9

    def remembered(self, age_s: float, error_s: float, device_time: str) -> Moment:
        """When something happened that a device had kept for `age_s`. Before this boot the boot clock is no clock:
        there `boot_ns` is 0, and what lies before it counts as waiting.
        """
        age_ms, age_ns = round(age_s * 1000), round(age_s * 1e9)
        return replace(
            self,
            since=Wait(0, self.since).longer(age_ms + round(error_s * 1000)).since,
            time_ms=self.time_ms - age_ms,
            mono=self.mono - age_s,
            boot_ns=max(0, self.boot_ns - age_ns),
            live=False,
            waited_ms=self.waited_ms + max(0, age_ns - self.boot_ns) // 1_000_000,
            device_time=device_time,
            device_error_ms=round(error_s * 1000),
        )

    def waiting(self, gap: Wait) -> Moment:
        """The same instant for something that happened up to `gap` earlier."""
        both = Wait(self.waited_ms, self.since).longer(max(0, gap.ms))
        return replace(self, live=False, waited_ms=both.ms, since=gap.since or both.since)

    def late_by(self, late_ms: int) -> Moment:
        """The same instant for something that happened up to `late_ms` earlier, but was read as soon as we could."""
        if late_ms < LATE_LEAST_MS:
            return self
        both = Wait(self.waited_ms, self.since).longer(late_ms)
        return replace(self, waited_ms=both.ms, since=both.since)

    def words(self) -> dict[str, object]:
        """`data.clock` of a record of this moment."""
        quality = self.quality
        words: dict[str, object] = {"state": quality.state, "source": quality.source, "error_ms": self.error_ms}
        words |= {"waited_ms": self.waited_ms} if self.waited_ms else {}
        if self.since is not None:
            words["waited_since"] = {"boot": self.since[0], "boot_ns": self.since[1]}
        return words | {"boot": quality.boot, "boot_ns": self.boot_ns}

    @classmethod
    def of_words(cls, time_ms: int, data: Mapping[str, Any]) -> Moment:
        """From the `data` of a stored record, without a monotonic time of this boot (NaN). KeyError if it is none."""
        clock, device = data["clock"], data.get("device_clock", {})
        waited_ms, device_error_ms = clock.get("waited_ms", 0), device.get("error_ms", 0)
        error_ms = clock["error_ms"]
        own_ms = None if error_ms is None else max(0, error_ms - waited_ms - device_error_ms)
        quality = Quality(clock["state"], clock["source"], own_ms, clock["boot"])
        since = clock.get("waited_since")
        told = (
            data["live"],
            waited_ms,
            device.get("time"),
            device_error_ms,
            since and (since["boot"], since["boot_ns"]),
        )
        return cls(time_ms, float("nan"), clock["boot_ns"], quality, *told)


class _Timex(ctypes.Structure):
    _fields_ = [
        ("modes", ctypes.c_uint),
        ("offset", ctypes.c_long),
        ("freq", ctypes.c_long),
        ("maxerror", ctypes.c_long),
        ("esterror", ctypes.c_long),
        ("status", ctypes.c_int),
        ("constant", ctypes.c_long),
        ("precision", ctypes.c_long),
        ("tolerance", ctypes.c_long),
        ("time", ctypes.c_long * 2),
        ("tick", ctypes.c_long),
        ("rest", ctypes.c_byte * 160),
    ]


class Clock:
    """The clocks of this machine. Tests inject an object with the same methods."""

    def __init__(self) -> None:
        self.boot = BOOT_ID.read_text().strip() if BOOT_ID.exists() else "unknown"
        self._libc = ctypes.CDLL(None, use_errno=True)
        self._was_synced = False
        self._stamp: tuple[int, float] | None = None
        self._quality = self._measure()
        self._measured_at = time.monotonic()

    def now(self) -> Moment:
        """Read all clocks."""
        return Moment(time.time_ns() // 1_000_000, time.monotonic(), self.boot_ns(), self.quality())

    def mono(self) -> float:
        """Monotonic seconds."""
        return time.monotonic()

    def unix_ms(self) -> int:
        """Wall clock, ms since 1970."""
        return time.time_ns() // 1_000_000

    def boot_ns(self) -> int:
        """Nanoseconds since boot, sleep included."""
        return time.clock_gettime_ns(time.CLOCK_BOOTTIME)

    def quality(self) -> Quality:
        """How good the wall clock is; the kernel is asked once a second at most, or when the clock was just set."""
        known_as_unset = self._quality.state == "unset"
        if known_as_unset != _is_unset() or time.monotonic() - self._measured_at >= QUALITY_MAX_AGE_S:
            self._quality = self._measure()
            self._measured_at = time.monotonic()
        return self._quality

    def forget_quality(self) -> None:
        """The wall clock was set: ask the kernel again at the next reading."""
        self._measured_at = float("-inf")

    async def sleep(self, seconds: float) -> None:
        """Wait on the event loop."""
        await asyncio.sleep(seconds)

    def _measure(self) -> Quality:
        if _is_unset():
            return Quality("unset", "none", None, self.boot)
        kernel = self._ask_kernel()
        if kernel is None:
            return self._ask_stamp()
        error_ms = max(1, kernel.maxerror // 1000)
        self._was_synced |= TIMESYNC_STAMP.exists()  # since boot; whether it still is, the kernel says
        if not kernel.status & (STA_UNSYNC | STA_CLOCKERR):
            self._was_synced = True
            return Quality("synced", "ntp", error_ms, self.boot)
        if self._was_synced:
            return Quality("holdover", "local", error_ms, self.boot)
        return Quality("restored", "rtc", None, self.boot)

    def _ask_kernel(self) -> _Timex | None:
        """None where the kernel may not be asked: under ProtectClock= of systemd, and in some containers."""
        timex = _Timex()
        return None if self._libc.adjtimex(ctypes.byref(timex)) == -1 else timex

    def _ask_stamp(self) -> Quality:
        """By the age of the last synchronisation. An age that cannot be (the clock was set since) bounds nothing."""
        try:
            stamp_ns = TIMESYNC_STAMP.stat().st_mtime_ns
        except OSError:
            return Quality("restored", "rtc", None, self.boot)
        up_s = self.boot_ns() / 1e9
        age_s, ahead_s = time.time() - stamp_ns / 1e9, time.time() - up_s
        if self._stamp is None or self._stamp[0] != stamp_ns:
            self._stamp = (stamp_ns, ahead_s)
        was_set = abs(ahead_s - self._stamp[1]) > SET_S + max(0.0, age_s) * DRIFT_MS_A_S / 1000
        if was_set or not 0 <= age_s <= up_s:
            return Quality("holdover", "local", None, self.boot)
        error_ms = max(1, round(age_s * DRIFT_MS_A_S))
        if error_ms < UNSYNC_MS:
            return Quality("synced", "timesyncd", error_ms, self.boot)
        return Quality("holdover", "local", error_ms, self.boot)


def _is_unset() -> bool:
    return time.time() < EARLIEST_PLAUSIBLE_S
