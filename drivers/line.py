"""Any reader that sends lines, described by configuration alone: start, end, check, and a pattern over the text.

    [start] body end [check]      check_at = after_end     SR30: 02, digits, 03, XOR of all from 02 to 03
    [start] body [check] end      check_at = before_end    02, digits, XOR, 03; or text, two hex digits, CR
            `- what the pattern describes; CR and LF between frames are ignored

The check has a fixed place and width, so it may be any byte, a start or an end byte too: a raw check before the end
that looks like the end is tried both ways. A start made of a control byte never occurs in a body, so a stray one
costs nothing: the frame begins at the last. Without a start, what a text cannot begin with (control bytes, 80, FF) is
noise; a refused line is given up whole, because its tail could look like a card.
The time for one line is bounded by `max_bytes` and by what drivers.patterns accepts.
Source of the SR30 layout: IDTECK SR30 manual page 10.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from drivers import line_format
from drivers.contract import Driver, DriverSpec, Swap
from drivers.events import CardRead, Event, Flaw, Passage, Scan
from drivers.framing import Bad, FrameStream, Good, Noise, Quiet, Verdict
from drivers.line_format import DATA_BITS, HEX_DIGITS, parse_bytes, parse_check
from drivers.line_redaction import redact
from drivers.patterns import compile_pattern
from drivers.scanner import decode

_LINE_ENDS = b"\r\n"
_NOISE = re.compile(rb"[\x00-\x08\x0b\x0c\x0e-\x1b\x7f\x80\xff]")
_HEX = re.compile(r"[0-9A-Fa-f]+")
_DECIMAL = re.compile(r"[0-9]+")


@dataclass(frozen=True, slots=True)
class Options(line_format.Options):
    """See line_format.Options; here because a frame can only be rewritten by those who can take it apart."""

    def redact(self, frame: bytes, swap: Swap) -> bytes:
        """A valid frame with another card in it. ValueError: the format has no such text."""
        return redact(self, frame, swap)


class _Line:
    """Judges the frames of one format."""

    def __init__(self, options: Options) -> None:
        self._options = options
        self._meaning = _Meaning(options)
        self._start = parse_bytes(options.start, "start")
        self._hunted = re.compile(b"[\r\n" + re.escape(self._start[:1]) + b"]")
        self._end = b"" if options.end == "auto" else parse_bytes(options.end, "end")
        self._end_pattern = re.compile(re.escape(self._end) if self._end else rb"[\r\n]")
        self._last_byte = re.compile(re.escape(self._end[-1:])) if self._end else self._end_pattern
        self._check = parse_check(options)
        self._trailer = self._check.width if self._check and self._check.after_end else 0
        self._inner = self._check.width if self._check and not self._check.after_end else 0
        self._retry = self._inner if self._check and not self._check.hexadecimal else 0
        self._binary = options.encoding == "hex"
        self._marks = bool(self._start) and self._start[0] < 0x20 and not self._binary

    def judge(self, data: bytearray, start: int, stop: int, at: float) -> Verdict | None:
        """What begins at `start`; see drivers.framing."""
        head = bytes(data[start : min(stop, start + max(1, len(self._start), len(self._end)))])
        if self._start:
            if not head.startswith(self._start):
                return self._hunt(data, start, stop, head)
        elif self._end and self._end.startswith(head[: len(self._end)]):
            return Quiet(len(self._end)) if head.startswith(self._end) else None
        elif head[0] in _LINE_ENDS:
            return Quiet(1)
        elif _NOISE.match(head) and not self._binary:
            return Noise(1)
        return self._frame(data, start, stop)

    def _hunt(self, data: bytearray, start: int, stop: int, head: bytes) -> Verdict | None:
        """No start here: perhaps the beginning of one."""
        if len(head) < len(self._start) and self._start.startswith(head):
            return None
        if head[0] in _LINE_ENDS:
            return Quiet(1)
        following = self._hunted.search(data, start + 1, stop)
        return Noise((following.start() if following else stop) - start)

    def _frame(self, data: bytearray, start: int, stop: int) -> Verdict | None:
        """Try the first end, and where a raw check could look like an end, the ones directly behind it."""
        body_at = start + len(self._start)
        end = self._end_pattern.search(data, body_at, stop)
        if end is None:
            return None
        first = self._read(data, start, end, stop)
        if first is None or isinstance(first, Good):
            return first
        for offset in range(1, self._retry + 1):
            later = end.start() + offset
            if later + len(end[0]) > stop:
                return None if stop - start < self._options.max_bytes else first
            if (again := self._end_pattern.match(data, later, stop)) and isinstance(
                verdict := self._read(data, start, again, stop), Good
            ):
                return verdict
        return first

    def _read(self, data: bytearray, start: int, end: re.Match[bytes], stop: int) -> Verdict | None:
        """The frame that ends at `end`: length, start, check, text."""
        size = end.end() + self._trailer - start
        if start + size > stop:
            return None
        body = bytes(data[start + len(self._start) : end.start() - self._inner])
        if end.start() - start < len(self._start) + self._inner:
            return self._bad(size, "length")
        if self._marks and (again := body.rfind(self._start)) >= 0:
            return Bad(again + len(self._start), "length")
        if self._check is not None:
            sent = bytes(
                data[end.end() : start + size] if self._trailer else data[end.start() - self._inner : end.start()]
            )
            if not self._check.holds(self._start, body, bytes(end[0]), sent):
                return self._bad(size, "integrity")
        event = self._meaning.event(body)
        return Good(size, (event,)) if event else self._bad(size, "format")

    def _bad(self, size: int, flaw: Flaw) -> Bad:
        return Bad(size, flaw, 1 if self._start else size)

    def resync(self, data: bytearray, start: int) -> int | None:
        """Position behind the last byte of the next end."""
        end = self._last_byte.search(data, start)
        return end.end() if end else None


class _Meaning:
    """What the body of a valid frame says."""

    def __init__(self, options: Options) -> None:
        self._encoding = options.encoding
        self._pattern = compile_pattern(options.pattern, options.max_bytes)
        self._kind = options.kind
        self._bits = options.bits
        form, scheme = options.form, options.scheme
        if form == "auto":
            form = "hex" if scheme in HEX_DIGITS else "text"
        if scheme == "auto":
            scheme = "number" if form == "decimal" else "line"
        self._form, self._scheme = form, scheme

    def event(self, body: bytes) -> Event | None:
        """None: no text in this encoding, not the pattern, or no value of this form."""
        found = self._match(body)
        if found is None:
            return None
        groups = {name: text for name, text in found.groupdict().items() if text is not None}
        fields: dict[str, object] = {"text": found[0], **groups}
        if self._kind == "passage":
            return _passage(groups, fields)
        if self._kind == "scan":
            return Scan(value=groups["value"], fields=fields) if groups.get("value") else None
        value = self._value(groups)
        if value is None:
            return None
        bits = DATA_BITS.get(self._scheme, 4 * len(value) if self._form == "hex" else None)
        return CardRead(scheme=self._scheme, value=value, bits=self._bits or bits, fields=fields)

    def _match(self, body: bytes) -> re.Match[str] | None:
        if self._encoding == "hex":
            return self._pattern.fullmatch(body.hex().upper())
        read = decode(body, self._encoding)
        return self._pattern.fullmatch(read[0]) if read else None

    def _value(self, groups: dict[str, str]) -> str | None:
        """The card in the scheme's form; None: it is not written as configured."""
        digits = HEX_DIGITS.get(self._scheme, 0)
        if "value" not in groups:
            return _joined(groups, digits)
        value = groups["value"]
        if self._form == "text" or not value:
            return value or None
        if not (_HEX if self._form == "hex" else _DECIMAL).fullmatch(value):
            return None
        if self._form == "decimal":
            return _hex(int(value), digits) if digits else value
        return value.upper() if len(value) == digits or not digits else None


def _joined(groups: dict[str, str], digits: int) -> str | None:
    """Facility and card, in decimal, as one number of 16 low bits: wiegand26 has 8 above them, wiegand34 16."""
    facility, card = groups.get("facility", ""), groups.get("card", "")
    if not (_DECIMAL.fullmatch(facility) and _DECIMAL.fullmatch(card)):
        return None
    if not digits:
        return f"{facility},{card}"
    return _hex(int(facility) << 16 | int(card), digits) if int(card) < 1 << 16 else None


def _hex(number: int, digits: int) -> str | None:
    return f"{number:0{digits}X}" if number < 16**digits else None


def _passage(groups: dict[str, str], fields: dict[str, object]) -> Passage | None:
    count = groups.get("count", "1")
    if not groups.get("direction") or not _DECIMAL.fullmatch(count) or not 0 < int(count) < 1000:
        return None
    return Passage(direction=groups["direction"], count=int(count), fields=fields)


def build(units: Sequence[Options], /) -> Driver:
    """The decoder of one line."""
    options = units[0]
    line = _Line(options)
    resync = None if options.start else line.resync
    return FrameStream(line.judge, max_bytes=options.max_bytes, gap_s=options.gap_s, resync=resync)


DRIVER = DriverSpec(
    name="line",
    title="Anything that sends lines: start, end, check and a pattern, all in the configuration",
    options=Options,
    build=build,
    emits=frozenset({"credential"}),
    baud=9600,
    bauds=(9600, 19200, 38400, 57600, 115200, 4800, 2400),
    redact=Options().redact,
    variants=({"start": "02", "end": "03", "check": "xor", "pattern": "(?P<value>[0-9A-Fa-f]{8,10})"},),
    wiring="as the device asks; any pyserial URL",
    frame="[start] body [check] end [check], as configured",
    example="""\
[[ports]]
url = "/dev/serial/by-id/usb-Prolific_SR30-if00-port0"
baud = 9600

  [[ports.devices]]
  id = "lane-3-in"
  driver = "line"
  lane = "lobby-3"
  side = "in"
  options = { start = "02", end = "03", check = "xor", pattern = "(?P<value>[0-9A-Fa-f]{8,10})" }
""",
)
