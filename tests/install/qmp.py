"""Orders to a running qemu: the machine protocol over its UNIX socket, one JSON object a line."""

from __future__ import annotations

import json
import socket
import time
from pathlib import Path
from typing import Any

ANSWER_WITHIN_S = 30.0


class Monitor:
    """One connection. AssertionError: qemu refused an order, or an event did not come."""

    def __init__(self, plug: socket.socket) -> None:
        self._plug = plug
        self._plug.settimeout(ANSWER_WITHIN_S)
        self._lines = plug.makefile("rb")
        self._events: list[dict[str, Any]] = []
        json.loads(self._lines.readline())
        self.order("qmp_capabilities")

    def order(self, what: str, **arguments: object) -> None:
        self._plug.sendall(json.dumps({"execute": what, "arguments": arguments}).encode() + b"\n")
        while "return" not in (said := self._next()):
            assert "error" not in said, f"{what} {arguments}: {said['error']}"
            self._events.append(said)

    def wait_for(self, event: str, **data: object) -> None:
        """Until this event came, whose data has these values."""
        deadline = time.monotonic() + ANSWER_WITHIN_S
        while True:
            for heard in self._events:
                if heard["event"] == event and data.items() <= heard["data"].items():
                    self._events.remove(heard)
                    return
            assert time.monotonic() < deadline, f"no {event}"
            self._events.append(self._next())

    def close(self) -> None:
        self._lines.close()
        self._plug.close()

    def _next(self) -> dict[str, Any]:
        return dict(json.loads(self._lines.readline()))


def connected(path: Path, within_s: float = 20.0) -> socket.socket:
    """A plug in a UNIX socket that somebody is about to open."""
    deadline = time.monotonic() + within_s
    while True:
        plug = socket.socket(socket.AF_UNIX)
        try:
            plug.connect(str(path))
        except OSError:
            plug.close()
            assert time.monotonic() < deadline, f"{path} does not answer"
            time.sleep(0.05)
        else:
            return plug
