"""When a punch was, by a terminal's clock that may be wrong and may have been set.

The terminal says what time it thinks it is, and what time it thought it was at the punch: the difference is an age,
and a clock that is wrong by the same amount both times drops out. A clock that was set in between is not. So all is
kept that the clock showed since the log was read last; a punch between two of these readings is dated by both, and
what they say together is its error:

    a ──────── punch ──────── b      by a, if that is before b; by b, if that is after a; else it was made on a clock
                                     that nobody has read

The last reading is made behind the log, so that each entry has one behind it. If it cannot be made, what the clock
was set to since the one before is not known, and each entry may have come since then.

What fits no reading is bounded by what is known otherwise: an entry found by this pull and not by the one before is
younger than that pull, and an entry is not older than the one before it in the log.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from math import inf

from drivers.events import Origin
from drivers.zk.records import Entry

SLACK_S = 5.0
"""So much later than a punch its entry may come into the log."""
MOST_AGE_S = 10 * 366 * 86_400.0
DRIFT = 1e-4
"""What a cheap clock may gain or lose: 9 seconds a day."""
RESOLUTION_S = 1.0


@dataclass(frozen=True, slots=True)
class Reading:
    """The terminal's clock, read at the monotonic second `at` with an answer that took `took_s`.

    `is_sure`: `at` is by a clock that nobody sets; else by the wall clock, over a restart of the box.
    """

    time: datetime
    at: float
    took_s: float
    is_sure: bool = True

    def when(self, time: datetime) -> tuple[float, float]:
        """From when to when (monotonic) the clock showed `time`, unless it was set in between."""
        apart_s = (time - self.time).total_seconds()
        slack_s = RESOLUTION_S + DRIFT * abs(apart_s)
        return self.at - self.took_s + apart_s - slack_s, self.at + apart_s + slack_s


class Ages:
    """The ages of the entries of one pull, in the order of the log.

    `readings` are in the order of time. `since`: the monotonic second at which all was told that was in the log;
    None: not known. `is_open`: the last reading was made before the log was read, not behind it.
    """

    def __init__(self, readings: Sequence[Reading], since: float | None, *, is_open: bool = False) -> None:
        self._readings = readings
        self._is_open = is_open
        self._earliest = -inf if since is None else since - SLACK_S
        self._older = self._earliest

    def origin(self, entry: Entry, at: float) -> Origin:
        """What to say of an entry told at the monotonic second `at`."""
        device_time = entry.local_time.replace(" ", "T")
        spans = [] if entry.time is None else self._spans(entry.time, at)
        if spans:
            low, high = min(low for low, _ in spans), max(high for _, high in spans)
            self._older = max(low, self._earliest)
        elif self._older == -inf:
            return Origin(max(0.0, at - self._readings[-1].at), device_time, MOST_AGE_S)
        else:
            low, high = self._older, at
        return Origin(at - (low + high) / 2, device_time, round((high - low) / 2 + 0.0005, 3))

    def _spans(self, time: datetime, at: float) -> list[tuple[float, float]]:
        """When it may have been, by each of the readings, as far as that reading is one of its neighbours."""
        spans = []
        after = max(self._earliest, self._readings[-1].at - MOST_AGE_S)
        for number, reading in enumerate(self._readings):
            low, high = reading.when(time)
            is_last = number + 1 == len(self._readings)
            before = at if is_last or not reading.is_sure else self._readings[number + 1].at
            if max(low, after) <= min(high, before):
                spans.append((max(low, after), min(high, before)))
            if reading.is_sure:
                after = max(after, reading.at - reading.took_s)
        return [*spans, (after, at)] if spans and self._is_open else spans
