"""How long nobody had listened to a port before it was opened: what waited in the kernel may be as old as that.

While the last daemon ran it watched its open ports, and its newest record proves how long it ran. A port that was
already gone at its end has not been watched since it went, and one that it never came to open has not been watched
since the daemon before; the device registry remembers both. A device that has to be asked is alone as long as it does
not answer, whether its port is open or not. A device that nobody knows was never watched at all.
"""

from __future__ import annotations

import json
from collections.abc import Sequence

from gateway.clock import Moment
from gateway.directory import Lost, Registry
from gateway.journal import Entry

SLACK_MS = 1000
"""A daemon that writes a record about one port may have left another unread for so long, on a busy box."""


class Unwatched:
    """`begin` before anything is recorded; the registry is told `seen` when a port is open or a device that is asked
    answers, `lost` when it goes or does not.
    """

    def __init__(self, registry: Registry) -> None:
        self._registry = registry

    def begin(self, last: Entry | None, devices: Sequence[str]) -> None:
        """The known devices that were watched until the journal's newest record have been alone since then.

        On the disk before the first record of this run is: or, killed in between, it would prove to the next daemon
        that this one had listened.
        """
        if last is not None:
            clock = json.loads(last.line)["data"]["clock"]
            self._registry.lost(devices, Lost(clock["boot"], int(clock["boot_ns"]), last.made_ms))
            self._registry.wait()

    def ms(self, devices: Sequence[str], moment: Moment) -> int:
        """Milliseconds before `moment` in which these devices may have said something unheard."""
        return SLACK_MS + max(_lasted(self._registry.lost_at(device), moment) for device in devices)


def sign(moment: Moment, before_s: float = 0.0) -> Lost:
    """What is lost since `before_s` seconds before `moment`, at most since boot."""
    before_ns = round(min(max(0.0, before_s) * 1e9, moment.boot_ns))
    return Lost(moment.quality.boot, moment.boot_ns - before_ns, moment.time_ms - before_ns // 1_000_000)


def _lasted(lost: Lost | None, moment: Moment) -> int:
    """On the clock that nobody sets, if it is the same boot; else by the wall clock, but at least since boot."""
    since_boot_ms = moment.boot_ns // 1_000_000
    if lost is None:
        return since_boot_ms
    if lost.boot == moment.quality.boot:
        return max(0, (moment.boot_ns - lost.boot_ns) // 1_000_000)
    return max(since_boot_ms, moment.time_ms - lost.time_ms)
