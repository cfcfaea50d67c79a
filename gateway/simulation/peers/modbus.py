"""Modbus devices on a desk: turnstiles with the lotltd register map, and I/O boards whose contacts pulse.

Written from the Modbus specification and the map's description, without `drivers`. A device answers when it is spoken
to: RTU, its own unit number, a good CRC, reads of what it has; everything else with an exception or not at all. A few
milliseconds pass before it answers, and now and then many. What real ones do beside: a turnstile restarts and counts
from 0, and updates the two words of a counter one after the other, so that a reading in between is torn.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass, field
from random import Random
from struct import pack, unpack

from gateway.simulation.devices import Sent

ILLEGAL_FUNCTION, ILLEGAL_ADDRESS, ILLEGAL_VALUE = 1, 2, 3
ENTRY, EXIT, ERROR, ENTRY_CARD, EXIT_CARD = 0x44, 0x46, 0x48, 0x100, 0x200
CARD_REGISTERS = 17
TURNAROUND_S = (0.002, 0.012)
SLOW_SHARE = 0.01
TORN_SHARE = 0.5
REQUEST_BYTES = 8
PULSE_S = (0.1, 0.3)
APART_S = 0.1
"""How long a contact is open between two pulses at least."""
CONTACTS = {"in": 0, "out": 1}
FIRE = 7


def crc16(data: bytes) -> int:
    """CRC-16 of Modbus, bit by bit: polynomial 8005 reflected, begun with FFFF."""
    crc = 0xFFFF
    for byte in data:
        crc ^= byte
        for _ in range(8):
            crc = crc >> 1 ^ 0xA001 if crc & 1 else crc >> 1
    return crc


def rtu(unit: int, body: bytes) -> bytes:
    """A frame on the wire."""
    frame = bytes([unit]) + body
    return frame + pack("<H", crc16(frame))


class Refused(Exception):
    """A request that is answered with an exception code."""

    def __init__(self, code: int) -> None:
        super().__init__(code)
        self.code = code


class _Line(ABC):
    """What listens on the line: finds the requests to its units and answers each after a while."""

    model = ""
    driver = "modbus_turnstile"
    baud = 115200
    slow_s = 0.15

    def __init__(self, units: tuple[int, ...], seed: int) -> None:
        self.units = units
        self.is_silent = False
        self.rng = Random(seed)
        self._heard = b""

    def hear(self, data: bytes, at: float) -> list[Sent]:
        """See Peer."""
        self._heard += data
        said: list[Sent] = []
        while len(self._heard) >= REQUEST_BYTES:
            request, body = self._heard[:REQUEST_BYTES], self._heard[: REQUEST_BYTES - 2]
            if unpack("<H", request[-2:])[0] != crc16(body):
                self._heard = self._heard[1:]
                continue
            self._heard = self._heard[REQUEST_BYTES:]
            if request[0] in self.units and not self.is_silent:
                said.append(Sent(self._turnaround_s(), self._answer(body, at)))
        return said

    def _turnaround_s(self) -> float:
        return self.slow_s if self.rng.random() < SLOW_SHARE else self.rng.uniform(*TURNAROUND_S)

    def _answer(self, request: bytes, at: float) -> bytes:
        unit, function, address, count = unpack(">BBHH", request)
        try:
            data = self.read(unit, function, address, count, at)
        except Refused as refusal:
            return rtu(unit, bytes([function | 0x80, refusal.code]))
        return rtu(unit, bytes([function, len(data)]) + data)

    @abstractmethod
    def read(self, unit: int, function: int, address: int, count: int, at: float) -> bytes:
        """The data of a reply. Raises Refused."""

    def tick(self, at: float) -> list[Sent]:
        """See Peer; these devices say nothing of themselves."""
        return []

    def _parts(self, deed: str) -> tuple[int, list[str]]:
        """`in` is done to the first unit, `2 in` to unit 2. Raises ValueError."""
        unit, words = self.units[0], deed.split()
        if len(words) > 1 and words[0].isdecimal():
            unit = int(words.pop(0))
        if unit not in self.units:
            raise ValueError(f"{deed!r}: this line has the units {self.units}")
        return unit, words

    def new_deed(self, rng: Random) -> str:
        """See Peer."""
        way = rng.choice(("in", "out"))
        unit = rng.choice(self.units)
        return way if unit == self.units[0] else f"{unit} {way}"


@dataclass(slots=True)
class _Counts:
    """What one turnstile has counted; `torn` holds the old high word of a counter that is just being updated."""

    totals: dict[int, int] = field(default_factory=lambda: {ENTRY: 0, EXIT: 0})
    torn: dict[int, int] = field(default_factory=dict)
    error: int = 0
    cards: dict[int, str] = field(default_factory=dict)


class Turnstile(_Line):
    """Controllers with the map of lotltd/TurnstileModbusSDK: `in`, `out`, `card NUMBER`, `reset`, `error N`."""

    model = "modbus_lotltd"
    directions = 'entry = "in", exit = "out"'

    def __init__(self, units: tuple[int, ...] = (1,), seed: int = 1, first: int = 131060) -> None:
        super().__init__(units, seed)
        self.counts = {unit: _Counts({ENTRY: first, EXIT: 7}) for unit in units}
        self.options, *others = (f"unit = {unit}" for unit in units)
        self.others = tuple(others)

    def do(self, deed: str, at: float) -> list[Sent]:
        """See Peer."""
        unit, words = self._parts(deed)
        counts = self.counts[unit]
        match words:
            case ["in" | "out" as way]:
                self._pass(counts, ENTRY if way == "in" else EXIT)
            case ["card", number]:
                counts.cards[ENTRY_CARD] = number
            case ["reset"]:
                counts.totals, counts.torn = {ENTRY: 0, EXIT: 0}, {}
            case ["error", code] if code.isdecimal():
                counts.error = int(code)
            case _:
                raise ValueError(f"{deed!r} is not done to a turnstile")
        return []

    def _pass(self, counts: _Counts, counter: int) -> None:
        before = counts.totals[counter]
        counts.totals[counter] = (before + 1) % (1 << 32)
        if before & 0xFFFF == 0xFFFF and self.rng.random() < TORN_SHARE:
            counts.torn[counter] = before >> 16

    def read(self, unit: int, function: int, address: int, count: int, at: float) -> bytes:
        """See _Line: only holding registers that the map names, and only what is not protected."""
        if function != 3:
            raise Refused(ILLEGAL_FUNCTION)
        if not 1 <= count <= 125:
            raise Refused(ILLEGAL_VALUE)
        registers = self._registers(self.counts[unit])
        wanted = range(address, address + count)
        if any(register not in registers for register in wanted):
            raise Refused(ILLEGAL_ADDRESS)
        self._was_read(self.counts[unit], wanted)
        return b"".join(pack(">H", registers[register]) for register in wanted)

    def _registers(self, counts: _Counts) -> dict[int, int]:
        registers = {0x40: 0, 0x41: 0, 0x42: 0, 0x43: 0, ERROR: counts.error}
        for counter, total in counts.totals.items():
            registers[counter] = total & 0xFFFF
            registers[counter + 1] = counts.torn.get(counter, total >> 16)
        for place in (ENTRY_CARD, EXIT_CARD):
            registers |= {place + n: 0 for n in range(CARD_REGISTERS)}
            if card := counts.cards.get(place):
                text = (card + "\r\n").encode("ascii")
                words = unpack(f">{CARD_REGISTERS - 1}H", text.ljust(2 * CARD_REGISTERS - 2, b"\0"))
                registers |= {place: 0x100 | len(text)} | {place + 1 + n: word for n, word in enumerate(words)}
        return registers

    def _was_read(self, counts: _Counts, wanted: range) -> None:
        """A torn update is whole by the next reading; a card is new once."""
        counts.torn = {}
        for place in (ENTRY_CARD, EXIT_CARD):
            if place in wanted:
                counts.cards.pop(place, None)


class TwoTurnstiles(Turnstile):
    """Units 1 and 2 on one bus."""

    model = "modbus_lotltd_bus"

    def __init__(self) -> None:
        super().__init__((1, 2))


class Board(_Line):
    """Boards with eight inputs: a passage closes a contact for 100 to 300 ms. `in`, `out`, `fire`, `clear`."""

    model = "modbus_io"
    baud = 9600
    slow_s = 0.04
    directions = ""
    inputs = '"0" = "pass_in", "1" = "pass_out", "7" = "fire"'

    def __init__(self, units: tuple[int, ...] = (1,), seed: int = 1, is_latched: bool = False) -> None:
        super().__init__(units, seed)
        self.is_latched = is_latched
        rest = 'preset = "none", inputs = "discrete 0 8", poll_s = 0.03, answer_s = 0.08'
        if is_latched:
            rest += ", latched = true"
        self.options, *others = (f"unit = {unit}, {rest}" for unit in units)
        self.others = tuple(others)
        self._closed: dict[int, dict[int, list[tuple[float, float]]]] = {
            unit: {contact: [] for contact in range(8)} for unit in units
        }

    def do(self, deed: str, at: float) -> list[Sent]:
        """See Peer; a second passage through the same contact waits until the first has let go."""
        unit, words = self._parts(deed)
        contacts = self._closed[unit]
        match words:
            case ["in" | "out" as way]:
                spans = contacts[CONTACTS[way]]
                start = max([at, *(end + APART_S for _, end in spans)])
                spans.append((start, start + self.rng.uniform(*PULSE_S)))
            case ["fire" | "clear" as what] if not self.is_latched:
                contacts[FIRE] = [(at, float("inf"))] if what == "fire" else []
            case _:
                raise ValueError(f"{deed!r} is not done to this I/O board")
        return []

    def read(self, unit: int, function: int, address: int, count: int, at: float) -> bytes:
        """See _Line: discrete inputs only."""
        if function != 2:
            raise Refused(ILLEGAL_FUNCTION)
        if not 1 <= count <= 2000:
            raise Refused(ILLEGAL_VALUE)
        if address + count > 8:
            raise Refused(ILLEGAL_ADDRESS)
        bits = sum(self._level(unit, address + n, at) << n for n in range(count))
        return bits.to_bytes((count + 7) // 8, "little")

    def _level(self, unit: int, contact: int, at: float) -> bool:
        spans = self._closed[unit][contact]
        begun = [span for span in spans if span[0] <= at]
        if self.is_latched:
            if begun:
                spans.remove(begun[0])
            return bool(begun)
        self._closed[unit][contact] = [span for span in spans if span[1] > at]
        return any(end > at for _, end in begun)


class TwoBoards(Board):
    """Units 1 and 2 on one bus."""

    model = "modbus_io_bus"

    def __init__(self) -> None:
        super().__init__((1, 2))


class LatchedBoard(Board):
    """A board that keeps each pulse until it is read."""

    model = "modbus_io_latched"

    def __init__(self) -> None:
        super().__init__(is_latched=True)
