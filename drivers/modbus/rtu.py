"""Modbus RTU: unit, PDU, CRC-16 low byte first. No start byte, no length, and the silence between frames is lost.

    unit 1..247 (0: to all, writes only) | PDU | CRC low | CRC high

The specification ends a frame by 3.5 characters of silence. A kernel, a USB adapter or a serial server does not pass
that on, so the check decides: at each place the lengths that the PDU could have are tried, the shortest first.

The hard idea is whom to wait for. A noise byte in front of a reply may look like the head of something long, and
waiting for the rest of that would lose the reply. So behind it the answer to the open question is looked for too, and
what is short, of the configured units. Among all that could begin here or later, the one that is complete first wins.
That rule speaks only of the order of bytes, so the pieces they came in change nothing.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from functools import lru_cache
from itertools import islice
from typing import Protocol

from drivers.checksums import crc16
from drivers.events import Event
from drivers.framing import Bad, Good, Noise, Verdict
from drivers.modbus.pdu import Question, sizes

MAX_FRAME_BYTES = 256
FRAME_BYTES = 3
"""What a frame has beside its PDU."""
REQUEST_BYTES, EXCEPTION_BYTES = 8, 5
REFUSED = rb"[\x81-\x88\x8b\x8f-\x91\x96\x97\xab]"
PLAIN = rb"[\x01-\x07\x0b\x0f-\x11\x16\x17]|\x08(?:\Z|\x00)|\x2b(?:\Z|\x0e)"
FUNCTIONS = rb"(?:\Z|" + PLAIN + rb"|" + REFUSED + rb"(?:\Z|[\x01-\x0b]))"
HEAD = re.compile(rb"[\x01-\xf7]" + FUNCTIONS + rb"|\x00(?:\Z|[\x05\x06\x0f\x10\x16])")
"""How a frame may begin; at the end of the bytes, how the beginning of one may."""


REQUEST = rb"(?:[\x01\x02]..[\x00-\x07].|[\x03\x04]..\x00[\x01-\x7d]|\x05..[\x00\xff]\x00|\x06....|[\x0f\x10]....)"
EXCEPTIONS = REFUSED + rb"[\x01-\x0b]"
MAX_HEADS = 8
"""How many heads are tried behind one that waits: a flood of heads must not become a flood of checks."""


class Line(Protocol):
    """Who knows what was asked and what a frame means."""

    def expected(self, at: float) -> Question | None:
        """The read that is open at `at`."""

    def hear(self, unit: int, pdu: bytes, at: float, fields: dict[str, object], key: int = 0) -> tuple[Event, ...]:
        """What a frame says; nothing: it is none. `fields`: what the framing knows, `key` its transaction."""


class RtuJudge:
    """Finds the frames of one line; `units` are the configured ones."""

    def __init__(self, line: Line, units: Iterable[int]) -> None:
        self._line = line
        self._units = bytes(units)
        ours = b"[" + re.escape(self._units) + b"]"
        self._either = re.compile(ours + b"(?=(?:" + REQUEST + b"|" + EXCEPTIONS + b")..)", re.DOTALL)
        self._requests = re.compile(ours + b"(?=" + REQUEST + b"..)", re.DOTALL)
        self._exceptions = re.compile(ours + b"(?=" + EXCEPTIONS + b"..)", re.DOTALL)

    def judge(self, data: bytearray, start: int, stop: int, at: float) -> Verdict | None:
        """What begins at `start`; see drivers.framing."""
        head = HEAD.search(data, start, stop)
        if head is None or head.start() > start:
            return Noise((head.start() if head else stop) - start)
        if stop - start < 2:
            return None
        lengths = _lengths(data, start, stop)
        whole = [length for length in lengths if start + length <= stop]
        for length in whole:
            if has_crc(frame := bytes(data[start : start + length])):
                if hidden := self._hidden(data, start + 1, start + length - 1, at):
                    return Noise(hidden - start)
                if events := self._line.hear(frame[0], frame[1:-2], at, {"crc_ok": True}):
                    return Good(length, events)
        if lengths and (hidden := self._hidden(data, start + 1, min(stop, start + lengths[-1] - 1), at)):
            return Noise(hidden - start)
        if whole != lengths:
            return None
        if lengths and data[start] in self._units:
            return Bad(lengths[-1], "integrity")
        return Noise(1)  # what looks like a damaged frame of a unit that nobody configured

    def _hidden(self, data: bytearray, start: int, stop: int, at: float) -> int | None:
        """Begin of the frame of ours in data[start:stop] that is complete first."""
        if stop - start < EXCEPTION_BYTES:
            return None
        found = []
        if self._either.search(data, start, stop):
            found.append(self._first(data, _matches(self._requests, data, start, stop), REQUEST_BYTES, stop))
            found.append(self._first(data, _matches(self._exceptions, data, start, stop), EXCEPTION_BYTES, stop))
        if (question := self._line.expected(at)) is not None:
            head = bytes([question.unit, question.function, question.data_bytes])
            found.append(
                self._first(data, _places(data, head, start, stop), len(head) + question.data_bytes + 2, stop)
            )
        return min((span for span in found if span), default=(0, None))[1]

    @staticmethod
    def _first(data: bytearray, heads: Iterator[int], length: int, stop: int) -> tuple[int, int] | None:
        """End and begin of the first frame of that length that one of the first few heads begins."""
        for head in islice(heads, MAX_HEADS):
            if head + length <= stop and has_crc(bytes(data[head : head + length])):
                return head + length, head
        return None


def _matches(heads: re.Pattern[bytes], data: bytearray, start: int, stop: int) -> Iterator[int]:
    return map(re.Match.start, heads.finditer(data, start, stop))


def _places(data: bytearray, head: bytes, start: int, stop: int) -> Iterator[int]:
    at = data.find(head, start, stop)
    while at >= 0:
        yield at
        at = data.find(head, at + 1, stop)


def _lengths(data: bytearray, start: int, stop: int) -> list[int]:
    """Lengths the frame at `start` could have, shortest first, as far as data[start:stop] tells."""
    return [FRAME_BYTES + size for size in sorted(sizes(data, start + 1, stop - start - 1))]


@lru_cache(maxsize=64)
def has_crc(frame: bytes) -> bool:
    """Whether the last two bytes are the check of the rest; over all of it the CRC is then 0.

    The same bytes are tried again behind each head in front of them: it remembers the latest answers.
    """
    return crc16(frame, "crc16-modbus") == 0


def framed(unit: int, pdu: bytes) -> bytes:
    """The frame of a PDU."""
    body = bytes([unit]) + pdu
    return body + crc16(body, "crc16-modbus").to_bytes(2, "little")
