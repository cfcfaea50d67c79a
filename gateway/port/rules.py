"""A line and what is on it, as its owner is told; and what the owner tells in turn."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, Protocol

from drivers.contract import DriverSpec
from drivers.events import Event
from gateway.clock import Moment
from gateway.port.serial_port import PortSettings

if TYPE_CHECKING:
    from gateway.port.line import Line

UNNOTICED_MS = 10_000

Way = Literal["rx", "tx"]
"""From the device to us, or to the device."""


@dataclass(frozen=True, slots=True)
class LineRules:
    """A line and what is on it: one device, or several in the order of the configuration on a bus."""

    port: PortSettings
    spec: DriverSpec
    devices: tuple[str, ...]
    options: tuple[Any, ...]

    def is_asked(self, device: str) -> bool:
        """Whether a device of the line is silent until it is asked."""
        return self.spec.asks_with(self.options[self.devices.index(device)])

    def unnoticed_ms(self, device: str) -> int:
        """For how long before its loss was noticed a device may have been out of reach, or not been asked."""
        options = self.options[self.devices.index(device)]
        return UNNOTICED_MS + math.ceil(self.spec.latency_with(options, self.options) * 1000)


class LineListener(Protocol):
    """Who is told; all calls come on the loop."""

    def heard(self, device: str, events: Sequence[Event], moment: Moment) -> bool:
        """Events of one device, in order, from bytes that had all arrived at `moment`; whether they made records."""

    def when_durable(self, then: Callable[[], None]) -> None:
        """Call `then` on the loop when all records made so far are on the disk."""

    def overheard(self, line: Line, way: Way, data: bytes, moment: Moment) -> None:
        """Bytes as they are on the line."""

    def port_up(self, line: Line, moment: Moment) -> None:
        """The port is open, what had waited in it is read, and it is watched from now on."""

    def port_down(self, line: Line, moment: Moment, reason: str) -> None:
        """The port is gone, or cannot be opened; said once per reason."""

    def port_unread(self, line: Line, since: Moment, reason: str) -> None:
        """The port is open, but nobody reads it since then."""

    def port_read(self, line: Line, moment: Moment) -> None:
        """It is watched again, and what had waited is read."""
