"""The demo's stage: a whole site, people at the ports, an ear at the broker, and a picture of it all."""

from __future__ import annotations

import queue
import time
from collections.abc import Callable
from pathlib import Path

from gateway.errors import Unavailable
from gateway.simulation.demo_show import Show
from gateway.simulation.oracle import Presented
from gateway.simulation.player import Player
from gateway.simulation.scene import Scene

READY_WITHIN_S = 20.0
FRAME_S = 0.1


class Stage(Scene):
    """Everything that takes part, from `start` to `close`; `log` is the oracle's if `keep_log`."""

    def __init__(self, folder: Path, lanes: int, *, terminal: bool, keep_log: bool) -> None:
        super().__init__(folder, lanes)
        self.show = Show(self.broker.name, terminal=terminal)
        self.log: list[Presented] = []
        self._keep_log = keep_log
        self.player = Player(self.site.ports, self._note)

    def start(self) -> None:
        """Start everything; return when the gateway says `online`. Unavailable with a log's end if it does not."""
        super().start()
        deadline = time.monotonic() + READY_WITHIN_S
        while not self.show.online:
            self.tick()
            if time.monotonic() > deadline:
                raise Unavailable(f"the gateway is not online yet; the end of its log:\n{self.gateway.tail()}")

    def tick(self) -> None:
        """Let a tenth of a second pass and show what happened. Unavailable if one of the daemons has died."""
        until = time.monotonic() + FRAME_S
        while (left_s := until - time.monotonic()) > 0:
            try:
                self.show.hear(self.listener.heard.get(timeout=left_s))
            except queue.Empty:
                break
        self.show.draw()
        self.gateway.require_running()
        self.centre.require_running()

    def run(self, seconds: float, until: Callable[[], bool] = lambda: False) -> None:
        """Watch for so long, or until something is true."""
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline and not until():
            self.tick()

    def cut(self) -> None:
        """The broker is gone, as by a power cut."""
        self.broker.kill()
        self.show.broker_up = False

    def mend(self) -> None:
        """The broker is back, with nothing in its memory."""
        self.broker.start()
        self.show.broker_up = True

    def close(self) -> None:
        """End everything, the people first."""
        self.player.stop()
        super().close()

    def _note(self, presented: Presented) -> None:
        self.show.present(presented)
        if self._keep_log:
            self.log.append(presented)
