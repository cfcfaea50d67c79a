"""The check values serial devices use, each over plain bytes.

Parameters of the CRCs follow Greg Cook's catalogue of parametrised CRC algorithms; the check over b"123456789" is
given with each name and tested.
"""

from __future__ import annotations

from binascii import crc_hqx
from functools import reduce
from operator import xor as _xor
from typing import NamedTuple

FEW_BYTES = 32
"""So many are XORed faster one by one."""


class CrcModel(NamedTuple):
    """A 16-bit CRC: polynomial (1021, or 8005 reflected), start value, whether bits run low to high, final XOR."""

    polynomial: int
    start: int
    reflected: bool
    final: int


CRC16_MODELS = {
    "crc16-modbus": CrcModel(0x8005, 0xFFFF, True, 0x0000),  # 4B37
    "crc16-arc": CrcModel(0x8005, 0x0000, True, 0x0000),  # BB3D
    "crc16-ccitt": CrcModel(0x1021, 0xFFFF, False, 0x0000),  # 29B1
    "crc16-aug": CrcModel(0x1021, 0x1D0F, False, 0x0000),  # E5CC
    "crc16-xmodem": CrcModel(0x1021, 0x0000, False, 0x0000),  # 31C3
    "crc16-kermit": CrcModel(0x1021, 0x0000, True, 0x0000),  # 2189
    "crc16-x25": CrcModel(0x1021, 0xFFFF, True, 0xFFFF),  # 906E
    "crc16-mcrf4xx": CrcModel(0x1021, 0xFFFF, True, 0x0000),  # 6F91
}


def xor(data: bytes) -> int:
    """All bytes XORed, also called LRC or BCC: 0..255. What is long is folded in half until one byte is left."""
    if len(data) <= FEW_BYTES:
        return reduce(_xor, data, 0)
    bits = 8 << (len(data) - 1).bit_length()
    folded = int.from_bytes(data, "little")
    while bits > 8:
        bits //= 2
        folded = folded >> bits ^ folded & (1 << bits) - 1
    return folded


def sum8(data: bytes) -> int:
    """Low byte of the sum: 0..255."""
    return sum(data) & 0xFF


def sum8_complement(data: bytes) -> int:
    """The byte that brings the sum of all to 0 modulo 256."""
    return -sum(data) & 0xFF


def crc16(data: bytes, name: str) -> int:
    """The CRC-16 `name` of CRC16_MODELS over `data`: 0..65535.

    Those of polynomial 1021 run in C: `crc_hqx` is it, high bit first; a reflected one is the mirror of that.
    """
    model = CRC16_MODELS[name]
    if model.polynomial == 0x1021:
        if model.reflected:
            return _mirror16(crc_hqx(bytes(data).translate(_MIRROR), _mirror16(model.start))) ^ model.final
        return crc_hqx(data, model.start) ^ model.final
    crc = model.start
    for byte in data:
        crc = (crc >> 8) ^ _TABLE_8005[(crc ^ byte) & 0xFF]
    return crc ^ model.final


def _mirror16(value: int) -> int:
    return _MIRROR[value & 0xFF] << 8 | _MIRROR[value >> 8]


def _low_to_high(byte: int, polynomial: int) -> int:
    crc = byte
    for _ in range(8):
        crc = crc >> 1 ^ polynomial if crc & 1 else crc >> 1
    return crc


_MIRROR = bytes(int(f"{byte:08b}"[::-1], 2) for byte in range(256))
_TABLE_8005 = tuple(_low_to_high(byte, _mirror16(0x8005)) for byte in range(256))
