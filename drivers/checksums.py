"""The check values serial devices use, each over plain bytes.

Parameters of the CRCs follow Greg Cook's catalogue of parametrised CRC algorithms; the check over b"123456789" is
given with each name and tested.
"""

from __future__ import annotations

from functools import reduce
from operator import xor as _xor
from typing import NamedTuple


class CrcModel(NamedTuple):
    """A 16-bit CRC: polynomial, start value, whether bits run low to high, final XOR."""

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
    """All bytes XORed, also called LRC or BCC: 0..255."""
    return reduce(_xor, data, 0)


def sum8(data: bytes) -> int:
    """Low byte of the sum: 0..255."""
    return sum(data) & 0xFF


def sum8_complement(data: bytes) -> int:
    """The byte that brings the sum of all to 0 modulo 256."""
    return -sum(data) & 0xFF


def crc16(data: bytes, name: str) -> int:
    """The CRC-16 `name` of CRC16_MODELS over `data`: 0..65535."""
    model = CRC16_MODELS[name]
    table = _TABLES[name]
    crc = model.start
    if model.reflected:
        for byte in data:
            crc = (crc >> 8) ^ table[(crc ^ byte) & 0xFF]
    else:
        for byte in data:
            crc = (crc << 8 & 0xFFFF) ^ table[crc >> 8 ^ byte]
    return crc ^ model.final


def _table(model: CrcModel) -> tuple[int, ...]:
    return tuple(_low_to_high(byte, model) if model.reflected else _high_to_low(byte, model) for byte in range(256))


def _high_to_low(byte: int, model: CrcModel) -> int:
    crc = byte << 8
    for _ in range(8):
        crc = (crc << 1 ^ model.polynomial if crc & 0x8000 else crc << 1) & 0xFFFF
    return crc


def _low_to_high(byte: int, model: CrcModel) -> int:
    polynomial = int(f"{model.polynomial:016b}"[::-1], 2)
    crc = byte
    for _ in range(8):
        crc = crc >> 1 ^ polynomial if crc & 1 else crc >> 1
    return crc


_TABLES = {name: _table(model) for name, model in CRC16_MODELS.items()}
