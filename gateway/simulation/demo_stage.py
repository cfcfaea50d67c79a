"""The demo's stage: broker, centre and gateway as processes of their own, people at the ports, an ear at the broker.

The gateway and the centre are the programs that run in production, started as `punchgate run` and `punchgate centre
run`; nothing of them is imported here.
"""

from __future__ import annotations

import json
import os
import queue
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from gateway.errors import Unavailable
from gateway.simulation import demo_site
from gateway.simulation.broker import HOST, Broker
from gateway.simulation.children import PYTHON, Child
from gateway.simulation.demo_show import Show
from gateway.simulation.listener import Listener
from gateway.simulation.oracle import Presented
from gateway.simulation.player import Player

PUNCHGATE = (*PYTHON, "-c", "from gateway.commands import main; main()")
READY_WITHIN_S = 20.0
FRAME_S = 0.1
ANSWER_WITHIN_S = 60.0


class Stage:
    """Everything that takes part, from `start` to `close`; `log` is the oracle's if `keep_log`."""

    def __init__(self, folder: Path, lanes: int, *, terminal: bool, keep_log: bool) -> None:
        self.broker = Broker(folder=folder)
        self.site = demo_site.build(folder, lanes, self.broker)
        self.show = Show(self.broker.name, terminal=terminal)
        self.log: list[Presented] = []
        self._keep_log = keep_log
        self.player = Player(self.site.ports, self._note)
        self._listener = Listener(HOST, self.broker.port, demo_site.PREFIX)
        self._environment = {name: value for name, value in os.environ.items() if not name.startswith("PUNCHGATE_")}
        self.gateway = self._child("gateway", "run", "-c", str(self.site.gateway_file))
        self.centre = self._child("centre", "centre", "run", "-c", str(self.site.centre_file))

    def _child(self, name: str, *arguments: str) -> Child:
        return Child(name, [*PUNCHGATE, *arguments], self.site.folder / f"{name}.log", self._environment)

    def start(self) -> None:
        """Start everything; return when the gateway says `online`. Unavailable with a log's end if it does not."""
        self.broker.start()
        self._listener.start()
        self.centre.start()
        self.gateway.start()
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
                self.show.hear(self._listener.heard.get(timeout=left_s))
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

    def ask(self, *arguments: str) -> bytes:
        """Run a punchgate command and return its stdout. Unavailable with its words if it fails."""
        try:
            done = subprocess.run(
                [*PUNCHGATE, *arguments],
                env=self._environment,
                capture_output=True,
                timeout=ANSWER_WITHIN_S,
                check=True,
            )
        except subprocess.CalledProcessError as error:
            words = error.stderr.decode(errors="replace").strip()
            raise Unavailable(f"punchgate {' '.join(arguments)} failed (exit {error.returncode}): {words}") from error
        return done.stdout

    def status(self) -> dict[str, Any]:
        """What `punchgate status --json` says."""
        answer = json.loads(self.ask("status", "--json", "-c", str(self.site.gateway_file)))
        return dict(answer)

    def ledger(self) -> list[bytes]:
        """The lines of `punchgate centre export`."""
        return self.ask("centre", "export", "-c", str(self.site.centre_file)).splitlines()

    def close(self) -> None:
        """End everything, the sources first."""
        self.player.stop()
        self.gateway.stop()
        self.centre.stop()
        self._listener.stop()
        self.broker.kill()
        self.site.close()

    def _note(self, presented: Presented) -> None:
        self.show.present(presented)
        if self._keep_log:
            self.log.append(presented)
