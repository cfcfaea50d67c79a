"""What an operator may say about a line: where it starts and ends, how it is checked, what its text means.

The options of the driver `line` and their translation into bytes, a pattern and a check; the decoding is `line.py`.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Literal

from drivers.checksums import CRC16_MODELS, crc16, sum8, sum8_complement, xor
from drivers.contract import Emits
from drivers.framing import GAP_S, check_gap
from drivers.patterns import compile_pattern
from drivers.scanner import check_encoding

MAX_BYTES = 4096
UNCHECKED_BITS = 15
"""What marks alone prove at most; from 16 on a frame is held to have a check."""
NAMED_BYTES = {
    "stx": b"\x02", "etx": b"\x03", "eot": b"\x04", "cr": b"\r", "lf": b"\n", "crlf": b"\r\n", "tab": b"\t",
    "soh": b"\x01", "nul": b"\0", "esc": b"\x1b",
}  # fmt: skip
HEX_DIGITS = {"wiegand26": 6, "wiegand34": 8, "low32": 8, "em4100": 10}
"""Hexadecimal schemes of a fixed width."""
DATA_BITS = {"wiegand26": 26, "wiegand34": 34, "low32": 32, "em4100": 40}
DEFAULT_PATTERN = r"(?P<value>[^\x00-\x1f\x7f]+)"

CheckName = Literal[
    "none", "xor", "lrc", "bcc", "sum", "sum2c",
    "crc16-modbus", "crc16-arc", "crc16-ccitt", "crc16-aug", "crc16-xmodem", "crc16-kermit", "crc16-x25",
    "crc16-mcrf4xx",
]  # fmt: skip


@dataclass(frozen=True, slots=True)
class Check:
    """A check value: `width` bytes on the line, what it is over and how it is written."""

    compute: Callable[[bytes], int]
    value_bytes: int
    orders: tuple[Literal["big", "little"], ...]
    covers: str
    hexadecimal: bool
    after_end: bool

    @property
    def width(self) -> int:
        """Bytes on the line."""
        return self.value_bytes * (2 if self.hexadecimal else 1)

    def value(self, start: bytes, body: bytes, end: bytes) -> int:
        """The check of a frame of these parts."""
        covered = {"start-end": start + body + end, "start-body": start + body, "body-end": body + end, "body": body}
        return self.compute(covered[self.covers])

    def holds(self, start: bytes, body: bytes, end: bytes, sent: bytes) -> bool:
        """Whether `sent` is the check of a frame of these parts."""
        value = self.value(start, body, end)
        expected = [value.to_bytes(self.value_bytes, order) for order in self.orders]
        if self.hexadecimal:
            return sent.upper() in [check.hex().upper().encode() for check in expected]
        return sent in expected


@dataclass(frozen=True, slots=True)
class Options:
    """One line format.

    `start`, `end`: hex such as 02 or 0D0A, a name (STX, CR, CRLF, …), or text (`text:AB` if it looks like hex); no
    start by default, `end = "auto"` is CR, LF or CR LF. `check`, `check_at` (after_end, before_end; auto: after the
    end if there is a start, else before it), `check_covers` (start-end, start-body, body, body-end; auto: start-end
    after the end, else body), `check_form` (raw, hex), `check_order` (big, little; auto: either).
    `pattern`: over the whole body; group `value`, or `facility` and `card`, or `direction`; other groups are fields.
    `event`: credential, scan or passage (auto: by the groups). `form`: how the value is written (text, hex, decimal;
    auto: hex for hexadecimal schemes). `scheme` and `bits`: what it is kept as (auto: `number` for decimals, else
    `line`). `directions`: the direction words its passages may use. `encoding`: of the body; `hex` shows raw bytes.
    `max_bytes`: longest frame, 8..4096. `gap_s`: silence in seconds that gives up a partial frame.
    """

    start: str = ""
    end: str = "auto"
    check: CheckName = "none"
    check_at: Literal["auto", "after_end", "before_end"] = "auto"
    check_covers: Literal["auto", "start-end", "start-body", "body", "body-end"] = "auto"
    check_form: Literal["raw", "hex"] = "raw"
    check_order: Literal["auto", "big", "little"] = "auto"
    pattern: str = DEFAULT_PATTERN
    event: Literal["auto", "credential", "scan", "passage"] = "auto"
    form: Literal["auto", "text", "hex", "decimal"] = "auto"
    scheme: str = "auto"
    bits: int | None = None
    directions: tuple[str, ...] = ()
    encoding: str = "auto"
    max_bytes: int = 256
    gap_s: float = GAP_S

    def __post_init__(self) -> None:
        if not 8 <= self.max_bytes <= MAX_BYTES:
            raise ValueError(f"max_bytes: {self.max_bytes} is not between 8 and {MAX_BYTES}")
        if not re.fullmatch(r"[a-z][a-z0-9-]{0,31}", self.scheme):
            raise ValueError(f"scheme: {self.scheme!r} is not a word of a-z, 0-9 and -")
        if self.encoding != "hex":
            check_encoding(self.encoding)
        check_gap(self.gap_s)
        self._check_bytes()
        groups = set(compile_pattern(self.pattern, self.max_bytes).groupindex)
        if not ({"value"} <= groups or {"facility", "card"} <= groups or "direction" in groups):
            raise ValueError(
                "pattern: it needs a group (?P<value>…), (?P<facility>…) with (?P<card>…), or (?P<direction>…)"
            )
        if self.kind == "passage" and "direction" not in groups:
            raise ValueError("event: a passage needs a group (?P<direction>…) in the pattern")
        if self.kind != "passage" and not ({"value"} <= groups or {"facility", "card"} <= groups):
            raise ValueError(f"event: a {self.kind} needs a group (?P<value>…) in the pattern")

    def _check_bytes(self) -> None:
        parse_bytes(self.start, "start")
        if self.end != "auto" and not parse_bytes(self.end, "end"):
            raise ValueError("end: a line must end with something; a silence is no end")

    @property
    def kind(self) -> str:
        """credential, scan or passage."""
        if self.event != "auto":
            return self.event
        groups = re.compile(self.pattern).groupindex
        return "credential" if "value" in groups or "card" in groups else "passage"

    @property
    def proof_bits(self) -> int:
        """How much one frame proves: start, an end that is no common line end, check; without that, never as much."""
        check = parse_check(self)
        marks = parse_bytes(self.start, "start") + (b"" if self.end == "auto" else parse_bytes(self.end, "end"))
        mark_bits = 8 * len(marks.strip(b"\r\n"))
        return mark_bits + 8 * check.value_bytes if check else min(mark_bits, UNCHECKED_BITS)

    @property
    def emits(self) -> frozenset[Emits]:
        """What this format, in contrast to others, can emit."""
        return frozenset({"passage"} if self.kind == "passage" else {"credential"})


def parse_bytes(text: str, key: str) -> bytes:
    """The bytes an operator means: pairs of hex digits, a name such as STX, or text with escapes."""
    if text.startswith("text:"):
        return text.removeprefix("text:").encode()
    if named := NAMED_BYTES.get(text.lower()):
        return named
    digits = re.sub(r"0[xX]|[\s,]", "", text)
    if digits and re.fullmatch(r"(?:[0-9A-Fa-f]{2})+", digits):
        return bytes.fromhex(digits)
    try:
        parsed = re.sub(r"\\(x[0-9A-Fa-f]{2}|.)", _unescape, text).encode("latin-1")
    except ValueError:
        raise ValueError(f"{key}: {text!r} is neither hex digits nor text with escapes such as \\r") from None
    if len(parsed) > 16:
        raise ValueError(f"{key}: {text!r} is longer than 16 bytes")
    return parsed


def _unescape(escape: re.Match[str]) -> str:
    name = escape[1]
    if len(name) == 3:
        return chr(int(name[1:], 16))
    known = {"r": "\r", "n": "\n", "t": "\t", "0": "\0", "\\": "\\", "e": "\x1b"}
    if name not in known:
        raise ValueError(name)
    return known[name]


def parse_check(options: Options) -> Check | None:
    """The check of a format; None: it has none."""
    if options.check == "none":
        return None
    crc = options.check in CRC16_MODELS
    compute = partial(crc16, name=options.check) if crc else _BYTE_CHECKS[options.check]
    after_end = options.check_at == "after_end" or (options.check_at == "auto" and bool(options.start))
    covers = options.check_covers
    if covers == "auto":
        covers = "start-end" if after_end else "body"
    orders: tuple[Literal["big", "little"], ...] = ("big", "little")
    if options.check_order != "auto":
        orders = (options.check_order,)
    return Check(compute, 2 if crc else 1, orders, covers, options.check_form == "hex", after_end)


_BYTE_CHECKS: dict[str, Callable[[bytes], int]] = {
    "xor": xor, "lrc": xor, "bcc": xor, "sum": sum8, "sum2c": sum8_complement,
}  # fmt: skip
