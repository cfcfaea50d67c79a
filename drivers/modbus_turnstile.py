"""Turnstile controllers and I/O modules on Modbus RTU (serial, or through a serial server) and Modbus/TCP.

    RTU  unit 1..247 | function | … | CRC-16 low, high           reads only: 01 coils, 02 inputs, 03 and 04 registers
    TCP  transaction 2 | 00 00 | length 2 | unit | function | …

    01 03 00 44 00 05 C5 DC                                       what is in 0044..0048?
    01 03 0A 86 A1 00 01 00 07 00 00 00 00 93 D6                  100 001 entries, 7 exits, no error

The device counts, and a pass is a difference of counters: nothing is lost while nobody asks, and a reading that
comes twice says nothing twice. The hard idea is what to believe of a register, see `drivers.counter`. Boards
that do not count show contacts; their pulses must be caught by asking often enough, unless the board keeps them.

Nothing is ever written: no coil, no register. Sources: MODBUS Application Protocol V1.1b3; lotltd/TurnstileModbusSDK
(TurnstileCPP/uController.cpp) for the map; frames captured from pymodbus 3.16.1.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Literal

from drivers.asking import AskingDriver
from drivers.contract import Driver, DriverSpec, Emits, Swap
from drivers.counter import Counter, Rules
from drivers.framing import FrameStream, check_gap
from drivers.modbus import rtu, tcp
from drivers.modbus.blanking import Blanking
from drivers.modbus.bus import Bus
from drivers.modbus.maps import (
    CARD_WORDS,
    LOTLTD_CARDS,
    LOTLTD_COUNTERS,
    LOTLTD_ERROR,
    LOTLTD_WRITES,
    MAX_INPUTS,
    Span,
    parse_counters,
    parse_inputs,
)
from drivers.modbus.pdu import Question
from drivers.modbus.polling import Polling, Station, reads_of
from drivers.modbus.watch import Layout, Watch

POLL_S = 0.05
CARD_POLL_S = 0.2
ANSWER_S = 0.2
GAP_S = 0.2
EXCHANGE_S = 0.055
"""Question, answer and rest of another read on a healthy line, at 4800 baud and up."""
MAX_RATE = 10.0
MOST_MISSED = 500
DIRECTIONS = ("entry", "exit")
BAUDS = (115200, 9600, 19200, 38400, 57600, 4800)


@dataclass(frozen=True, slots=True)
class Options:
    """One unit on the line.

    `unit`: 1..247. `framing`: rtu, also through a serial server, or tcp; the same for all units of a line. `preset`:
    lotltd, the published map, or none. `counters`: direction to place, such as holding 0x44 2 low_first. `inputs`:
    such as discrete 0 8, told as inputs 0, 1, …; `latched`: the board keeps a pulse until it is read. `read_cards`:
    also read the cards of the preset. `poll_s`: seconds between two readings. `answer_s`: seconds an answer may take.
    `max_rate`: passes a second beyond which a difference is nobody; `most_missed`: how many are believed at once,
    however long nobody asked. `confirm`: how many readings must agree where one is doubted. `gap_s`: silence in
    seconds that gives up a partial frame.
    """

    unit: int = 1
    framing: Literal["rtu", "tcp"] = "rtu"
    preset: Literal["lotltd", "none"] = "lotltd"
    counters: Mapping[str, str] = field(default_factory=dict)
    inputs: str = ""
    latched: bool = False
    read_cards: bool = False
    poll_s: float = POLL_S
    answer_s: float = ANSWER_S
    max_rate: float = MAX_RATE
    confirm: int = 2
    most_missed: int = MOST_MISSED
    gap_s: float = GAP_S

    def __post_init__(self) -> None:
        ranges = {"unit": (1, 247), "confirm": (2, 10), "most_missed": (0, 1_000_000)}
        times = {"poll_s": (0.01, 60.0), "answer_s": (0.02, 5.0), "max_rate": (0.1, 10_000.0)}
        for name, (least, most) in {**ranges, **times}.items():
            if not least <= getattr(self, name) <= most:
                raise ValueError(f"{name}: {getattr(self, name)} is not between {least} and {most}")
        check_gap(self.gap_s)
        if self.counters and self.preset != "none":
            raise ValueError(f'counters: preset {self.preset} brings its own; set preset = "none" for other maps')
        if self.read_cards and self.preset == "none":
            raise ValueError("read_cards: only the preset lotltd says where cards are")
        if self.latched and not self.inputs:
            raise ValueError("latched: there are no inputs; set inputs, such as discrete 0 8")
        if not self.layout().spans():
            raise ValueError("preset: none leaves nothing to read; set counters or inputs")

    @property
    def emits(self) -> frozenset[Emits]:
        """What a unit with these options tells."""
        tells: dict[Emits, bool] = {
            "passage": bool(self.counters or self.preset != "none"),
            "input": bool(self.inputs),
            "credential": self.read_cards,
        }
        return frozenset(kind for kind, does in tells.items() if does)

    @property
    def directions(self) -> tuple[str, ...]:
        """The words of its counters."""
        return tuple(place.direction for place in self.layout().counters)

    @property
    def redact(self) -> Blanking:
        """Takes the valid frames of one recording in its order, and leaves nothing of anybody in them."""
        return Blanking(self.layout(), is_tcp=self.framing == "tcp")

    def layout(self) -> Layout:
        """What is read of the unit; ValueError names the option that is wrong."""
        if self.preset == "none":
            return Layout(self.unit, parse_counters(self.counters), parse_inputs(self.inputs), self.latched)
        function, address = LOTLTD_ERROR
        cards = tuple((Span(function, first, CARD_WORDS), side) for first, side in LOTLTD_CARDS.items())
        return Layout(
            self.unit,
            parse_counters(LOTLTD_COUNTERS),
            parse_inputs(self.inputs),
            self.latched,
            Span(function, address, 1),
            cards if self.read_cards else (),
        )


def redact(frame: bytes, swap: Swap) -> bytes:
    """A single frame of which nobody knows what was asked: no register keeps what it holds. Same length, new CRC."""
    return Blanking(Options().layout(), is_tcp=not rtu.has_crc(frame))(frame, swap)


def build(units: Sequence[Options], /) -> Driver:
    """The decoder and master of one line; ValueError names the option in which its devices do not go together."""
    if len({unit.unit for unit in units}) < len(units):
        raise ValueError("unit: two devices on this line have the same one; give each its own")
    if len({unit.framing for unit in units}) > 1:
        raise ValueError("framing: the devices of one line have the same one")
    watches = [Watch(unit.layout(), index, partial(_new_counter, unit)) for index, unit in enumerate(units)]
    is_tcp = units[0].framing == "tcp"
    bus = Bus(watches, LOTLTD_WRITES if any(unit.preset == "lotltd" for unit in units) else {})
    judge = tcp.TcpJudge(bus).judge if is_tcp else rtu.RtuJudge(bus, (unit.unit for unit in units)).judge
    max_bytes = tcp.MAX_FRAME_BYTES if is_tcp else rtu.MAX_FRAME_BYTES
    stream = FrameStream(judge, max_bytes=max_bytes + 1, gap_s=max(unit.gap_s for unit in units), forget=bus.forget)
    script = Polling(
        bus, [_station(unit) for unit in units], _framed_tcp if is_tcp else _framed_rtu, has_transactions=is_tcp
    )
    return AskingDriver(stream, script, units=len(units))


def _new_counter(options: Options, bits: int) -> Counter:
    return Counter(Rules(bits, options.max_rate, options.most_missed, options.confirm))


def _station(options: Options) -> Station:
    layout = options.layout()
    passes = reads_of(options.unit, layout.spans(), options.poll_s)
    cards = reads_of(options.unit, [place for place, _ in layout.cards], max(CARD_POLL_S, options.poll_s))
    return Station(passes + cards, options.answer_s)


def _latency_s(options: Options, line: Sequence[Options]) -> float:
    """Every other read of the line may come first, once."""
    layouts = [unit.layout() for unit in line]
    reads = sum(len(layout.spans()) + len(layout.cards) for layout in layouts)
    return options.poll_s + options.answer_s + EXCHANGE_S * (reads - 1)


def _framed_rtu(_: int, question: Question) -> bytes:
    return rtu.framed(question.unit, question.pdu)


def _framed_tcp(key: int, question: Question) -> bytes:
    return tcp.framed(key, question.unit, question.pdu)


DRIVER = DriverSpec(
    name="modbus_turnstile",
    title="Turnstile controllers and I/O modules on Modbus RTU and Modbus/TCP",
    options=Options,
    build=build,
    emits=frozenset({"credential", "passage", "input"}),
    baud=BAUDS[0],
    bus=True,
    asks=True,
    latency=_latency_s,
    bauds=BAUDS,
    proof_bits=16,
    address_option="unit",
    addresses=(1, 2, 3, 4),
    redact=redact,
    directions=DIRECTIONS,
    inputs=tuple(str(number) for number in range(MAX_INPUTS)),
    wiring="RS-485 A/B (several units, each with its number), RS-232, or TCP; 8N1; the gateway only reads",
    frame="RTU: unit, function, data, CRC-16 (low byte first); TCP: transaction, 0, length, unit, function, data",
    example="""\
[[ports]]
url = "/dev/serial/by-id/usb-FTDI_AQ00T4Z1-if00-port0"
baud = 115200

  [[ports.devices]]
  id = "tripod-1"
  driver = "modbus_turnstile"
  lane = "lobby-1"
  directions = { entry = "in", exit = "out" }
  options = { unit = 1 }

  [[ports.devices]]
  id = "flap-2"
  driver = "modbus_turnstile"
  lane = "lobby-2"
  inputs = { "0" = "pass_in", "1" = "pass_out" }
  options = { unit = 2, preset = "none", inputs = "discrete 0 8", poll_s = 0.03 }
""",
)
