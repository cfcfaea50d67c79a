"""What is known of one unit that is asked: whether it is there, and how far back what it shows may reach."""

from __future__ import annotations

from math import inf

from drivers.events import DeviceChange, Event

LOST_AFTER = 3
NO_ANSWER = "no answer"


class Presence:
    """Up at the first answer, down after `lost_after` misses in a row; up again after as many answers in a row, so
    that a line that works now and then does not fill the ledger.
    """

    def __init__(self, unit: int, lost_after: int = LOST_AFTER) -> None:
        self._unit = unit
        self._lost_after = lost_after
        self._misses = self._answers = 0
        self._is_up: bool | None = None
        self._answered_at = -inf
        self._was_up = False

    def answered(self, at: float) -> list[Event]:
        """It answers; `up` if that is news."""
        self._answered_at, self._misses = at, 0
        self._answers += 1
        if self._is_up or self._answers < (self._lost_after if self._was_up else 1):
            return []
        self._is_up = self._was_up = True
        return [DeviceChange(kind="up", unit=self._unit)]

    def missed(self, at: float) -> list[Event]:
        """A question was not answered; `down` with the time since the last answer, if that is news."""
        self._answers = 0
        self._misses += 1
        if self._misses < self._lost_after or self._is_up is False:
            return []
        self._is_up = False
        since_s = at - self._answered_at
        return [DeviceChange(kind="down", reason=NO_ANSWER, unit=self._unit, since_s=since_s)]


class Horizon:
    """Since when a unit may have held what it shows now: since the last question whose answer left nothing untold.

    An answer that comes late passes for that to the next question; so behind a miss the missed one counts.
    """

    def __init__(self) -> None:
        self._settled_at = -inf
        self._missed_at = inf

    def missed(self, asked_at: float) -> None:
        """The question of then was given up."""
        self._missed_at = min(self._missed_at, asked_at)

    def settled(self, asked_at: float) -> None:
        """By the answer to the question of then all is told that the unit held."""
        self._settled_at = max(self._settled_at, min(asked_at, self._missed_at))
        self._missed_at = inf

    def since_s(self, at: float) -> float:
        """What is shown at `at` happened in the last so many seconds; inf: since before this talk."""
        return at - self._settled_at
