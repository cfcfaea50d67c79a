"""The frames of the PN532's UART: judged, named, made. The picture is in drivers.pn532.

Extended frames (n = FF, check FF, then two length bytes and their check) carry up to 265 bytes. Cards in one are read
like those in a normal frame; what else comes so is named and read no further. A sum does not notice a lost 00: only
the 00 behind it is then missing, so it is no ornament.
"""

from __future__ import annotations

from dataclasses import dataclass

from drivers.checksums import sum8, sum8_complement
from drivers.contract import Swap
from drivers.events import Event, Frame
from drivers.framing import Bad, Good, Noise, Verdict
from drivers.marks import before
from drivers.uids import UID_BYTES, Held, other_uid

START = bytes.fromhex("0000FF")
HEAD_BYTES, LONG_HEAD_BYTES, TAIL_BYTES = 5, 8, 2
MAX_DATA_BYTES = 265
MAX_BYTES = LONG_HEAD_BYTES + MAX_DATA_BYTES + TAIL_BYTES
SIGNS = {(0x00, 0xFF): "ack", (0xFF, 0x00): "nack"}
LONG = (0xFF, 0xFF)
HOST, MODULE, ERROR = 0xD4, 0xD5, 0x7F
LISTED, POLLED = 0x4B, 0x61
TYPE_A = 0x00
CARDS_OF_TYPE_A = (0x00, 0x10, 0x20)
"""Kinds in POLLED: any of type A at 106 kbit/s, MIFARE, ISO 14443-4A. The others are FeliCa, type B, Jewel, peers."""
FOLLOWS_14443_4 = 0x20
COMMANDS = {0x02: "firmware", 0x14: "set_up", 0x32: "rf_configuration", 0x4A: "list_targets", 0x60: "auto_poll"}
HARMLESS_BYTES = {
    (HOST, 0x14): 5, (HOST, 0x32): 3, (HOST, 0x4A): 4, (MODULE, LISTED): 3, (MODULE, POLLED): 3,
}  # fmt: skip
"""How many bytes of a frame's data, from TFI on, say nothing of a card; of others, TFI and code."""
FIRMWARE, FIRMWARE_BYTES = bytes.fromhex("D50332"), 6
"""How the answer begins in which the chip says what it is, and how long it is."""


@dataclass(frozen=True, slots=True)
class Target:
    """One card of an answer: where its UID lies in the data, and what it says of its kind."""

    number: int
    sens_res: str
    sel_res: int
    start: int
    stop: int


class Decoder:
    """Judges both sides of the line. Remembers which kind of card was asked for, and which answered last."""

    def __init__(self, hold_s: float) -> None:
        self._held = Held(hold_s)
        self._card_type = TYPE_A

    def forget(self) -> None:
        """Forget both."""
        self._held.forget()
        self._card_type = TYPE_A

    def judge(self, data: bytearray, start: int, stop: int, at: float) -> Verdict | None:
        """What begins at `start`; see drivers.framing."""
        if noise := before(START, data, start, stop):
            return Noise(noise)
        if stop - start <= HEAD_BYTES:
            return None
        head = bytes(data[start : min(stop, start + LONG_HEAD_BYTES)])
        signs = head[3], head[4]
        if signs in SIGNS:
            name, size = SIGNS[signs], HEAD_BYTES + 1
            return Bad(size, "format") if head[5] else Good(size, (Frame(name=name, fields={"kind": name}),))
        if signs == LONG and len(head) < LONG_HEAD_BYTES:
            return None
        before_data, length, flaw = _measure(head)
        if flaw is not None:
            return flaw
        size = before_data + length + TAIL_BYTES
        if stop - start < size:
            return None
        body = bytes(data[start + before_data : start + size - 1])
        if sum8(body):
            return Bad(size, "integrity")
        if data[start + size - 1]:
            return Bad(size, "format")
        return Good(size, self._events(body[:-1], signs == LONG, at))

    def _events(self, data: bytes, is_long: bool, at: float) -> tuple[Event, ...]:
        """What the data between head and check say: TFI, code, parameters."""
        if is_long and (data[0] != MODULE or len(data) < 3 or data[1] not in (LISTED, POLLED)):
            return (Frame(name="extended", fields={"kind": "extended", "data_len": len(data)}),)
        fields: dict[str, object] = {"data": data.hex()}
        if data[0] == HOST and len(data) > 1:
            if data[1] == 0x4A and len(data) > 3:
                self._card_type = data[3]
            return (Frame(name=COMMANDS.get(data[1], "command"), fields={"kind": "command"} | fields),)
        if data[0] == MODULE and len(data) > 1:
            return self._answer(data, {"kind": "response"} | fields, at)
        if data[0] == ERROR:
            return (Frame(name="error", fields={"kind": "error"} | fields),)
        return (Frame(name="unknown", fields={"kind": "unknown"} | fields),)

    def _answer(self, data: bytes, fields: dict[str, object], at: float) -> tuple[Event, ...]:
        if data[1] == LISTED and len(data) > 2:
            return self._listed(data, fields | {"targets": data[2]}, at)
        if data[1] == POLLED and len(data) > 2:
            return self._polled(data, fields | {"targets": data[2]}, at)
        if data[1] == 0x03 and len(data) == 6:
            firmware = dict(zip(("ic", "ver", "rev", "support"), data[2:], strict=True))
            return (Frame(name="firmware", fields=fields | {"firmware": firmware}),)
        return (Frame(name={0x15: "set_up", 0x33: "rf_configuration"}.get(data[1], "response"), fields=fields),)

    def _listed(self, data: bytes, fields: dict[str, object], at: float) -> tuple[Event, ...]:
        """One event for each card: two people may come at once."""
        card_type, self._card_type = self._card_type, TYPE_A
        if data[2] == 0:
            return (Frame(name="no_card", fields=fields),)
        if card_type != TYPE_A:
            return (Frame(name="other_target", fields=fields),)
        found = targets(data)
        if not found:
            return (Frame(name="unreadable_target", fields=fields),)
        return tuple(self._card(data[each.start : each.stop], each, fields, at) for each in found)

    def _polled(self, data: bytes, fields: dict[str, object], at: float) -> tuple[Event, ...]:
        """The same of what it found by itself, at most two; what is no card of type A is a frame."""
        if data[2] == 0:
            return (Frame(name="no_card", fields=fields),)
        found = polled(data)
        if found is None:
            return (Frame(name="unreadable_target", fields=fields),)
        told: list[Event] = []
        for place, target in found:
            said = fields | {"target_kind": data[place]}
            if target is None:
                told.append(Frame(name="other_target", fields=said))
            else:
                told.append(self._card(data[target.start : target.stop], target, said, at))
        return tuple(told)

    def _card(self, uid: bytes, target: Target, fields: dict[str, object], at: float) -> Event:
        said: dict[str, object] = {
            "target": target.number,
            "sens_res": target.sens_res,
            "sel_res": target.sel_res,
            "uid": uid.hex(),
        }
        return self._held.event(uid, fields | said, at)


def _measure(head: bytes) -> tuple[int, int, Bad | None]:
    """Bytes in front of the data, bytes of data, and what is wrong with them."""
    if (head[3], head[4]) == LONG:
        length = head[5] << 8 | head[6]
        flaw = Bad(LONG_HEAD_BYTES, "integrity") if sum8(head[5:8]) else None
        return LONG_HEAD_BYTES, length, flaw or _bound(LONG_HEAD_BYTES, length)
    flaw = Bad(HEAD_BYTES, "integrity") if sum8(head[3:5]) else None
    return HEAD_BYTES, head[3], flaw or _bound(HEAD_BYTES, head[3])


def _bound(head: int, length: int) -> Bad | None:
    return None if 1 <= length <= MAX_DATA_BYTES else Bad(head, "length")


def targets(data: bytes) -> list[Target]:
    """The cards of type A in an answer D5 4B; none if its lengths do not fit."""
    found: list[Target] = []
    at = 3
    for _ in range(data[2]):
        target = _target(data, at)
        if target is None:
            return []
        found.append(target)
        at = _behind(data, target)
    return found


def polled(data: bytes) -> list[tuple[int, Target | None]] | None:
    """What an answer D5 61 found: where each stands, and the card if it is one of type A. None: no lengths that fit.

    Each is its kind, a length, and so many bytes, which for a card are those of D5 4B.
    """
    found: list[tuple[int, Target | None]] = []
    at = 3
    for _ in range(data[2]):
        end = at + 2 + data[at + 1] if at + 2 <= len(data) else len(data) + 1
        if end > len(data):
            return None
        target = _target(data[:end], at + 2) if data[at] in CARDS_OF_TYPE_A else None
        if data[at] in CARDS_OF_TYPE_A and (target is None or _behind(data[:end], target) != end):
            return None
        found.append((at, target))
        at = end
    return found if at == len(data) else None


def _target(data: bytes, at: int) -> Target | None:
    """The card of type A that begins at `at`: number, SENS_RES 2, SAK, n, UID n, (ATS)."""
    if len(data) < at + 5:
        return None
    start, stop = at + 5, at + 5 + data[at + 4]
    if data[at + 4] not in UID_BYTES or len(data) < stop:
        return None
    return Target(data[at], data[at + 1 : at + 3].hex(), data[at + 3], start, stop)


def _behind(data: bytes, target: Target) -> int:
    """Where a card's bytes end: its ATS, which counts itself, is among them."""
    has_ats = target.sel_res & FOLLOWS_14443_4 and target.stop < len(data)
    return target.stop + (max(1, data[target.stop]) if has_ats else 0)


def frame(data: bytes) -> bytes:
    """A normal frame around TFI, code and parameters, at most 254 bytes."""
    return START + bytes([len(data), -len(data) & 0xFF]) + data + bytes([sum8_complement(data), 0])


def redact(frame: bytes, swap: Swap) -> bytes:
    """The same frame of other cards; whatever else a card may have said, or was told, becomes zeros."""
    if (frame[3], frame[4]) in SIGNS:
        return frame
    head = LONG_HEAD_BYTES if (frame[3], frame[4]) == LONG else HEAD_BYTES
    length = _measure(frame[:LONG_HEAD_BYTES])[1]
    data, rest = frame[head : head + length], frame[head + length + 1 :]
    made = _without_card(data, swap)
    return frame[:head] + made + bytes([sum8_complement(made)]) + rest


def _without_card(data: bytes, swap: Swap) -> bytes:
    if data.startswith(FIRMWARE) and len(data) == FIRMWARE_BYTES:
        return data
    kept = HARMLESS_BYTES.get((data[0], data[1]), 2) if len(data) > 1 else 1
    made = bytearray(data[:kept] + bytes(len(data[kept:])))
    places, cards = _found(data)
    for place in places:
        made[place : place + 2] = data[place : place + 2]
    for each in cards:
        made[each.start - 5 : each.start] = data[each.start - 5 : each.start]
        made[each.start : each.stop] = other_uid(data[each.start : each.stop], swap)
        if each.stop < len(data) and each.sel_res & FOLLOWS_14443_4:
            made[each.stop] = data[each.stop]
    return bytes(made)


def _found(data: bytes) -> tuple[list[int], list[Target]]:
    """Where kind and length of something found stand in an answer, and the cards of it."""
    if data[0] != MODULE or len(data) < 3:
        return [], []
    if data[1] == POLLED:
        found = polled(data) or []
        return [place for place, _ in found], [target for _, target in found if target is not None]
    return [], targets(data) if data[1] == LISTED else []
