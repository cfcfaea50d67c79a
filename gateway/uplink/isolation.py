"""Finds the message that ends connections, so that it does not end all of them.

Some brokers hang up without a word, or with one that no client understands, when a message is too large for them
(mosquitto's message_size_limit on MQTT 5). The records behind it would wait for ever. So when connections end over
and over with something on its way, messages go one by one and get smaller, and a single record over which two of them
ended is set apart. A link that is merely bad looks the same for a while: after a connection that lasted, everything
is tried again.
"""

from __future__ import annotations

from gateway.spans import Range, Spans
from gateway.uplink.outbox import Outbox

CAREFUL_FROM = 2
SHRINK_BITS = 3
LASTED_S = 60.0
PATIENCE_FIRST_S = 60.0
PATIENCE_MAX_S = 86_400.0


class Isolation:
    """`begun` with each connection, `ended` when it is lost."""

    def __init__(self) -> None:
        self._failures = 0
        self._suspect: int | None = None
        self._apart = Spans()
        self._apart_at = 0.0
        self._patience_s = PATIENCE_FIRST_S
        self._since = 0.0

    def begun(self, outbox: Outbox, at: float) -> None:
        """Make this connection more careful than the last one, if it has to be."""
        self._since = at
        if self._failures >= CAREFUL_FROM:
            outbox.window = 1
            outbox.shrink(max(1, outbox.limits.batch_bytes >> SHRINK_BITS * self._failures))
        for first, last in self._apart:
            for seq in range(first, last + 1):
                outbox.set_apart(seq)

    def ended(self, outbox: Outbox, at: float) -> int | None:
        """Take note of what was on its way; returns the record that has just been set apart, if any."""
        if at - self._since > LASTED_S:
            self._failures, self._suspect = 0, None
        shipments = list(outbox.in_flight.values())
        if not shipments:
            return None
        alone = len(shipments) == 1 and shipments[0].first == shipments[0].last
        if not alone or self._failures < CAREFUL_FROM:
            self._failures += 1
            return None
        suspect, self._suspect = self._suspect, shipments[0].first
        if suspect != self._suspect:
            return None
        self._apart.add(suspect, suspect)
        self._apart_at = at
        return suspect

    def release(self, outbox: Outbox, at: float) -> list[Range]:
        """What was set apart long enough to be tried again."""
        if not self._apart or at - self._apart_at < self._patience_s:
            return []
        self._patience_s = min(PATIENCE_MAX_S, self._patience_s * 4)
        released, self._apart = list(self._apart), Spans()
        outbox.too_large.subtract(released)
        return released

    def forget(self) -> None:
        """Nothing is suspected any more."""
        self._failures, self._suspect, self._apart = 0, None, Spans()
        self._patience_s = PATIENCE_FIRST_S
