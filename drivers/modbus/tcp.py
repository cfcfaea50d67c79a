"""Modbus/TCP: a header with the length instead of a check, and a number that ties the reply to its request.

    transaction 2 | 00 00 | length 2, of what follows | unit | PDU

TCP neither loses nor invents bytes; the hunt is for a capture that begins in the middle of one.
"""

from __future__ import annotations

import re

from drivers.framing import Bad, Good, Noise, Verdict
from drivers.modbus.rtu import Line

MAX_FRAME_BYTES = 260
HEADER_BYTES = 7
HEAD = re.compile(rb".(?:\Z|.(?:\Z|\x00(?:\Z|\x00(?:\Z|\x00(?:\Z|[\x02-\xfe])))))", re.DOTALL)


class TcpJudge:
    """Finds the frames of one connection."""

    def __init__(self, line: Line) -> None:
        self._line = line

    def judge(self, data: bytearray, start: int, stop: int, at: float) -> Verdict | None:
        """What begins at `start`; see drivers.framing."""
        if HEAD.match(data, start, stop) is None:
            following = HEAD.search(data, start + 1, stop)
            return Noise((following.start() if following else stop) - start)
        have = stop - start
        if have < HEADER_BYTES or have < 6 + data[start + 5]:
            return None
        length = 6 + data[start + 5]
        frame = bytes(data[start : start + length])
        key = frame[0] << 8 | frame[1]
        events = self._line.hear(frame[6], frame[7:], at, {"transaction": key}, key)
        return Good(length, events) if events else Bad(length, "format")


def framed(key: int, unit: int, pdu: bytes) -> bytes:
    """The frame of a PDU; `key` 0..65535."""
    return key.to_bytes(2, "big") + b"\0\0" + (1 + len(pdu)).to_bytes(2, "big") + bytes([unit]) + pdu
