"""A frame that speaks of another card, for recordings that leave the site.

What cannot be swapped is blanked: keypad digits become zeros, and of keys, encrypted data, their MACs and the random
numbers of the handshake nothing is left, since a session under the public key could be opened from them.
"""

from __future__ import annotations

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

SECRET_COMMANDS = (wire.KEYSET, wire.CHLNG, wire.SCRYPT)
SECRET_REPLIES = (wire.CCRYPT, wire.RMAC_I, wire.PIVDATAR)


def redact(frame: bytes, swap: Swap) -> bytes:
    """The frame with its card numbers swapped, same length, check recomputed."""
    body = wire.without_mark(frame)
    parts, packet = wire.layout(body), wire.parse(body)
    if parts is None or packet is None:
        return frame
    payload = _payload(packet, swap)
    edited = body[: parts.data] + payload + bytes(len(packet.mac)) + body[parts.check :]
    return frame[: len(frame) - len(body)] + wire.seal(edited)


def _payload(packet: Packet, swap: Swap) -> bytes:
    payload = packet.payload
    secret = SECRET_REPLIES if packet.is_reply else SECRET_COMMANDS
    if packet.is_encrypted or packet.code in secret:
        return bytes(len(payload))
    if not packet.is_reply:
        return payload
    if packet.code == wire.RAW:
        raw = parse_raw(payload)
        return payload[:4] + (_swapped(raw, swap) if raw is not None else bytes(len(payload[4:])))
    if packet.code == wire.FMT:
        fmt = parse_fmt(payload)
        return payload[:3] + (swap(fmt[2]).encode("ascii") if fmt is not None else bytes(len(payload[3:])))
    if packet.code == wire.KEYPAD:
        return payload[:2] + b"0" * len(payload[2:])
    return payload


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
