"""The pieces pairing reasons with: a read with its window, a pass, a trace of the recent past.

All times are monotonic seconds. What is not known about a direction or a side rules nothing out, nor does what is not
known about the order of things: a sensor that is asked tells of a pass a little after it happened.
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


@dataclass(slots=True, eq=False)
class Held:
    """A read whose window is over while a pass within it may still be told, until `due`.

    `first` is the first read of its burst, `burst` what may have to share a pass with it, itself included.
    """

    read: Read
    due: float
    first: Draft
    burst: tuple[Ref, ...]

    @property
    def is_shared(self) -> bool:
        """Whether a pass may as well be another's."""
        return len(self.burst) > 1


@dataclass(frozen=True, slots=True, eq=False)
class Pass:
    """`count` people whom a sensor saw go through together; until when they wait for a read that comes late.

    It was told `late_s` after it happened, at most.
    """

    draft: Draft
    device: str
    driver: str
    direction: Direction
    count: int
    due: float
    late_s: float = 0.0

    @property
    def moment(self) -> Moment:
        """When it was told that they passed."""
        return self.draft.moment

    @property
    def since(self) -> float:
        """The earliest time at which they can have passed."""
        return self.draft.moment.mono - self.late_s


@dataclass(frozen=True, slots=True)
class Trace:
    """A read of the recent past that still explains a pass: completed, denied or unclear. Monotonic seconds.

    It may do so up to `until`, and does for certain from `sure_from` to `sure_until`.
    """

    ref: Ref
    device: str | None
    driver: str
    direction: Direction | Side
    until: float
    sure_from: float = float("-inf")
    sure_until: float = float("inf")

    def bears_on(self, direction: Direction | Side, since: float) -> bool:
        """Whether a pass in this direction, told now and made at `since` at the earliest, may belong to it."""
        return since <= self.until and fits(self.direction, direction)

    def surely(self, sensed: Pass) -> bool:
        """Whether that is certain of a pass, whenever it was made."""
        return self.sure_from <= sensed.since and sensed.moment.mono <= min(self.until, self.sure_until)
