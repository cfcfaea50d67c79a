"""When the journal cannot take more, the ports are not read: what the devices say waits in the kernel.

A process that has stood still did the same without knowing; so the ports are paused as of then, and resumed.

Nothing is dropped that way, but until the ports are read again nobody has watched the lanes, and pairing is told so.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Sequence

import structlog

from gateway.clock import Clock, Moment
from gateway.journal import Trouble
from gateway.passage import Passage
from gateway.port import Line
from gateway.records import Draft

PAUSE_AT_JOBS = 400
RESUME_AT_JOBS = 100
CATCH_UP_S = 0.05

log = structlog.get_logger()


class Pausing:
    """Told how much the journal has before it; `trouble` is why it keeps nothing now."""

    def __init__(
        self, lines: Sequence[Line], passage: Passage, clock: Clock, append: Callable[[Sequence[Draft]], None]
    ) -> None:
        self.trouble: Trouble | None = None
        self._lines = deque(lines)
        self._passage = passage
        self._clock = clock
        self._append = append
        self._paused = False

    def given(self, waiting: int) -> None:
        """The journal was given something, and has so many jobs before it."""
        if not self._paused and waiting > PAUSE_AT_JOBS:
            self._pause()

    def kept(self, waiting: int) -> None:
        """The journal has kept something, and has so many jobs before it."""
        if not self._must_wait() and waiting < RESUME_AT_JOBS:
            self._resume()

    def on_trouble(self, trouble: Trouble | None) -> None:
        """See journal.Listeners. A full journal is no reason to pause: it still counts what it cannot take."""
        self.trouble = trouble
        if trouble is None:
            log.info("journal.recovered")
            self._resume()
            return
        log.error("journal.trouble", kind=trouble.kind, reason=trouble.text)
        if self._must_wait():
            self._pause()
        else:
            self._resume()

    def _must_wait(self) -> bool:
        return self.trouble is not None and self.trouble.kind != "quota"

    def stood_still(self, since: Moment) -> None:
        """See Pulse: what has arrived since then is read as what has waited."""
        log.warning("gateway.stood_still", ms=(self._clock.boot_ns() - since.boot_ns) // 1_000_000)
        self._pause("stood still", since)
        asyncio.get_running_loop().call_later(CATCH_UP_S, self.kept, 0)

    def _pause(self, reason: str = "paused", since: Moment | None = None) -> None:
        if self._paused:
            return
        self._paused = True
        moment = self._clock.now()
        for line in self._lines:
            line.pause(since)
            for device in line.rules.devices if line.is_open else ():
                self._append(self._passage.device_down(device, moment, reason))

    def _resume(self) -> None:
        """What has waited at one port may be too much already; then the others come first the next time."""
        if not self._paused:
            return
        self._paused = False
        for line in list(self._lines):
            self._lines.rotate(-1)
            line.resume()
            if self._paused:
                return
            for device in line.rules.devices if line.is_open else ():
                self._append(self._passage.device_up(device, self._clock.now()))
