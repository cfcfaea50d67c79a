"""The people of a drill: each with a card nobody else has, at every reader, and through the arms.

A thread writes what is due and looks every few milliseconds at what has been read. Cards never come twice, so that
every record can be told from every other; no two passes come within the arm's repeat time.
"""

from __future__ import annotations

import heapq
import itertools
import queue
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from random import Random

from gateway.simulation import frames
from gateway.simulation.devices import Heading
from gateway.simulation.people import Gate
from gateway.simulation.wire import Wire

SWIPE_EVERY_S = 0.5
ENTER_EVERY_S = 1.0
PASS_AFTER_S = (0.05, 0.3)
LOOK_EVERY_S = 0.004

Deed = Callable[[], None]


class Crowd:
    """Everybody, from `start` to `stop`. At a device in `barred` nobody presents anything."""

    def __init__(self, seed: int, gates: Sequence[Gate], wires: Mapping[str, Wire]) -> None:
        self.barred: set[str] = set()
        self._gates, self._wires = gates, wires
        self._rng = Random(seed)
        self._order = itertools.count()
        self._due: list[tuple[float, int, Deed]] = []
        self._cards = itertools.count(1)
        self._passes = itertools.count(1)
        self._asked: queue.SimpleQueue[str] = queue.SimpleQueue()
        self._quiet, self._stop = threading.Event(), threading.Event()
        self._thread = threading.Thread(target=self._run, name="crowd", daemon=True)

    def start(self) -> None:
        """They begin to come."""
        for gate in self._gates:
            if gate.board is None:
                for heading in gate.readers:
                    self._after(self._rng.random() * SWIPE_EVERY_S, self._swiping(gate, heading))
            else:
                self._after(self._rng.random() * ENTER_EVERY_S, self._entering(gate))
        self._thread.start()

    def pause(self) -> None:
        """Nobody comes; those who are in a gate still go through."""
        self._quiet.set()

    def resume(self) -> None:
        self._quiet.clear()

    def ask(self, device: str) -> None:
        """Somebody presents a card at this reader at once; at an arm one waits for who comes."""
        self._asked.put(device)

    def stop(self) -> None:
        """All go home."""
        self._stop.set()
        if self._thread.is_alive():
            self._thread.join()

    def _run(self) -> None:
        while not self._stop.wait(LOOK_EVERY_S):
            while self._due and self._due[0][0] <= time.monotonic():
                heapq.heappop(self._due)[2]()
            while not self._asked.empty():
                self._answer(self._asked.get())
            for wire in self._wires.values():
                wire.look()

    def _after(self, seconds: float, deed: Deed) -> None:
        heapq.heappush(self._due, (time.monotonic() + seconds, next(self._order), deed))

    def _swiping(self, gate: Gate, heading: Heading) -> Deed:
        def swipe() -> None:
            self._present(gate, heading)
            self._after(self._rng.expovariate(1 / SWIPE_EVERY_S), swipe)

        return swipe

    def _entering(self, gate: Gate) -> Deed:
        def enter() -> None:
            if self._present(gate, "in"):
                self._after(self._rng.uniform(*PASS_AFTER_S), lambda: self._pass(gate))
            self._after(self._rng.uniform(0.8, 1.2) * ENTER_EVERY_S, enter)

        return enter

    def _answer(self, device: str) -> None:
        for gate in self._gates:
            for heading, post in gate.readers.items():
                if post.device == device:
                    self._present(gate, heading)

    def _present(self, gate: Gate, heading: Heading) -> bool:
        post = gate.readers[heading]
        if self._quiet.is_set() or post.device in self.barred:
            return False
        card = f"0D{next(self._cards):08X}"
        return self._wires[post.device].put(card, post.reader.encode(card))

    def _pass(self, gate: Gate) -> None:
        assert gate.board is not None
        number = next(self._passes) % 256
        self._wires[gate.board].put("in", frames.eb(frames.EB_ENTRY_DONE, gate.turnstile.address, number))
