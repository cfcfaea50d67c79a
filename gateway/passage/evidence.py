"""The pieces pairing reasons with: a read with its window, a pass, a trace of the recent past.

All times are monotonic seconds. What is not known about a direction or a side rules nothing out.
"""

from __future__ import annotations

from dataclasses import dataclass

from gateway.clock import Moment
from gateway.records import CredentialRead, Direction, Draft, Ref, Side


def fits(side: Direction | Side, direction: Direction | Side) -> bool:
    """Whether a pass in one direction can be of the other side; what is unknown fits any."""
    return side == direction or side in ("both", "unknown") or direction in ("both", "unknown")


@dataclass(slots=True, eq=False)
class Read:
    """A read and its window: its end, whether all of it was watched; `repeats` counts frames beyond the first."""

    draft: Draft
    body: CredentialRead
    due: float
    watched: bool
    repeats: int = 0

    @property
    def at(self) -> float:
        """Monotonic seconds of the presentation."""
        return self.draft.moment.mono

    def closing(self) -> tuple[Ref, ...]:
        """What a punch of it closes in the journal: nothing if it was never left open."""
        return (self.draft,) if self.draft.opens else ()


@dataclass(frozen=True, slots=True, eq=False)
class Pass:
    """`count` people whom a sensor saw go through together; until when they wait for a read that comes late."""

    draft: Draft
    device: str
    driver: str
    direction: Direction
    count: int
    due: float

    @property
    def moment(self) -> Moment:
        """When they passed."""
        return self.draft.moment


@dataclass(frozen=True, slots=True)
class Trace:
    """A read of the recent past that still explains a pass: completed, denied or unclear. Monotonic seconds."""

    ref: Ref
    device: str | None
    driver: str
    direction: Direction | Side
    until: float

    def bears_on(self, direction: Direction | Side, now: float) -> bool:
        """Whether a pass in this direction, now, may belong to it."""
        return now <= self.until and fits(self.direction, direction)
