"""QR and barcode scanners with a serial port: GM65, GM67, GM812 and clones. 9600 8N1 by default.

    T T T … T | CR          the text of the code, then CR, LF, CR LF or TAB as the module is set
    02 00 00 01 00 33 31    the module's acknowledgement of a command, in the same stream

The text is opaque: we neither parse it nor repeat it in a refusal. The acknowledgement is recognised wherever it
stands, its bytes occur in no text. No text begins with a control byte, 80 or FF, so such bytes before it are line
noise; inside a text only TAB, EOT and the separators FS to US (GS1, driving licences) are taken.
`encoding = "auto"` tries ASCII, UTF-8 and GBK in this order. Short GBK texts can pass for UTF-8 (预约 is also ԤԼ), so
what is plain GB2312 and, as UTF-8, nothing but letters between Latin and the three-byte scripts is taken for GBK.
Sources: GM65/GM812 manuals and driver comments, PROTOCOLS section 6.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate, pairwise
from typing import Literal

from drivers.contract import Driver, DriverSpec, Swap
from drivers.events import Frame, Scan
from drivers.framing import GAP_S, Bad, FrameStream, Good, Noise, Quiet, Verdict, check_gap

ACK = bytes.fromhex("02000001003331")
MAX_BYTES = 4096
ENDS = {"auto": b"[\r\n]", "cr": b"\r", "lf": b"\n", "crlf": b"\r\n", "tab": b"\t"}
AUTO_ENCODINGS = ("ascii", "utf-8", "gbk")

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
        """A valid line with another text on it; acknowledgements in it stay. ValueError: it cannot be written so."""
        parts = frame.split(ACK)
        raw = b"".join(parts)
        made = rewritten(raw, self.encoding, swap) if raw else b""
        cuts = [0, *accumulate(len(part) for part in parts)]
        return ACK.join(made[start:stop] for start, stop in pairwise(cuts))


def check_encoding(name: str) -> None:
    """Refuse what is no ASCII-compatible text encoding (ValueError); `auto` is allowed."""
    try:
        compatible = name == "auto" or b"0A\r\n".decode(name) == "0A\r\n"
    except (LookupError, ValueError):
        compatible = False
    if not compatible:
        raise ValueError(f"encoding: {name!r} is no ASCII-compatible encoding; try auto, ascii, utf-8 or gbk")


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
        self._end = re.compile(ENDS[options.terminator])
        self._quiet = b"\r\n\t" if options.terminator == "tab" else b"\r\n"
        self._last = re.compile(ENDS[options.terminator].removeprefix(b"\r") or b"\r")

    def judge(self, data: bytearray, start: int, stop: int, at: float) -> Verdict | None:
        """What begins at `start`; see drivers.framing."""
        if data[start] == ACK[0]:
            return _acknowledgement(bytes(data[start : min(stop, start + len(ACK))]))
        if noise := _NOISE.match(data, start, stop):
            return Noise(len(noise[0]))
        if data[start] in self._quiet:
            return Quiet(1)
        end = self._end.search(data, start, stop)
        return self._code(bytes(data[start : end.start()])) if end else None

    def _code(self, line: bytes) -> Verdict:
        """A whole line: the code, and acknowledgements that came in between."""
        raw = line.replace(ACK, b"")
        acks = (Frame(name="ack"),) * line.count(ACK)
        if not raw:
            return Good(len(line), acks)
        if len(raw) > self._max_bytes:
            return Bad(len(line), "overflow", len(line))
        read = decode(raw, self._encoding)
        if read is None or _FORBIDDEN.search(read[0]):
            return Bad(len(line), "format", len(line))
        text, encoding = read
        return Good(len(line), (*acks, Scan(value=text, fields={"text": text, "encoding": encoding})))

    def resync(self, data: bytearray, start: int) -> int | None:
        """Position behind the last byte of the next terminator."""
        end = self._last.search(data, start)
        return end.end() if end else None


def _acknowledgement(head: bytes) -> Verdict | None:
    """02 never begins a code: the acknowledgement, the beginning of one, or noise."""
    if head == ACK:
        return Good(len(ACK), (Frame(name="ack"),))
    return None if ACK.startswith(head) else Noise(1)


def build(units: Sequence[Options], /) -> Driver:
    """The decoder of one scanner."""
    options = units[0]
    scanner = _Scanner(options)
    limit = options.max_bytes + 2 * len(ACK)
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
    frame="the text, then CR, LF, CR LF or TAB; acknowledgement 02 00 00 01 00 33 31",
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
