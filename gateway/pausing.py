"""When the journal cannot take more, the ports are not read: what the devices say waits in the kernel.

Nothing is dropped that way, but until the ports are read again nobody has watched the lanes, and pairing is told so.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import structlog

from gateway.clock import Clock
from gateway.journal import Trouble
from gateway.passage import Passage
from gateway.port import Line
from gateway.records import Draft

PAUSE_AT_JOBS = 400
RESUME_AT_JOBS = 100

log = structlog.get_logger()


class Pausing:
    """Told how much the journal has before it; `trouble` is why it keeps nothing now."""

    def __init__(
        self, lines: Sequence[Line], passage: Passage, clock: Clock, append: Callable[[Sequence[Draft]], None]
    ) -> None:
        self.trouble: Trouble | None = None
        self._lines = lines
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
        if self._paused and self.trouble is None and waiting < RESUME_AT_JOBS:
            self._resume()

    def on_trouble(self, trouble: Trouble | None) -> None:
        """See journal.Listeners. A full journal is no reason to pause: it still counts what it cannot take."""
        self.trouble = trouble
        if trouble is None:
            log.info("journal.recovered")
            self._resume()
            return
        log.error("journal.trouble", kind=trouble.kind, reason=trouble.text)
        if trouble.kind != "quota":
            self._pause()

    def _pause(self) -> None:
        if self._paused:
            return
        self._paused = True
        moment = self._clock.now()
        for line in self._lines:
            line.pause()
            for device in line.rules.devices if line.is_open else ():
                self._append(self._passage.device_down(device, moment, "paused"))

    def _resume(self) -> None:
        self._paused = False
        for line in self._lines:
            line.resume()
            for device in line.rules.devices if line.is_open else ():
                self._append(self._passage.device_up(device, self._clock.now()))
