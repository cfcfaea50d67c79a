"""Say it once a minute, count it always: what strangers can cause must not fill the disk with log lines."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Hashable

PERIOD_S = 60.0


class Tally:
    """Counts by kind. A kind that was quiet for PERIOD_S is said at once, with what was counted since it was said."""

    def __init__(self) -> None:
        self.total: Counter[Hashable] = Counter()
        self._unsaid: Counter[Hashable] = Counter()
        self._said: dict[Hashable, float] = {}

    def note(self, kind: Hashable, now: float, say: Callable[[int], object], count: int = 1) -> None:
        """Count it, and call `say` with the number since the last time, unless that was in this period (seconds)."""
        self.total[kind] += count
        self._unsaid[kind] += count
        if now - self._said.get(kind, now - PERIOD_S) >= PERIOD_S:
            self._said[kind] = now
            say(self._unsaid.pop(kind))
