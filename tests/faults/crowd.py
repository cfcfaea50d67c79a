"""People at the readers and in the gate, each with a card nobody else has, and lines that are not clean.

One thread writes what is due and looks every few milliseconds at what has been read. Everything a person does is
drawn from the seed; when a write reaches the port is what the machine makes of it, and is what the log says.
"""

from __future__ import annotations

import heapq
import itertools
import random
import threading
import time
from collections.abc import Callable, Sequence

from gateway.simulation import frames
from gateway.simulation.devices import ghost, noise, truncated
from gateway.simulation.wire import Wire

READER_EVERY_S = 0.12
GATE_EVERY_S = 0.9
BURST_SHARE, BURST = 0.04, 6
DIRTY_SHARE = 0.05
PASS_SHARE = 0.8
LOOK_EVERY_S = 0.004

Deed = Callable[[], None]


class Crowd(threading.Thread):
    """Everybody, until told to go home. `readers` are plain ones; the gate has a reader and an arm."""

    def __init__(self, seed: int, readers: Sequence[Wire], gate: Wire, arm: Wire) -> None:
        super().__init__(name="crowd", daemon=True)
        self.wires = [*readers, gate, arm]
        self.error: BaseException | None = None
        self._readers, self._gate, self._arm = readers, gate, arm
        self._rng = random.Random(seed)
        self._home = threading.Event()
        self._order = itertools.count()
        self._due: list[tuple[float, int, Deed]] = []
        self._cards = itertools.count(1)
        self._passes = 0

    def run(self) -> None:
        try:
            for number in range(len(self._readers)):
                self._after(self._rng.random() * READER_EVERY_S, lambda number=number: self._swipe(number))
            self._after(0.0, self._enter)
            while not self._home.wait(LOOK_EVERY_S):
                while self._due and self._due[0][0] <= time.monotonic():
                    heapq.heappop(self._due)[2]()
                for wire in self.wires:
                    wire.look()
        except BaseException as error:  # noqa: BLE001 - a crowd that vanishes in silence would prove nothing
            self.error = error

    def go_home(self) -> None:
        self._home.set()
        self.join()
        if self.error is not None:
            raise self.error

    def _after(self, seconds: float, deed: Deed) -> None:
        heapq.heappush(self._due, (time.monotonic() + seconds, next(self._order), deed))

    def _swipe(self, number: int) -> None:
        wire = self._readers[number]
        for _ in range(BURST if self._rng.random() < BURST_SHARE else 1):
            self._present(wire)
        self._after(self._rng.expovariate(1 / READER_EVERY_S), lambda: self._swipe(number))

    def _enter(self) -> None:
        """One person at the gate: a card, and most of the time a pass; no two passes within the arm's repeat time."""
        self._present(self._gate)
        if self._rng.random() < PASS_SHARE:
            self._after(self._rng.uniform(0.02, 0.3), self._pass)
        self._after(self._rng.uniform(0.7, 1.1) * GATE_EVERY_S, self._enter)

    def _pass(self) -> None:
        self._passes += 1
        self._arm.put("in", frames.eb(frames.EB_ENTRY_DONE, data=self._passes % 256))

    def _present(self, wire: Wire) -> None:
        card = f"C0{next(self._cards):08X}"
        frame = frames.rdm6300(card)
        if self._rng.random() < DIRTY_SHARE:
            wire.disturb(self._dirt(frame))
        wire.put(card, frame)

    def _dirt(self, frame: bytes) -> bytes:
        kind = self._rng.choice(("noise", "ghost", "truncated"))
        if kind == "noise":
            return noise(self._rng)
        return ghost(frame, self._rng) if kind == "ghost" else truncated(frame, self._rng)
