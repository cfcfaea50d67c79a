"""UHF readers that speak Len Adr Cmd: UHFReader18, Chafon, SID UR. RS-232, USB, RS-485 or TCP, 57600 or 115200 8N1.

    length | address | command | [status] | data | CRC, 2 bytes, low byte first
         |         `- FF: everybody                `- CRC-16 reflected 8408, start FFFF, over all before
         `- of everything behind it

    01  inventory    (host: no data, or Q and session: 04 .. 01, 06 .. 01)
        01 02 04     tags follow: number of tags, then length and EPC each               (UHFReader18)
        03           the same, and another frame comes; or antennas (bit mask), number, then length, EPC, RSSI each
        FB           no tag      F8  antenna      FD FE FF  length, command, parameter refused
    EE  active mode, unasked: 00 antennas, length, EPC, RSSI (or the EPC alone); 28 heartbeat
    21  reader information      33  buzzer and lamp      0F  inventory of one tag

No byte says that a frame begins, so a position is a candidate if length, command, status and the first count or size
go together, and only the CRC makes it a frame. Where a frame is to be expected (at the start, behind another, after a
silence) any command of up to 65 bytes is one if its CRC holds; it has a name or is `unknown`. A frame with several
tags gives several events.

Which of the two lists of tags it is, the bytes say: counts and lengths fill the frame exactly in one of them only
(lengths are even and at least 4, one antenna is one bit; the 18's list then has another parity than the UR's).
Sources: SID UR-series manual pages 20, 52, 75; UHFReader18 manual V2.0; tests of wabson/chafon-rfid.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from drivers import uhf, uhf_bus
from drivers.checksums import crc16
from drivers.contract import Driver, DriverSpec, Swap
from drivers.events import Event
from drivers.framing import Bad, Good, Noise, Verdict
from drivers.uhf_len_tags import DATA_AT, Tag, replaced, tags_of
from drivers.uhf_len_talk import ANSWER_S, Dialogue

CRC = "crc16-mcrf4xx"
INVENTORY, ONE_TAG, INFO, SIGNAL, PUSH = 0x01, 0x0F, 0x21, 0x33, 0xEE
NAMES = {INVENTORY: "inventory", ONE_TAG: "one_tag", INFO: "info", SIGNAL: "signal", PUSH: "push"}
REQUESTS = {INVENTORY: (4, 6, 9), ONE_TAG: (4,), INFO: (4,), SIGNAL: (7,)}
SHORT_REQUESTS = {INVENTORY: (4, 6), ONE_TAG: (4,), INFO: (4,), SIGNAL: (7,)}
"""Questions with so few data that they name nobody."""
HEARTBEAT = 0x28
TAGS, MORE = (0x01, 0x02, 0x03, 0x04), 0x03
OTHER_NAMES = {
    0x02: "read", 0x03: "write", 0x04: "write_epc", 0x05: "kill", 0x06: "lock", 0x07: "erase", 0x22: "region",
    0x24: "address", 0x25: "inventory_time", 0x28: "baud", 0x2F: "power",
}  # fmt: skip
"""Frames of which nobody asks more than the name; whether they ask or answer, they do not say."""
OTHER_LENGTHS = range(4, 65)
REFUSAL_LENGTH = 5
REFUSED = (0xFD, 0xFE, 0xFF)
STATUSES = {0x00: "done", 0xF8: "antenna_missing", 0xFB: "no_tag"}


_SIZE = b"[" + re.escape(bytes([*range(4, 63, 2), *range(0x90, 0xCB, 2)])) + b"]"
_HEADERS = (
    (rb"[\x04\x06\x09]", b".", rb"\x01"),
    (rb"\x04", b".", rb"[\x0F\x21]"),
    (rb"\x07", b".", rb"\x33"),
    (rb"\x05", b".", rb"[\x01\x0F\x21\x33]", rb"[\x00\xF8\xFB\xFD-\xFF]"),
    (rb"[\x0B-\x18]", b".", rb"\x21", rb"\x00"),
    (rb"\x07", b".", rb"[\x01\x0F]", rb"[\x01-\x04]", rb"[\x01\x02\x04\x08\x10 @\x80]", rb"\x00"),
    (rb"[\x0B-\xFF]", b".", rb"[\x01\x0F]", rb"[\x01-\x04]", rb"[\x01-\x3F]", _SIZE),
    (
        rb"[\x0D-\xFF]",
        b".",
        rb"[\x01\x0F]",
        rb"[\x01-\x04]",
        rb"[\x01\x02\x04\x08\x10 @\x80]",
        rb"[\x01-\x3F]",
        _SIZE,
    ),
    (rb"[\x0C-\x46]", b".", rb"\xEE", rb"\x00", b".", _SIZE),
    (b"[" + re.escape(bytes(range(9, 0x44, 2))) + b"]", b".", rb"\xEE", rb"\x00"),
    (rb"[\x05-\x20]", b".", rb"\xEE", rb"\x28"),
)
"""What a frame can begin with, far enough that bytes which only look like it do not make us wait for the rest."""
_HEADER = re.compile(b"|".join(uhf.beginning(*steps) for steps in _HEADERS), re.DOTALL)


@dataclass(frozen=True, slots=True)
class Options(uhf_bus.Options):
    """Those of drivers.uhf_bus (a UHFReader18 tells no RSSI), and: `answer_s`: seconds an inventory may take.
    `feedback`: beep.
    """

    ANTENNAS: ClassVar[int] = 8
    answer_s: float = ANSWER_S
    feedback: bool = False

    def __post_init__(self) -> None:
        uhf_bus.Options.__post_init__(self)
        if not 0.1 <= self.answer_s <= 30.0:
            raise ValueError(f"answer_s: {self.answer_s} is not between 0.1 and 30 seconds")


class _Bus(uhf_bus.Readers):
    """Judges the frames of one line."""

    def judge(self, data: bytearray, start: int, stop: int, at: float) -> Verdict | None:
        """What begins at `start`; see drivers.framing."""
        header = _HEADER.search(data, start, stop)
        if header is None or header.start() > start:
            if self.edge.holds and data[start] in OTHER_LENGTHS and not _hides_frame(data, start, stop):
                frame = bytes(data[start : min(stop, start + data[start] + 1)])
                if len(frame) <= data[start]:
                    return None
                if _check(frame[:-2]) == frame[-2:]:
                    return Good(len(frame), (self._other(frame),))
            return Noise((stop if header is None else header.start()) - start)
        size = data[start] + 1
        if stop - start < size:
            return None
        frame = bytes(data[start : start + size])
        if _check(frame[:-2]) != frame[-2:]:
            return Bad(size, "integrity")
        if not _has_tags(frame):
            return Good(size, (self._event(frame),))
        tags = tags_of(frame)
        return Bad(size, "format") if tags is None else Good(size, self._tags(frame, tags, at))

    def _tags(self, frame: bytes, tags: Sequence[Tag], at: float) -> tuple[Event, ...]:
        """All tags of a frame, in its order."""
        fields: dict[str, object] = {"address": frame[1], "cmd": frame[2], "status": frame[3]}
        if not tags:
            return (self.frame("no_tag", frame[1], fields | {"kind": "response"}),)
        told: list[Event] = []
        for tag in tags:
            known: dict[str, object] = {"kind": "tag", "epc": tag.epc.hex(), "tags": len(tags)}
            known |= {} if tag.rssi is None else {"rssi_raw": tag.rssi}
            known |= {"antennas": list(tag.antennas)} if tag.antennas else {}
            told += self.see(frame[1], uhf.Report(tag.epc, tag.rssi, tag.antennas, fields | known), at)
        return tuple(told)

    def _event(self, frame: bytes) -> Event:
        """A frame that brings no tag: a question, a status, a heartbeat."""
        length, address, command = frame[:3]
        fields: dict[str, object] = {"address": address, "cmd": command}
        if length in REQUESTS.get(command, ()):
            name, kind = f"{NAMES[command]}_request", "command"
        else:
            fields["status"] = frame[3]
            name, kind = STATUSES.get(frame[3], "refused"), "response"
            if command == PUSH:
                name, kind = "heartbeat", "heartbeat"
            elif command == INFO and frame[3] == 0:
                name = "info"
        return self.frame(name, address, fields | {"kind": kind})

    def _other(self, frame: bytes) -> Event:
        """A frame of a command that is not ours. Its data may be a tag's, and are not shown."""
        length, address, command = frame[:3]
        is_refusal = length == REFUSAL_LENGTH and frame[3] in REFUSED
        name = "refused" if is_refusal else OTHER_NAMES.get(command, "unknown")
        return self.frame(name, address, {"address": address, "cmd": command, "bytes": length - 4})


def _hides_frame(data: bytearray, start: int, stop: int) -> bool:
    """Whether a known frame lies whole inside what a stray byte at `start` claims: then nobody waits for the rest."""
    end = min(stop, start + data[start])
    for header in _HEADER.finditer(data, start + 1, end):
        frame = bytes(data[header.start() : header.start() + data[header.start()] + 1])
        if header.start() + len(frame) <= end and len(frame) > frame[0] and _check(frame[:-2]) == frame[-2:]:
            return True
    return False


def _check(data: bytes) -> bytes:
    return crc16(data, CRC).to_bytes(2, "little")


def _has_tags(frame: bytes) -> bool:
    """Whether this should be tags, by command, length and status."""
    length, _, command, status = frame[:4]
    if command == PUSH:
        return status != HEARTBEAT
    return command in (INVENTORY, ONE_TAG) and length not in REQUESTS[command] and status in TAGS


def redact(frame: bytes, swap: Swap) -> bytes:
    """The frame with other EPCs, its check recomputed. Other data become zeros, but for the short questions."""
    if _HEADER.match(frame) and _has_tags(frame):
        changed = replaced(frame, tags_of(frame) or (), swap)[:-2]
    elif frame[0] in SHORT_REQUESTS.get(frame[2], ()):
        changed = frame[:-2]
    else:
        changed = frame[:DATA_AT] + bytes(len(frame[DATA_AT:-2])) if len(frame) > DATA_AT + 2 else frame[:-2]
    return changed + _check(changed)


def build(units: Sequence[Options], /) -> Driver:
    """The decoder of one line; `units` are its readers."""
    bus = _Bus(units)
    dialogues = [
        Dialogue(
            index,
            uhf_bus.PUBLIC if unit.address is None else unit.address,
            unit.answer_s,
            beeps=unit.feedback,
        )
        for index, unit in enumerate(units)
    ]
    return uhf_bus.build(units, bus, bus.judge, dialogues)


DRIVER = DriverSpec(
    name="uhf_len",
    title="UHF readers that speak Len Adr Cmd (UHFReader18, Chafon, SID UR)",
    options=Options,
    build=build,
    emits=uhf.READS_AND_PASSES,
    baud=57600,
    bus=True,
    asks=True,
    latency=uhf_bus.latency_s,
    bauds=(57600, 115200, 9600, 19200, 38400),
    proof_bits=24,
    tcp_port=6000,
    redact=redact,
    directions=uhf.DIRECTIONS,
    wiring="RS-232, USB, RS-485 (several readers, each its address) or TCP, 57600 or 115200 8N1; the gateway asks",
    frame="length, address, command, status, data, CRC-16",
    example="""\
[[ports]]
url = "/dev/serial/by-id/usb-Prolific_USB-Serial_Controller-if00-port0"
baud = 57600

  [[ports.devices]]
  id = "gate-1"
  driver = "uhf_len"
  lane = "lobby-1"
  side = "in"
  options = { address = 0, tag_window_s = 3.0 }
""",
)
