"""`clock.anchor` and `clock.stepped`: what ties CLOCK_BOOTTIME to the wall clock, and where the tie was changed.

Every record carries both clocks of its moment. NTP's slewing moves both alike; only setting the wall clock changes
what lies between them, the *offset*. So an offset holds from one step to the next, and a good one, said later in the
same boot, dates all that was read before it while the wall clock was wrong. An anchor says the offset aloud: at the
start, at the first synchronisation, after each step and hourly; a step says by how much it changed.

The kernel tells when the clock is set. What it does not tell is seen whenever a record is made, or within a minute.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable, Sequence
from typing import Literal

import structlog

from gateway.clock import Clock, Moment, Quality
from gateway.records import Draft, Notice
from gateway.timekeeping.alarm import acknowledge, open_alarm
from gateway.wire import timestamp

STEP_MS = 500
ANCHOR_EVERY_NS = 3_600_000_000_000
LOOK_EVERY_S = 60.0

Why = Literal["start", "first_sync", "step", "hourly"]

log = structlog.get_logger()


class Timekeeping:
    """`begin`, then `watch`, once; `look` whenever a record is made; `append` takes what there is to say."""

    def __init__(self, clock: Clock, append: Callable[[Sequence[Draft]], None]) -> None:
        self._clock = clock
        self._append = append
        self._said: Moment | None = None
        self._quality = clock.quality()
        self._was_synced = False
        self._alarm: int | None = None
        self._timer: asyncio.TimerHandle | None = None

    def begin(self) -> None:
        """Say the first anchor."""
        self._say([], ["start"], self._clock.now())

    def watch(self) -> None:
        """Be told by the kernel, and look now and then; to be called on the loop."""
        self._alarm = open_alarm()
        if self._alarm is not None:
            asyncio.get_running_loop().add_reader(self._alarm, self._on_alarm, self._alarm)
        self._on_timer()

    def look(self) -> None:
        """Notice a step, a synchronisation, a full hour; before `begin` there is nothing to compare with."""
        if self._said is None:
            return
        said, moment = self._said, self._clock.now()
        if _has_stepped(said, moment):
            self._clock.forget_quality()
            moment = self._clock.now()  # a second look: we may have been stopped between two clocks
        stepped = _has_stepped(said, moment)
        self._note_quality(moment.quality)
        whys: list[Why] = ["step"] if stepped else []
        if moment.quality.state == "synced" and not self._was_synced:
            whys.append("first_sync")
        if not whys and moment.boot_ns - said.boot_ns >= ANCHOR_EVERY_NS:
            whys.append("hourly")
        self._say([_step(said, moment)] if stepped else [], whys, moment)

    def close(self) -> None:
        """Watch no longer."""
        if self._timer is not None:
            self._timer.cancel()
        if self._alarm is not None:
            asyncio.get_running_loop().remove_reader(self._alarm)
            os.close(self._alarm)

    def _on_alarm(self, alarm: int) -> None:
        acknowledge(alarm)
        self._clock.forget_quality()
        self.look()

    def _on_timer(self) -> None:
        self.look()
        self._timer = asyncio.get_running_loop().call_later(LOOK_EVERY_S, self._on_timer)

    def _say(self, steps: list[Draft], whys: list[Why], moment: Moment) -> None:
        if whys:
            self._said = moment
            self._was_synced = self._was_synced or moment.quality.state == "synced"
            self._append([*steps, *(_anchor(why, moment) for why in whys)])

    def _note_quality(self, quality: Quality) -> None:
        before, self._quality = self._quality, quality
        if before.state != quality.state:
            say = log.info if quality.state == "synced" else log.warning
            say("clock.state", state=quality.state, source=quality.source, before=before.state)


def offset_ms(moment: Moment) -> int:
    """Wall clock minus CLOCK_BOOTTIME: by the wall clock, when this machine was started (unix ms)."""
    return moment.time_ms - moment.boot_ns // 1_000_000


def _has_stepped(said: Moment, moment: Moment) -> bool:
    return abs(offset_ms(moment) - offset_ms(said)) > STEP_MS


def _step(said: Moment, moment: Moment) -> Draft:
    before, after = offset_ms(said), offset_ms(moment)
    details = {"from_offset_ms": before, "to_offset_ms": after, "by_ms": after - before}
    log.warning("clock.stepped", by_ms=after - before, state=moment.quality.state)
    return Draft(Notice(kind="clock.stepped", details=details), moment)


def _anchor(why: Why, moment: Moment) -> Draft:
    quality = moment.quality
    details = {
        "why": why,
        "wall": timestamp(moment.time_ms),
        "boot": quality.boot,
        "boot_ns": moment.boot_ns,
        "monotonic_s": round(moment.mono, 3),
        "offset_ms": offset_ms(moment),
        "quality": {"state": quality.state, "source": quality.source, "error_ms": quality.error_ms},
    }
    return Draft(Notice(kind="clock.anchor", details=details), moment)
