"""When the journal cannot take more, the ports are not read: what the devices say waits in the kernel.

A process that has stood still did the same without knowing; so the ports are paused as of then, and resumed.

A journal that is nearly full still takes what nobody else keeps; only devices with a memory of their own must wait.

Nothing is dropped that way, but until the ports are read again nobody has watched the lanes: each line says so.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import structlog

from gateway.clock import Clock, Moment
from gateway.journal import Level, Trouble
from gateway.port import Line

CATCH_UP_S = 0.05

log = structlog.get_logger()


class Pausing:
    """Told what the journal can do and whether we did; `trouble` is why the journal keeps nothing now."""

    def __init__(self, lines: Sequence[Line], clock: Clock) -> None:
        self.trouble: Trouble | None = None
        self._lines = lines
        self._clock = clock
        self._is_critical = False

    def joined(self, lines: Sequence[Line]) -> None:
        """These are new."""
        for line in lines:
            if self._must_wait(line):
                line.pause("paused" if self._keeps_nothing() else "the journal is nearly full")

    def on_level(self, level: Level) -> None:
        """See Sparing."""
        self._is_critical = level == "critical"
        for line in self._lines:
            if self._must_wait(line):
                line.pause("the journal is nearly full")
        self._resume()

    def on_trouble(self, trouble: Trouble | None) -> None:
        """See journal.Listeners. A full journal is no reason to pause: it still counts what it cannot take."""
        self.trouble = trouble
        if trouble is None:
            log.info("journal.recovered")
        else:
            log.error("journal.trouble", kind=trouble.kind, reason=trouble.text)
        if self._keeps_nothing():
            self._pause("paused")
        else:
            self._resume()

    def stood_still(self, since: Moment) -> None:
        """See Pulse: what has arrived since then is read as what has waited."""
        log.warning("gateway.stood_still", ms=(self._clock.boot_ns() - since.boot_ns) // 1_000_000)
        self._pause("stood still", since)
        asyncio.get_running_loop().call_later(CATCH_UP_S, self._resume)

    def _keeps_nothing(self) -> bool:
        return self.trouble is not None and self.trouble.kind != "quota"

    def _must_wait(self, line: Line) -> bool:
        return self._keeps_nothing() or (self._is_critical and line.rules.spec.has_memory)

    def _pause(self, reason: str, since: Moment | None = None) -> None:
        for line in self._lines:
            line.pause(reason, since)

    def _resume(self) -> None:
        for line in self._lines:
            if not self._must_wait(line):
                line.resume()
