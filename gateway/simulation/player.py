"""The play: a thread that puts planned bytes on simulated ports and notes what the ports took.

If the machine is too busy to keep the time, the rest of the play is moved back, never compressed: people do not
walk faster because a computer is slow, and two passes in the same half second would be one to a turnstile.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable, Mapping

from gateway.simulation.oracle import Presented
from gateway.simulation.people import Step
from gateway.simulation.pty import Pty

LATE_S = 0.02


class Player:
    """Plays steps in order; `note` is told each fact that a port took, `refused` counts frames that none did."""

    def __init__(self, ports: Mapping[str, Pty], note: Callable[[Presented], None]) -> None:
        self.refused = 0
        self._ports = ports
        self._note = note
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None

    @property
    def playing(self) -> bool:
        return self._thread is not None and self._thread.is_alive()

    def start(self, steps: Iterable[Step]) -> None:
        """Begin; returns at once."""
        self._thread = threading.Thread(target=self._run, args=(steps,), name="player", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """End the play after the frame that is on the line."""
        self._stop.set()
        if self._thread is not None:
            self._thread.join()

    def _run(self, steps: Iterable[Step]) -> None:
        origin = time.monotonic()
        for step in steps:
            late_s = time.monotonic() - origin - step.at_s
            if late_s > LATE_S:
                origin += late_s
            if self._stop.wait(max(0.0, -late_s)):
                return
            self._play(step)

    def _play(self, step: Step) -> None:
        if not self._ports[step.device].write(step.data):
            self.refused += 1
        elif step.fact is not None:
            self._note(Presented(step.fact, time.time_ns() // 1_000_000))
