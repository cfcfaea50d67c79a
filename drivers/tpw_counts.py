"""What the counts of a TPW-321 board mean: passages, whoever asked for them.

One pair of totals for a line, whether we ask or only listen: the stream tells it every frame, the talk (if there is
one) when it begins and when nobody could ask. Who only listens takes a frame for a count if the question was heard
before it: the host's orders 21 and 22 have the form of a count, and an order to reset is no passage. Nor does it know
who else was silent, so a pause of `FORGET_S` begins anew.
"""

from __future__ import annotations

from drivers.events import DeviceChange, Event, Passage
from drivers.totals import Change, Totals

DIRECTIONS = ("entry", "exit")
FORGET_S = 30.0


class Counts:
    """The entries and exits of one board; `jump` as in drivers.totals."""

    def __init__(self, jump: int) -> None:
        self._totals = Totals(DIRECTIONS, jump=jump)
        self.stop()

    def stop(self) -> None:
        """Forget everything; nobody talks."""
        self._totals.restore(None)
        self._is_talking = self._is_told = False
        self._asked: str | None = None
        self._heard_at = 0.0
        self._read_at: dict[str, float] = {}

    def start(self, mark: str | None) -> None:
        """A talk begins; `mark`: the totals told last."""
        self.stop()
        self._is_talking = True
        self._totals.restore(mark)
        self._is_told = self._totals.is_known

    def pause(self) -> None:
        """Nobody could ask for a while."""
        self._totals.pause()

    def is_doubtful(self, direction: str) -> bool:
        """Whether this total wants to be read again at once."""
        return self._totals[direction].is_doubtful

    def asked(self, direction: str, at: float) -> None:
        """Somebody on the line has asked for a total."""
        self._wake(at)
        self._asked = direction

    def unanswered(self) -> None:
        """Another frame came: the question is over."""
        self._asked = None

    def read(self, direction: str, total: int, at: float) -> tuple[Event, ...]:
        """A frame that has the form of a total: what it means."""
        self._wake(at)
        is_answer, self._asked = self._is_talking or self._asked == direction, None
        return self._counted(direction, total, at) if is_answer else ()

    def _wake(self, at: float) -> None:
        if not self._is_talking and at - self._heard_at > FORGET_S:
            self.stop()
        self._heard_at = at

    def _counted(self, direction: str, total: int, at: float) -> tuple[Event, ...]:
        change = self._totals[direction].read(total)
        read_at = self._read_at.get(direction)
        if not self.is_doubtful(direction):
            self._read_at[direction] = at
        if change is None:
            return ()
        mark = self._totals.mark()
        if change.is_base:
            return self._base_line(mark)
        if change.set_from is not None:
            reason = f"the {direction} counter was set from {change.set_from} to {total}"
            return (DeviceChange(kind="counter", reason=reason, mark=mark),)
        since_s = at - read_at if change.is_missed and read_at is not None else None
        return (_passage(direction, change, total, mark, since_s),)

    def _base_line(self, mark: str) -> tuple[Event, ...]:
        if self._is_told or not self._is_talking or not self._totals.is_known:
            return ()
        self._is_told = True
        return (DeviceChange(kind="counter", reason="base line", mark=mark),)


def _passage(direction: str, change: Change, total: int, mark: str, since_s: float | None) -> Passage:
    fields: dict[str, object] = {"total": total}
    if change.is_missed:
        fields["missed"] = True
    return Passage(direction=direction, count=change.count, since_s=since_s, mark=mark, fields=fields)
