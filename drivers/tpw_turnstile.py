"""Turnstiles TPW-321 control boards (swing gates, tripods). RS-232 or RS-485, 9600 8N1.

    02 | type | length of the content | content | 04

    FF connect, or its answer     44 done     F4 failed                                     (no content)
    F1 model     F2 version     F3, F8 number of the board     24 kind of the board         (text)
    41 mode, 1 digit     14 modes of entry and exit, 2     18 close delay, 3     42 speed, 1     81 sensitivity, 1
    28 + 30 or 31: how many entered, left? (host)     21 entries     22 exits (board)       (decimal digits)
    any of them without content, but for the first line: the host asks for it

There is no check and no escaping: five bytes of noise can be a frame. So only the types above are taken, with
contents of the length and the characters they have in the manual, and no number is believed before it was read twice.

The board does not say when somebody passes; it counts. It is asked every `poll_s`, and the difference went through
(`drivers.counter`). A line that is only listened to tells it too, where somebody else asks (`drivers.tpw_counts`).
From a host 22 is an order, *reset the counter*, and 21 switches counting on and off: they are never sent. Source:
Turnstiles TPW-321ASP manual pages 14 to 19 (manualshive.com 1182227). It says of the counts only that they are ASCII
codes: decimal digits are assumed, as the close delay has them.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from drivers.asking import LOST_AFTER, AskingDriver, Heard, Request
from drivers.contract import Command, Driver, DriverSpec
from drivers.counter import Rules
from drivers.events import DeviceChange, Event, Frame
from drivers.framing import GAP_S, Bad, FrameStream, Good, Noise, Verdict, check_gap
from drivers.patience import Patience
from drivers.tpw_counts import DIRECTIONS, Counts

HEAD_BYTES = 3
END = 0x04
MOST_TEXT = 32
WINDOW_BYTES = 64
ANSWER_S = 2.0
POLL_S = 1.0
READING_S = 0.1
"""Question and answer at 9600 baud, and the board's own delay."""
JUMP = 0
MOST_MISSED = 500
MOST_DIGITS = 10
COUNT_QUERY = 0x28
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
REQUESTS = {kind: f"{name}_request" for kind, (name, shape) in TYPES.items() if shape[0]} | {
    COUNT_QUERY: "count_request"
}
"""Type to name of a question, which has no content."""
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
    are believed without a second one. `most_missed`: how many are believed at once, however long nobody asked.
    `gap_s`: silence in seconds after which a partial frame is given up.
    """

    poll_s: float = POLL_S
    jump: int = JUMP
    most_missed: int = MOST_MISSED
    gap_s: float = GAP_S

    def __post_init__(self) -> None:
        if not 0.1 <= self.poll_s <= 60.0:
            raise ValueError(f"poll_s: {self.poll_s} is not between 0.1 and 60 seconds")
        if not 0 <= self.jump <= 100:
            raise ValueError(f"jump: {self.jump} is not between 0 and 100")
        if not 0 <= self.most_missed <= 1_000_000:
            raise ValueError(f"most_missed: {self.most_missed} is not between 0 and 1000000")
        check_gap(self.gap_s)


def judge(data: bytearray, start: int, stop: int) -> Verdict | None:
    """What begins at `start`: start and type, length, end, content."""
    found = _START.search(data, start, stop)
    if found is None or found.start() > start:
        return Noise((found.start() if found else stop) - start)
    if stop - start < HEAD_BYTES:
        return None
    kind, size = data[start + 1], data[start + 2]
    name, (least, most, shape) = TYPES[kind]
    if not least <= size <= most and (size or kind not in REQUESTS):
        return Noise(1)
    if stop - start < HEAD_BYTES + size + 1:
        return None
    content = bytes(data[start + HEAD_BYTES : start + HEAD_BYTES + size])
    if data[start + HEAD_BYTES + size] != END or (size and not re.fullmatch(shape, content)):
        return Bad(HEAD_BYTES + size + 1, "format")
    if not size:
        name = REQUESTS.get(kind, name)
    fields: dict[str, object] = {"type": kind, "content": content.hex()}
    if kind in COUNTS and size:
        fields["total"] = int(content)
    return Good(HEAD_BYTES + size + 1, (Frame(name=name, fields=fields),))


class _Board:
    """Judges the frames of one line, and tells the counts what is asked and answered on it."""

    def __init__(self, counts: Counts) -> None:
        self._counts = counts

    def judge(self, data: bytearray, start: int, stop: int, at: float) -> Verdict | None:
        """What begins at `start`; see drivers.framing."""
        verdict = judge(data, start, stop)
        if isinstance(verdict, Good):
            (frame,) = verdict.events
            return Good(verdict.size, (frame, *self._meaning(frame.fields, at)))
        return verdict

    def _meaning(self, fields: Mapping[str, object], at: float) -> tuple[Event, ...]:
        kind, total = int(str(fields["type"])), fields.get("total")
        if kind == COUNT_QUERY and fields["content"]:
            self._counts.asked(DIRECTIONS[fields["content"] == "31"], at)
        elif total is not None:
            return self._counts.read(COUNTS[kind], int(str(total)), at)
        else:
            self._counts.unanswered()
        return ()


class _Talk:
    """Ask for the counters; a board that does not answer is greeted first. See drivers.asking.Script.

    The answer to a greeting has the bytes of the greeting, as its echo has: only what the board tells behind it
    counts. What it tells may be of any time since the greeting, and an answer may be that to the question before.
    """

    def __init__(self, poll_s: float, counts: Counts) -> None:
        self._poll_s = poll_s
        self._counts = counts
        self.stop()

    def stop(self) -> None:
        """Forget everything."""
        self._due: float | None = None
        self._owes_ack = False
        self._is_refused = False
        self._misses = 0
        self._patience = Patience()
        self._since: float | None = None
        self._step = "entry"
        self._cycle_at = 0.0
        self._counts.stop()

    def start(self, unit: int, mark: str | None, at: float) -> None:
        """The line is open; `mark`: the totals told last."""
        self.stop()
        self._counts.start(mark)
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
        self._since = at if self._since is None else self._since
        self._counts.asking(self._since)
        return Request(data, timeout_s=ANSWER_S, expects=self._step)

    def hear(self, event: Event, asked: Request | None, at: float) -> Heard:
        """A count, whoever asked for it; a part of the introduction; what a count means was told with it."""
        if not isinstance(event, Frame):
            return Heard((event,))
        events: tuple[Event, ...] = (event,)
        direction = COUNTS.get(int(str(event.fields["type"]))) if "total" in event.fields else None
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
        return Heard(events, answers=True)

    def miss(self, asked: Request, at: float) -> None:
        """Silence: greet the board, then ask again; the longer it is silent, the later."""
        self._step = "connect" if asked.expects in DIRECTIONS else "entry"
        self._misses += 1
        if self._misses >= LOST_AFTER:
            self._patience.missed(at)
            self._counts.pause()
        self._due = max(at, self._patience.not_before)

    def order(self, command: Command, at: float) -> None:
        """Its panel is for the board to light."""

    def _introduced(self, name: str, at: float) -> bool:
        """Whether a frame is a part of the introduction: each is acknowledged, the last with the next question."""
        if name not in INTRODUCTION:
            return False
        self._owes_ack = name == "exit_count"
        if self._owes_ack:
            self._is_there()
        self._step, self._due = ("entry" if self._owes_ack else "introduction"), at
        return True

    def _is_there(self) -> None:
        self._misses, self._since = 0, None
        self._patience.answered()

    def _after_count(self, direction: str, at: float) -> None:
        self._is_there()
        if self._counts.is_doubtful(direction):
            self._due = at
            return
        self._step = "exit" if direction == "entry" else "entry"
        rest_s = min(self._poll_s, self._counts.again_s())
        self._due = at if direction == "entry" else max(at, self._cycle_at + rest_s)


def build(units: Sequence[Options], /) -> Driver:
    """The decoder of one board, and the one who asks it."""
    options = units[0]
    counts = Counts(Rules(most_missed=options.most_missed, sure=options.jump))
    stream = FrameStream(_Board(counts).judge, max_bytes=WINDOW_BYTES, gap_s=options.gap_s, forget=counts.stop)
    return AskingDriver(stream, _Talk(options.poll_s, counts))


def _latency_s(options: Options, line: Sequence[Options]) -> float:
    """A new count is read twice before it is believed, and the other one may come first."""
    return options.poll_s + 3 * READING_S


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
    latency=_latency_s,
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
