"""How a device is doing: what `status`, the `device/…` topic and the metrics say of it."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import Literal

from drivers.events import BadFrame, CardRead, DeviceChange, Event, Incomplete, Passage, Scan
from gateway.wire import timestamp


@dataclass(slots=True)
class Health:
    """Counters since the daemon's start; times in unix ms. `reason` says why a device is down, with the remedy."""

    device: str
    driver: str
    port: str
    status: Literal["up", "down"] = "down"
    since_ms: int = 0
    last_frame_ms: int | None = None
    reason: str | None = "not opened yet"
    frames: int = 0
    reads: int = 0
    passes: int = 0
    bad_frames: Counter[str] = field(default_factory=Counter)

    def count(self, event: Event, time_ms: int) -> None:
        """Take note of one event; a frame that the end of the line has cut is one of wrong length."""
        if isinstance(event, BadFrame | Incomplete):
            self.bad_frames["length" if isinstance(event, Incomplete) else event.flaw] += 1
            return
        self.frames += 1
        self.last_frame_ms = time_ms
        self.reads += isinstance(event, Scan) or (isinstance(event, CardRead) and not event.is_repeat)
        self.passes += isinstance(event, Passage)

    def change(self, event: DeviceChange, time_ms: int) -> bool:
        """A device that is asked says by its answers whether it is there; whether that has changed."""
        if event.kind not in ("up", "down") or event.kind == self.status:
            return False
        self.status = "up" if event.kind == "up" else "down"
        self.since_ms, self.reason = time_ms, event.reason
        return True

    def as_dict(self) -> dict[str, object]:
        """The JSON form; times RFC 3339."""
        return {
            "device": self.device,
            "status": self.status,
            "driver": self.driver,
            "port": self.port,
            "since": timestamp(self.since_ms) if self.since_ms else None,
            "last_frame": None if self.last_frame_ms is None else timestamp(self.last_frame_ms),
            "reason": self.reason,
            "frames": self.frames,
            "reads": self.reads,
            "passes": self.passes,
            "bad_frames": dict(self.bad_frames),
        }
