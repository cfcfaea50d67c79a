"""Modbus RTU: unit, PDU, CRC-16 low byte first. No start byte, no length, and the silence between frames is lost.

    unit 1..247 (0: to all, writes only) | PDU | CRC low | CRC high

The specification ends a frame by 3.5 characters of silence. A kernel, a USB adapter or a serial server does not pass
that on, so the check decides: at each place the lengths that the PDU could have are tried, the shortest first.

The hard idea is whom to wait for. A noise byte in front of a reply may look like the head of something long, and
waiting for the rest of that would lose the reply. So where a question is open its answer is looked for at once, in
all that has arrived: among all frames that could begin here or behind, the one that is complete first wins. That rule
speaks only of the order of bytes, so the pieces they came in change nothing.
"""

from __future__ import annotations

import re
from typing import Protocol

from drivers.checksums import crc16
from drivers.events import Event
from drivers.framing import Bad, Good, Noise, Verdict
from drivers.modbus.pdu import EXCEPTION, EXCEPTION_CODES, Question, sizes

MAX_FRAME_BYTES = 256
FRAME_BYTES = 3
"""What a frame has beside its PDU."""
HEAD = re.compile(
    rb"[\x01-\xf7](?:\Z|[\x01-\x06\x0f\x10]|\x2b(?:\Z|\x0e)|[\x81-\x86\x8f\x90\xab](?:\Z|[\x01-\x0b]))"
    rb"|\x00(?:\Z|[\x05\x06\x0f\x10])"
)
"""How a frame may begin; at the end of the bytes, how the beginning of one may."""


class Line(Protocol):
    """Who knows what was asked and what a frame means."""

    def expected(self, at: float) -> Question | None:
        """The read that is open at `at`."""

    def hear(self, unit: int, pdu: bytes, at: float, fields: dict[str, object], key: int = 0) -> tuple[Event, ...]:
        """What a frame says; nothing: it is none. `fields`: what the framing knows, `key` its transaction."""


class RtuJudge:
    """Finds the frames of one line."""

    def __init__(self, line: Line) -> None:
        self._line = line

    def judge(self, data: bytearray, start: int, stop: int, at: float) -> Verdict | None:
        """What begins at `start`; see drivers.framing."""
        if HEAD.match(data, start, stop) is None:
            following = HEAD.search(data, start + 1, stop)
            return Noise((following.start() if following else stop) - start)
        if stop - start < 2:
            return None
        question = self._line.expected(at)
        found = find_answer(question, data, start + 1, stop) if question is not None else None
        known = stop - start if found is None else found[1] - start
        lengths = sorted(FRAME_BYTES + size for size in sizes(data, start + 1, known - 1))
        for length in lengths:
            if length > known:
                return None if found is None else Noise(found[0] - start)
            frame = bytes(data[start : start + length])
            if has_crc(frame) and (events := self._line.hear(frame[0], frame[1:-2], at, {"crc_ok": True})):
                return Good(length, events)
        return Bad(lengths[-1], "integrity") if lengths else Noise(1)


def has_crc(frame: bytes) -> bool:
    """Whether the last two bytes are the check of the rest; over all of it the CRC is then 0."""
    return crc16(frame, "crc16-modbus") == 0


def framed(unit: int, pdu: bytes) -> bytes:
    """The frame of a PDU."""
    body = bytes([unit]) + pdu
    return body + crc16(body, "crc16-modbus").to_bytes(2, "little")


def find_answer(question: Question, data: bytearray, start: int, stop: int) -> tuple[int, int] | None:
    """Begin and end of the first whole answer to `question` in data[start:stop], be it data or an exception."""
    reply = bytes([question.unit, question.function, question.data_bytes])
    exception = bytes([question.unit, question.function | EXCEPTION])
    found = [_first(data, start, stop, reply, question.data_bytes + 5), _first(data, start, stop, exception, 5)]
    return min((span for span in found if span), key=lambda span: span[1], default=None)


def _first(data: bytearray, start: int, stop: int, head: bytes, length: int) -> tuple[int, int] | None:
    at = data.find(head, start, stop)
    while at >= 0 and at + length <= stop:
        frame = bytes(data[at : at + length])
        if has_crc(frame) and (len(head) > 2 or frame[2] in EXCEPTION_CODES):
            return at, at + length
        at = data.find(head, at + 1, stop)
    return None
