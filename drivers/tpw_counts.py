"""What the counts of a TPW-321 board mean: passages, whoever asked for them.

One pair of counters for a line, whether we ask or only listen: the stream tells it every frame, the talk (if there is
one) when it begins, when it asks and when nobody could. Who only listens takes a frame for a count if the question
was heard before it: the host's orders 21 and 22 have the form of a count, and an order to reset is no passage. Nor
does it know who else was silent, so a pause of `FORGET_S` begins anew.
"""

from __future__ import annotations

import json

from drivers.counted import Base, Counted, Glitch, Outcome, Trouble
from drivers.counter import Counter, Rules
from drivers.events import DeviceChange, Event, Passage

DIRECTIONS = ("entry", "exit")
FORGET_S = 30.0


class Counts:
    """The entries and exits of one board; `rules` as in drivers.counter."""

    def __init__(self, rules: Rules) -> None:
        self._counters = {direction: Counter(rules) for direction in DIRECTIONS}
        self.stop()

    def stop(self) -> None:
        """Forget everything; nobody talks."""
        self._told: dict[str, int] = {}
        self._is_talking = self._is_told = False
        self._asked: str | None = None
        self._since = self._heard_at = 0.0
        for counter in self._counters.values():
            counter.start(None)

    def start(self, mark: str | None) -> None:
        """A talk begins; `mark`: the totals told last."""
        self.stop()
        self._is_talking = True
        self._told = _totals(mark)
        for direction, total in self._told.items():
            self._counters[direction].start(total)
        self._is_told = self._is_known

    def pause(self) -> None:
        """Nobody could ask for a while."""
        for counter in self._counters.values():
            counter.pause()

    def is_doubtful(self, direction: str) -> bool:
        """Whether this count wants to be read again at once."""
        return self._counters[direction].is_doubtful

    def again_s(self) -> float:
        """How soon either count wants to be read again; inf: when it is its turn."""
        return min(counter.again_s for counter in self._counters.values())

    def asking(self, since: float) -> None:
        """The talk asks; the counts that come next may show how things stood at any time after `since`."""
        self._since = since

    def asked(self, direction: str, at: float) -> None:
        """Somebody on the line has asked for a count."""
        self._wake(at)
        if not self._is_talking and self._asked != direction:
            self._since = at
        self._asked = direction

    def unanswered(self) -> None:
        """Another frame came: the question is over."""
        self._asked = None

    def read(self, direction: str, total: int, at: float) -> tuple[Event, ...]:
        """A frame that has the form of a count: what it means."""
        self._wake(at)
        is_answer, self._asked = self._is_talking or self._asked == direction, None
        if not is_answer:
            return ()
        outcomes = self._counters[direction].take(total, self._since, at)
        return tuple(event for outcome in outcomes for event in self._told_of(direction, outcome))

    def _wake(self, at: float) -> None:
        if not self._is_talking and at - self._heard_at > FORGET_S:
            self.stop()
        self._heard_at = at

    def _told_of(self, direction: str, outcome: Outcome) -> tuple[Event, ...]:
        if isinstance(outcome, Glitch):
            return ()
        if outcome.total is None:
            self._told.pop(direction, None)
        else:
            self._told[direction] = outcome.total
        if isinstance(outcome, Base):
            return self._base_line()
        if isinstance(outcome, Trouble):
            fields = {"direction": direction, **outcome.fields()}
            return (DeviceChange(kind="counter", reason=outcome.text(direction), mark=self._mark(), fields=fields),)
        return (self._passage(direction, outcome),)

    def _base_line(self) -> tuple[Event, ...]:
        if self._is_told or not self._is_talking or not self._is_known:
            return ()
        self._is_told = True
        return (DeviceChange(kind="counter", reason="base line", mark=self._mark()),)

    def _passage(self, direction: str, counted: Counted) -> Passage:
        fields: dict[str, object] = {"total": counted.total}
        if counted.is_missed:
            fields["missed"] = True
        return Passage(
            direction=direction, count=counted.count, since_s=counted.since_s, mark=self._mark(), fields=fields
        )

    @property
    def _is_known(self) -> bool:
        return all(direction in self._told for direction in DIRECTIONS)

    def _mark(self) -> str:
        totals = {direction: self._told[direction] for direction in DIRECTIONS if direction in self._told}
        return json.dumps(totals, separators=(",", ":"))


def _totals(mark: str | None) -> dict[str, int]:
    """The totals of a mark; one that is none of ours has none."""
    try:
        kept = json.loads(mark or "{}")
    except ValueError:
        return {}
    values = {direction: kept.get(direction) for direction in DIRECTIONS} if isinstance(kept, dict) else {}
    return {direction: value for direction, value in values.items() if type(value) is int and value >= 0}
