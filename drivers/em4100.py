"""EM4100 125 kHz readers that send ASCII: ID-2/12/20LA, RDM630, RDM6300 and clones. 9600 8N1, receive only.

    02 | V V | N N N N N N N N | C C | 0D 0A | 03     ID-2LA, ID-12LA, ID-20LA: 16 bytes
    02 | V V | N N N N N N N N | C C |         03     RDM630, RDM6300: 14 bytes
         |     |                 `- two hex digits: XOR of the five data bytes
         |     `- eight hex digits: the number, high byte first
         `- two hex digits: version or customer code

Both endings are accepted on one line. The ID datasheet's prose gives the check of its own example as 6E where its
frame has 8E; the frame is right. An RDM6300 repeats the frame while the card stays in the field; the driver passes
every frame on, the gateway's repeat window joins them.
Sources: ID-2LA/12LA/20LA datasheet section 4; mad-tinkerer/python-rdm6300; arduino12/rdm6300 issue 14.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from drivers.checksums import xor
from drivers.contract import Driver, DriverSpec, Swap
from drivers.events import CardRead
from drivers.framing import GAP_S, Bad, FrameStream, Good, Noise, Verdict, check_gap

STX = 0x02
MAX_BYTES = 64
BODY_CHARS = 12
TAILS = {b"\x03": "stx-etx", b"\r\n\x03": "stx-crlf-etx"}

_FRAME = re.compile(rb"\x02([0-9A-Fa-f]{12})(\r\n\x03|\x03)")
_DIGITS = re.compile(rb"[0-9A-Fa-f]{0,12}")
_END = re.compile(rb"[\x02\x03]")


@dataclass(frozen=True, slots=True)
class Options:
    """`gap_s`: silence in seconds after which a partial frame is given up."""

    gap_s: float = GAP_S

    def __post_init__(self) -> None:
        check_gap(self.gap_s)


def judge(data: bytearray, start: int, stop: int, at: float) -> Verdict | None:
    """What begins at `start`; see drivers.framing."""
    if data[start] != STX:
        following = data.find(STX, start, stop)
        return Noise((following if following > 0 else stop) - start)
    frame = _FRAME.match(data, start, stop)
    if frame is None:
        return _refuse(data, start, stop)
    raw = bytes.fromhex(frame[1].decode())
    if xor(raw) != 0:
        return Bad(len(frame[0]), "integrity")
    return Good(len(frame[0]), (_card(raw[:5], TAILS[bytes(frame[2])]),))


def _refuse(data: bytearray, start: int, stop: int) -> Verdict | None:
    """No whole frame: still too short to say, nothing at all, or malformed."""
    digits = _DIGITS.match(data, start + 1, stop)
    end = digits.end() if digits else start + 1
    count = end - start - 1
    rest = bytes(data[end : min(stop, end + 3)])
    if not rest or (count == BODY_CHARS and any(tail.startswith(rest) for tail in TAILS)):
        return None
    if count == 0:
        return Noise(1)
    border = _END.search(data, end, stop)
    if border is None:
        return Bad(MAX_BYTES, "format") if stop - start == MAX_BYTES else None
    cut_short = border.start() == end and count < BODY_CHARS
    size = border.start() - start + (border[0] == b"\x03")
    return Bad(size, "length" if cut_short else "format")


def _card(raw: bytes, variant: str) -> CardRead:
    """The card and the forms in which its number is printed on plastic."""
    number = int.from_bytes(raw[1:], "big")
    facility, card = raw[2], number & 0xFFFF
    printed = {
        "version": raw[0],
        "number": number,
        "hex10": raw.hex().upper(),
        "dec10": f"{number:010d}",
        "dec8_6h": f"{number & 0xFFFFFF:08d}",
        "fc_3_5": f"{facility:03d},{card:05d}",
        "fc5_5": f"{number >> 16:05d},{card:05d}",
        "wiegand26": {"facility": facility, "card": card},
        "variant": variant,
    }
    return CardRead(scheme="em4100", value=raw.hex().upper(), bits=40, fields=printed)


def redact(frame: bytes, swap: Swap) -> bytes:
    """A valid frame with another card in it; its letters stay small if they were."""
    body = frame[1 : 1 + BODY_CHARS].decode()
    card = swap(body[:10].upper())
    digits = f"{card}{xor(bytes.fromhex(card)):02X}"
    return frame[:1] + (digits.lower() if body == body.lower() else digits).encode() + frame[1 + BODY_CHARS :]


def build(units: Sequence[Options], /) -> Driver:
    """The decoder of one reader."""
    return FrameStream(judge, max_bytes=MAX_BYTES, gap_s=units[0].gap_s)


DRIVER = DriverSpec(
    name="em4100",
    title="EM4100 125 kHz ASCII readers: ID-2/12/20LA, RDM630, RDM6300",
    options=Options,
    build=build,
    emits=frozenset({"credential"}),
    baud=9600,
    bauds=(9600, 19200),
    proof_bits=24,
    redact=redact,
    wiring="TTL serial, 9600 8N1, receive only: D0 (ID-xxLA) or TX (RDM6300) to the RX of a 5 V tolerant adapter",
    frame="02, 12 hex digits (version 2, number 8, XOR check 2), 0D 0A 03 or 03",
    example="""\
[[ports]]
url = "/dev/serial/by-id/usb-FTDI_A50285BI-if00-port0"
baud = 9600

  [[ports.devices]]
  id = "lane-1-in"
  driver = "em4100"
  lane = "lobby-1"
  side = "in"
""",
)
