"""The door for what comes from the broker: nothing is parsed that is too large, or one too many.

Each topic has a size and a rate of its own, so a flood on one takes nothing from another: receipts are let in though
somebody floods the commands. What is turned away is counted, and said once a minute.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass

import structlog

from gateway.log import Once

RECEIPT = "receipt"

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Limit:
    """At most `most_bytes` in a message, and in the long run `a_second` messages, `burst` of them at once."""

    most_bytes: int
    a_second: float
    burst: int


LIMITS = {
    RECEIPT: Limit(256 * 1024, 500.0, 4000),
    "command": Limit(4096, 1.0, 20),
    "directory/tokens": Limit(2 * 1024 * 1024, 0.5, 10),
    "directory/lists": Limit(2 * 1024 * 1024, 0.5, 10),
    "directory/visits": Limit(2 * 1024 * 1024, 0.5, 10),
}
BELOW = tuple(leaf for leaf in LIMITS if leaf != RECEIPT)
"""What is for the rest of the gateway."""
KEPT = tuple(leaf for leaf in LIMITS if leaf != "command")
"""What the broker keeps, so that it can be asked for again."""


class Inbox:
    """`lets_in` each message as it comes. `refused` counts by topic and reason: `oversized`, `too_many`, `unknown`.

    `missed`: a document that the broker keeps was one too many; it should be asked for once more. `deaf`: why the
    broker does not let us hear what is below receipts.
    """

    def __init__(self, mono: Callable[[], float]) -> None:
        self.refused: Counter[tuple[str, str]] = Counter()
        self.missed = False
        self.deaf: str | None = None
        self._mono = mono
        self._once = Once(mono)
        self._left = {leaf: float(limit.burst) for leaf, limit in LIMITS.items()}
        self._at = dict.fromkeys(LIMITS, mono())

    def begin(self) -> None:
        """The broker was just asked for everything."""
        self.missed, self.deaf = False, None

    def is_deaf(self, reason: str) -> None:
        """The broker has refused the topics below receipts."""
        self.deaf = reason
        if times := self._once.due("deaf", reason):
            log.warning("uplink.deaf", reason=reason, times=times)

    def warnings(self) -> list[str]:
        """What a person should mend."""
        remedy = "give this gateway the right to them in the broker's access list"
        return [] if self.deaf is None else [f"commands and directory are not heard: {self.deaf}; {remedy}"]

    def lets_in(self, leaf: str, size: int) -> bool:
        """Whether a message of so many bytes on this topic may be looked at."""
        limit = LIMITS.get(leaf)
        if limit is None:
            return self._turned_away("other", "unknown")
        now = self._mono()
        self._left[leaf] = min(limit.burst, self._left[leaf] + (now - self._at[leaf]) * limit.a_second)
        self._at[leaf] = now
        if self._left[leaf] < 1:
            self.missed |= leaf in KEPT
            return self._turned_away(leaf, "too_many")
        self._left[leaf] -= 1
        return size <= limit.most_bytes or self._turned_away(leaf, "oversized")

    def counts(self) -> dict[str, dict[str, int]]:
        """What was turned away, by topic and reason."""
        told: dict[str, dict[str, int]] = {}
        for (leaf, reason), count in self.refused.items():
            told.setdefault(leaf, {})[reason] = count
        return told

    def _turned_away(self, leaf: str, reason: str) -> bool:
        self.refused[leaf, reason] += 1
        if times := self._once.due(leaf, reason):
            log.warning("message.refused", topic=leaf, reason=reason, times=times)
        return False
