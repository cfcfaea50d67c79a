"""Where things lie in a device: counters and inputs as a configuration writes them, and how few reads get them all.

    holding 0x44 2 low_first      a counter: holding or input register, address, words 1 or 2, which word comes first
    discrete 0 8                  inputs: discrete or coil, address of the first, how many

The map of lotltd/TurnstileModbusSDK (TurnstileCPP/uController.cpp): 0044+0045 entries, 0046+0047 exits, low word
first; 0048 error state; 0100 card at the entry (high byte: new, low byte: length, text from 0101), 0200 at the exit.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from itertools import pairwise

from drivers.modbus.pdu import READS

MAX_INPUTS = 64
MAX_COUNTERS = 16
CARD_WORDS = 17
"""One with flag and length, 16 with up to 32 characters."""
FUNCTIONS = {kind: function for function, kind in READS.items()}
ORDERS = ("low_first", "high_first")

LOTLTD_COUNTERS = {"entry": "holding 0x44 2 low_first", "exit": "holding 0x46 2 low_first"}
LOTLTD_ERROR = (3, 0x48)
LOTLTD_CARDS = {0x100: "entry", 0x200: "exit"}
LOTLTD_WRITES = {0x40: "entry_passes", 0x41: "exit_passes", 0x3000: "mode"}


@dataclass(frozen=True, slots=True)
class Span:
    """`count` bits or registers from `address`, read with `function`."""

    function: int
    address: int
    count: int

    @property
    def end(self) -> int:
        """Address behind the last."""
        return self.address + self.count

    def part(self, inner: Span) -> slice | None:
        """Where `inner` lies in what was read; None: not all of it does."""
        if inner.function != self.function or inner.address < self.address or inner.end > self.end:
            return None
        return slice(inner.address - self.address, inner.end - self.address)


@dataclass(frozen=True, slots=True)
class CounterMap:
    """A counter of one direction; `text` names its place, the same for the same place however it was written."""

    direction: str
    span: Span
    is_low_first: bool

    @property
    def text(self) -> str:
        """Such as `holding 68 2 low_first`."""
        order = ORDERS[0 if self.is_low_first else 1]
        return f"{READS[self.span.function]} {self.span.address} {self.span.count} {order}"

    def value(self, registers: list[int]) -> int:
        """The count that these registers hold."""
        words = reversed(registers) if self.is_low_first else registers
        return int.from_bytes(b"".join(word.to_bytes(2, "big") for word in words), "big")


def parse_counters(table: Mapping[str, str]) -> tuple[CounterMap, ...]:
    """Direction to place; ValueError names `counters` and the entry that is wrong."""
    found = tuple(_counter(direction, text) for direction, text in table.items())
    if len(found) > MAX_COUNTERS:
        raise ValueError(f"counters: {len(found)} are more than {MAX_COUNTERS}")
    spans = sorted((counter.span for counter in found), key=lambda span: (span.function, span.address))
    for one, other in pairwise(spans):
        if one.function == other.function and one.end > other.address:
            raise ValueError("counters: two directions count in the same register")
    return found


def _counter(direction: str, text: str) -> CounterMap:
    if not direction.isidentifier():
        raise ValueError(f"counters: {direction!r} is no direction; a word such as entry")
    words = text.split()
    kind, address, count, order = (words + ["", "", "1", "high_first"][len(words) :])[:4]
    numbers = _numbers(address, count)
    if kind not in ("holding", "input") or numbers is None or len(words) > 4 or order not in ORDERS:
        raise ValueError(
            f"counters: {text!r} is no place; write holding or input, an address, 1 or 2, low_first or high_first"
        )
    span = Span(FUNCTIONS[kind], *numbers)
    if span.count not in (1, 2) or not 0 <= span.address <= span.end <= 0x10000:
        raise ValueError(f"counters: {text!r} is no place; a counter has 1 or 2 words at addresses 0 to 0xFFFF")
    return CounterMap(direction, span, order == "low_first")


def parse_inputs(text: str) -> Span | None:
    """The inputs of a board; None: it has none. ValueError names `inputs`."""
    if not text.strip():
        return None
    kind, address, count = [*text.split(), "", "", ""][:3]
    numbers = _numbers(address, count)
    if kind not in ("discrete", "coil") or numbers is None or len(text.split()) != 3:
        raise ValueError(f"inputs: {text!r} is no place; write discrete or coil, the first address and how many")
    span = Span(FUNCTIONS[kind], *numbers)
    if not 1 <= span.count <= MAX_INPUTS or not 0 <= span.address <= span.end <= 0x10000:
        raise ValueError(f"inputs: {text!r}: 1 to {MAX_INPUTS} inputs at addresses 0 to 0xFFFF")
    return span


def _numbers(address: str, count: str) -> tuple[int, int] | None:
    try:
        return int(address, 0), int(count, 0)
    except ValueError:
        return None


def merged(spans: Iterable[Span]) -> list[Span]:
    """As few reads as get all: what lies side by side is read at once."""
    found: list[Span] = []
    for span in sorted(spans, key=lambda span: (span.function, span.address)):
        if found and found[-1].function == span.function and found[-1].end >= span.address:
            last = found.pop()
            found.append(Span(last.function, last.address, max(last.end, span.end) - last.address))
        else:
            found.append(span)
    return found
