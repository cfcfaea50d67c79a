"""What we say to the devices of a line: begin to speak, and what became of a card. Never anything that opens.

A device that has to be asked is there when it answers, not when its port is open; its driver says so. What such a
driver wants back at the next start (`Event.mark`) is kept here as long as the daemon lives, beyond it in the journal.

It also speaks only when it is asked: what it says now happened at some time since it was asked before, as
`Event.since_s` tells. A driver cannot know how long nobody had asked before its talk began; but since when each
device is alone is known here. Seconds of a driver are those of CLOCK_BOOTTIME: a device and its clock go on while the
machine is suspended.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

from drivers.contract import FEEDBACK, START, Command, Driver
from drivers.events import DeviceChange, Event
from gateway.clock import Moment, Wait

AWAY_S = 2.0
"""Up to so long between two questions an answer is as good as live: it was told as soon as we could ask."""
LONGEST_S = 10 * 365 * 86_400.0
"""What a driver says to be older than that, or not a number, it does not know."""
Alone = Callable[[str, Moment], Wait]
"""For how long before a moment nobody may have listened to a device, or asked it."""


class Talk:
    """One line's devices, in the order of its driver's units."""

    def __init__(self, driver: Driver, devices: Sequence[str], alone: Alone) -> None:
        self._driver = driver
        self._devices = tuple(devices)
        self._alone = alone
        self._marks: dict[str, str] = {}
        self._alone_before: dict[str, tuple[int, Wait]] = {}

    def remember(self, marks: Mapping[str, str]) -> None:
        """What an earlier run kept."""
        self._marks |= {device: mark for device, mark in marks.items() if device in self._devices}

    @property
    def marks(self) -> Mapping[str, str]:
        """How far each device was heard."""
        return self._marks

    def begin(self, moment: Moment) -> None:
        """The line is open, and what had waited in it is read. How long each device has been alone is asked now,
        before anybody is told that it is not any more.
        """
        for device in self._devices:
            self._alone_before[device] = moment.boot_ns, self._alone(device, moment)
        for unit, device in enumerate(self._devices):
            values: dict[str, object] = {
                "mark": self._marks.get(device),
                "boot": moment.quality.boot,
                "wall_ms": moment.time_ms,
            }
            self._driver.send(Command(START, values, unit), moment.boot_s)

    def dated(self, device: str, event: Event, moment: Moment) -> Moment:
        """When it happened. A device may have kept it, or may have been asked last a while ago; what it says of
        itself is about now.
        """
        since_s = event.since_s
        if event.origin is not None:
            return moment.remembered(event.origin.age_s, event.origin.error_s, event.origin.device_time)
        if since_s is None and event.fields.get("missed") is True:
            since_s = math.inf
        if since_s is None or (isinstance(event, DeviceChange) and event.kind in ("up", "down")):
            return moment
        if not since_s < LONGEST_S:
            begun_ns, alone = self._alone_before.get(device, (0, Wait(0)))
            return moment.waiting(replace(alone, ms=alone.ms + (moment.boot_ns - begun_ns) // 1_000_000))
        since_ms = math.ceil(since_s * 1000)
        return moment.late_by(since_ms) if since_s <= AWAY_S else moment.waiting(Wait(since_ms))

    def heard(self, device: str, event: Event) -> None:
        """Note how far a device was heard."""
        if event.mark is not None:
            self._marks[device] = event.mark

    def show(self, device: str, state: str, at: float) -> None:
        """Let a device show its person what became of the card: one of drivers.contract.STATES."""
        self._driver.send(Command(FEEDBACK, {"state": state}, self._devices.index(device)), at)
