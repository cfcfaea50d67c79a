"""What the UHF families share: who is near, which way they went, and which is whose. No DRIVER stands here.

A UHF reader at a gate is not a card reader. It reports a tag tens of times a second while it is in the field, and it
reads cards in bags, in the next lane and behind the wall. Three rules make reads of that:

    report ── below rssi_floor? ──> frame weak          (touches nothing: it neither opens nor keeps a presence)
       └──── within tag_window_s of the tag's last report? ──> card_read, repeat     (the window slides)
       └──── else ──> card_read

With two antennas a tag that is seen at one and within `cross_s` at the other has crossed: a `passage` follows the
report that completed it, so this frame gives two events. Fields overlap: both antennas see a tag between them by
turns. The first change of side is told at once; the next one only when the tag has been seen at one side alone for
TURN_S, else somebody who stops in the middle would be a crowd.

The memory is bounded: beyond MAX_TAGS the tag not seen for longest is forgotten, and its next report is a read.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from math import inf
from typing import Literal

from drivers.events import CardRead, Event, Frame, Passage
from drivers.framing import check_gap

SCHEME = "epc"
WAYS = {"outer": "outward", "inner": "inward"}
DIRECTIONS = ("inward", "outward")
OTHER = {"outer": "inner", "inner": "outer"}
WINDOW_S = 2.0
CROSS_S = 5.0
TURN_S = 1.0
GAP_S = 0.1
"""Shorter than on other lines: a frame lasts milliseconds, and the line is never silent for long. A stray start that
claims the frames behind it must be given up before a question is (every time-out is longer)."""
MAX_TAGS = 512

Emits = frozenset[Literal["credential", "passage", "input"]]
READS: Emits = frozenset({"credential"})
READS_AND_PASSES: Emits = frozenset({"credential", "passage"})
Mode = Literal["ask", "listen"]


@dataclass(frozen=True, slots=True)
class Rules:
    """When a report is a read, and which antenna (its number as text) stands `outer` or `inner`; see the module."""

    rssi_floor: int | None = None
    tag_window_s: float = WINDOW_S
    antennas: Mapping[str, str] = field(default_factory=dict)
    cross_s: float = CROSS_S

    def check(self, antennas: int) -> None:
        """ValueError naming the option that is impossible; the reader has `antennas` antennas."""
        if not 0.0 <= self.tag_window_s <= 30.0:
            raise ValueError(f"tag_window_s: {self.tag_window_s} is not between 0 and 30 seconds")
        if not 0.0 < self.cross_s <= 30.0:
            raise ValueError(f"cross_s: {self.cross_s} is not above 0 and at most 30 seconds")
        for number, side in self.antennas.items():
            if not (number.isdecimal() and int(number) < antennas):
                raise ValueError(f"antennas: {number!r} is no antenna; they are 0 to {antennas - 1}")
            if side not in OTHER:
                raise ValueError(f"antennas: {side!r} is no side; write outer or inner")
        if self.antennas and set(self.antennas.values()) != set(OTHER):
            raise ValueError("antennas: a direction needs one that is outer and one that is inner")


def beginning(*steps: bytes) -> bytes:
    """A pattern of these classes of bytes in a row, of which the last may not have arrived yet."""
    pattern = steps[-1]
    for step in reversed(steps[:-1]):
        pattern = step + rb"(?:\Z|" + pattern + rb")"
    return pattern


def check_polling(poll_s: float, gap_s: float) -> None:
    """ValueError naming the option, seconds, that is impossible."""
    if not 0.02 <= poll_s <= 10.0:
        raise ValueError(f"poll_s: {poll_s} is not between 0.02 and 10 seconds")
    check_gap(gap_s)


def units_by_address(addresses: Sequence[int | None]) -> dict[int | None, int]:
    """Address to index of the unit; None takes what is left. ValueError: several readers and not an address each."""
    if len(addresses) > 1 and (None in addresses or len(set(addresses)) < len(addresses)):
        raise ValueError("address: several readers on this line; give each an address of its own")
    return {address: index for index, address in enumerate(addresses)}


def check_address(address: int | None) -> None:
    """ValueError: not 0 to 254 (255 is everybody)."""
    if address is not None and not 0 <= address <= 254:
        raise ValueError(f"address: {address} is not between 0 and 254")


@dataclass(frozen=True, slots=True)
class Report:
    """A tag as the reader reports it: EPC, signal (dBm or the reader's own number), antennas, decoder's fields."""

    epc: bytes
    rssi: int | None
    antennas: Collection[int] = ()
    fields: Mapping[str, object] = field(default_factory=dict)


@dataclass(slots=True)
class _Presence:
    """What is remembered of one tag."""

    seen_at: float
    side: str | None = None
    seen_at_side: dict[str, float] = field(default_factory=dict)
    is_unsettled: bool = False
    """It has crossed, and both sides may still see it."""


class Field:
    """The tags near one reader (`unit`): turns reports into reads, repeats and passages."""

    def __init__(self, rules: Rules, unit: int = 0) -> None:
        self._rules = rules
        self._unit = unit
        self._sides = {int(number): side for number, side in rules.antennas.items()}
        self._turn_s = min(TURN_S, rules.cross_s / 2)
        self._presences: dict[bytes, _Presence] = {}  # the one seen last stands last

    def forget(self) -> None:
        """Nobody is near."""
        self._presences.clear()

    def see(self, report: Report, at: float) -> tuple[Event, ...]:
        """What one report means: weak or card_read, and the passage it completes."""
        floor = self._rules.rssi_floor
        if floor is not None and report.rssi is not None and report.rssi < floor:
            return (Frame(name="weak", unit=self._unit, fields=report.fields),)
        presence = self._presences.pop(report.epc, None)
        window_s = self._rules.tag_window_s
        is_repeat = presence is not None and window_s > 0.0 and at - presence.seen_at <= window_s
        if presence is None or at - presence.seen_at > self._rules.cross_s:
            presence = _Presence(at)
        presence.seen_at = at
        self._presences[report.epc] = presence
        if len(self._presences) > MAX_TAGS:
            del self._presences[next(iter(self._presences))]
        told = self._read(report, is_repeat)
        side = self._cross(presence, report, at)
        return (told,) if side is None else (told, self._passage(side))

    def _read(self, report: Report, is_repeat: bool) -> CardRead:
        value, fields = report.epc.hex().upper(), report.fields
        if is_repeat:
            fields = {**fields, "repeat": True}
        return CardRead(scheme=SCHEME, value=value, bits=4 * len(value), unit=self._unit, fields=fields)

    def _passage(self, side: str) -> Passage:
        fields = {"from": OTHER[side], "to": side}
        return Passage(direction=WAYS[side], unit=self._unit, fields=fields)

    def _cross(self, presence: _Presence, report: Report, at: float) -> str | None:
        """The side the tag has just crossed to, if it has."""
        sides = {self._sides[antenna] for antenna in report.antennas if antenna in self._sides}
        crossed = None
        if len(sides) == 1:
            (side,) = sides
            away_s = at - presence.seen_at_side.get(OTHER[side], -inf)
            if presence.side == OTHER[side] and away_s <= self._rules.cross_s:
                if not presence.is_unsettled or away_s >= self._turn_s:
                    crossed, presence.side, presence.is_unsettled = side, side, True
                    presence.seen_at_side[OTHER[side]] = at  # alone from now on at the earliest
            else:
                presence.side = side
                presence.is_unsettled &= away_s < self._turn_s
        for side in sides:
            presence.seen_at_side[side] = at
        return crossed
