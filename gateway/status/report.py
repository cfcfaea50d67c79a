"""What `punchgate status` says: one document about ports, journal, uplink and clock, made when somebody asks."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any, Protocol

from config import Settings
from gateway.clock import Clock
from gateway.journal import Fullness, Trouble
from gateway.port import Line
from gateway.uplink import Uplink
from gateway.uplink.presence import VERSION
from gateway.wire import timestamp

MIB = 1024 * 1024
LEAST_BYTES_A_DAY = 1 * MIB
DAY_S = 86_400.0
BYTES_ON_DISK = 1.2
LEAST_OBSERVED_S = 3_600.0


class Telling(Protocol):
    """A part of the daemon that speaks for itself."""

    def describe(self) -> dict[str, Any]:
        """What it has to say."""


class Watched(Protocol):
    """What the daemon as a whole has to say."""

    @property
    def settings(self) -> Settings:
        """The configuration in force."""

    @property
    def trouble(self) -> Trouble | None:
        """Why the journal cannot keep records now."""

    @property
    def fullness(self) -> Fullness:
        """How full the journal is."""

    @property
    def warnings(self) -> Sequence[str]:
        """What should be mended though the daemon works."""

    @property
    def downlink(self) -> Telling:
        """Of what came from the centre beside receipts, and what was turned away."""


class Report:
    """Reads the running parts; `written` counts the bytes of records since the start."""

    def __init__(self, clock: Clock, uplink: Uplink, lines: Sequence[Line], watched: Watched) -> None:
        self.written = 0
        self._clock = clock
        self._uplink = uplink
        self._lines = lines
        self._watched = watched
        self._started = clock.mono()
        self._started_at = timestamp(clock.unix_ms())

    def describe(self) -> dict[str, Any]:
        """The document; its keys are in CONTRACT section 1 and docs/operations.md."""
        settings, uplink = self._watched.settings, self._uplink
        quality = self._clock.quality()
        trouble, full = self._watched.trouble, self._watched.fullness
        held = uplink.head.held
        return {
            "gateway": settings.gateway.id,
            "site": settings.gateway.site,
            "version": VERSION,
            "pid": os.getpid(),
            "started": self._started_at,
            "epoch": uplink.settlement.epoch,
            "oldest": held.oldest,
            "newest": held.newest,
            "settled": uplink.settlement.through(),
            "devices": [health.as_dict() for line in self._lines for health in line.health.values()],
            "uplink": {
                "connected": uplink.connected,
                "reason": uplink.reason,
                "broker": settings.uplink.url,
                "settle": settings.uplink.settle,
                "ledger": uplink.settlement.ledger,
            },
            "journal": {
                "bytes": self._journal_bytes(),
                "max_bytes": settings.journal.max_mb * MIB,
                "level": full.level,
                "percent": full.room.percent,
                "ring": asdict(full.waiting),
                "trouble": None if trouble is None else {"kind": trouble.kind, "reason": trouble.text},
            },
            "downlink": self._watched.downlink.describe()
            | {"refused": uplink.inbox.counts(), "deaf": uplink.inbox.deaf},
            "clock": {"state": quality.state, "source": quality.source, "error_ms": quality.error_ms},
            "warnings": list(self._watched.warnings),
            "autonomy_days": self.autonomy_days(),
        }

    def autonomy_days(self) -> float:
        """For how many days of the traffic seen so far there is room, on the disk and under journal.max_mb."""
        room = self._watched.fullness.room.left
        observed_s = max(LEAST_OBSERVED_S, self._clock.mono() - self._started)
        a_day = max(LEAST_BYTES_A_DAY, self.written * BYTES_ON_DISK / observed_s * DAY_S)
        return round(room / a_day, 1)

    def _journal_bytes(self) -> int:
        return journal_bytes(self._watched.settings.gateway.state_dir)


def journal_bytes(state_dir: Path) -> int:
    """Bytes of the journal's files on disk; SQLite may take one away while we look."""
    total = 0
    for file in state_dir.glob("journal.sqlite*"):
        with contextlib.suppress(FileNotFoundError):
            total += file.stat().st_size
    return total
