"""A driver and a peer on one line, in fake time: nobody sleeps."""

from __future__ import annotations

import heapq
from collections.abc import Callable, Iterable
from itertools import count

from drivers.contract import START, Command, Driver
from drivers.events import CardRead, DeviceChange, Event, Passage
from gateway.simulation.devices import Sent
from gateway.simulation.peers import Peer

Spoil = Callable[[bytes], bytes]


class Exchange:
    """What the driver writes the peer hears; what the peer says arrives when it says so, as `spoil` leaves it."""

    def __init__(self, driver: Driver, peer: Peer, *, spoil: Spoil = bytes, piece: int = 1460) -> None:
        self.driver = driver
        self.peer = peer
        self.now = 0.0
        self.is_silent = False
        self.events: list[tuple[float, Event]] = []
        self._spoil = spoil
        self._piece = piece
        self._number = count()
        self._wire: list[tuple[float, int, bytes]] = []

    def plug(self, mark: str | None = None) -> None:
        """The line is open."""
        self.driver.send(Command(START, {"mark": mark}), self.now)

    def unplug(self) -> None:
        """The line is gone, and what was on it."""
        self._wire.clear()
        self.driver.reset()

    def run(self, until: float, deeds: Iterable[tuple[float, str]] = ()) -> None:
        """Let time pass; people do `deeds` at their times."""
        plan = sorted(deeds)
        while (at := self._next(plan)) <= until:
            self.now = max(self.now, at)
            if plan and plan[0][0] <= self.now:
                self._said(self.peer.do(plan.pop(0)[1], self.now))
            while self._wire and self._wire[0][0] <= self.now:
                data = heapq.heappop(self._wire)[2]
                for start in range(0, len(data), self._piece):
                    self._tell(self.driver.feed(data[start : start + self._piece], self.now))
            self._tell(self.driver.poll(self.now))
            for data in self.driver.commands():
                self._said(self.peer.hear(data, self.now))
        self.now = until

    def _next(self, plan: list[tuple[float, str]]) -> float:
        due = self.driver.next_poll()
        times = [] if due is None else [due]
        times += [at for at, _ in plan[:1]] + [at for at, _, _ in self._wire[:1]]
        return min(times, default=float("inf"))

    def _said(self, said: list[Sent]) -> None:
        for sent in said:
            if not self.is_silent and (data := self._spoil(sent.data)):
                heapq.heappush(self._wire, (self.now + sent.after_s, next(self._number), data))

    def _tell(self, events: list[Event]) -> None:
        self.events += [(self.now, event) for event in events]

    @property
    def reads(self) -> list[CardRead]:
        """The cards told so far."""
        return [event for _, event in self.events if isinstance(event, CardRead)]

    @property
    def passages(self) -> dict[str, int]:
        """How many went through, by direction."""
        passed: dict[str, int] = {}
        for _, event in self.events:
            if isinstance(event, Passage):
                passed[event.direction] = passed.get(event.direction, 0) + event.count
        return passed

    @property
    def changes(self) -> list[str]:
        """What was said of the device itself."""
        return [event.kind for _, event in self.events if isinstance(event, DeviceChange)]

    @property
    def mark(self) -> str | None:
        """What the gateway has kept last."""
        return next((event.mark for _, event in reversed(self.events) if event.mark is not None), None)
