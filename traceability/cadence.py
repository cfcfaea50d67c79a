"""When a receipt is due: soon after something changed, never too often, again while something is missing.

Pure bookkeeping on monotonic seconds. A change makes a stream due at once, but not within SPACING_S of its last
receipt; what changes meanwhile shares the next one. The replay of a week is thus receipted ten times a second, a
single punch at once.
"""

from __future__ import annotations

from traceability.streams import Key

SPACING_S = 0.1


class Cadence:
    """The streams that want a receipt, and when."""

    def __init__(self) -> None:
        self._due: dict[Key, float] = {}
        self._last: dict[Key, float] = {}

    def touch(self, key: Key, now: float) -> None:
        """Something of this stream changed."""
        at = max(now, self._last.get(key, now - SPACING_S) + SPACING_S)
        self._due[key] = min(at, self._due.get(key, at))

    def sent(self, key: Key, now: float, again_s: float | None) -> None:
        """A receipt went out; the next is due after `again_s` if nothing changes before."""
        self._last[key] = now
        self._due.pop(key, None)
        if again_s is not None:
            self._due[key] = now + max(again_s, SPACING_S)

    def due(self, now: float) -> list[Key]:
        """The streams whose receipt is due, longest waiting first."""
        return [key for at, key in sorted((at, key) for key, at in self._due.items()) if at <= now]

    def next_at(self) -> float | None:
        """When the next receipt is due; None while nothing is."""
        return min(self._due.values(), default=None)
