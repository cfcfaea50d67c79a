"""Card data as OSDP readers send them, in one form whatever the way: plain, in a secure channel, from libosdp.

A RAW reply gives a number of bits, first bit first, and pads the last byte. Cards of 26, 34 and 37 bits have a
parity bit at each end: even over the front half of the data, odd over the back half (the 37-bit halves share their
middle bit). Where both hold, the value is the data between them; where not, or with another number of bits, it is all
bits as they came, because nobody can say which of them are the number.
Sources: HID H10301, H10306 and H10304 as commonly published; the OSDP vectors.
"""

from __future__ import annotations

from typing import NamedTuple

HALVES = {26: 12, 34: 16, 37: 18}
"""Bits of a card with parity: how many data bits each parity bit covers."""
HEAD_BYTES = 4
MOST_DATA_BYTES = 64
"""More than any card has; libosdp keeps no more."""
FORWARD, BACKWARD = 1, 2


class Number(NamedTuple):
    """What a card is called in an event."""

    scheme: str
    value: str
    bits: int


class Raw(NamedTuple):
    """A RAW reply's payload. `format`: 0 unspecified, 1 Wiegand."""

    reader: int
    format: int
    bits: int
    data: bytes


def parse_raw(payload: bytes) -> Raw | None:
    """The parts of a RAW payload; None: it has no bits, or not as many as it says."""
    if len(payload) < HEAD_BYTES:
        return None
    bits = payload[2] | payload[3] << 8
    data = payload[HEAD_BYTES:]
    if not bits or len(data) != (bits + 7) // 8 or len(data) > MOST_DATA_BYTES:
        return None
    return Raw(payload[0], payload[1], bits, data)


def parse_fmt(payload: bytes) -> tuple[int, int, str] | None:
    """Reader, direction and text of a FMT payload (an old form that sends digits); None: it is none."""
    if len(payload) < 4 or len(payload) != 3 + payload[2] or not payload[3:].isascii():
        return None
    text = payload[3:].decode("ascii")
    return (payload[0], payload[1], text) if text.isprintable() else None


def as_number(data: bytes, bits: int) -> int:
    """The first `bits` bits as a number."""
    return int.from_bytes(data, "big") >> (len(data) * 8 - bits)


def packed(number: int, bits: int) -> bytes:
    """The inverse: the bits from the first byte's top on, padded with zeros."""
    size = (bits + 7) // 8
    return (number << (size * 8 - bits)).to_bytes(size, "big")


def with_parity(data: int, bits: int) -> int:
    """The whole card of `bits` bits around `data`, of two bits less."""
    half = HALVES[bits]
    even = (data >> (bits - 2 - half)).bit_count() & 1
    odd = ~(data & ((1 << half) - 1)).bit_count() & 1
    return even << (bits - 1) | data << 1 | odd


def parity_holds(number: int, bits: int) -> bool | None:
    """Whether both parity bits are right; None: such a card has none that we know."""
    if bits not in HALVES:
        return None
    return number == with_parity(inner(number, bits), bits)


def inner(number: int, bits: int) -> int:
    """The data between the parity bits."""
    return number >> 1 & ((1 << (bits - 2)) - 1)


def name(data: bytes, bits: int) -> Number:
    """Scheme, value and bits of `data`, the bytes of `bits` bits."""
    number = as_number(data, bits)
    if parity_holds(number, bits):
        digits = (bits - 2 + 3) // 4
        return Number(f"wiegand{bits}", f"{inner(number, bits):0{digits}X}", bits)
    return Number("osdp-raw", packed(number, bits).hex().upper(), bits)


def describe(raw: Raw) -> dict[str, object]:
    """The printed forms of a card, for people."""
    number = as_number(raw.data, raw.bits)
    said: dict[str, object] = {
        "reader": raw.reader,
        "format": raw.format,
        "bit_count": raw.bits,
        "data": raw.data.hex(),
        "parity_ok": parity_holds(number, raw.bits),
    }
    if raw.bits == 26:
        said["H10301"] = {"facility": number >> 17 & 0xFF, "card": number >> 1 & 0xFFFF}
    return said
