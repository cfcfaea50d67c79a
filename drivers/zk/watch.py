"""Watch a terminal's clock: has somebody set it, while we were connected or while we were away?

Each reading of the clock is held against the one before, by our own monotonic clock, which nobody sets. What is more
than answers, whole seconds and drift explain is a jump, and is told. The readings since the log was told completely
are kept, for dating what is found in it (`drivers.zk.age`); a few of them, those at both sides of a jump before all,
travel in the mark and come back with START:

    "clock": {"since": id of the box's boot, "whole": all was told, "readings": [[shown, monotonic, unix, took], …]}

Within one boot of the box the monotonic clock, which must not stand still while the box is suspended, goes on over a
restart of the daemon. Over a reboot only the wall clock does, and it may have been set: then a jump is that of one of
the two. (Marks of an earlier version say "boot", and their clock stood still: of those the wall clock is used.)
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import datetime
from math import inf

from drivers.zk.age import DRIFT, RESOLUTION_S, Ages, Reading
from drivers.zk.records import from_stamp, to_stamp

MARGIN_S = 1.0
"""A terminal may show its last second a little longer."""
WALL_SLACK_S = 2.0
MOST_IN_A_ROW = 4
LEAST_APART_S = 5.0
"""Two readings in quick succession show no jump even if the clock stands still."""
MOST_READINGS = 16
MOST_KEPT = 6
NO_TIME = datetime(2000, 1, 1)  # noqa: DTZ001 - a terminal whose clock shows no day at all


@dataclass(frozen=True, slots=True)
class Here:
    """Our own clocks at one instant: boot id and unix seconds (None: not known), monotonic seconds."""

    at: float
    boot: str | None = None
    wall: float | None = None


class Watch:
    """What one terminal's clock showed. `here`: our clocks at START; `mark`: what was kept, if anything."""

    def __init__(self, here: Here, mark: str | None = None) -> None:
        self._here = here
        self._readings, self._since = _recalled(mark, here)
        self._quiet: Reading | None = None
        self._jumps: list[str] = []
        self._in_a_row = 0

    @property
    def reading(self) -> Reading | None:
        """The last one."""
        return self._readings[-1] if self._readings else None

    def read(self, stamp: int, at: float, took_s: float) -> bool:
        """The clock showed `stamp` at `at`; whether it has jumped. A clock that always does is told once."""
        reading = Reading(from_stamp(stamp) or NO_TIME, at, took_s)
        before = self.reading
        self._readings = thinned([*self._readings, reading], MOST_READINGS)
        jump_s = 0.0 if before is None else jump(before, reading, MARGIN_S)
        if jump_s:
            self._in_a_row += 1
        elif before is None or at - before.at >= LEAST_APART_S:
            self._in_a_row = 0
        if before is None or not jump_s or self._in_a_row > MOST_IN_A_ROW:
            return False
        whose = "the terminal's clock was set" if before.is_sure else "the terminal's clock or ours was set"
        is_lame = self._in_a_row == MOST_IN_A_ROW
        self._jumps.append("the terminal's clock does not keep time" if is_lame else f"{whose}: {jump_s:+.0f} s")
        return True

    def ages(self, *, grown: bool = False, is_behind: bool = True) -> Ages:
        """For the entries of a log that has been read; `grown`: they were put behind all that were known before;
        `is_behind`: the last reading was made behind them all.
        """
        if grown and self._quiet is not None:
            later = [one for one in self._readings if one.at >= self._quiet.at]
            return Ages(later, self._quiet.at, is_open=not is_behind)
        return Ages(tuple(self._readings), self._since, is_open=not is_behind)

    def quiet(self) -> None:
        """The log has the same size as when it was told completely."""
        self._quiet = self.reading

    def completed(self, reading: Reading) -> None:
        """All has been told that was in the log at `reading`."""
        self._readings = [one for one in self._readings if one.at >= reading.at]
        self._since, self._quiet = reading.at, None

    def jumps(self) -> list[str]:
        """Drain what is to be told of jumps."""
        jumps, self._jumps = self._jumps, []
        return jumps

    def kept(self, told: Reading | None = None) -> dict[str, object] | None:
        """What goes into a mark; `told`: with it all is told that was in the log at that reading. None: there is
        nothing of use.
        """
        here = self._here
        if here.boot is None and here.wall is None:
            return None
        since = -inf if told is None else told.at
        readings = thinned([one for one in self._readings if one.at >= since], MOST_KEPT)
        rows = [
            [to_stamp(one.time), round(one.at, 3), _wall(one.at, here), round(one.took_s, 3), one.is_sure]
            for one in readings
        ]
        is_whole = told is not None or (bool(readings) and readings[0].at == self._since)
        return {"since": here.boot, "whole": is_whole, "readings": rows}


def jump(before: Reading, after: Reading, margin_s: float = 0.0) -> float:
    """By how many seconds the clock was set forward between two readings; 0: it was not, as far as that shows."""
    ours_s = after.at - before.at - (after.took_s - before.took_s) / 2
    off_s = (after.time - before.time).total_seconds() - ours_s
    slack_s = RESOLUTION_S + (before.took_s + after.took_s) / 2 + DRIFT * abs(ours_s) + margin_s
    return off_s if abs(off_s) > slack_s else 0.0


def thinned(readings: list[Reading], most: int) -> list[Reading]:
    """At most so many: the first, the last, and before others those at a jump."""
    left = list(readings)
    while len(left) > most:
        inner = range(1, len(left) - 1)
        plain = (n for n in inner if not jump(left[n - 1], left[n]) and not jump(left[n], left[n + 1]))
        del left[next(plain, 1)]
    return left


def _wall(at: float, here: Here) -> float | None:
    return None if here.wall is None else round(here.wall + at - here.at, 3)


def _recalled(mark: str | None, here: Here) -> tuple[list[Reading], float | None]:
    """The readings of a mark, on our monotonic clock, and since when all is told."""
    try:
        kept = json.loads(mark or "null")["clock"]
        is_same = here.boot is not None and kept.get("since") == here.boot
        readings = [_reading(row, here, is_same) for row in kept["readings"][:MOST_KEPT]]
        is_whole = kept["whole"] is True
    except (ValueError, TypeError, KeyError, AttributeError, OverflowError, RecursionError):
        return [], None
    times = [one.at for one in readings]
    if not readings or times != sorted(times) or times[-1] > here.at:
        return [], None
    return readings, readings[0].at if is_whole and readings[0].is_sure else None


def _reading(row: list[float], here: Here, is_same: bool) -> Reading:
    stamp, at, wall, took_s, is_sure = row
    time = from_stamp(int(stamp)) or NO_TIME
    if is_same:
        return Reading(time, float(at), float(took_s), bool(is_sure))
    if here.wall is None:
        raise ValueError("no clock in common")
    then = here.at - (here.wall - float(wall))
    return Reading(time, then + WALL_SLACK_S, float(took_s) + 2 * WALL_SLACK_S, is_sure=False)
