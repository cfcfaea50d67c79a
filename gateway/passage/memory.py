"""What one lane remembers: open reads, the burst they share, passes that wait for a read, and the recent past.

`Lane` holds and answers; it decides nothing (`pairing` does) and writes nothing (`acts` does). Everything is bounded,
and what fades does so by monotonic time, looked at when it matters.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from enum import StrEnum

from gateway.passage.evidence import Pass, Read, Trace, fits
from gateway.passage.repeats import Repeats
from gateway.passage.rules import LaneRules
from gateway.records import Direction, Draft, Place, Ref, Side

MAX_OPEN = 64
MAX_RECENT = 32


class State(StrEnum):
    """What a lane looks like to the next read or pass."""

    READY = "READY"
    OPEN = "OPEN"
    BURST = "BURST"
    SPENT = "SPENT"
    REFUSED = "REFUSED"
    DOUBT = "DOUBT"
    SILENT = "SILENT"
    EMERGENCY = "EMERGENCY"
    UNSENSED = "UNSENSED"


@dataclass(slots=True, eq=False)
class Lane:
    """The memory of one lane. `out` is where its drafts go; `sensors` and `readers` are ids of its devices."""

    rules: LaneRules
    place: Place
    out: list[Draft]
    sensors: frozenset[str]
    readers: frozenset[str]
    repeats: Repeats
    reads: deque[Read] = field(default_factory=deque)
    first: Draft | None = None
    burst: deque[Draft] = field(default_factory=lambda: deque(maxlen=MAX_RECENT))
    waiting: deque[Pass] = field(default_factory=deque)
    completed: Trace | None = None
    denied: deque[Trace] = field(default_factory=lambda: deque(maxlen=MAX_RECENT))
    unclear: deque[Trace] = field(default_factory=lambda: deque(maxlen=MAX_RECENT))
    up: set[str] = field(default_factory=set)
    deaf_until: float = float("-inf")
    misses: int = 0
    silent: bool = False
    emergency: bool = False

    def state(self, direction: Direction | Side, now: float) -> State:
        """What the lane looks like to a read or pass in this direction."""
        if self.emergency:
            return State.EMERGENCY
        if self.rules.sensor == "none":
            return State.UNSENSED
        if self.reads:
            return State.BURST if len(self.burst) > 1 else State.OPEN
        return State.SILENT if self.silent else self.past(direction, now)

    def past(self, direction: Direction | Side, now: float) -> State:
        """What it looks like if open reads are left out: the latest trace that bears on the pass, else READY."""
        if self.denials(direction, now):
            return State.REFUSED
        if self.completed and self.completed.bears_on(direction, now):
            return State.SPENT
        return State.DOUBT if self.doubts(direction, now) else State.READY

    def unsure(self, direction: Direction, now: float) -> State:
        """What it looks like to a pass of which nobody knows whether it came before or after the reads."""
        return State.DOUBT if self.fitting(direction) or self.doubts(direction, now) else State.READY

    def join(self, read: Read) -> None:
        """The read is open and one of the burst under way; of a burst the first read is kept, and the latest."""
        self.reads.append(read)
        self.first = self.first or read.draft
        self.burst.append(read.draft)

    def settle(self, read: Read) -> None:
        """The read is closed; a burst ends when no read is open."""
        self.reads.remove(read)
        if not self.reads:
            self.first = None
            self.burst.clear()

    def fitting(self, direction: Direction) -> list[Read]:
        """Open reads that a pass in this direction can complete, oldest first."""
        return [read for read in self.reads if fits(read.body.side, direction)]

    def waiting_for(self, side: Side) -> list[Pass]:
        """Passes that wait for a read on this side, oldest first."""
        return [sensed for sensed in self.waiting if fits(side, sensed.direction)]

    def denials(self, direction: Direction | Side, now: float) -> list[Trace]:
        """Denied reads that a pass, now, may be of, oldest first."""
        return [trace for trace in self.denied if trace.bears_on(direction, now)]

    def doubts(self, direction: Direction | Side, now: float) -> tuple[Ref, ...]:
        """Reads whose window nobody watched that a pass, now, may be of."""
        return tuple(trace.ref for trace in self.unclear if trace.bears_on(direction, now))

    def watched(self) -> bool:
        """Whether every sensor of the lane is there."""
        return self.sensors <= self.up

    def heard(self, now: float) -> bool:
        """Whether a read before a pass, now, would have been heard: all readers there, and not only just."""
        return self.readers <= self.up and now > self.deaf_until

    def forget_past(self) -> None:
        """Leave no trace that could explain a later pass."""
        self.completed = None
        self.denied.clear()
        self.unclear.clear()

    def due(self) -> float | None:
        """When the next wait, window or run of repeats ends, in monotonic seconds."""
        dues = [queue[0].due for queue in (self.waiting, self.reads) if queue]
        ends = self.repeats.due()
        return min(dues if ends is None else [*dues, ends], default=None)
