"""Rewrite a ZKTeco packet or record so that it speaks of other people.

One frame at a time, with nothing known of those before it: in data that looks like a log, or like a live punch, the
user ids are swapped, and what the record's layout does not explain becomes zeros. Of all other data only sizes and
what is asked for stay. An answer does not say what it answers, so users with their names, templates, photos, options,
but also counts and the terminal's clock lose their content. The checksum is made anew.
"""

from __future__ import annotations

from drivers.contract import Swap
from drivers.zk import packets, records
from drivers.zk.packets import HEAD_BYTES, MAGIC, Packet
from drivers.zk.records import HEADER_BYTES, is_strict

BLANK = 0xFF
USER = slice(2, 26)
MOST_BYTES = 1 << 26
"""More than any log has; what is larger is no size."""
FLAGS = (1, 0xFFFF)
"""What a host subscribes to."""
QUERY_BYTES, TABLE_BYTES = 11, 3
"""A query is as long as that, and begins with which table it asks for."""
_LIVE_IDS = {10: 2, 14: 2, 12: 4, 32: 24, 36: 24, 37: 24, 52: 24}
_LIVE_BYTES = 8
"""Verify, state and time."""
_USED40, _USED16 = slice(26, 32), slice(4, 12)
"""Verify, time and state in a record."""


def redact(frame: bytes, swap: Swap) -> bytes:
    """The frame with other user ids: same length, checksum recomputed."""
    if not frame.startswith(MAGIC):
        return _record(frame, swap)
    packet = packets.parse(frame[HEAD_BYTES:])
    return packets.frame(packet.command, _data(packet, swap), session=packet.session, reply=packet.reply)


def _data(packet: Packet, swap: Swap) -> bytes:
    data = packet.data
    match packet.command:
        case packets.EVENT if packet.is_event and packet.session != packets.ATTENDANCE:
            return bytes(len(data))
        case packets.EVENT if len(data) == 4 and int.from_bytes(data, "little") in FLAGS:
            return data
        case packets.EVENT:
            return _live(data, swap)
        case packets.DATA:
            return _log(data, swap)
        case packets.PREPARE | packets.READY if len(data) in (4, 8) and _are_sizes(data):
            return data
        case packets.QUERY if len(data) == QUERY_BYTES:
            return data if data == packets.LOG_QUERY else data[:TABLE_BYTES] + bytes(QUERY_BYTES - TABLE_BYTES)
    return bytes([BLANK]) * len(data)


def _are_sizes(data: bytes) -> bool:
    return all(int.from_bytes(data[at : at + 4], "little") < MOST_BYTES for at in range(0, len(data), 4))


def _live(data: bytes, swap: Swap) -> bytes:
    size = _LIVE_IDS.get(len(data), 0)
    if not size or records.live(data) is None:
        return bytes([BLANK]) * len(data)
    used = size + _LIVE_BYTES
    who = _text(data[:size], swap) if size == 24 else _number(data[:size], swap)
    return who + data[size:used] + bytes(len(data) - used)


def _log(data: bytes, swap: Swap) -> bytes:
    """Records of one size behind the log's header, or of 40 bytes from anywhere, halves of them at both ends.

    Every record must look like one: users with their names and cards come the same way.
    """
    size = len(data) - HEADER_BYTES
    if 0 < size <= int.from_bytes(data[:HEADER_BYTES], "little") < MOST_BYTES:
        width = records.width_of(data[HEADER_BYTES:], size - size % 40 or size)
        if width is not None and _is_log(data[HEADER_BYTES:], width):
            return data[:HEADER_BYTES] + _records(data[HEADER_BYTES:], 0, width, swap)
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
    """Half a record: the digits of its user id become zeros, and so does what the layout does not explain."""
    first = width - len(part) if at_end else 0
    used = {40: _USED40, 16: _USED16}.get(width, slice(2, 8))
    user = range(USER.start, USER.stop) if width == 40 else range(0)
    return bytes(
        (0x30 if byte else 0) if place in user else byte if used.start <= place < used.stop else 0
        for place, byte in enumerate(part, first)
    )


def _record(record: bytes, swap: Swap) -> bytes:
    if len(record) == 40:
        return bytes(2) + _text(record[USER], swap) + record[_USED40] + bytes(8)
    if len(record) == 16:
        return _number(record[:4], swap) + record[_USED16] + bytes(4)
    return _number(record[:2], swap) + record[2:]


def _text(field: bytes, swap: Swap) -> bytes:
    user, _, _ = field.partition(b"\0")
    swapped = swap(user.decode("utf-8", "replace")).encode()[: len(user)]
    return swapped.ljust(len(user), b"0") + bytes(len(field) - len(user))


def _number(field: bytes, swap: Swap) -> bytes:
    swapped = swap(str(int.from_bytes(field, "little")))
    number = int(swapped) if swapped.isdecimal() else 0
    return (number % (1 << 8 * len(field))).to_bytes(len(field), "little")
