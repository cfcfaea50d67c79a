"""`punchgate simulate` in a process of its own, with people at the device, and what the centre has of them."""

from __future__ import annotations

import json
import subprocess
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from .site import PUNCHGATE, Site, eventually


class Bench:
    """`punchgate simulate` in a process of its own, with people typed on its stdin."""

    def __init__(self, driver: str, model: str, *options: str) -> None:
        self.process = subprocess.Popen(
            [PUNCHGATE, "simulate", driver, "--model", model, "--interactive", *options],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        assert self.process.stdout is not None
        self.path = self.process.stdout.readline().strip()
        self.said: list[str] = []
        self.deeds: list[dict[str, Any]] = []
        self._threads = [
            threading.Thread(target=self._read, daemon=True),
            threading.Thread(target=self._listen, daemon=True),
        ]
        for thread in self._threads:
            thread.start()

    def snippet(self) -> str:
        """The configuration to paste."""
        return eventually(lambda: "[[ports.devices]]" in "".join(self.said) and "".join(self.said), "a snippet")  # type: ignore[no-any-return]

    def do(self, deed: str) -> None:
        """Somebody does it."""
        assert self.process.stdin is not None
        before = len(self.deeds)
        self.process.stdin.write(deed + "\n")
        self.process.stdin.flush()
        eventually(lambda: len(self.deeds) > before, "the deed")

    def stop(self) -> None:
        self.process.terminate()
        self.process.wait(5)

    def _read(self) -> None:
        assert self.process.stdout is not None
        self.deeds.extend(json.loads(line) for line in self.process.stdout)

    def _listen(self) -> None:
        assert self.process.stderr is not None
        self.said.extend(self.process.stderr)


@contextmanager
def bench(driver: str, model: str, *options: str) -> Iterator[Bench]:
    made = Bench(driver, model, *options)
    try:
        yield made
    finally:
        made.stop()


def configure(site: Site, snippet: str) -> None:
    """The snippet of the bench as it is, on a lane that suits it."""
    sensed = "per_direction" in snippet
    site.lane("lobby-1", mode="free" if sensed else "controlled", sensor="per_direction" if sensed else "none")
    site.ports.append(snippet + "\n")


def counted(events: list[dict[str, Any]], directions: bool) -> Counter[str]:
    """What the centre has: passages by direction, or cards by token."""
    found: Counter[str] = Counter()
    for event in events:
        data = event["data"]
        if event["type"] == "punchgate.passage.sensed.v1" and directions:
            found[data["direction"]] += data["count"]
        if event["type"] == "punchgate.credential.read.v1" and not directions:
            found[data["subject"]["token"]] += 1
    return found


def of_type(events: list[dict[str, Any]], word: str) -> list[dict[str, Any]]:
    """The records of one type."""
    return [event for event in events if event["type"] == f"punchgate.{word}.v1"]
