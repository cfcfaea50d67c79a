"""Was this process at work? What arrived while it stood still was not seen when it happened.

A process that is stopped or starved, or whose machine is suspended, finds the bytes of seconds in the kernel and
would date them all at now, without a doubt. Nothing tells it, so the loop leaves a sign twice a second: where that is
overdue when bytes are read, the process has stood still, at most since the last sign. A stop that was shorter than
that is told by SIGCONT. The sign is read on CLOCK_BOOTTIME, which goes on while a machine is suspended.

A loop that was busy with something else saw the bytes late, too. Its selector knows since when: what is ready at once
may have come at any time since it was asked before, what had to be waited for has come just now, or since the process
wanted to go on and was not let (`starvation`).
"""

from __future__ import annotations

import asyncio
import selectors
import signal
from collections.abc import Callable

from gateway.clock import Clock, Moment
from gateway.starvation import Lost, Starvation

BEAT_S = 2.0
LATE_S = 0.15
WAITED_S = 0.001


class WatchfulSelector(selectors.EpollSelector):
    """`overlooked_since`: since when what is ready now may have been ready, on the clock `mono`, s. To be made on the
    thread of its loop; `lost` tells for how long that one could not run.
    """

    def __init__(self, mono: Callable[[], float], lost: Callable[[], Lost] | None = None) -> None:
        super().__init__()
        self._mono = mono
        self._lost = lost or Starvation()
        self._known = self._lost()
        self._looked = self.overlooked_since = mono()

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        """See EpollSelector."""
        asked, before = self._mono(), self._looked
        ready = super().select(timeout)
        returned, known, self._known = self._mono(), self._known, self._lost()
        is_fetched = self._known.faults != known.faults
        lost_s = returned - before if is_fetched else self._known.seconds - known.seconds
        self._looked = max(before, returned - max(0.0, lost_s))
        had_to_wait = returned - asked - lost_s > WAITED_S
        self.overlooked_since = self._looked if had_to_wait else before
        return ready


class Pulse:
    """`start` on the loop; `stood_still` is told since when, once for each time."""

    def __init__(self, clock: Clock, selector: WatchfulSelector, stood_still: Callable[[Moment], None]) -> None:
        self._clock = clock
        self._selector = selector
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

    def late_ms(self) -> int:
        """How long ago, at most, what the loop has just been told of may have happened."""
        return round((self._clock.mono() - self._selector.overlooked_since) * 1000)

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
