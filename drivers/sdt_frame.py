"""The frames of an SDT module (resident ID card readers), both sides of the line: judged, named, made.

    AA AA AA 96 69 | length 2, high byte first | SW1 SW2 SW3 | data | XOR from the first length byte on    (module)
    AA AA AA 96 69 | length 2                  | cmd para    | data | XOR                                  (host)
                     `- counts everything behind itself, the XOR too; 3 is always a host's command

The answer to a read, 1295 bytes in all: length of the text 0100, of the photo 0400, 256 bytes of text, 1024 of photo.
With fingerprints a third length and their bytes: 1297, 1809 or 2321. Sources: see drivers.sdt_idcard.
"""

from __future__ import annotations

from collections.abc import Collection

from drivers import cn_id_card
from drivers.checksums import xor
from drivers.contract import Swap
from drivers.events import CardRead, DeviceChange, DocumentRead, Event, Frame
from drivers.framing import Bad, Good, Noise, Verdict
from drivers.marks import before

PREAMBLE = bytes.fromhex("AAAAAA9669")
HEAD_BYTES = 7  # preamble and length
COMMAND_LENGTH = 3
MAX_BYTES = 2321
MAX_LENGTH = MAX_BYTES - HEAD_BYTES
TEXT_BYTES = cn_id_card.TEXT_BYTES
SELECTED_BYTES = 8
NUMBER_BYTES = 16
OK, SELF_TEST = 0x90, 0x60
COMMANDS = {
    (0x10, 0xFF): "reset",
    (0x11, 0xFF): "status",
    (0x12, 0xFF): "module_number",
    (0x20, 0x01): "find",
    (0x20, 0x02): "select",
    (0x30, 0x01): "read",
    (0x30, 0x03): "new_address",
    (0x30, 0x10): "read_with_fingerprints",
}
ANSWERS = {0x9F: "card_found", 0x80: "no_card", 0x81: "select_failed", 0x41: "read_failed"}
FAILURES = {
    0x10: "command_damaged",
    0x11: "command_length",
    0x21: "command_unknown",
    0x23: "not_permitted",
    0x24: "unknown_error",
    0x31: "card_not_authentic",
    0x32: "module_not_accepted",
    0x33: "data_not_authentic",
    0x40: "card_type_unknown",
    0x47: "no_random_number",
    SELF_TEST: "self_test_failed",
    0x66: "not_authorised",
    0x91: "no_content",
}
"""SW3 of answers that can come to any question."""


class Decoder:
    """Judges both sides of the line; remembers nothing. `documents`: those that are read beside resident ID cards."""

    def __init__(self, desk: bool, documents: Collection[str] = ()) -> None:
        self._desk = desk
        self._documents = {cn_id_card.RESIDENT, *documents}

    def judge(self, data: bytearray, start: int, stop: int, at: float) -> Verdict | None:
        """What begins at `start`; see drivers.framing."""
        if noise := before(PREAMBLE, data, start, stop):
            return Noise(noise)
        if stop - start < HEAD_BYTES:
            return None
        length = int.from_bytes(data[start + 5 : start + HEAD_BYTES], "big")
        if not COMMAND_LENGTH <= length <= MAX_LENGTH:
            return Bad(HEAD_BYTES, "length")
        size = HEAD_BYTES + length
        if stop - start < size:
            return None
        frame = bytes(data[start : start + size])
        if xor(frame[len(PREAMBLE) :]) != 0:
            return Bad(size, "integrity")
        return Good(size, (self._event(frame),))

    def _event(self, frame: bytes) -> Event:
        if is_command(frame):
            cmd, para = frame[7], frame[8]
            fields: dict[str, object] = {"kind": "command", "cmd": cmd, "para": para}
            return Frame(name=COMMANDS.get((cmd, para), "command"), fields=fields)
        sw, data = frame[7:10], frame[10:-1]
        fields = {"kind": "response", "sw": sw.hex(), "data_len": len(data)}
        if sw[1]:
            return Frame(name="unknown", fields=fields)
        if sw[2] == OK and len(data) >= TEXT_BYTES:
            return self._document(data, fields)
        if sw[2] == SELF_TEST:
            return DeviceChange(kind="fault", reason="self-test failed", fields=fields)
        name = ANSWERS.get(sw[2]) or FAILURES.get(sw[2])
        return Frame(name=name or (_success(len(data)) if sw[2] == OK else "unknown"), fields=fields)

    def _document(self, data: bytes, fields: dict[str, object]) -> Event:
        """The answer to a read: an event of its number, or why there is none."""
        at = text_at(data)
        if at is None:
            return Frame(name="unreadable_document", fields=fields)
        fields |= {"text_len": TEXT_BYTES, "photo_len": int.from_bytes(data[2:4], "big")}
        if at == 6:
            fields["fingerprint_len"] = int.from_bytes(data[4:6], "big")
        text = data[at : at + TEXT_BYTES]
        number, document = cn_id_card.number(text), cn_id_card.document(text)
        if document != cn_id_card.RESIDENT:
            fields["document"] = document or "unknown"
        if number is None or document not in self._documents:
            return Frame(name="unreadable_document", fields=fields)
        if not self._desk or document != cn_id_card.RESIDENT:
            return CardRead(scheme="cn-id", value=number, bits=None, fields=fields)
        fields["text"] = cn_id_card.printed(text)
        return DocumentRead(scheme="cn-id", value=number, bits=None, fields=fields)


def is_command(frame: bytes) -> bool:
    """Whether a whole frame comes from the host: an answer is longer, and its SW1 is 00."""
    return len(frame) == HEAD_BYTES + COMMAND_LENGTH or frame[7] != 0


def text_at(data: bytes) -> int | None:
    """Where the text begins in the answer to a read, 4 or 6 with fingerprints; None: its three lengths disagree."""
    text, photo, fingerprints = (int.from_bytes(data[n : n + 2], "big") for n in (0, 2, 4))
    sizes = {4 + text + photo: 4, 6 + text + photo + fingerprints: 6}
    return sizes.get(len(data)) if text == TEXT_BYTES else None


def _success(size: int) -> str:
    return {SELECTED_BYTES: "selected", NUMBER_BYTES: "module_number"}.get(size, "ok")


def command(cmd: int, para: int) -> bytes:
    """A question without data."""
    body = bytes([0, COMMAND_LENGTH, cmd, para])
    return PREAMBLE + body + bytes([xor(body)])


def redact(frame: bytes, swap: Swap) -> bytes:
    """The same answer for an invented person. Photo, fingerprints, and the data of other frames become zeros."""
    head = 9 if is_command(frame) else 10
    data = frame[head:-1]
    at = text_at(data) if len(data) >= TEXT_BYTES else None
    made = bytes(len(data))
    if at is not None:
        made = data[:at] + cn_id_card.redacted(data[at : at + TEXT_BYTES], swap)
        made += bytes(len(data) - len(made))
    body = frame[len(PREAMBLE) : head] + made
    return PREAMBLE + body + bytes([xor(body)])
