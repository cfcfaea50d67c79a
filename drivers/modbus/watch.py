"""What the readings of one unit mean: passages from counters, edges from inputs, cards and errors from registers.

What a reading tells for the first time has happened since the reading before was asked for: `Event.since_s`. How a
contact was found at the first reading is of now.

A reading is told against the one before. Where there is none before, because a talk begins, `mark` stands in: the
counters as the unit's events told them last. It is JSON text, keyed by where a counter lies, so that a device whose
map was changed does not count the difference of two counters.

Without a talk (a capture that is decoded) there is nobody who asks again after a silence, so a long one ends it.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from math import inf

from drivers.counted import Base, Counted, Glitch, Trouble
from drivers.counter import Counter
from drivers.events import CardRead, DeviceChange, Event, Frame, Input, Passage
from drivers.modbus.maps import CARD_WORDS, CounterMap, Span, merged

FORGET_S = 30.0
FAULT, RECOVERED, COUNTER = "fault", "recovered", "counter"
STALE = "stale"
"""Name of the frame that tells of a pulse or card from before the first talk, whose time nobody knows."""

Fields = dict[str, object]


@dataclass(frozen=True, slots=True, kw_only=True)
class StaleCard(Frame):
    """A card of which nobody knows when it came. It is not told which; who redacts a recording must know."""

    value: str


@dataclass(frozen=True, slots=True)
class Layout:
    """What is read of a unit and where. `cards`: address of a card's first register to the side it is read on."""

    unit: int
    counters: tuple[CounterMap, ...] = ()
    inputs: Span | None = None
    is_latched: bool = False
    error: Span | None = None
    cards: tuple[tuple[Span, str], ...] = ()

    def spans(self) -> list[Span]:
        """The reads that get the passages: counters and errors, then inputs."""
        counters = [counter.span for counter in self.counters]
        return merged([*counters, *([self.error] if self.error else [])]) + ([self.inputs] if self.inputs else [])


class Watch:
    """One unit; `index` as in Event.unit."""

    def __init__(self, layout: Layout, index: int, new_counter: Callable[[int], Counter]) -> None:
        self.layout = layout
        self._index = index
        self._counters = {place: new_counter(16 * place.span.count) for place in layout.counters}
        self._forget()

    def _forget(self) -> None:
        self._is_talking = False
        self._at = 0.0
        self._told: dict[str, int] = {}
        self._knew = False  # whether a talk before this one has told us anything
        self._levels: list[int] | None = None
        self._asked: dict[Span, float] = {}  # when the latest answered read of an input or card was asked for
        self._error: int | None = None
        self._cards: dict[str, bytes | None] = {}
        for counter in self._counters.values():
            counter.start(None)

    def start(self, mark: str | None) -> None:
        """A talk begins; `mark` as it was in the last event."""
        self._forget()
        self._is_talking = True
        counts = _counts(mark, self.layout.unit)
        self._knew = counts is not None
        for place, counter in self._counters.items():
            count = (counts or {}).get(place.text)
            if type(count) is int:
                counter.start(count)
                self._told[place.text] = count

    def stop(self) -> None:
        """The line is gone."""
        self._forget()

    def pause(self) -> None:
        """Nobody could ask for a while."""
        for counter in self._counters.values():
            counter.pause()

    def mark(self) -> str:
        """What `start` wants back."""
        return json.dumps({"unit": self.layout.unit, "counters": self._told}, separators=(",", ":"))

    def read(self, span: Span, values: list[int], asked: float, at: float) -> tuple[Fields, list[Event]]:
        """A reading that came at `at`, asked for at `asked`: fields for its frame, and what it means."""
        if not self._is_talking and at - self._at > FORGET_S:
            self._forget()
        self._at = at
        totals = [(place, place.value(values[part])) for place in self._counters if (part := span.part(place.span))]
        fields: Fields = {f"{place.direction}_count": total for place, total in totals}
        events = self._count(totals, asked, at)
        if self.layout.error and (part := span.part(self.layout.error)):
            events += self._fault(values[part][0])
        if self.layout.inputs and (part := span.part(self.layout.inputs)):
            since_s = self._since_s(self.layout.inputs, asked, at)
            tell = self._pulses if self.layout.is_latched else self._edges
            events += tell(values[part], since_s)
        for place_of_card, side in self.layout.cards:
            if part := span.part(place_of_card):
                events += self._card(side, values[part], self._since_s(place_of_card, asked, at))
        return fields, events

    def again_s(self, span: Span) -> float:
        """How soon the counters of a reading want another one; inf: when it is its turn."""
        counters = (counter for place, counter in self._counters.items() if span.part(place.span))
        return min((counter.again_s for counter in counters), default=inf)

    def shows_cards(self, span: Span) -> bool:
        """Whether the registers of a reading may hold a card number."""
        return any(span.part(place) is not None for place, _ in self.layout.cards)

    def _since_s(self, place: Span, asked: float, at: float) -> float:
        """How long ago the reading before was asked for; inf: there is none in this talk."""
        before, self._asked[place] = self._asked.get(place, -inf), asked
        return at - before

    # --- counters

    def _count(self, totals: Iterable[tuple[CounterMap, int]], asked: float, at: float) -> list[Event]:
        """Base lines first: the mark of one counter's passage must not lack the other."""
        outcomes = [
            (place, outcome) for place, total in totals for outcome in self._counters[place].take(total, asked, at)
        ]
        bases = {place.text: outcome.total for place, outcome in outcomes if isinstance(outcome, Base)}
        self._told |= bases
        events: list[Event] = []
        if bases and self._is_talking:
            events = [Frame(name="base_line", unit=self._index, mark=self.mark(), fields=self._fields(**bases))]
        return events + [
            self._outcome(place, outcome) for place, outcome in outcomes if not isinstance(outcome, Base)
        ]

    def _outcome(self, place: CounterMap, outcome: Counted | Glitch | Trouble) -> Event:
        fields = self._fields(direction=place.direction, total=outcome.total)
        if isinstance(outcome, Glitch):
            return Frame(name="glitch", unit=self._index, fields=fields)
        if outcome.total is None:
            self._told.pop(place.text, None)
        else:
            self._told[place.text] = outcome.total
        if isinstance(outcome, Trouble):
            return self._change(COUNTER, outcome.text(place.direction), {**fields, **outcome.fields()})
        if outcome.is_missed:
            fields["missed"] = True
        return Passage(
            direction=place.direction,
            count=outcome.count,
            unit=self._index,
            since_s=outcome.since_s,
            mark=self.mark(),
            fields=fields,
        )

    # --- inputs

    def _edges(self, levels: list[int], since_s: float) -> list[Event]:
        before, self._levels = self._levels, levels
        if before is None:
            return [self._input(number, bool(level), None, first=True) for number, level in enumerate(levels)]
        return [
            self._input(number, bool(level), since_s)
            for number, (old, level) in enumerate(zip(before, levels, strict=True))
            if old != level
        ]

    def _pulses(self, latches: list[int], since_s: float) -> list[Event]:
        is_first, self._levels = self._levels is None, latches
        events: list[Event] = []
        for number in (number for number, latch in enumerate(latches) if latch):
            if is_first and not self._knew:
                events.append(Frame(name=STALE, unit=self._index, fields=self._fields(input=str(number))))
                continue
            missed = {"missed": True} if is_first else {}
            events += [self._input(number, active, since_s, **missed) for active in (True, False)]
        return events

    def _input(self, number: int, active: bool, since_s: float | None, **fields: object) -> Input:
        return Input(
            input=str(number),
            active=active,
            unit=self._index,
            since_s=since_s,
            mark=self.mark(),
            fields=self._fields(**fields),
        )

    # --- errors and cards

    def _fault(self, state: int) -> list[Event]:
        before, self._error = self._error, state
        if state == (before or 0):
            return []
        kind = FAULT if state else RECOVERED
        return [self._change(kind, f"error state {state}", self._fields(error_state=state))]

    def _card(self, side: str, registers: list[int], since_s: float) -> list[Event]:
        """A card is told once, while its flag stays up, whether reading clears that or not."""
        data = b"".join(register.to_bytes(2, "big") for register in registers)
        is_first = side not in self._cards
        text = card_text(data)
        before, self._cards[side] = self._cards.get(side), text
        number = (text or b"").rstrip(b"\r\n\0 ")
        if text is None or text == before or not number.isalnum() or not number.isascii():
            return []
        value, scheme = number.decode("ascii"), "number" if number.isdigit() else "line"
        if is_first and not self._knew:
            return [StaleCard(name=STALE, value=value, unit=self._index, fields=self._fields(side=side))]
        fields = self._fields(side=side, **({"missed": True} if is_first else {}))
        return [
            CardRead(
                scheme=scheme,
                value=value,
                bits=None,
                unit=self._index,
                since_s=since_s,
                mark=self.mark(),
                fields=fields,
            )
        ]

    def _fields(self, **more: object) -> Fields:
        return {"unit": self.layout.unit, **more}

    def _change(self, kind: str, reason: str, fields: Fields) -> DeviceChange:
        return DeviceChange(kind=kind, reason=reason, unit=self._index, mark=self.mark(), fields=fields)


def card_text(data: bytes) -> bytes | None:
    """What the registers of a card hold behind flag and length; None: there is no new card."""
    return data[2 : 2 + data[1]] if data[0] and data[1] <= 2 * (CARD_WORDS - 1) else None


def _counts(mark: str | None, unit: int) -> dict[str, object] | None:
    """The counters in a mark of this unit; None: it is no such mark."""
    try:
        told = json.loads(mark or "null")
    except ValueError:
        return None
    if not isinstance(told, dict) or told.get("unit") != unit or not isinstance(told.get("counters"), dict):
        return None
    counts: dict[str, object] = told["counters"]
    return counts
