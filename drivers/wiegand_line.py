"""Wiegand converters and readers that send the card as one line of text. 9600 8N1 as a rule, receive only.

    X X Y Y Z Z             | CR      6 hex digits: the 24 data bits of Wiegand 26 (Priority1 WIE232)
    X X X X X X X X         | CR      8 hex digits: the 32 data bits of Wiegand 34, even if all are decimal
    D D D D D D D D D D     | CR LF   10 decimal digits: the number, leading zeros kept (S4A Wiegand-Ethernet)
    `- parity has been checked and removed by the converter; the line itself has no check at all

CR, LF and CR LF end a line and count once; an STX before and an ETX behind the digits are tolerated. Without a check
only length and alphabet protect us, so a line is taken whole or not at all: 00 and high bytes (what a line says when
it is plugged in) may stand before it, but nothing else, and nothing inside it. Even a scanner's acknowledgement
(… 33 31) before its code would otherwise lend us two digits.
Sources: S4A Wiegand-Ethernet manual page 5; priority1design.com.au WIE232.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from drivers.contract import Driver, DriverSpec, Swap
from drivers.events import CardRead
from drivers.framing import GAP_S, Bad, FrameStream, Good, Noise, Quiet, Verdict, check_gap

MAX_BYTES = 64
FORMS = ("auto", "wiegand26", "wiegand34", "number")
HEX_DIGITS = {"wiegand26": 6, "wiegand34": 8}
NUMBER_DIGITS = 10
NUMBER_MAX_DIGITS = 20
ETX = b"\x03"

_HEX_LINE = re.compile(rb"[0-9A-Fa-f]+")
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
    """Judges the lines of one converter."""

    def __init__(self, form: str) -> None:
        self._form = form

    def judge(self, data: bytearray, start: int, stop: int, at: float) -> Verdict | None:
        """What begins at `start`; see drivers.framing."""
        if data[start] in b"\r\n\x02\x03":
            return Quiet(1)
        if noise := _NOISE.match(data, start, stop):
            return Noise(len(noise[0]))
        end = _LINE_END.search(data, start, stop)
        return self._line(bytes(data[start : end.start()])) if end else None

    def _line(self, line: bytes) -> Verdict:
        digits = line.removesuffix(ETX)
        if not _HEX_LINE.fullmatch(digits):
            return Bad(len(line), "format", len(line))
        card = _card(digits.decode(), self._form)
        if card is None:
            return Bad(len(line), "length", len(line))
        return Good(len(line), (card,))


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
    """A valid line with another card on it."""
    digits = frame.removesuffix(ETX)
    return swap(digits.decode()).encode() + frame[len(digits) :]


def resync(data: bytearray, start: int) -> int | None:
    """Position behind the next CR or LF."""
    end = _LINE_END.search(data, start)
    return end.end() if end else None


def build(units: Sequence[Options], /) -> Driver:
    """The decoder of one converter."""
    options = units[0]
    return FrameStream(_Reader(options.form).judge, max_bytes=MAX_BYTES, gap_s=options.gap_s, resync=resync)


DRIVER = DriverSpec(
    name="wiegand_line",
    title="Wiegand converters and readers that send a line: WIE232, S4A and the like",
    options=Options,
    build=build,
    emits=frozenset({"credential"}),
    baud=9600,
    bauds=(9600, 4800, 19200, 38400, 57600, 115200),
    proof_bits=12,
    redact=redact,
    wiring="RS-232 or TCP; the reader's D0/D1 go to the converter, the converter's TX to the port's RX",
    frame="6 hex, 8 hex or 10 decimal digits, then CR, LF or CR LF; no check",
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
