"""Turnstiles TPW-321 control boards (swing gates, tripods). RS-232 or RS-485, 9600 8N1.

    02 | type | length of the content | content | 04

    FF connect, or its answer     44 done     F4 failed                                     (no content)
    F1 model     F2 version     F3, F8 number of the board     24 kind of the board         (text)
    41 mode, 1 digit     14 modes of entry and exit, 2     18 close delay, 3     42 speed, 1     81 sensitivity, 1
    28 + 30 or 31: how many entered, left? (host)     21 entries     22 exits (board)       (decimal digits)

There is no check and no escaping: five bytes of noise can be a frame. So only the types above are taken, with
contents of the length and the characters they have in the manual, and no number is believed before it was read twice.

The board does not say when somebody passes; it counts. It is asked every `poll_s`, and the difference went through
(`drivers.counters`). From a host 22 is an order, *reset the counter*, and 21 switches counting on and off: they are
never sent. Source: Turnstiles TPW-321ASP manual pages 14 to 19 (manualshive.com 1182227). It says of the counts only
that they are ASCII codes: decimal digits are assumed, as the close delay has them.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from drivers.asking import LOST_AFTER, AskingDriver, Heard, Request
from drivers.contract import Command, Driver, DriverSpec
from drivers.counters import Change, Counters
from drivers.events import DeviceChange, Event, Frame, Passage
from drivers.framing import GAP_S, Bad, FrameStream, Good, Noise, Verdict, check_gap

HEAD_BYTES = 3
END = 0x04
MOST_TEXT = 32
WINDOW_BYTES = 64
ANSWER_S = 2.0
POLL_S = 1.0
JUMP = 0
MOST_DIGITS = 10
DIRECTIONS = ("entry", "exit")
COUNTS = {0x21: "entry", 0x22: "exit"}

_TEXT = (1, MOST_TEXT, rb"[ -~]+")
_DIGITS = (1, MOST_DIGITS, rb"[0-9]+")
TYPES: dict[int, tuple[str, tuple[int, int, bytes]]] = {
    0xFF: ("connect", (0, 0, b"")),
    0x44: ("ok", (0, 0, b"")),
    0xF4: ("failed", (0, 0, b"")),
    0xF1: ("model", _TEXT),
    0xF2: ("version", _TEXT),
    0xF3: ("board_id", _TEXT),
    0xF8: ("board_id", _TEXT),
    0x24: ("board_kind", _TEXT),
    0x41: ("mode", (1, 1, rb"[0-3]")),
    0x14: ("passage_modes", (2, 2, rb"[0-3]{2}")),
    0x18: ("close_delay", (3, 3, rb"[0-9]{3}")),
    0x42: ("speed", (1, 1, rb"[1-7]")),
    0x81: ("sensitivity", (1, 1, rb"[1-5]")),
    0x82: ("display", (2, 2, rb"[12][1-5]")),
    0x28: ("count_query", (1, 1, rb"[01]")),
    0x21: ("entry_count", _DIGITS),
    0x22: ("exit_count", _DIGITS),
}
"""Type to name, least and most bytes of its content, and what they are."""
_START = re.compile(b"\x02(?:[" + re.escape(bytes(TYPES)) + b"]|\\Z)")

CONNECT = b"\x02\xff\x00\x04"
QUERIES = {"entry": b"\x02\x28\x01\x30\x04", "exit": b"\x02\x28\x01\x31\x04"}
INTRODUCTION = frozenset(
    {"model", "version", "board_id", "mode", "passage_modes", "close_delay", "speed", "entry_count", "exit_count"}
)
"""What the board tells of itself after a connect, one after the other, each when the one before is acknowledged."""


@dataclass(frozen=True, slots=True)
class Options:
    """`poll_s`: seconds between two readings of the counters, 0.1..60. `jump`: how many passages between two readings
    are believed without a second one. `gap_s`: silence in seconds after which a partial frame is given up.
    """

    poll_s: float = POLL_S
    jump: int = JUMP
    gap_s: float = GAP_S

    def __post_init__(self) -> None:
        if not 0.1 <= self.poll_s <= 60.0:
            raise ValueError(f"poll_s: {self.poll_s} is not between 0.1 and 60 seconds")
        if not 0 <= self.jump <= 100:
            raise ValueError(f"jump: {self.jump} is not between 0 and 100")
        check_gap(self.gap_s)


def judge(data: bytearray, start: int, stop: int, at: float) -> Verdict | None:
    """What begins at `start`: start and type, length, end, content."""
    found = _START.search(data, start, stop)
    if found is None or found.start() > start:
        return Noise((found.start() if found else stop) - start)
    if stop - start < HEAD_BYTES:
        return None
    kind, size = data[start + 1], data[start + 2]
    name, (least, most, shape) = TYPES[kind]
    if not least <= size <= most:
        return Noise(1)
    if stop - start < HEAD_BYTES + size + 1:
        return None
    content = bytes(data[start + HEAD_BYTES : start + HEAD_BYTES + size])
    if data[start + HEAD_BYTES + size] != END or not re.fullmatch(shape, content):
        return Bad(HEAD_BYTES + size + 1, "format")
    fields: dict[str, object] = {"type": kind, "content": content.hex()}
    if kind in COUNTS:
        fields["total"] = int(content)
    return Good(HEAD_BYTES + size + 1, (Frame(name=name, fields=fields),))


class _Talk:
    """Ask for the counters; a board that does not answer is greeted first. See drivers.asking.Script.

    The answer to a greeting has the bytes of the greeting, as its echo has: only what the board tells behind it
    counts.
    """

    def __init__(self, poll_s: float, jump: int) -> None:
        self._poll_s = poll_s
        self._counters = Counters(DIRECTIONS, jump=jump)
        self.stop()

    def stop(self) -> None:
        """Forget everything."""
        self._due: float | None = None
        self._owes_ack = False
        self._is_told = self._is_refused = False
        self._misses = 0
        self._step = "entry"
        self._cycle_at = 0.0
        self._read_at: dict[str, float] = {}

    def start(self, unit: int, mark: str | None, at: float) -> None:
        """The line is open; `mark`: the totals told last."""
        self.stop()
        self._counters.restore(mark)
        self._is_told = self._counters.is_known
        self._due = at

    def due(self) -> float | None:
        """When the next question is to be asked."""
        return self._due

    def ask(self, at: float) -> Request | None:
        """A counter; a greeting (connect, and the acknowledgement of its answer); an acknowledgement."""
        if self._step == "entry":
            self._cycle_at = at
        data = QUERIES.get(self._step, CONNECT)
        if self._step == "connect" or self._owes_ack:
            data = CONNECT + data
        self._owes_ack = False
        return Request(data, timeout_s=ANSWER_S, expects=self._step)

    def hear(self, event: Event, asked: Request | None, at: float) -> Heard:
        """A count, whoever asked for it; a part of the introduction; the answer to the open question."""
        if not isinstance(event, Frame):
            return Heard((event,))
        events: tuple[Event, ...] = (event,)
        direction = COUNTS.get(int(str(event.fields["type"])))
        if direction is not None:
            events += self._counted(direction, int(str(event.fields["total"])), at)
        if asked is None:
            return Heard(events)
        if asked.expects not in DIRECTIONS:
            return Heard(events, answers=self._introduced(event.name, at))
        if direction != asked.expects and event.name != "failed":
            return Heard(events)
        if event.name == "failed" and not self._is_refused:
            self._is_refused = True
            events += (DeviceChange(kind="fault", reason="the board does not tell its counters"),)
        self._after_count(asked.expects, at)
        self._misses = 0
        return Heard(events, answers=True)

    def miss(self, asked: Request, at: float) -> None:
        """Silence: greet the board, then ask again."""
        self._step, self._due = ("connect" if asked.expects in DIRECTIONS else "entry"), at
        self._misses += 1
        if self._misses >= LOST_AFTER:
            self._counters.pause()

    def order(self, command: Command, at: float) -> None:
        """Its panel is for the board to light."""

    def _introduced(self, name: str, at: float) -> bool:
        """Whether a frame is a part of the introduction: each is acknowledged, the last with the next question."""
        if name not in INTRODUCTION:
            return False
        self._owes_ack = name == "exit_count"
        self._step, self._due = ("entry" if self._owes_ack else "introduction"), at
        return True

    def _after_count(self, direction: str, at: float) -> None:
        if self._counters[direction].is_doubtful:
            self._due = at
            return
        self._step = "exit" if direction == "entry" else "entry"
        self._due = at if direction == "entry" else max(at, self._cycle_at + self._poll_s)

    def _counted(self, direction: str, total: int, at: float) -> tuple[Event, ...]:
        change = self._counters[direction].read(total)
        read_at = self._read_at.get(direction)
        if not self._counters[direction].is_doubtful:
            self._read_at[direction] = at
        if change is None:
            return ()
        mark = self._counters.mark()
        if change.is_base:
            return self._base_line(mark)
        if change.set_from is not None:
            reason = f"the {direction} counter was set from {change.set_from} to {total}"
            return (DeviceChange(kind="counter", reason=reason, mark=mark),)
        since_s = at - read_at if change.is_missed and read_at is not None else None
        return (_passage(direction, change, total, mark, since_s),)

    def _base_line(self, mark: str) -> tuple[Event, ...]:
        if self._is_told or not self._counters.is_known:
            return ()
        self._is_told = True
        return (DeviceChange(kind="counter", reason="base line", mark=mark),)


def _passage(direction: str, change: Change, total: int, mark: str, since_s: float | None) -> Passage:
    fields: dict[str, object] = {"total": total}
    if change.is_missed:
        fields["missed"] = True
    return Passage(direction=direction, count=change.count, since_s=since_s, mark=mark, fields=fields)


def build(units: Sequence[Options], /) -> Driver:
    """The decoder of one board, and the one who asks it."""
    options = units[0]
    stream = FrameStream(judge, max_bytes=WINDOW_BYTES, gap_s=options.gap_s)
    return AskingDriver(stream, _Talk(options.poll_s, options.jump))


DRIVER = DriverSpec(
    name="tpw_turnstile",
    title="Turnstiles TPW-321 control boards",
    options=Options,
    build=build,
    emits=frozenset({"passage"}),
    baud=9600,
    bauds=(9600, 19200, 38400, 57600, 115200),
    has_memory=True,
    asks=True,
    proof_bits=15,
    directions=DIRECTIONS,
    wiring="RS-232 or RS-485, 9600 8N1 as delivered (the manual names no speed); one board on a line",
    frame="02, type, length, content, 04; no check",
    example="""\
[[ports]]
url = "/dev/serial/by-id/usb-FTDI_B70031QZ-if00-port0"
baud = 9600

  [[ports.devices]]
  id = "swing-1"
  driver = "tpw_turnstile"
  lane = "lobby-1"
  directions = { entry = "in", exit = "out" }
  options = { poll_s = 1.0 }
""",
)
