"""What is asked of the units of one line, and when: one read at a time, the longest overdue first.

Every read of a unit is wanted again `poll_s` after it was asked, the cards more rarely. A unit that is down is asked
again after 1, 2 and then every 4 seconds, so that waiting for it does not hold up the others.

An RTU reply does not say which read it answers. A late one to a read given up must not pass for the answer to another
of the same size, so a read that was missed is repeated until it is answered; and where a unit has two reads of
one size, it is then left alone until nothing late can come. What the answer shows may date from the first asking.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from drivers.asking import LOST_AFTER, Heard, Request
from drivers.contract import Command
from drivers.events import DeviceChange, Event, Frame
from drivers.modbus.bus import Bus
from drivers.modbus.maps import Span
from drivers.modbus.pdu import EXCEPTION, Question
from drivers.modbus.watch import FAULT, RECOVERED
from drivers.patience import Patience

SPEAKS_FOR_IT = (0x0A, 0x0B)
"""Exceptions of a gateway: no path to the unit, or no answer from it."""
RETRY_S = 1.0
"""When a read that was answered with an exception is asked again."""
AGAIN_S = 0.05
"""When a doubtful reading is asked for again."""
REST_S = 0.005
"""Silence between a reply and the next request: 3.5 characters at 9600, and more for a slow board."""


@dataclass(slots=True)
class Read:
    """One read of a unit."""

    question: Question
    every_s: float
    due: float = 0.0
    since: float | None = None
    """When it was asked for the first time since its latest answer."""
    exception: int | None = None


@dataclass(slots=True)
class Station:
    """A unit as it is asked."""

    reads: list[Read]
    answer_s: float
    is_started: bool = False
    misses: int = 0
    missed: Read | None = None
    patience: Patience = field(default_factory=Patience)
    has_twins: bool = field(init=False)

    def __post_init__(self) -> None:
        sizes = [(read.question.function, read.question.data_bytes) for read in self.reads]
        self.has_twins = len(set(sizes)) < len(sizes)

    def begin(self, at: float) -> None:
        """A talk begins: everything is due."""
        self.is_started = True
        self.answered()
        for read in self.reads:
            read.due, read.since, read.exception = at, None, None

    def answered(self) -> None:
        """It is there."""
        self.misses, self.missed = 0, None
        self.patience.answered()

    def next(self) -> Read | None:
        """The read that is due first."""
        if not self.is_started:
            return None
        return self.missed or min(self.reads, key=lambda read: read.due, default=None)


class Polling:
    """The script of one line; `framed` makes a frame of a transaction number and a question, where there are such."""

    def __init__(
        self,
        bus: Bus,
        stations: Sequence[Station],
        framed: Callable[[int, Question], bytes],
        *,
        has_transactions: bool,
    ) -> None:
        self._bus = bus
        self._stations = stations
        self._framed = framed
        self._has_transactions = has_transactions
        self._stop()

    def _stop(self) -> None:
        self._asked: tuple[Read, float] | None = None
        self._free_at = 0.0
        self._key = 0
        for station in self._stations:
            station.is_started = False

    def start(self, unit: int, mark: str | None, at: float) -> None:
        """See Script."""
        self._stations[unit].begin(at)
        self._bus.watches[unit].start(mark)

    def stop(self) -> None:
        """See Script."""
        self._stop()

    def due(self) -> float | None:
        """See Script."""
        dues = [read.due for station in self._stations if (read := station.next())]
        return max(self._free_at, min(dues)) if dues else None

    def ask(self, at: float) -> Request | None:
        """See Script."""
        reads = [(read.due, unit) for unit, station in enumerate(self._stations) if (read := station.next())]
        if not reads or min(reads)[0] > at:
            return None
        _, unit = min(reads)
        station = self._stations[unit]
        read = station.next()
        assert read is not None
        self._asked = read, at
        read.since = at if read.since is None or self._has_transactions else read.since
        self._key = self._key % 0xFFFF + 1 if self._has_transactions else 0
        self._bus.ask(read.question, at, self._key, read.since)
        return Request(self._framed(self._key, read.question), unit=unit, timeout_s=station.answer_s)

    def hear(self, event: Event, asked: Request | None, at: float) -> Heard:
        """See Script."""
        if asked is None or self._asked is None or not isinstance(event, Frame) or event.unit != asked.unit:
            return Heard((event,))
        read, asked_at = self._asked
        if not self._is_answer(event.name, event.fields, read.question):
            return Heard((event,))
        return Heard((event, *self._answered(read, asked_at, asked.unit, event, at)), answers=True)

    def _is_answer(self, name: str, fields: Mapping[str, object], question: Question) -> bool:
        """Whether a frame speaks of this question; only where the bus knew that does it name an address. What a
        gateway to another bus says of a unit that does not answer there is no answer of that unit.
        """
        if name == "exception" and fields.get("exception") in SPEAKS_FOR_IT:
            return False
        about = tuple(fields.get(word) for word in ("function", "address", "count"))
        function = question.function | (EXCEPTION if name == "exception" else 0)
        is_answer = name in ("reply", "exception") and fields.get("transaction", 0) == self._key
        return is_answer and about == (function, question.address, question.count)

    def _answered(self, read: Read, asked_at: float, unit: int, event: Frame, at: float) -> list[Event]:
        station, rest_s = self._stations[unit], 0.0 if self._has_transactions else REST_S
        self._asked, self._free_at, read.since = None, at + rest_s, None
        code = event.fields.get("exception")
        code = code if isinstance(code, int) else None
        read.due = at + RETRY_S if code else self._turn(read, unit, asked_at, at)
        if station.missed is not None and station.has_twins and not self._has_transactions:
            for other in station.reads:
                other.due = max(other.due, at + station.answer_s)
        station.answered()
        if code == read.exception:
            return []
        read.exception = code
        kind, reason = (FAULT, f"exception {code}") if code else (RECOVERED, "no exception")
        fields = {"unit": read.question.unit, "address": read.question.address}
        return [DeviceChange(kind=kind, reason=reason, unit=unit, fields=fields)]

    def _turn(self, read: Read, unit: int, asked_at: float, at: float) -> float:
        """When it is to be read again; what it shows may be doubtful, and then that cannot wait."""
        question = read.question
        again_s = self._bus.watches[unit].again_s(Span(question.function, question.address, question.count))
        return min(max(at, asked_at + read.every_s), at + max(AGAIN_S, again_s))

    def miss(self, asked: Request, at: float) -> None:
        """See Script."""
        station = self._stations[asked.unit]
        if self._asked is not None:
            station.missed, self._asked = self._asked[0], None
        station.misses += 1
        if station.misses >= LOST_AFTER:
            station.patience.missed(at)
            self._bus.watches[asked.unit].pause()
        if station.missed is not None:
            station.missed.due = max(at, station.patience.not_before)

    def order(self, command: Command, at: float) -> None:
        """Nothing is ever written to these devices."""


def reads_of(unit: int, spans: Sequence[Span], every_s: float) -> list[Read]:
    """A read for each span."""
    return [Read(Question(unit, span.function, span.address, span.count), every_s) for span in spans]
