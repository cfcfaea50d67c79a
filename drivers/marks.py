"""Find the start mark of a frame: how much of a buffer lies in front of it. One search in C, whatever the noise."""

from __future__ import annotations


def before(mark: bytes, data: bytearray, start: int, stop: int) -> int:
    """How many of the bytes data[start:stop] lie in front of the next `mark`, or of what could be its beginning."""
    found = data.find(mark, start, stop)
    if found >= 0:
        return found - start
    for size in range(min(len(mark) - 1, stop - start), 0, -1):
        if data.endswith(mark[:size], start, stop):
            return stop - size - start
    return stop - start
