"""Was this process at work? What arrived while it stood still was not seen when it happened.

A process that is stopped or starved, or whose machine is suspended, finds the bytes of seconds in the kernel and
would date them all at now, without a doubt. Nothing tells it, so the loop leaves a sign twice a second: where that is
overdue when bytes are read, the process has stood still, at most since the last sign. A stop that was shorter than
that is told by SIGCONT. The sign is read on CLOCK_BOOTTIME, which goes on while a machine is suspended.
"""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Callable

from gateway.clock import Clock, Moment

BEAT_S = 2.0
LATE_S = 0.15


class Pulse:
    """`start` on the loop; `stood_still` is told since when, once for each time."""

    def __init__(self, clock: Clock, stood_still: Callable[[Moment], None]) -> None:
        self._clock = clock
        self._stood_still = stood_still
        self._sign: Moment | None = None
        self._continued = False
        self._timer: asyncio.TimerHandle | None = None

    def start(self) -> None:
        """Begin to leave signs. The handler runs before any callback does, unlike one of the loop's own."""
        signal.signal(signal.SIGCONT, self._on_continue)
        self._beat()

    def close(self) -> None:
        """Leave no more signs."""
        if self._timer is not None:
            self._timer.cancel()

    def was_still(self) -> bool:
        """Whether the process has stood still until now; then whoever wants to know has just been told."""
        sign, now = self._sign, self._clock.now()
        if sign is None:
            return False
        late = now.boot_ns - sign.boot_ns > (BEAT_S + LATE_S) * 1_000_000_000
        still = late or self._continued
        self._sign, self._continued = now if still else sign, False
        if still:
            self._stood_still(sign)
        return still

    def _beat(self) -> None:
        self.was_still()
        self._sign = self._clock.now()
        self._timer = asyncio.get_running_loop().call_later(BEAT_S, self._beat)

    def _on_continue(self, *_: object) -> None:
        self._continued = True
