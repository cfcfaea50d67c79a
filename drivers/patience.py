"""When to ask a unit again that stays silent: each time later, so that it does not hold up the others of its line."""

from __future__ import annotations


class Patience:
    """Waits of `first_s` seconds, then twice as long each time, `most_s` at most, until the unit answers."""

    def __init__(self, first_s: float = 1.0, most_s: float = 4.0) -> None:
        self._first_s = first_s
        self._most_s = most_s
        self._wait_s = first_s
        self.not_before = 0.0

    def missed(self, at: float) -> None:
        """The question of `at` was not answered."""
        self.not_before = at + self._wait_s
        self._wait_s = min(2 * self._wait_s, self._most_s)

    def answered(self) -> None:
        """It is there; the next silence begins with the first wait."""
        self.not_before = 0.0
        self._wait_s = self._first_s
