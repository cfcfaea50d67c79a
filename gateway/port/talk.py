"""What we say to the devices of a line: begin to speak, and what became of a card. Never anything that opens.

A device that has to be asked is there when it answers, not when its port is open; its driver says so. What such a
driver wants back at the next start (`Event.mark`) is kept here as long as the daemon lives, beyond it in the journal.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from drivers.contract import FEEDBACK, START, Command, Driver
from drivers.events import Event
from gateway.clock import Moment


class Talk:
    """One line's devices, in the order of its driver's units."""

    def __init__(self, driver: Driver, devices: Sequence[str]) -> None:
        self._driver = driver
        self._devices = tuple(devices)
        self._marks: dict[str, str] = {}
        self._alone_since_ns = 0

    def remember(self, marks: Mapping[str, str]) -> None:
        """What an earlier run kept."""
        self._marks |= {device: mark for device, mark in marks.items() if device in self._devices}

    def begin(self, moment: Moment, alone_ms: int) -> None:
        """The line is open, and what had waited in it is read; before that nobody had asked for `alone_ms`."""
        self._alone_since_ns = moment.boot_ns - alone_ms * 1_000_000
        for unit, device in enumerate(self._devices):
            self._driver.send(Command(START, {"mark": self._marks.get(device)}, unit), moment.mono)

    def dated(self, event: Event, moment: Moment) -> Moment:
        """When it happened: a device may have kept it, or have only counted it while nobody asked (`missed`)."""
        if event.origin is not None:
            return moment.remembered(event.origin.age_s, event.origin.error_s, event.origin.device_time)
        if event.since_s is not None:
            return moment.waiting_since(round(event.since_s * 1000))
        if event.fields.get("missed") is True:
            return moment.waiting_since((moment.boot_ns - self._alone_since_ns) // 1_000_000)
        return moment

    def heard(self, device: str, event: Event) -> None:
        """Note how far a device was heard."""
        if event.mark is not None:
            self._marks[device] = event.mark

    def show(self, device: str, state: str, at: float) -> None:
        """Let a device show its person what became of the card: one of drivers.contract.STATES."""
        self._driver.send(Command(FEEDBACK, {"state": state}, self._devices.index(device)), at)
