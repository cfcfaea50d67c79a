"""A whole site on this machine: broker, centre and gateway as processes of their own, in one folder.

The gateway and the centre are the programs that run in production, started as `punchgate run` and `punchgate centre
run`; what is known of them is what they tell everybody.
"""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from gateway.errors import Unavailable
from gateway.simulation import demo_site
from gateway.simulation.broker import HOST, Broker
from gateway.simulation.children import PYTHON, Child
from gateway.simulation.listener import Listener
from gateway.status import ask

PUNCHGATE = (*PYTHON, "-c", "from gateway.commands import main; main()")
ANSWER_WITHIN_S = 60.0


class Scene:
    """The processes and their files. `way` turns the broker's port into the one that the gateway connects to."""

    def __init__(self, folder: Path, lanes: int, way: Callable[[int], int] = lambda port: port) -> None:
        self.broker = Broker(folder=folder)
        self.site = demo_site.build(folder, lanes, self.broker, way(self.broker.port))
        self.listener = Listener(HOST, self.broker.port, demo_site.PREFIX)
        self._environment = {name: value for name, value in os.environ.items() if not name.startswith("PUNCHGATE_")}
        self.gateway = self.make_gateway({})
        self.centre = self._child("centre", {}, "centre", "run", "-c", str(self.site.centre_file))

    def make_gateway(self, variables: Mapping[str, str]) -> Child:
        """The gateway's process, not started, with more in its environment."""
        return self._child("gateway", variables, "run", "-c", str(self.site.gateway_file))

    def _child(self, name: str, variables: Mapping[str, str], *arguments: str) -> Child:
        environment = {**self._environment, **variables}
        return Child(name, [*PUNCHGATE, *arguments], self.site.folder / f"{name}.log", environment)

    def start(self) -> None:
        """Start everything, the gateway last."""
        self.broker.start()
        self.listener.start()
        self.centre.start()
        self.gateway.start()

    def close(self) -> None:
        """End everything, the sources first."""
        self.gateway.stop()
        self.centre.stop()
        self.listener.stop()
        self.broker.kill()
        self.site.close()

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
        """What `punchgate status --json` says. Unavailable: no daemon answers."""
        return ask(self.site.gateway_dir)

    def settled(self) -> bool:
        """Whether the gateway knows that the centre has everything."""
        status = self.status()
        return bool(status["newest"]) and status["settled"] == status["newest"]

    def ledger(self) -> list[bytes]:
        """The lines of `punchgate centre export`."""
        return self.ask("centre", "export", "-c", str(self.site.centre_file)).splitlines()
