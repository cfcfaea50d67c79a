"""Check values against the catalogue's example."""

from __future__ import annotations

from functools import reduce

import pytest

from drivers.checksums import crc16, sum8, sum8_complement, xor

EXAMPLE = b"123456789"


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("crc16-modbus", 0x4B37),
        ("crc16-arc", 0xBB3D),
        ("crc16-ccitt", 0x29B1),
        ("crc16-aug", 0xE5CC),
        ("crc16-xmodem", 0x31C3),
        ("crc16-kermit", 0x2189),
        ("crc16-x25", 0x906E),
        ("crc16-mcrf4xx", 0x6F91),
    ],
)
def test_a_crc_gives_the_check_of_the_catalogue(name: str, expected: int) -> None:
    assert crc16(EXAMPLE, name) == expected


def test_the_scanner_modules_command_carries_a_crc16_xmodem() -> None:
    assert crc16(bytes.fromhex("000100"), "crc16-xmodem") == 0x3331


def test_byte_checks() -> None:
    assert (xor(EXAMPLE), sum8(EXAMPLE), sum8_complement(EXAMPLE)) == (0x31, 0xDD, 0x23)
    assert (xor(b""), sum8(b""), sum8_complement(b"")) == (0, 0, 0)


def test_xor_folds_what_is_long() -> None:
    for size in (31, 32, 33, 63, 64, 65, 127, 128, 129, 1294, 2317):
        data = bytes(n * n % 251 for n in range(size))
        assert xor(data) == reduce(lambda a, b: a ^ b, data), size
        assert xor(data + bytes([xor(data)])) == 0
