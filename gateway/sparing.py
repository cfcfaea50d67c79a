"""What is given up, step by step, as the journal fills, so that reads, passes and punches can still be kept.

| step | from | down again below | what happens |
| --- | --- | --- | --- |
| filling | 70 % | 65 % | it is said: log, `state`, status, a record |
| sparing | 85 % | 80 % | diagnostics are left out, and counted |
| critical | 95 % | 90 % | devices with a memory of their own are not read: they keep what they know |

Diagnostics say nothing of a person and nothing that another record does not say in its way: the hourly anchors (the
offset has not changed, or it would be another kind of anchor), the sums of repeats, and a device's own words. How far
a device was heard is kept all the same: what was left out is counted, and need not be told again.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import structlog

from gateway.clock import Clock
from gateway.journal import Level, Room
from gateway.records import CredentialRepeated, Draft, Item, Notice

KEPT_OF_DEVICES = {"device.up", "device.down", "device.fault", "device.log", "device.tamper"}
"""`device.log` says of a device's memory that something may be missing."""
SPARES: tuple[Level, ...] = ("sparing", "critical")

log = structlog.get_logger()


class Sparing:
    """Stands before the journal. `append` takes what is kept, `changed` is told of a new level."""

    def __init__(
        self, clock: Clock, append: Callable[[Sequence[Item]], None], changed: Callable[[Level], None]
    ) -> None:
        self.level: Level = "ok"
        self.left_out = 0
        self._percent = 0
        self._clock = clock
        self._append = append
        self._changed = changed

    def append(self, items: Sequence[Item]) -> None:
        """Pass on what is to be kept."""
        if self.level in SPARES:
            kept = [item for item in items if not (isinstance(item, Draft) and is_diagnostic(item))]
            self.left_out += len(items) - len(kept)
            items = kept
        self._append(items)

    def on_level(self, level: Level, room: Room) -> None:
        """See journal.Listeners: say it everywhere, and act by it."""
        before, self.level, self._percent = self.level, level, room.percent
        say = log.info if level == "ok" else log.warning
        say("journal.level", level=level, before=before, percent=room.percent, limit=room.limit)
        details: dict[str, object] = {"level": level, "before": before, "percent": room.percent, "limit": room.limit}
        if before in SPARES and level not in SPARES:
            details["left_out"], self.left_out = self.left_out, 0
        self._append([Draft(Notice(kind="journal.level", details=details), self._clock.now())])
        self._changed(level)

    def warnings(self) -> list[str]:
        """What a person should know."""
        if self.level == "ok":
            return []
        gave_up = {"filling": "", "sparing": "; diagnostics are left out"}
        said = gave_up.get(self.level, "; diagnostics are left out, devices with a memory are not read")
        return [f"the journal is {self._percent} % full{said}"]


def is_diagnostic(draft: Draft) -> bool:
    """Whether the record can be left out; never a read, pass, punch, coming, going or loss."""
    body = draft.body
    if isinstance(body, CredentialRepeated):
        return True
    if not isinstance(body, Notice):
        return False
    if body.kind == "clock.anchor":
        return body.details.get("why") == "hourly"
    return body.kind.startswith("device.") and body.kind not in KEPT_OF_DEVICES
