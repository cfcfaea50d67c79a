"""QR and barcode scanners with a serial port: GM65, GM67, GM812 and clones. 9600 8N1 by default.

    T T T … T | CR                                          the text of the code, then CR, LF, CR LF or TAB
    02 00 | type | length | data | CRC                      an answer of the module, in the same stream
    7E 00 | type | length | address (2) | data | CRC        a command of the host; AB CD for the CRC: not checked
    `- type 00..08, from the host 07 read, 08 write, 09 save; length counts the data, 0 is 256;
       CRC-16/XMODEM, high byte first, over all behind the first two bytes

The text is opaque: we neither parse it nor repeat it in a refusal. Answers and commands are recognised wherever they
stand, also inside a code: their first bytes occur in no text, since none holds 00. One whose CRC is wrong is refused
with the length it claims, and with the code it stands in: its bytes may be letters and would be read as some. No text
begins with a control byte, 80 or FF, so such bytes before it are line noise; inside a text only TAB, EOT and the
separators FS to US (GS1, driving licences) are taken.
`encoding = "auto"` tries ASCII, UTF-8 and GBK in this order. Short GBK texts can pass for UTF-8 (预约 is also ԤԼ), so
what is plain GB2312 and, as UTF-8, nothing but letters between Latin and the three-byte scripts is taken for GBK.
Sources: GM65/GM812 manuals and driver comments, PROTOCOLS section 6.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from drivers.checksums import crc16
from drivers.contract import Driver, DriverSpec, Swap
from drivers.events import Event, Frame, Scan
from drivers.framing import GAP_S, Bad, FrameStream, Good, Noise, Quiet, Verdict, check_gap

ACK = bytes.fromhex("02000001003331")
HEAD_BYTES = {0x02: 4, 0x7E: 6}
"""First byte to the bytes before the data: an answer, a command."""
LENGTH_AT = 3
CRC_BYTES = 2
UNCHECKED = b"\xab\xcd"
MOST_FRAME_BYTES = 6 + 256 + CRC_BYTES
MAX_BYTES = 4096
ENDS = {"auto": b"[\r\n]", "cr": b"\r", "lf": b"\n", "crlf": b"\r\n", "tab": b"\t"}
Spans = list[tuple[int, int]]
ESCAPES = rb"\u0041+AEE-"
"""As `unicode_escape` and `utf-7` write an A."""
AUTO_ENCODINGS = ("ascii", "utf-8", "gbk")

_HEAD = rb"\x02\x00[\x00-\x08]|\x7e\x00[\x07-\x09]"
_BEGUN = re.compile(rb"(?P<head>" + _HEAD + rb")|(?:\x02|\x7e)\x00?\Z")
_HEADS = re.compile(_HEAD)
_NOISE = re.compile(rb"[\x00\x01\x03-\x08\x0b\x0c\x0e-\x1c\x1e\x1f\x7f\x80\xff]+")
_FORBIDDEN = re.compile(r"[\x00-\x03\x05-\x08\x0b\x0c\x0e-\x1b\x7f]")


@dataclass(frozen=True, slots=True)
class Options:
    """How the module is set.

    `encoding`: auto, or any ASCII-compatible Python codec; `terminator`: what ends a code (auto: CR, LF or both);
    `max_bytes`: longest code taken, 1..4096; `gap_s`: silence in seconds that gives up a partial code.
    """

    encoding: str = "auto"
    terminator: Literal["auto", "cr", "lf", "crlf", "tab"] = "auto"
    max_bytes: int = MAX_BYTES
    gap_s: float = GAP_S

    def __post_init__(self) -> None:
        check_encoding(self.encoding)
        if self.terminator not in ENDS:
            raise ValueError(f"terminator: {self.terminator!r} is none of {', '.join(ENDS)}")
        if not 1 <= self.max_bytes <= MAX_BYTES:
            raise ValueError(f"max_bytes: {self.max_bytes} is not between 1 and {MAX_BYTES}")
        check_gap(self.gap_s)

    def redact(self, frame: bytes, swap: Swap) -> bytes:
        """A valid line with another text on it; what is in between stays. ValueError: it cannot be written so."""
        spans = _spans(frame)
        raw = _without(frame, spans)
        made = rewritten(raw, self.encoding, swap) if raw else b""
        for start, stop in spans:
            made = made[:start] + frame[start:stop] + made[start:]
        return made


def check_encoding(name: str) -> None:
    """Refuse what is no ASCII-compatible text encoding (ValueError); `auto` is allowed.

    One with escapes reads other letters out of ASCII, and halves of letters that no record can hold.
    """
    try:
        compatible = name == "auto" or (b"0A\r\n".decode(name) == "0A\r\n" and not _has_escapes(name))
    except (LookupError, ValueError):
        compatible = False
    if not compatible:
        raise ValueError(f"encoding: {name!r} is no ASCII-compatible encoding; try auto, ascii, utf-8 or gbk")


def _has_escapes(name: str) -> bool:
    return len(ESCAPES.decode(name)) != len(ESCAPES)


def decode(raw: bytes, encoding: str) -> tuple[str, str] | None:
    """Text and the name of its encoding; None: no text in this encoding (`auto`: in none of ours)."""
    for name in AUTO_ENCODINGS if encoding == "auto" else (encoding,):
        text = _decoded(raw, name)
        if text is not None and not (encoding == "auto" and name == "utf-8" and _looks_gbk(raw, text)):
            return text, name
    return None


def rewritten(raw: bytes, encoding: str, swap: Swap) -> bytes:
    """The same number of bytes with the text swapped, in the same encoding; ValueError: there is no such text.

    Where the other text would have another length or pass for another encoding, its letters beyond ASCII become `x`.
    """
    read = decode(raw, encoding)
    if read is None:
        raise ValueError("it is no text in this encoding")
    text, name = read
    other = swap(text)
    plain = "".join(
        new if old < "\x80" else "x" * len(old.encode(name)) for old, new in zip(text, other, strict=True)
    )
    for candidate, read_as in ((other, name), (plain, "ascii" if encoding == "auto" else name)):
        try:
            made = candidate.encode(name)
        except UnicodeEncodeError:
            continue
        if len(made) == len(raw) and decode(made, encoding) == (candidate, read_as):
            return made
    raise ValueError(f"no other text of {len(raw)} bytes was found in {name}")


def _decoded(raw: bytes, encoding: str) -> str | None:
    try:
        return raw.decode(encoding)
    except ValueError:
        return None


def _looks_gbk(raw: bytes, text: str) -> bool:
    """Whether a valid UTF-8 text is rather GBK: Chinese in GB2312, and exotic letters alone in UTF-8."""
    exotic = all(char < "\x80" or "\u0180" <= char < "\u0800" for char in text)
    return exotic and _decoded(raw, "gb2312") is not None


class _Scanner:
    """Judges the lines of one module."""

    def __init__(self, options: Options) -> None:
        self._encoding = options.encoding
        self._max_bytes = options.max_bytes
        end = ENDS[options.terminator]
        self._stop = re.compile(b"(?P<head>" + _HEAD + b")|" + end)
        self._quiet = b"\r\n\t" if options.terminator == "tab" else b"\r\n"
        self._last = re.compile(end.removeprefix(b"\r") or b"\r")

    def judge(self, data: bytearray, start: int, stop: int, at: float) -> Verdict | None:
        """What begins at `start`; see drivers.framing."""
        if begun := _BEGUN.match(data, start, stop):
            return _judge_frame(data, start, stop) if begun["head"] else None
        if data[start] == ACK[0]:
            return Noise(1)
        if noise := _NOISE.match(data, start, stop):
            return Noise(len(noise[0]))
        if data[start] in self._quiet:
            return Quiet(1)
        return self._judge_line(data, start, stop)

    def _judge_line(self, data: bytearray, start: int, stop: int) -> Verdict | None:
        """A code to its end, and the answers and commands that came in between."""
        position, is_broken = start, False
        spans: Spans = []
        inside: list[Event] = []
        while found := self._stop.search(data, position, stop):
            if not found["head"]:
                line = bytes(data[start : found.start()])
                return Bad(len(line), "integrity", len(line)) if is_broken else self._code(line, spans, inside)
            verdict = _judge_frame(data, found.start(), stop)
            if verdict is None:
                return None
            position = found.start() + verdict.size
            spans.append((found.start() - start, position - start))
            if isinstance(verdict, Good):
                inside += verdict.events
            else:
                is_broken = True
        return None

    def _code(self, line: bytes, spans: Spans, inside: list[Event]) -> Verdict:
        raw = _without(line, spans)
        if len(raw) > self._max_bytes:
            return Bad(len(line), "overflow", len(line))
        read = decode(raw, self._encoding)
        if read is None or _FORBIDDEN.search(read[0]):
            return Bad(len(line), "format", len(line))
        text, encoding = read
        scan = Scan(value=text, fields={"text": text, "encoding": encoding})
        return Good(len(line), (*inside, scan))

    def resync(self, data: bytearray, start: int) -> int | None:
        """Position behind the last byte of the next terminator."""
        end = self._last.search(data, start)
        return end.end() if end else None


def _judge_frame(data: bytearray, start: int, stop: int) -> Good | Bad | None:
    """The answer or command at `start`; None: not all of it is there."""
    head = HEAD_BYTES[data[start]]
    if stop - start < head:
        return None
    size = head + (data[start + LENGTH_AT] or 256) + CRC_BYTES
    if stop - start < size:
        return None
    frame = bytes(data[start : start + size])
    return Good(size, (event,)) if (event := _frame(frame)) else Bad(size, "integrity", size)


def _frame(frame: bytes) -> Frame | None:
    """What a whole answer or command says; None: its CRC is wrong."""
    if frame == ACK:
        return Frame(name="ack")
    name = "answer" if frame[0] == ACK[0] else "command"
    if crc16(frame[2:-CRC_BYTES], "crc16-xmodem") == int.from_bytes(frame[-CRC_BYTES:], "big"):
        return Frame(name=name, fields={"crc_ok": True})
    if name == "command" and frame.endswith(UNCHECKED):
        return Frame(name=name, fields={"crc_ok": None, "crc_skipped": True})
    return None


def _spans(line: bytes) -> Spans:
    """Where answers and commands lie in a valid line."""
    spans: Spans = []
    position = 0
    while found := _HEADS.search(line, position):
        verdict = _judge_frame(bytearray(line), found.start(), len(line))
        position = found.start() + verdict.size if verdict else len(line)
        spans.append((found.start(), position))
    return spans


def _without(line: bytes, spans: Spans) -> bytes:
    """A line without the answers and commands in it."""
    starts = [0, *(stop for _, stop in spans)]
    stops = [*(start for start, _ in spans), len(line)]
    return b"".join(line[start:stop] for start, stop in zip(starts, stops, strict=True))


def build(units: Sequence[Options], /) -> Driver:
    """The decoder of one scanner."""
    options = units[0]
    scanner = _Scanner(options)
    limit = options.max_bytes + 2 * MOST_FRAME_BYTES
    return FrameStream(scanner.judge, max_bytes=limit, gap_s=options.gap_s, resync=scanner.resync)


DRIVER = DriverSpec(
    name="scanner",
    title="QR and barcode scanners that send lines: GM65, GM67, GM812 and the like",
    options=Options,
    build=build,
    emits=frozenset({"credential"}),
    baud=9600,
    bauds=(9600, 115200, 19200, 38400, 57600),
    proof_bits=8,
    redact=Options().redact,
    wiring="TTL or USB serial (set the module to USB-CDC, not keyboard), 9600 8N1",
    frame="the text, then CR, LF, CR LF or TAB; the module's answers 02 00, type, length, data, CRC",
    example="""\
[[ports]]
url = "/dev/serial/by-id/usb-GM_Scanner-if00"
baud = 9600

  [[ports.devices]]
  id = "visitor-qr"
  driver = "scanner"
  lane = "lobby-1"
  side = "in"
  options = { encoding = "auto" }
""",
)
