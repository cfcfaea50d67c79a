"""How long nobody had listened to a port before it was opened: what waited in the kernel may be as old as that.

While the last daemon ran it watched its open ports, and its newest record proves how long it ran. A port that was
already gone at its end has not been watched since it went, and one that it never came to open has not been watched
since the daemon before; the device registry remembers both. A device that has to be asked is alone as long as it does
not answer, whether its port is open or not. A device that nobody knows was never watched at all.

Within one boot CLOCK_BOOTTIME says how long that is. Over a reboot only the wall clock could, if it was right then
and is right now: a box without a battery goes on with the time at which it was switched off. A battery may be empty,
a restored clock wrong. Where neither end is synchronised nobody here knows (NOBODY_KNOWS_MS), but the moment is named
(`Wait.since`): who learns later when that was can say it.
"""

from __future__ import annotations

import json
from collections.abc import Sequence

from gateway.clock import Moment, Wait
from gateway.directory import Lost, Registry
from gateway.journal import Entry

SLACK_MS = 1000
"""A daemon that writes a record about one port may have left another unread for so long, on a busy box."""
NOBODY_KNOWS_MS = 3650 * 86_400_000
"""Ten years, for a wait of which nobody knows how long it was."""


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
            since = Lost(clock["boot"], int(clock["boot_ns"]), last.made_ms, clock["state"])
            self._registry.lost(devices, since)
            self._registry.wait()

    def wait(self, devices: Sequence[str], moment: Moment) -> Wait:
        """For how long before `moment` these devices may have said something unheard."""
        lost = [self._registry.lost_at(device) for device in devices]
        ms = max(_lasted_ms(one, moment) for one in lost)
        return Wait(ms, _since(lost, moment)).longer(SLACK_MS)


def sign(moment: Moment, before_s: float = 0.0) -> Lost:
    """What is lost since `before_s` seconds before `moment`, at most since boot."""
    before_ns = round(min(max(0.0, before_s) * 1e9, moment.boot_ns))
    quality, time_ms = moment.quality, moment.time_ms - before_ns // 1_000_000
    return Lost(quality.boot, moment.boot_ns - before_ns, time_ms, quality.state)


def _lasted_ms(lost: Lost | None, moment: Moment) -> int:
    """On the clock that nobody sets, if it is the same boot; else by the wall clock, if it was right at both ends."""
    if lost is not None and lost.boot == moment.quality.boot:
        return max(0, (moment.boot_ns - lost.boot_ns) // 1_000_000)
    if lost is None or {lost.state, moment.quality.state} != {"synced"}:
        return NOBODY_KNOWS_MS
    return max(moment.boot_ns // 1_000_000, moment.time_ms - lost.time_ms)


def _since(lost: Sequence[Lost | None], moment: Moment) -> tuple[str, int] | None:
    """The earliest of them, where they are of one earlier boot; which of two boots was the earlier is not known."""
    earlier = [one for one in lost if one is None or one.boot != moment.quality.boot]
    boots = {None if one is None else one.boot for one in earlier}
    if len(boots) != 1 or None in boots:
        return None
    return min((one.boot, one.boot_ns) for one in earlier if one is not None)
