"""Rewrite a ZKTeco packet or record so that it speaks of other people.

One frame at a time, with nothing known of those before it: in data that looks like a log the user ids are swapped,
and other data (users with their names, templates, photos) loses its content. The checksum is made anew.
"""

from __future__ import annotations

from drivers.contract import Swap
from drivers.zk import packets, records
from drivers.zk.packets import HEAD_BYTES, MAGIC
from drivers.zk.records import HEADER_BYTES, is_strict

BLANK = 0xFF
USER = slice(2, 26)
_TALKATIVE = frozenset({packets.DATA, packets.AUTH, 8, 10, 12, 18})
"""What carries names, keys and templates if it is no log."""
_LIVE_IDS = {10: 2, 14: 2, 12: 4, 32: 24, 36: 24, 37: 24, 52: 24}


def redact(frame: bytes, swap: Swap) -> bytes:
    """The frame with other user ids: same length, checksum recomputed."""
    if not frame.startswith(MAGIC):
        return _record(frame, swap)
    packet = packets.parse(frame[HEAD_BYTES:])
    data = packet.data
    if packet.is_event:
        data = _live(data, swap) if packet.session == packets.ATTENDANCE else bytes(len(data))
    elif packet.command in _TALKATIVE:
        data = _log(data, swap)
    return packets.frame(packet.command, data, session=packet.session, reply=packet.reply)


def _live(data: bytes, swap: Swap) -> bytes:
    size = _LIVE_IDS.get(len(data), 0)
    if not size:
        return bytes([BLANK]) * len(data)
    return (_text(data[:size], swap) if size == 24 else _number(data[:size], swap)) + data[size:]


def _log(data: bytes, swap: Swap) -> bytes:
    """Records of one size behind the log's header, or of 40 bytes from anywhere, halves of them at both ends.

    Every record must look like one: users with their names and cards come the same way.
    """
    size = len(data) - HEADER_BYTES
    if size > 0 and int.from_bytes(data[:HEADER_BYTES], "little") >= size:
        width = records.width_of(data[HEADER_BYTES:], size - size % 40 or size)
        if width is not None and _is_log(data[HEADER_BYTES:], width):
            return _records(data, HEADER_BYTES, width, swap)
    for start in range(40):
        if _is_log(data[start:], 40):
            return _records(data, start, 40, swap)
    return bytes([BLANK]) * len(data)


def _is_log(data: bytes, width: int) -> bool:
    return len(data) >= width and all(map(is_strict, records.records_in(data, width)))


def _records(data: bytes, start: int, width: int, swap: Swap) -> bytes:
    end = len(data) - (len(data) - start) % width
    made = b"".join(_record(record, swap) for record in records.records_in(data[start:], width))
    return _part(data[:start], width, at_end=True) + made + _part(data[end:], width, at_end=False)


def _part(part: bytes, width: int, *, at_end: bool) -> bytes:
    """Half a record: the digits of its user id become zeros. A header has none."""
    if len(part) == HEADER_BYTES and at_end:
        return part
    first = width - len(part) if at_end else 0
    user = range(USER.start, USER.stop) if width == 40 else range(4 if width == 16 else 2)
    return bytes(
        (0x30 if byte else 0) if first + i in user and width == 40 else 0 if first + i in user else byte
        for i, byte in enumerate(part)
    )


def _record(record: bytes, swap: Swap) -> bytes:
    if len(record) == 40:
        return bytes(2) + _text(record[USER], swap) + record[USER.stop :]
    size = 4 if len(record) == 16 else 2
    return _number(record[:size], swap) + record[size:]


def _text(field: bytes, swap: Swap) -> bytes:
    user, _, _ = field.partition(b"\0")
    swapped = swap(user.decode("utf-8", "replace")).encode()[: len(user)]
    return swapped.ljust(len(user), b"0") + bytes(len(field) - len(user))


def _number(field: bytes, swap: Swap) -> bytes:
    swapped = swap(str(int.from_bytes(field, "little")))
    number = int(swapped) if swapped.isdecimal() else 0
    return (number % (1 << 8 * len(field))).to_bytes(len(field), "little")
