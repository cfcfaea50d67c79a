"""The lists of tags of the Len Adr Cmd family (drivers.uhf_len): found in a frame, and replaced there."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from drivers.contract import Swap

DATA_AT = 4
PUSH = 0xEE
LEAST_EPC, MOST_EPC = 4, 62
TID_BYTES = 12
HAS_TID = 0x80


@dataclass(frozen=True, slots=True)
class Tag:
    """One tag: its EPC, where in the frame it and a TID behind it lie, its signal, the antennas that saw it."""

    epc: bytes
    at: int
    rssi: int | None = None
    antennas: tuple[int, ...] = ()
    tid_bytes: int = 0


def tags_of(frame: bytes) -> tuple[Tag, ...] | None:
    """The tags of a whole frame, length byte to CRC; None: they do not fill it."""
    data = frame[DATA_AT:-2]
    if frame[2] == PUSH:
        return _pushed(frame)
    if len(data) >= 2 and data[0] in (1, 2, 4, 8, 16, 32, 64, 128):
        tags = _listed(frame, DATA_AT + 2, data[1], _bits(data[0]))
        if tags is not None:
            return tags
    return _listed(frame, DATA_AT + 1, data[0], None) if data else None


def replaced(frame: bytes, tags: Sequence[Tag], swap: Swap) -> bytes:
    """The frame with the EPC (and TID) of each of its tags swapped; its CRC is left as it was."""
    made = bytearray(frame)
    for tag in tags:
        end = tag.at + len(tag.epc)
        made[tag.at : end] = _swapped(tag.epc, swap)
        if tag.tid_bytes:
            made[end : end + tag.tid_bytes] = _swapped(frame[end : end + tag.tid_bytes], swap)
    return bytes(made)


def _swapped(raw: bytes, swap: Swap) -> bytes:
    return bytes.fromhex(swap(raw.hex().upper()))


def _bits(mask: int) -> tuple[int, ...]:
    return tuple(bit for bit in range(8) if mask >> bit & 1)


def _is_epc(size: int) -> bool:
    return LEAST_EPC <= size <= MOST_EPC and size % 2 == 0


def _pushed(frame: bytes) -> tuple[Tag, ...] | None:
    """Active mode: antennas, length, EPC, RSSI; or nothing but the EPC. One length is even, the other is not."""
    data = frame[DATA_AT:-2]
    if _is_epc(len(data)):
        return (Tag(data, DATA_AT),)
    if len(data) > 3 and len(data) == data[1] + 3 and _is_epc(data[1]):
        return (Tag(data[2:-1], DATA_AT + 2, data[-1], _bits(data[0])),)
    return None


def _listed(frame: bytes, at: int, count: int, antennas: tuple[int, ...] | None) -> tuple[Tag, ...] | None:
    """`count` tags from `at` on, with RSSI if the list names its antennas; None: they do not end with the frame."""
    tags: list[Tag] = []
    end = len(frame) - 2
    for _ in range(count):
        if at >= end:
            return None
        size, tid_bytes = frame[at] & ~HAS_TID, TID_BYTES if frame[at] & HAS_TID else 0
        after = at + 1 + size
        if not _is_epc(size - tid_bytes) or after + (antennas is not None) > end:
            return None
        rssi = None if antennas is None else frame[after]
        tags.append(Tag(frame[at + 1 : after - tid_bytes], at + 1, rssi, antennas or (), tid_bytes))
        at = after + (antennas is not None)
    return tuple(tags) if at == end else None
