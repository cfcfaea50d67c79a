"""The frames of AA BB modules: judged, named, made. The picture is in drivers.hf_aabb."""

from __future__ import annotations

from drivers.checksums import xor
from drivers.contract import Swap
from drivers.events import Event, Frame
from drivers.framing import Bad, Good, Noise, Verdict
from drivers.marks import before
from drivers.uids import CASCADE, UID_BYTES, Held, other_uid

START = bytes.fromhex("AABB")
STUFFED = 0xAA
STUFFING = b"\xaa\0"
HEAD_BYTES = 4
LEAST_LENGTH, MAX_LENGTH = 5, 128
MAX_BYTES = HEAD_BYTES + 2 * MAX_LENGTH
BEEP, LED = 0x0106, 0x0107
REQUEST, ANTICOLLISION, SELECT, LONG_UID = 0x0201, 0x0202, 0x0203, 0x0212
ASKED = {REQUEST: (b"\x52", b"\x26"), ANTICOLLISION: (b"\x04", b""), LONG_UID: (b"",)}
"""Data of the host's questions; an answer begins with a status instead."""
NAMES = {
    REQUEST: "request", ANTICOLLISION: "anticollision", SELECT: "select", LONG_UID: "long_uid", BEEP: "beep",
    LED: "led",
}  # fmt: skip
STATUS_ONLY, WITH_SAK = 1, 2
"""Bytes in an answer to SELECT: a status, and how the card calls its kind."""
HARMLESS_BYTES = {(REQUEST, 3), (SELECT, WITH_SAK)}
"""Command and size of what is no secret: a status and the kind of a card."""
ANSWERED = (REQUEST, ANTICOLLISION, LONG_UID)
"""Commands whose answers tell by their status what they are."""


class Decoder:
    """Judges both sides of the line. Remembers how long a UID the present card has, and which card answered last."""

    def __init__(self, hold_s: float, stuffing: bool) -> None:
        self._held = Held(hold_s)
        self._stuffing = stuffing
        self._uid_bytes = 0

    def forget(self) -> None:
        """Forget both."""
        self._held.forget()
        self._uid_bytes = 0

    def judge(self, data: bytearray, start: int, stop: int, at: float) -> Verdict | None:
        """What begins at `start`; see drivers.framing."""
        if noise := before(START, data, start, stop):
            return Noise(noise)
        if stop - start < HEAD_BYTES:
            return None
        length = int.from_bytes(data[start + 2 : start + HEAD_BYTES], "little")
        if not LEAST_LENGTH <= length <= MAX_LENGTH:
            return Bad(HEAD_BYTES, "length")
        if stop - start < HEAD_BYTES + length:
            return None
        plain = bytes(data[start + HEAD_BYTES : start + HEAD_BYTES + length])
        if not (self._stuffing and STUFFING in plain):
            return self._verdict(plain, length, at)
        body, size = unstuffed(data, start + HEAD_BYTES, stop, length)
        if len(body) < length:
            return None
        if xor(plain) != 0:
            return self._verdict(body, size, at)
        return Bad(HEAD_BYTES + size, "integrity") if xor(body) == 0 else self._verdict(plain, length, at)

    def _verdict(self, body: bytes, size: int, at: float) -> Verdict:
        """What a body of `size` bytes on the line is."""
        if xor(body) != 0:
            return Bad(HEAD_BYTES + size, "integrity")
        return Good(HEAD_BYTES + size, (self._event(body[:-1], at),))

    def _event(self, body: bytes, at: float) -> Event:
        node, command = int.from_bytes(body[:2], "little"), int.from_bytes(body[2:4], "little")
        payload = body[4:]
        fields: dict[str, object] = {"node": node, "cmd": command, "payload": payload.hex()}
        if is_question(command, payload):
            return Frame(name=NAMES.get(command, "command"), fields=fields | {"kind": "command"})
        if command == REQUEST:
            return self._present(payload, fields)
        if command in (ANTICOLLISION, LONG_UID):
            return self._card(payload, fields, at)
        if command in (BEEP, LED):
            return Frame(name="done", fields=fields)
        if command == SELECT and len(payload) in (STATUS_ONLY, WITH_SAK):
            return Frame(name="selected" if payload[0] == 0 else "failed", fields=fields)
        return Frame(name="other", fields=fields)

    def _present(self, payload: bytes, fields: dict[str, object]) -> Event:
        self._uid_bytes = 0
        if payload[0] != 0:
            return Frame(name="no_card", fields=fields)
        if len(payload) == 3 and payload[1] >> 6 < len(UID_BYTES):
            self._uid_bytes = UID_BYTES[payload[1] >> 6]
        return Frame(name="card_present", fields=fields)

    def _card(self, payload: bytes, fields: dict[str, object], at: float) -> Event:
        expected, self._uid_bytes = self._uid_bytes, 0
        uid = payload[1:]
        if payload[0] != 0 or len(uid) not in UID_BYTES:
            return Frame(name="no_uid", fields=fields)
        if len(uid) == UID_BYTES[0] and (uid[0] == CASCADE or expected > len(uid)):
            return Frame(name="partial_uid", fields=fields)
        return self._held.event(uid, fields, at)


def unstuffed(data: bytes | bytearray, start: int, stop: int, length: int) -> tuple[bytes, int]:
    """Up to `length` bytes from `start` on without their stuffing, and how many bytes they take on the line."""
    made, at = bytearray(), start
    while len(made) < length and at < stop:
        if not (made and data[at] == 0 and data[at - 1] == STUFFED):
            made.append(data[at])
        at += 1
    return bytes(made), at - start


def is_question(command: int, payload: bytes) -> bool:
    """Whether it surely comes from the host: an answer has at least a status, and names no card to select."""
    if command == SELECT:
        return len(payload) in (0, *UID_BYTES)
    return not payload or payload in ASKED.get(command, ()) or (command in (BEEP, LED) and payload != b"\0")


def frame(node: int, command: int, data: bytes, *, stuffing: bool) -> bytes:
    """A frame of the host, stuffed if `stuffing`."""
    body = node.to_bytes(2, "little") + command.to_bytes(2, "little") + data
    return START + (len(body) + 1).to_bytes(2, "little") + _stuff(body, stuffing) + bytes([xor(body)])


def _stuff(body: bytes, stuffing: bool) -> bytes:
    return body.replace(bytes([STUFFED]), bytes([STUFFED, 0])) if stuffing else body


def redact(frame: bytes, swap: Swap) -> bytes:
    """The same frame of another card; what is not known to be harmless becomes zeros. No stuffing comes or goes."""
    length = int.from_bytes(frame[2:HEAD_BYTES], "little")
    is_stuffed = len(frame) > HEAD_BYTES + length
    body = frame[HEAD_BYTES:]
    if is_stuffed:
        body = unstuffed(frame, HEAD_BYTES, len(frame), length)[0]
    body = body[:-1]
    new = bytearray(body[:4] + _without_card(int.from_bytes(body[2:4], "little"), body[4:], swap))
    for at in range(4, len(body)):
        if is_stuffed and body[at] == STUFFED:
            new[at] = STUFFED
        elif new[at] == STUFFED:
            new[at] ^= 0x01
    made = _sealed(new, is_stuffed)
    if is_stuffed and xor(made[:length]) == 0:  # it could be read in two ways, and would be refused
        at = max((at for at in range(5, len(new)) if new[at] != STUFFED), default=4)
        new[at] ^= 0x02 if new[at] ^ 0x01 == STUFFED else 0x01
        made = _sealed(new, is_stuffed)
    return frame[:HEAD_BYTES] + made


def _sealed(body: bytearray, is_stuffed: bool) -> bytes:
    return _stuff(bytes(body), is_stuffed) + bytes([xor(bytes(body))])


def _without_card(command: int, payload: bytes, swap: Swap) -> bytes:
    """Only statuses, parameters of one byte, the kind of a card, and UIDs (swapped) are left."""
    if len(payload) <= 1 or (command, len(payload)) in HARMLESS_BYTES:
        return payload
    if command == SELECT and len(payload) in UID_BYTES:
        return other_uid(payload, swap)
    if command not in ANSWERED:
        return bytes(len(payload))
    uid = payload[1:]
    if command != REQUEST and payload[0] == 0 and len(uid) in UID_BYTES:
        return payload[:1] + other_uid(uid, swap)
    return payload[:1] + bytes(len(uid))
