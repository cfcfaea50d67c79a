"""How long ago a punch was, by a terminal's clock that may be wrong.

The terminal says what time it thinks it is, and what time it thought it was at the punch: the difference is an age,
and a clock that is wrong by the same amount both times drops out. What does not fit is bounded by what is known
otherwise: an entry found by this pull and not by the one before is younger than that pull, and an entry is not older
than the one before it in the log.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from drivers.events import Origin
from drivers.zk.records import Entry

SLACK_S = 5.0
MOST_AGE_S = 10 * 366 * 86_400.0
DRIFT = 1e-4
"""What a cheap clock may gain or lose: 9 seconds a day."""
RESOLUTION_S = 1.0


@dataclass(frozen=True, slots=True)
class Reading:
    """The terminal's clock, read at the monotonic second `at` with an answer that took `took_s`."""

    time: datetime
    at: float
    took_s: float


class Ages:
    """The ages of the entries of one pull, in the order of the log.

    `since` is the monotonic second at which the last complete pull of this connection began; None: there was none.
    """

    def __init__(self, reading: Reading, since: float | None) -> None:
        self._reading = reading
        self._window_s = None if since is None else reading.at - since + SLACK_S
        self._older_s: float | None = None

    def origin(self, entry: Entry, at: float) -> Origin:
        """What to say of an entry told at the monotonic second `at`."""
        passed_s = max(0.0, at - self._reading.at)
        device_time = entry.local_time.replace(" ", "T")
        age_s = self._measured(entry)
        if age_s is not None:
            self._older_s = age_s
            error_s = RESOLUTION_S + self._reading.took_s + DRIFT * age_s
            return Origin(age_s + passed_s, device_time, round(error_s, 3))
        limit_s = self._window_s if self._window_s is not None else self._older_s
        if limit_s is None:
            return Origin(passed_s, device_time, MOST_AGE_S)
        return Origin(limit_s / 2 + passed_s, device_time, round(limit_s / 2 + RESOLUTION_S, 3))

    def _measured(self, entry: Entry) -> float | None:
        """Seconds between the punch and the reading by the terminal's clock; None: that cannot be."""
        if entry.time is None:
            return None
        age_s = (self._reading.time - entry.time).total_seconds()
        limit_s = MOST_AGE_S if self._window_s is None else self._window_s
        return max(0.0, age_s) if -SLACK_S <= age_s <= limit_s + SLACK_S else None
