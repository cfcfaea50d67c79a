"""A driver and a simulated device talk on a line that may be bad, for minutes that take no time."""

from __future__ import annotations

from collections.abc import Callable
from heapq import heappop, heappush
from random import Random

from drivers.contract import START, Command, Driver
from drivers.events import CardRead, DeviceChange, Event
from gateway.simulation.devices import Sent
from gateway.simulation.peers import Peer

STEP_S = 0.005

Fault = Callable[[bytes], bytes]
"""What becomes of bytes on their way from the device to us."""


def whole(data: bytes) -> bytes:
    """A good line."""
    return data


def lossy(share: float, seed: int) -> Fault:
    """A line that loses a share of what is sent at once."""
    rng = Random(seed)
    return lambda data: b"" if rng.random() < share else data


def noisy(share: float, seed: int) -> Fault:
    """A line that adds a few bytes to a share of what is sent at once: before, in the middle, or behind."""
    rng = Random(seed)

    def spoil(data: bytes) -> bytes:
        if rng.random() >= share:
            return data
        at = rng.choice((0, rng.randrange(len(data) + 1), len(data)))
        return data[:at] + rng.randbytes(rng.randint(1, 5)) + data[at:]

    return spoil


class Conversation:
    """One driver, one device, one clock."""

    def __init__(self, driver: Driver, peer: Peer, fault: Fault = whole) -> None:
        self.driver = driver
        self.peer = peer
        self.fault = fault
        self.at = 0.0
        self.is_plugged = True
        self.told: list[tuple[float, Event]] = []
        self._coming: list[tuple[float, int, bytes]] = []
        self._count = 0
        driver.send(Command(START), 0.0)

    def do(self, deed: str) -> None:
        """Somebody does something at the device."""
        self._send(self.peer.do(deed, self.at))

    def run(self, seconds: float) -> None:
        """Let time pass."""
        until = self.at + seconds
        while self.at < until:
            self.at += STEP_S
            self._send(self.peer.tick(self.at))
            while self._coming and self._coming[0][0] <= self.at:
                self._tell(self.driver.feed(heappop(self._coming)[2], self.at))
            due = self.driver.next_poll()
            if due is not None and due <= self.at:
                self._tell(self.driver.poll(self.at))
            if (asked := b"".join(self.driver.commands())) and self.is_plugged:
                self._send(self.peer.hear(asked, self.at))

    def values(self) -> list[str]:
        """The cards that were told."""
        return [event.value for _, event in self.told if isinstance(event, CardRead) and not event.is_repeat]

    def changes(self) -> list[str]:
        """What was told of the device."""
        return [event.kind for _, event in self.told if isinstance(event, DeviceChange)]

    def latency(self, value: str, since: float) -> float:
        """Seconds from `since` until the card was told."""
        return next(at for at, event in self.told if isinstance(event, CardRead) and event.value == value) - since

    def _tell(self, events: list[Event]) -> None:
        self.told += [(self.at, event) for event in events]

    def _send(self, sent: list[Sent]) -> None:
        for each in sent if self.is_plugged else []:
            if data := self.fault(each.data):
                self._count += 1
                heappush(self._coming, (self.at + each.after_s, self._count, data))
