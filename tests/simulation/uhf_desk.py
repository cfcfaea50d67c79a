"""A driver and a simulated reader on one desk, in time that nobody waits for."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from random import Random

from drivers.contract import START, Command, Driver
from drivers.events import CardRead, DeviceChange, Event, Passage
from drivers.registry import find, make_options
from gateway.simulation.devices import Sent
from gateway.simulation.peers import Peer, new_peer

STEP_S = 0.005


def driver_for(peer: Peer, **options: object) -> Driver:
    """The driver of a peer with the options it asks for, and others."""
    spec = find(peer.driver)
    wanted: Mapping[str, object] = tomllib.loads(f"options = {{ {peer.options} }}")["options"]
    return spec.new(make_options(spec, {**wanted, **options}))


@dataclass
class Desk:
    """The wire between them. `noise`: share of the frames with stray bytes before; `loss`: share that is lost."""

    driver: Driver
    peer: Peer
    noise: float = 0.0
    loss: float = 0.0
    is_plugged: bool = True
    at: float = 1000.0
    events: list[tuple[float, Event]] = field(default_factory=list)
    asked: list[tuple[float, bytes]] = field(default_factory=list)
    _rng: Random = field(default_factory=lambda: Random(7))
    _wire: list[tuple[float, bytes]] = field(default_factory=list)

    def start(self) -> None:
        self.driver.send(Command(START), self.at)

    def run(self, seconds: float) -> None:
        """Let time go by."""
        for _ in range(round(seconds / STEP_S)):
            self.at += STEP_S
            self._keep(self.driver.poll(self.at))
            for command in self.driver.commands():
                self.asked.append((self.at, command))
                if self.is_plugged:
                    self._send(self.peer.hear(command, self.at))
            self._send(self.peer.tick(self.at))
            self._deliver()

    def do(self, deed: str) -> None:
        self._send(self.peer.do(deed, self.at))

    def _send(self, sends: list[Sent]) -> None:
        for sent in sends:
            if self._rng.random() >= self.loss:
                stray = self._rng.randbytes(self._rng.randint(1, 6)) if self._rng.random() < self.noise else b""
                self._wire.append((self.at + sent.after_s, stray + sent.data))

    def _deliver(self) -> None:
        due = sorted(one for one in self._wire if one[0] <= self.at)
        self._wire = [one for one in self._wire if one[0] > self.at]
        for _, data in due:
            if self.is_plugged:
                self._keep(self.driver.feed(data, self.at))

    def _keep(self, events: list[Event]) -> None:
        self.events += [(self.at, event) for event in events]

    def reads(self) -> list[str]:
        return [event.value for _, event in self.events if isinstance(event, CardRead) and not event.is_repeat]

    def passages(self) -> list[str]:
        return [event.direction for _, event in self.events if isinstance(event, Passage)]

    def changes(self) -> list[str]:
        return [event.kind for _, event in self.events if isinstance(event, DeviceChange)]


def desk(peer: str | Peer, **options: object) -> Desk:
    """A desk with this peer, the line open."""
    device = new_peer(peer) if isinstance(peer, str) else peer
    made = Desk(driver_for(device, **options), device)
    made.start()
    return made
