"""The bytes real devices send, built from their data sheets.

These encoders are the other half of `drivers/`, written without looking at it: a decoder and an encoder that share
code would agree about the same mistake. Every function returns one whole frame.
"""

from __future__ import annotations

from functools import reduce
from operator import xor

STX, ETX = b"\x02", b"\x03"

EB_LEFT_OPEN = 0x40
EB_ENTRY_DONE = 0xC1
EB_EXIT_COUNT = 0xC6


def id20la(card: str) -> bytes:
    """ID-2/12/20LA: STX, 10 hex digits, 2 digits of XOR, CR LF, ETX; 16 bytes. ValueError: not 10 hex digits."""
    return STX + _em4100_body(card) + b"\r\n" + ETX


def rdm6300(card: str) -> bytes:
    """RDM630/6300: STX, 10 hex digits, 2 digits of XOR, ETX; 14 bytes. ValueError: not 10 hex digits."""
    return STX + _em4100_body(card) + ETX


def wiegand(number: str) -> bytes:
    """A Wiegand converter's line: 6 hex digits and CR (WIE232), 8 hex or 10 decimal digits and CR LF (S4A)."""
    if len(number) not in (6, 8, 10):
        raise ValueError(f"a Wiegand line has 6, 8 or 10 characters, not {len(number)}")
    return number.encode("ascii") + (b"\r" if len(number) == 6 else b"\r\n")


def scanned(text: str) -> bytes:
    """A QR or barcode scanner as delivered: the text in UTF-8 and CR."""
    return text.encode() + b"\r"


def sr30(number: str) -> bytes:
    """IDTECK SR30: STX, 8 or 10 characters, ETX, and the XOR of everything before it."""
    if len(number) not in (8, 10):
        raise ValueError(f"an SR30 number has 8 or 10 characters, not {len(number)}")
    body = STX + number.encode("ascii") + ETX
    return body + bytes([reduce(xor, body)])


def eb(code: int, address: int = 1, data: int = 0) -> bytes:
    """A turnstile board's frame: EB, address, code, data, XOR of the four; 5 bytes."""
    body = bytes([0xEB, address, code, data])
    return body + bytes([reduce(xor, body)])


def _em4100_body(card: str) -> bytes:
    data = bytes.fromhex(card)
    if len(data) != 5:
        raise ValueError(f"an EM4100 card number has 10 hex digits, not {len(card)}")
    return f"{card.upper()}{reduce(xor, data):02X}".encode("ascii")
