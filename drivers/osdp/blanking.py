"""A frame that speaks of another card, for recordings that leave the site.

Cards are swapped. Of everything else only what is known to say nothing of a person stays: questions, reports and
lights, each only in the shape the standard gives it. Texts, keys, biometrics, files, what makers and the chips in
cards say, and codes without a name become zeros. Of encrypted data, their MACs and the random numbers of the
handshake nothing is left, since a session under the public key could be opened from them.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from drivers.contract import Swap
from drivers.osdp import wire
from drivers.osdp.cards import (
    HALVES,
    Raw,
    as_number,
    inner,
    name,
    packed,
    parity_holds,
    parse_fmt,
    parse_raw,
    with_parity,
)
from drivers.osdp.wire import Packet

PLAIN_COMMANDS = {
    wire.POLL: rb"", 0x61: rb".?", wire.CAP: rb".?", wire.LSTAT: rb"", 0x65: rb"", 0x66: rb"", 0x67: rb"",
    wire.LED: rb"(?:..[\0-\2]..[\0-\7]{2}..[\0-\2]..[\0-\7]{2})+", wire.BUZ: rb".[\0-\2]...",
    0x6E: rb".{3}[\0-\x0f]\0",
}  # fmt: skip
PLAIN_REPLIES = {
    wire.ACK: rb"", wire.NAK: rb".", wire.PDCAP: rb"(?:[\0-\x20]..)+", wire.LSTATR: rb"[\0\1]{2}", 0x49: rb"[\0-\7]+",
    0x4A: rb"[\0-\7]+", wire.RSTATR: rb"[\0-\7]+", 0x54: rb".{3}[\0-\x0f]\0", wire.BUSY: rb"",
}  # fmt: skip
"""Code to a pattern of the data that may stay. LED: 14 bytes each, modes and colours; COM: address, speed."""
BLOCK_AT = 7
"""Where a security block's data begin."""
PDID, PDID_BYTES, SERIAL = 0x45, 12, slice(5, 9)


def redact(frame: bytes, swap: Swap) -> bytes:
    """The frame with its card numbers swapped, same length, check recomputed."""
    body = wire.without_mark(frame)
    parts, packet = wire.layout(body), wire.parse(body)
    if parts is None or packet is None:
        return frame
    payload = _payload(packet, swap)
    head = bytearray(body[: parts.data])
    if packet.block:
        head[BLOCK_AT : parts.code] = packet.block[:1] + bytes(len(packet.block) - 1)
    edited = bytes(head) + payload + bytes(len(packet.mac)) + body[parts.check :]
    return frame[: len(frame) - len(body)] + wire.seal(edited)


def _payload(packet: Packet, swap: Swap) -> bytes:
    payload = packet.payload
    nothing = bytes(len(payload))
    if packet.is_encrypted:
        return nothing
    if not packet.is_reply:
        return payload if _matches(PLAIN_COMMANDS, packet) else nothing
    if packet.code == wire.RAW and (raw := parse_raw(payload)) is not None:
        return payload[:4] + _swapped(raw, swap)
    if packet.code == wire.FMT and (fmt := parse_fmt(payload)) is not None:
        return payload[:3] + swap(fmt[2]).encode("ascii")
    if packet.code == wire.KEYPAD and len(payload) >= 2 and payload[1] == len(payload) - 2:
        return payload[:2] + b"0" * payload[1]
    if packet.code == PDID and len(payload) == PDID_BYTES:
        return payload[: SERIAL.start] + bytes(SERIAL.stop - SERIAL.start) + payload[SERIAL.stop :]
    if packet.code in (wire.NAK, wire.RSTATR):
        return payload if _matches(PLAIN_REPLIES, packet) else payload[:1] + nothing[1:]
    return payload if _matches(PLAIN_REPLIES, packet) else nothing


def _matches(shapes: Mapping[int, bytes], packet: Packet) -> bool:
    shape = shapes.get(packet.code)
    return shape is not None and re.fullmatch(shape, packet.payload, re.DOTALL) is not None


def _swapped(raw: Raw, swap: Swap) -> bytes:
    """Another card with as many bits, whose parity holds exactly if this one's does."""
    number = as_number(raw.data, raw.bits)
    value = name(raw.data, raw.bits).value
    if parity_holds(number, raw.bits):
        data = inner(number, raw.bits)
        other = int(swap(value), 16) & ((1 << (raw.bits - 2)) - 1)
        return packed(with_parity(other if other != data else data ^ 1, raw.bits), raw.bits)
    other = as_number(bytes.fromhex(swap(value)), raw.bits)
    other = other if other != number else number ^ 2
    if raw.bits in HALVES and parity_holds(other, raw.bits):
        other ^= 1
    return packed(other, raw.bits)
