"""How full the journal is, and the steps at which something is given up so that reads and passes can still be kept.

The journal may become as large as `journal.max_mb`, or as large as the disk lets it, whichever is less; full is what
is used of that. Each step up is said at once, each step down only well below the mark, so that nothing flutters.
"""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

Level = Literal["ok", "filling", "sparing", "critical"]

STEPS: tuple[tuple[float, Level], ...] = ((0.95, "critical"), (0.85, "sparing"), (0.70, "filling"), (0.0, "ok"))
ORDER: tuple[Level, ...] = ("ok", "filling", "sparing", "critical")
HYSTERESIS = 0.05


@dataclass(frozen=True, slots=True)
class Room:
    """Bytes: in use, still free for us on the disk (free pages inside the file count), and most we may have."""

    used: int
    free: int
    max_bytes: int

    @property
    def capacity(self) -> int:
        """How large the journal can become."""
        return min(self.max_bytes, self.used + self.free)

    @property
    def left(self) -> int:
        """How much more it can take."""
        return max(0, self.capacity - self.used)

    @property
    def percent(self) -> int:
        """How full it is, rounded down."""
        return self.used * 100 // max(1, self.capacity)

    @property
    def limit(self) -> Literal["max_mb", "disk"]:
        """What ends its growth."""
        return "disk" if self.used + self.free < self.max_bytes else "max_mb"

    def level(self, before: Level = "ok") -> Level:
        """The step it stands on, coming from `before`."""
        fullness = self.used / max(1, self.capacity)
        rising, falling = _step(fullness), _step(fullness + HYSTERESIS)
        if ORDER.index(rising) >= ORDER.index(before):
            return rising
        return min(before, falling, key=ORDER.index)


def _step(fullness: float) -> Level:
    return next(level for mark, level in STEPS if fullness >= mark)


def free_bytes(folder: Path) -> int:
    """What the file system of `folder` still has for a user without privileges."""
    return shutil.disk_usage(folder).free
