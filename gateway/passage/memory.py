"""What one lane remembers: open reads, the burst they share, passes that wait for a read, and the recent past.

`Lane` holds and answers; it decides nothing (`pairing` does) and writes nothing (`acts` does). Everything is bounded,
and what fades does so by monotonic time, looked at when it matters.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from enum import StrEnum

from gateway.passage.evidence import Held, Pass, Read, Trace, fits
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
    """The memory of one lane. `out` is where its drafts go; `sensors` and `readers` are ids of its devices.

    `hold_s`: how late a pass of it may be told, 0 where all sensors speak by themselves. So long a read is `held`
    beyond its window. `vague_until`: a read up to then may be the one that a pass of the past had overtaken.
    """

    rules: LaneRules
    place: Place
    out: list[Draft]
    sensors: frozenset[str]
    readers: frozenset[str]
    repeats: Repeats
    hold_s: float = 0.0
    reads: deque[Read] = field(default_factory=deque)
    first: Draft | None = None
    burst: deque[Draft] = field(default_factory=lambda: deque(maxlen=MAX_RECENT))
    held: deque[Held] = field(default_factory=deque)
    waiting: deque[Pass] = field(default_factory=deque)
    completed: Trace | None = None
    denied: deque[Trace] = field(default_factory=lambda: deque(maxlen=MAX_RECENT))
    unclear: deque[Trace] = field(default_factory=lambda: deque(maxlen=MAX_RECENT))
    up: set[str] = field(default_factory=set)
    deaf_until: float = float("-inf")
    vague_until: float = float("-inf")
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

    def past(self, direction: Direction | Side, since: float) -> State:
        """What it looks like if open reads are left out: the latest trace that bears on the pass, else READY."""
        if self.denials(direction, since):
            return State.REFUSED
        if self.completed and self.completed.bears_on(direction, since):
            return State.SPENT
        return State.DOUBT if self.doubts(direction, since) else State.READY

    def unsure(self, sensed: Pass) -> State:
        """What it looks like to a pass of which nobody knows whether it came before or after the reads."""
        direction = sensed.direction
        is_doubtful = self.fitting(direction) or self.late(sensed) or self.doubts(direction, sensed.since)
        return State.DOUBT if is_doubtful else State.READY

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

    def set_aside(self) -> None:
        """The window of the oldest open read is over; it is held, with what is known of its burst."""
        read = self.reads[0]
        self.held.append(Held(read, read.due + self.hold_s, self.first or read.draft, self.candidates(read)))
        self.settle(read)

    def candidates(self, read: Read) -> tuple[Ref, ...]:
        """The reads of the burst of an open read, itself included."""
        return tuple(self.burst) if read.draft in self.burst else (read.draft, *self.burst)

    def late(self, sensed: Pass) -> list[Held]:
        """Held reads that a pass can complete, because it may have been made within their window, oldest first."""
        return [held for held in self._over(sensed) if fits(held.read.body.side, sensed.direction)]

    def opposed(self, sensed: Pass) -> Read | None:
        """The oldest read in whose window a pass may have been made, whatever its direction."""
        return next((held.read for held in self._over(sensed)), self.reads[0] if self.reads else None)

    def _over(self, sensed: Pass) -> list[Held]:
        return [held for held in self.held if sensed.since <= held.read.due]

    def share(self, taken: Held, sensed: Pass) -> None:
        """A pass went to one held read, and may as well be of any other that it fits: they are one burst."""
        for held in self.late(sensed):
            if taken.read.draft not in held.burst:
                held.first, held.burst = taken.first, (taken.read.draft, *held.burst)
        if self.fitting(sensed.direction) and taken.read.draft not in self.burst:
            self.first = taken.first
            self.burst.appendleft(taken.read.draft)

    def fitting(self, direction: Direction) -> list[Read]:
        """Open reads that a pass in this direction can complete, oldest first."""
        return [read for read in self.reads if fits(read.body.side, direction)]

    def waiting_for(self, side: Side) -> list[Pass]:
        """Passes that wait for a read on this side, oldest first."""
        return [sensed for sensed in self.waiting if fits(side, sensed.direction)]

    def denials(self, direction: Direction | Side, since: float) -> list[Trace]:
        """Denied reads that a pass, not made before `since`, may be of, oldest first."""
        return [trace for trace in self.denied if trace.bears_on(direction, since)]

    def doubts(self, direction: Direction | Side, since: float) -> tuple[Ref, ...]:
        """Reads of which nobody knows what followed that a pass, not made before `since`, may be of."""
        return tuple(trace.ref for trace in self.unclear if trace.bears_on(direction, since))

    def watched(self) -> bool:
        """Whether every sensor of the lane is there."""
        return self.sensors <= self.up

    def heard(self, since: float) -> bool:
        """Whether a read before a pass, not made before `since`, would have been heard: all readers there, and not
        only just.
        """
        return self.readers <= self.up and since > self.deaf_until

    def forget_past(self) -> None:
        """Leave no trace that could explain a later pass."""
        self.completed = None
        self.denied.clear()
        self.unclear.clear()

    def due(self) -> float | None:
        """When the next wait, window or run of repeats ends, in monotonic seconds."""
        dues = [queue[0].due for queue in (self.waiting, self.held, self.reads) if queue]
        ends = self.repeats.due()
        return min(dues if ends is None else [*dues, ends], default=None)
