"""Wiegand converters and readers that send the card as one line of text. 9600 8N1 as a rule, receive only.

    X X Y Y Z Z             | CR        6 hex digits: the 24 data bits of Wiegand 26 (Priority1 WIE232)
    X X X X X X X X         | CR        8 hex digits: the 32 data bits of Wiegand 34, even if all are decimal
    D D D D D D D D D D     | CR LF     10 decimal digits: the number, leading zeros kept (S4A Wiegand-Ethernet)
    02 | digits | 03 | LRC              the same, LRC the XOR of all before it (IDTECK SR30, 8 or 10 digits)
    K                                   a key of the reader, 4 or 8 bits, without an end
    `- parity has been checked and removed by the converter; a line without LRC has no check at all

CR, LF and CR LF end a line and count once. Where a line begins with STX the byte behind its ETX decides: the LRC,
whatever byte that is, or the line end of a reader that sends none. Without a check only length and alphabet protect
us, so a line is taken whole or not at all: 00 and high bytes (what a line says when it is plugged in) may stand
before it, but nothing else, and nothing inside it. Even a scanner's acknowledgement (… 33 31) before its code would
otherwise lend us two digits.

The hard idea is a key pressed just before a card: `5` and `0000123478` are eleven digits, as a telephone number is.
Only the time tells them apart. A key comes alone, `KEY_S` from anything else, and even then it is taken off only if
what stays is a card and the whole is none; where both could be one, nothing is told. Keys are a PIN: which one was
pressed is never said.
Sources: S4A Wiegand-Ethernet manual page 5; priority1design.com.au WIE232; IDTECK SR30 manual page 10.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from math import inf
from typing import Literal

from drivers.checksums import xor
from drivers.contract import Driver, DriverSpec, Swap
from drivers.events import CardRead, Frame
from drivers.framing import GAP_S, Bad, FrameStream, Good, Noise, Quiet, Verdict, check_gap

MAX_BYTES = 64
FORMS = ("auto", "wiegand26", "wiegand34", "number")
HEX_DIGITS = {"wiegand26": 6, "wiegand34": 8}
NUMBER_DIGITS = 10
NUMBER_MAX_DIGITS = 20
STX, ETX = 0x02, 0x03
KEY_S = 0.05
"""Seconds a key stands alone; the bytes of one line follow each other in a millisecond or two."""
KEYS = (
    frozenset(b"0123456789ABCDEFabcdef*#")
    | frozenset(range(0x0C))
    | frozenset(0xF0 - 0x0F * key for key in range(12))
)
KEYS -= {0x00}
"""Keys as ASCII, as their 4 bits (00 is what a line says when it is plugged in), and those with their complement."""

_HEX_LINE = re.compile(rb"[0-9A-Fa-f]+")
_STX_LINE = re.compile(rb"\x02(?:(?=[^0-9A-Fa-f])|[0-9A-Fa-f]*(?:[\x03\r\n]|\Z))")
_FRAMED = re.compile(rb"\x02(?:[0-9A-Fa-f]{2}){3,5}\x03")
_LINE_END = re.compile(rb"[\r\n]")
_NOISE = re.compile(rb"[\x00\x80-\xff]+")


@dataclass(frozen=True, slots=True)
class Options:
    """`form`: what a line holds (auto: by its length); `gap_s`: silence in seconds that gives up a partial line."""

    form: Literal["auto", "wiegand26", "wiegand34", "number"] = "auto"
    gap_s: float = GAP_S

    def __post_init__(self) -> None:
        if self.form not in FORMS:
            raise ValueError(f"form: {self.form!r} is none of {', '.join(FORMS)}")
        check_gap(self.gap_s)


class _Reader:
    """Judges the lines of one converter; remembers when the bytes of the line that waits have come."""

    def __init__(self, form: str, gap_s: float) -> None:
        self._form = form
        self._gap_s = gap_s
        self._arrivals: list[tuple[int, float]] = []  # how many there were, and since when
        self._before_at = -inf  # when the last byte before the line came

    def forget(self) -> None:
        """Nothing has come yet."""
        self._arrivals.clear()
        self._before_at = -inf

    def judge(self, data: bytearray, start: int, stop: int, at: float) -> Verdict | None:
        """What begins at `start`; see drivers.framing."""
        self._arrived(stop - start, at)
        verdict = self._judge(data, start, stop)
        if verdict is not None:
            self._before_at = next(then for size, then in self._arrivals if size >= verdict.size)
            self._arrivals.clear()
        return verdict

    def at_silence(self, rest: bytes) -> Good | None:
        """What waits when the line falls silent: keys, if each has come alone."""
        is_lone = self._is_apart() and self._alone() >= len(rest) - 1
        return _keys(len(rest)) if is_lone and KEYS.issuperset(rest) else None

    def resync(self, data: bytearray, start: int) -> int | None:
        """Position behind the next CR or LF."""
        self._arrivals.clear()
        end = _LINE_END.search(data, start)
        return end.end() if end else None

    def _judge(self, data: bytearray, start: int, stop: int) -> Verdict | None:
        first = data[start]
        if first in b"\r\n\x03":
            return Quiet(1)
        if first == STX and (found := _STX_LINE.match(data, start, stop)):
            return self._framed(bytes(found[0]), data, found.end(), stop)
        if noise := _NOISE.match(data, start, stop):
            return self._noise(noise[0], is_last=noise.end() == stop)
        end = _LINE_END.search(data, start, stop)
        for framed in _FRAMED.finditer(data, start, end.start() if end else stop):
            if framed.end() == stop:
                return None
            if data[framed.end()] == xor(bytes(framed[0])):
                size = framed.start() - start
                return Bad(size, "format", size)
        return self._line(bytes(data[start : end.start()])) if end else None

    def _noise(self, noise: bytes, *, is_last: bool) -> Verdict | None:
        """High bytes before a line: noise, if none of them is a key."""
        if noise[0] in KEYS and self._alone():
            return _keys(1)
        size = len(noise) - (is_last and noise[-1] in KEYS)
        return Noise(size) if size else None

    def _framed(self, line: bytes, data: bytearray, end: int, stop: int) -> Verdict | None:
        """STX, digits, and what ends them; the line lies before `end`."""
        if len(line) == 1:
            return None if end == stop else Quiet(1)
        if line[-1] in b"\r\n":
            return self._digits(line[:-1])
        if line[-1] != ETX:
            return None
        if isinstance(refused := self._digits(line), Bad):
            return refused
        return None if end == stop else self._checked(line, data[end])

    def _checked(self, line: bytes, behind: int) -> Verdict:
        """A card from STX to ETX, and the byte behind it."""
        if behind == xor(line):
            return self._digits(line, len(line) + 1)
        if behind in b"\r\n":
            return self._digits(line)
        size = len(line) + (behind != STX)
        return Bad(size, "integrity", size)

    def _line(self, line: bytes) -> Verdict:
        """A line without STX; keys may have been pressed just before it."""
        alone = self._alone()
        whole = self._digits(line)
        if not alone or not KEYS.issuperset(line[:alone]):
            return whole
        tail = self._digits(line[alone:]) if line[alone:] else _keys(0)
        if isinstance(tail, Good) and isinstance(whole, Bad):
            return _keys(alone)
        is_doubtful = isinstance(whole, Good) and (isinstance(tail, Good) or alone > 1)
        return Bad(len(line), "length", len(line)) if is_doubtful else whole

    def _digits(self, line: bytes, size: int | None = None) -> Good | Bad:
        """The card of a line, which has `size` bytes with its check."""
        size = len(line) if size is None else size
        digits = line.strip(b"\x02\x03") if line[0] == STX else line
        if not _HEX_LINE.fullmatch(digits):
            return Bad(size, "format", size)
        card = _card(digits.decode(), self._form)
        return Bad(size, "length", size) if card is None else Good(size, (card,))

    # --- keys

    def _arrived(self, size: int, at: float) -> None:
        if self._arrivals and (size < self._arrivals[-1][0] or at >= self._arrivals[-1][1] + self._gap_s):
            self._arrivals.clear()
        if not self._arrivals or at > self._arrivals[-1][1]:
            self._arrivals.append((size, at))
        else:
            self._arrivals[-1] = size, at

    def _is_apart(self) -> bool:
        """Whether there was a silence before the line."""
        return self._arrivals[0][1] - self._before_at >= KEY_S

    def _alone(self) -> int:
        """How many bytes of the line have come one by one, each with a silence behind it."""
        alone = 0
        if not self._is_apart():
            return 0
        for (size, at), (_, next_at) in pairwise(self._arrivals):
            if size != alone + 1 or next_at - at < KEY_S:
                break
            alone = size
        return alone


def _keys(count: int) -> Good:
    return Good(count, (Frame(name="key"),) * count)


def _card(text: str, form: str) -> CardRead | None:
    """The card in a line of hex digits; None: neither the lengths nor the alphabet of `form`."""
    decimal = text.isdigit()
    if form == "number":
        return _number(text) if decimal and len(text) <= NUMBER_MAX_DIGITS else None
    for scheme, size in HEX_DIGITS.items():
        if form not in ("auto", scheme):
            continue
        if len(text) == size:
            return _wiegand(text, int(text, 16), scheme)
        if form == scheme and decimal and len(text) == NUMBER_DIGITS and int(text) < 1 << 4 * size:
            return _wiegand(text, int(text), scheme)
    return _number(text) if form == "auto" and decimal and len(text) == NUMBER_DIGITS else None


def _wiegand(text: str, number: int, scheme: str) -> CardRead:
    digits = HEX_DIGITS[scheme]
    value = f"{number:0{digits}X}"
    split = {"hex": value, "facility": number >> 16, "card": number & 0xFFFF, "text": text}
    return CardRead(scheme=scheme, value=value, bits=4 * digits + 2, fields=split)


def _number(text: str) -> CardRead:
    return CardRead(scheme="number", value=text, bits=None, fields={"number": int(text), "text": text})


def redact(frame: bytes, swap: Swap) -> bytes:
    """A valid line with another card on it and its LRC right; keys are all the same."""
    begin, end = frame.startswith(b"\x02"), frame.find(ETX)
    digits = frame[begin : end if end > 0 else None]
    if not _HEX_LINE.fullmatch(digits):
        return b"0" * len(frame)
    made = frame[:begin] + swap(digits.decode()).encode()
    if end > 0:
        made += frame[end : end + 1]
    return made + bytes([xor(made)]) * (len(frame) - len(made))


def build(units: Sequence[Options], /) -> Driver:
    """The decoder of one converter."""
    options = units[0]
    reader = _Reader(options.form, options.gap_s)
    return FrameStream(
        reader.judge,
        max_bytes=MAX_BYTES,
        gap_s=options.gap_s,
        resync=reader.resync,
        forget=reader.forget,
        at_silence=reader.at_silence,
    )


DRIVER = DriverSpec(
    name="wiegand_line",
    title="Wiegand converters and readers that send a line: WIE232, S4A, SR30 and the like",
    options=Options,
    build=build,
    emits=frozenset({"credential"}),
    baud=9600,
    bauds=(9600, 4800, 19200, 38400, 57600, 115200),
    proof_bits=12,
    redact=redact,
    wiring="RS-232 or TCP; the reader's D0/D1 go to the converter, the converter's TX to the port's RX",
    frame="6 hex, 8 hex or 10 decimal digits, then CR, LF or CR LF, no check; or 02, digits, 03, XOR of all",
    example="""\
[[ports]]
url = "socket://10.1.0.9:4001"
baud = 9600

  [[ports.devices]]
  id = "gate-2-in"
  driver = "wiegand_line"
  lane = "gate-2"
  side = "in"
  view = "wiegand26"
""",
)
