"""systemd's watchdog hears from us while there is progress, and only then: it restarts a daemon that stands still.

Progress is three things: the loop runs (or nobody would ask), the journal's thread has turned since it was last
asked, and every port and the uplink still have their task. A disk that takes no records is no standstill: the thread
tries again, status and log say so, and a restart would lose what waits in memory.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable, Sequence
from typing import Any

import structlog

from gateway.status.notify import notify

ASKED_PER_PERIOD = 6

log = structlog.get_logger()


class Watchdog:
    """`pulse` rises between two calls as long as the journal's thread does not stand still; `tasks` may change."""

    def __init__(self, pulse: Callable[[], int], *tasks: Sequence[asyncio.Task[Any]]) -> None:
        self._pulse = pulse
        self._tasks = tasks
        self._last = -1
        self._said: str | None = None
        self._timer: asyncio.TimerHandle | None = None

    def start(self) -> None:
        """Begin, if systemd asked for it."""
        if (period_s := watchdog_period_s()) is not None:
            self._ask(period_s / ASKED_PER_PERIOD)

    def close(self) -> None:
        """Say nothing more."""
        if self._timer is not None:
            self._timer.cancel()

    def _ask(self, every_s: float) -> None:
        pulse = self._pulse()
        reason = self._standstill(pulse)
        if reason is None:
            notify("WATCHDOG=1")
        elif reason != self._said:
            log.error("gateway.stalled", reason=reason)
        self._last, self._said = pulse, reason
        self._timer = asyncio.get_running_loop().call_later(every_s, self._ask, every_s)

    def _standstill(self, pulse: int) -> str | None:
        if any(task.done() for some in self._tasks for task in some):
            return "a port or the uplink has lost its task"
        return "the journal's thread does not answer" if pulse == self._last else None


def watchdog_period_s() -> float | None:
    """Within which time systemd wants to hear from this process (WATCHDOG_USEC); None: not at all."""
    period, pid = os.environ.get("WATCHDOG_USEC", ""), os.environ.get("WATCHDOG_PID", "")
    if not period.isdecimal() or int(period) == 0 or pid not in ("", str(os.getpid())):
        return None
    return int(period) / 1_000_000
