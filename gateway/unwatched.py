"""How long nobody had listened to a port before it was opened: what waited in the kernel may be as old as that.

While the last daemon ran it watched its open ports, and its newest record proves how long it ran. A port that was
already gone at its end has not been watched since it went; the device registry remembers when that was.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from gateway.clock import Moment
from gateway.directory import Registry
from gateway.journal import Entry


@dataclass(slots=True)
class Unwatched:
    """`last` is the journal's newest record at the start; None: no daemon has ever run here."""

    registry: Registry
    last: Entry | None = None

    def ms(self, devices: Sequence[str], moment: Moment) -> int:
        """Milliseconds before `moment` in which these devices may have said something unheard."""
        if self.last is None:
            return moment.boot_ns // 1_000_000
        clock = json.loads(self.last.line)["data"]["clock"]
        gaps = [_since(clock["boot"], clock["boot_ns"], self.last.made_ms, moment)]
        for device in devices:
            lost: dict[str, Any] | None = self.registry.lost_at(device)
            if lost is not None:
                gaps.append(_since(lost["boot"], lost["boot_ns"], lost["time_ms"], moment))
        return max(gaps)


def _since(boot: str, boot_ns: int, time_ms: int, moment: Moment) -> int:
    """On the clock that nobody sets, if it is the same boot; else by the wall clock, but at least since boot."""
    if boot == moment.quality.boot:
        return max(0, (moment.boot_ns - boot_ns) // 1_000_000)
    return max(moment.boot_ns // 1_000_000, moment.time_ms - time_ms)
