"""What a UART reads that is set to another speed than the one the bytes were sent at.

A pseudo-terminal has no speed; a real line has, and a device is recognised by it. The bytes become levels on a wire
(8N1: start bit 0, eight data bits from the lowest, stop bit 1, idle 1), and the receiver samples them in the middle
of where *its* bits would be, from each falling edge on. A stop bit that is not there is a framing error: the byte is
dropped, or read as it came, or as 00, as UARTs and their drivers do. Speeds that differ by less than about 4 % give
the same bytes.
"""

from __future__ import annotations

from math import ceil
from random import Random

FRAME_BITS = 10
STOP_AT = 9.5
EDGE_JITTER = 1 / 16
"""A receiver sees an edge up to one sample of its sixteen a bit too late."""
KEPT, AS_ZERO = 0.4, 0.7


def resample(data: bytes, sent_at_baud: int, read_at_baud: int, rng: Random) -> bytes:
    """The bytes a receiver at `read_at_baud` makes of `data`, sent without a pause at `sent_at_baud` (both 8N1)."""
    if sent_at_baud <= 0 or read_at_baud <= 0:
        raise ValueError("a speed is a positive number of bits a second")
    levels = _levels(data)
    step = sent_at_baud / read_at_baud  # one bit of the receiver, in bits of the sender
    made = bytearray()
    edge = _falling_edge(levels, 0)
    while edge is not None:
        begin = edge + rng.random() * EDGE_JITTER * step
        bits = [_level(levels, begin + (n + 1.5) * step) for n in range(8)]
        byte = sum(bit << n for n, bit in enumerate(bits))
        if _level(levels, begin + STOP_AT * step):
            made.append(byte)
        else:
            made += _framing_error(byte, rng)
        edge = _falling_edge(levels, ceil(begin + STOP_AT * step))
    return bytes(made)


def _levels(data: bytes) -> list[int]:
    """The level of each bit on the wire, in the order of time."""
    return [level for byte in data for level in (0, *(byte >> n & 1 for n in range(8)), 1)]


def _level(levels: list[int], at: float) -> int:
    index = int(at)
    return levels[index] if index < len(levels) else 1


def _falling_edge(levels: list[int], start: int) -> int | None:
    """Where the line next goes from 1 to 0 at or after `start`; the line is 1 before the first bit."""
    for index in range(start, len(levels)):
        if not levels[index] and (index == 0 or levels[index - 1]):
            return index
    return None


def _framing_error(byte: int, rng: Random) -> bytes:
    chance = rng.random()
    if chance < KEPT:
        return bytes([byte])
    return b"\x00" if chance < AS_ZERO else b""
