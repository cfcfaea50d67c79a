"""The gateway under examination: what it should be, what its daemon says of itself, and what time it is."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from config import Settings
from config.settings import Port
from gateway.check.past import Past, read_past
from gateway.clock import Quality
from gateway.errors import Unavailable
from gateway.status import ask


class Watch(Protocol):
    """The part of `gateway.clock.Clock` that is asked here."""

    def quality(self) -> Quality:
        """How good the wall clock is."""

    def unix_ms(self) -> int:
        """Wall clock, ms since 1970."""


@dataclass(frozen=True, slots=True)
class Case:
    """`daemon` is the running daemon's status, `past` what its journal remembers; None: not to be had."""

    settings: Settings
    daemon: dict[str, Any] | None
    past: Past | None
    clock: Watch

    @classmethod
    def of(cls, settings: Settings, clock: Watch) -> Case:
        """Ask the daemon that runs on these settings' state directory, if there is one."""
        state_dir = settings.gateway.state_dir
        try:
            daemon = ask(state_dir)
        except Unavailable:
            daemon = None
        return cls(settings, daemon, read_past(state_dir), clock)

    def clock_is_wrong(self) -> bool:
        """Whether no date can be judged."""
        return self.clock.quality().state == "unset"

    def reports(self, port: Port) -> Sequence[dict[str, Any]]:
        """What the daemon says of the devices on this port; nothing where it does not serve it."""
        mine = {device.id for device in port.devices}
        told = self.daemon["devices"] if self.daemon else []
        return [report for report in told if report["device"] in mine and report["port"] == port.url]
