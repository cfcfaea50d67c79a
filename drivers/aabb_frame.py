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
HEAD_BYTES = 4
LEAST_LENGTH, MAX_LENGTH = 5, 128
MAX_BYTES = HEAD_BYTES + 2 * MAX_LENGTH
BEEP, LED = 0x0106, 0x0107
REQUEST, ANTICOLLISION, LONG_UID = 0x0201, 0x0202, 0x0212
ASKED = {REQUEST: (b"\x52", b"\x26"), ANTICOLLISION: (b"\x04", b""), LONG_UID: (b"",)}
"""Data of the host's questions; an answer begins with a status instead."""
NAMES = {REQUEST: "request", ANTICOLLISION: "anticollision", LONG_UID: "long_uid", BEEP: "beep", LED: "led"}


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
        body, size = unstuffed(data, start + HEAD_BYTES, stop, length, self._stuffing)
        if len(body) < length:
            return None
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
        return Frame(name="done" if payload[0] == 0 else "failed", fields=fields)

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


def unstuffed(data: bytes | bytearray, start: int, stop: int, length: int, stuffing: bool) -> tuple[bytes, int]:
    """Up to `length` bytes from `start` on without their stuffing, and how many bytes they take on the line."""
    if not stuffing:
        body = bytes(data[start : min(stop, start + length)])
        return body, len(body)
    made, at = bytearray(), start
    while len(made) < length and at < stop:
        if not (made and data[at] == 0 and data[at - 1] == STUFFED):
            made.append(data[at])
        at += 1
    return bytes(made), at - start


def is_question(command: int, payload: bytes) -> bool:
    """Whether it comes from the host: an answer has at least a status."""
    return not payload or payload in ASKED.get(command, ()) or (command in (BEEP, LED) and payload != b"\0")


def frame(node: int, command: int, data: bytes, *, stuffing: bool) -> bytes:
    """A frame of the host, stuffed if `stuffing`."""
    body = node.to_bytes(2, "little") + command.to_bytes(2, "little") + data
    return START + (len(body) + 1).to_bytes(2, "little") + _stuff(body, stuffing) + bytes([xor(body)])


def _stuff(body: bytes, stuffing: bool) -> bytes:
    return body.replace(bytes([STUFFED]), bytes([STUFFED, 0])) if stuffing else body


def redact(frame: bytes, swap: Swap) -> bytes:
    """The same frame of another card; keys and what a card holds become zeros. Stuffed bytes stay, none is added."""
    length = int.from_bytes(frame[2:HEAD_BYTES], "little")
    is_stuffed = len(frame) > HEAD_BYTES + length
    body = unstuffed(frame, HEAD_BYTES, len(frame), length, is_stuffed)[0][:-1]
    new = bytearray(body[:4] + _without_card(int.from_bytes(body[2:4], "little"), body[4:], swap))
    for at in range(4, len(body)):
        if is_stuffed and body[at] == STUFFED:
            new[at] = STUFFED
        elif new[at] == STUFFED:
            new[at] ^= 0x01
    made = bytes(new)
    return frame[:HEAD_BYTES] + _stuff(made, is_stuffed) + bytes([xor(made)])


def _without_card(command: int, payload: bytes, swap: Swap) -> bytes:
    if len(payload) < 2 or command == REQUEST:
        return payload
    if command in (ANTICOLLISION, LONG_UID) and payload[0] == 0:
        return payload[:1] + other_uid(payload[1:], swap)
    return bytes(len(payload))
