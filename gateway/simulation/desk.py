"""A desk with one device on it that talks back: its wire, the people in front of it, and what goes wrong.

A thread pumps what the host writes into the peer and what the peer says onto the wire, each byte not before a line of
the peer's speed could have carried it. Faults are drawn from a seed: noise before an answer, a bit that tips over
inside one, an answer that never leaves.
"""

from __future__ import annotations

import heapq
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from itertools import count
from random import Random
from typing import Protocol

from gateway.simulation.devices import BITS_PER_BYTE, Sent, ghost, noise, truncated
from gateway.simulation.peers import Peer

TURN_S = 0.002
PIECE_BYTES = 32


class Wire(Protocol):
    """The device's end of a line."""

    def write(self, data: bytes) -> bool:
        """Put bytes on the line; False: it takes nothing now."""

    def received(self) -> bytes:
        """What the host has written since the last call."""


class Desk:
    """Runs a peer on a wire until `stop`; `spoilt` is the share of its frames that something happens to."""

    def __init__(self, peer: Peer, wire: Wire, rng: Random, *, spoilt: float = 0.0) -> None:
        self.peer = peer
        self.refused_bytes = 0
        self._wire = wire
        self._rng = rng
        self._spoilt = spoilt
        self._order = count()
        self._waiting: list[tuple[float, int, bytes]] = []
        self._free_at = 0.0
        self._lock = threading.RLock()
        self._stop = threading.Event()
        self._is_silent = False
        self._thread = threading.Thread(target=self._run, name="desk", daemon=True)

    def start(self) -> None:
        """Switch the device on."""
        self._thread.start()

    def stop(self) -> None:
        """Switch it off."""
        self._stop.set()
        self._thread.join()

    def silence(self, is_silent: bool) -> None:
        """Hang the device, or bring it back: it neither hears nor speaks."""
        with self._lock:
            self._is_silent = is_silent
            self._waiting.clear()

    def do(self, deed: str) -> int:
        """Somebody does it; returns how many bytes the device says unasked. ValueError: not a deed of this device."""
        with self._lock:
            now = time.monotonic()
            sends = self.peer.do(deed, now)
            self._plan(sends, now)
        return sum(len(sent.data) for sent in sends)

    def is_idle(self) -> bool:
        """Whether nothing waits to be said."""
        with self._lock:
            return not self._waiting

    def _run(self) -> None:
        while not self._stop.wait(TURN_S):
            self.turn(time.monotonic())

    def turn(self, now: float) -> None:
        """What happens at one moment."""
        with self._lock:
            heard = self._wire.received()
            if self._is_silent:
                return
            if heard:
                self._plan(self.peer.hear(heard, now), now)
            self._plan(self.peer.tick(now), now)
            while self._waiting and self._waiting[0][0] <= now:
                _, _, data = heapq.heappop(self._waiting)
                if not self._wire.write(data):
                    self.refused_bytes += len(data)

    def _plan(self, sends: list[Sent], now: float) -> None:
        for sent in sends:
            data = self._spoil(sent.data)
            begin = max(now + sent.after_s, self._free_at)
            for at in range(0, len(data), PIECE_BYTES):
                piece = data[at : at + PIECE_BYTES]
                begin += len(piece) * BITS_PER_BYTE / self.peer.baud
                heapq.heappush(self._waiting, (begin, next(self._order), piece))
            self._free_at = begin

    def _spoil(self, data: bytes) -> bytes:
        if not data or self._rng.random() >= self._spoilt:
            return data
        fault: Callable[[], bytes] = self._rng.choice(
            (
                lambda: noise(self._rng) + data,
                lambda: ghost(data, self._rng),
                lambda: truncated(data, self._rng) if len(data) > 1 else b"",
                lambda: b"",
            )
        )
        with suppress(ValueError):  # too short for that
            return fault()
        return b""
