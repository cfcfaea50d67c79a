"""Rewrite the frames of a line so that they speak of nobody: registers may hold anything, so hardly any stay.

Kept are questions, exceptions, and of replies the counters, inputs and error state of the unit's layout; a card there
is swapped as a whole. A reply does not say what it is about, so the frames are taken in the order of the line, and
each question is remembered. What was not asked, or is in no layout, becomes zeros, written values too.
"""

from __future__ import annotations

from drivers.contract import Swap
from drivers.modbus import rtu, tcp
from drivers.modbus.bus import MAX_OPEN
from drivers.modbus.maps import LOTLTD_WRITES, Span
from drivers.modbus.pdu import DIAGNOSE, EVENTS, EXCEPTION, EXCHANGE, MASK, SERVER_ID, STATUS, Question, understand
from drivers.modbus.watch import Layout, card_text

READS = (1, 2, 3, 4)
HEADS = {6: 3, 0x0F: 6, 0x10: 6, STATUS: 1, DIAGNOSE: 3, EVENTS: 1, SERVER_ID: 2, MASK: 3}
"""Function to the bytes in front of what is written or said; 05 writes on or off."""
EXCHANGE_HEADS = (2, 10)
"""Of its reply, and of its question."""
IDENTITY, IDENTITY_HEAD = 0x2B, 7


class Blanking:
    """Edits the frames of one recording, in its order; `swap` as everywhere."""

    def __init__(self, layout: Layout, *, is_tcp: bool) -> None:
        self._layout = layout
        self._is_tcp = is_tcp
        self._open: dict[int, Question] = {}

    def __call__(self, frame: bytes, swap: Swap) -> bytes:
        """The frame, of the same length, its check computed anew."""
        if self._is_tcp:
            key, head = int.from_bytes(frame[:2], "big"), tcp.HEADER_BYTES
            return frame[:head] + self._pdu(frame[head - 1], frame[head:], key, swap)
        return rtu.framed(frame[0], self._pdu(frame[0], frame[1:-2], 0, swap))

    def _pdu(self, unit: int, pdu: bytes, key: int, swap: Swap) -> bytes:
        asked = self._open.get(key)
        if asked is not None and (asked.unit, asked.function) != (unit, pdu[0] & ~EXCEPTION):
            asked = None
        said = understand(unit, pdu, asked)
        if said is None:
            return pdu[:1] + bytes(len(pdu) - 1)
        if said.question is not None:
            self._remember(key, said.question)
            return pdu if pdu[0] in READS else _written(pdu)
        if said.about is not None:
            self._open.pop(key, None)
        if said.values is not None:
            return pdu[:2] + self._read(said.about, pdu[2:], swap)
        return _written(pdu)

    def _remember(self, key: int, question: Question) -> None:
        self._open.pop(key, None)
        self._open[key] = question
        if len(self._open) > MAX_OPEN:
            del self._open[next(iter(self._open))]

    def _read(self, asked: Question | None, data: bytes, swap: Swap) -> bytes:
        """What was read, as far as the layout knows it."""
        made = bytearray(len(data))
        if asked is None or asked.unit != self._layout.unit:
            return bytes(made)
        span = Span(asked.function, asked.address, asked.count)
        if asked.function <= 2:
            return self._bits(span, data)
        kept = [counter.span for counter in self._layout.counters] + (
            [self._layout.error] if self._layout.error else []
        )
        for place in kept:
            if part := span.part(place):
                made[2 * part.start : 2 * part.stop] = data[2 * part.start : 2 * part.stop]
        for place, _ in self._layout.cards:
            if part := span.part(place):
                made[2 * part.start : 2 * part.stop] = _card(data[2 * part.start : 2 * part.stop], swap)
        return bytes(made)

    def _bits(self, span: Span, data: bytes) -> bytes:
        inputs = self._layout.inputs
        part = span.part(inputs) if inputs is not None else None
        if part is None:
            return bytes(len(data))
        mask: int = (1 << part.stop) - (1 << part.start)
        return (int.from_bytes(data, "little") & mask).to_bytes(len(data), "little")


def _written(pdu: bytes) -> bytes:
    """A write, its reply, an exception or an identification without what it says of values and names."""
    if pdu[0] == IDENTITY and len(pdu) > 4:
        return _identity(pdu)
    if pdu[0] == EXCHANGE:
        head = EXCHANGE_HEADS[len(pdu) != 2 + pdu[1]]
    else:
        head = HEADS.get(pdu[0], len(pdu) if pdu[0] in (5, IDENTITY) or pdu[0] & EXCEPTION else 1)
    if len(pdu) <= head or (pdu[0] in (0x0F, 0x10) and len(pdu) == 5):
        return pdu
    is_known = pdu[0] == 0x10 and int.from_bytes(pdu[1:3], "big") in LOTLTD_WRITES
    kept = head + 2 if is_known and len(pdu) == head + 2 else head
    return pdu[:kept] + bytes(len(pdu) - kept)


def _identity(pdu: bytes) -> bytes:
    """Which objects there are and how long; not what they say."""
    made, at = bytearray(pdu[:IDENTITY_HEAD].ljust(len(pdu), b"\0")), IDENTITY_HEAD
    while at + 1 < len(pdu):
        made[at : at + 2] = pdu[at : at + 2]
        at += 2 + pdu[at + 1]
    return bytes(made)


def _card(data: bytes, swap: Swap) -> bytes:
    """The registers of another card; of what is no card flag and length stay."""
    text = card_text(data)
    number = (text or b"").rstrip(b"\r\n\0 ")
    if text is None or not (number.isalnum() and number.isascii()):
        return data[:2] + bytes(len(data) - 2)
    other = swap(number.decode("ascii")).encode("ascii") + text[len(number) :]
    return (data[:2] + other).ljust(len(data), b"\0")
