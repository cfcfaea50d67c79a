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
go together, and only the CRC makes it a frame. Commands that are not above are therefore noise. A frame with several
tags gives several events.

Which of the two lists of tags it is, the bytes say: counts and lengths fill the frame exactly in one of them only
(lengths are even and at least 4, one antenna is one bit; the 18's list then has another parity than the UR's).
Sources: SID UR-series manual pages 20, 52, 75; UHFReader18 manual V2.0; tests of wabson/chafon-rfid.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from drivers import uhf
from drivers.asking import AskingDriver
from drivers.checksums import crc16
from drivers.contract import Driver, DriverSpec, Swap
from drivers.events import Event, Frame
from drivers.framing import Bad, FrameStream, Good, Noise, Verdict
from drivers.uhf_len_tags import DATA_AT, Tag, replaced, tags_of
from drivers.uhf_len_talk import ANSWER_S, Dialogue

CRC = "crc16-mcrf4xx"
PUBLIC = 0xFF
WINDOW_BYTES = 512
POLL_S = 0.1
ANTENNAS = 8
INVENTORY, ONE_TAG, INFO, SIGNAL, PUSH = 0x01, 0x0F, 0x21, 0x33, 0xEE
NAMES = {INVENTORY: "inventory", ONE_TAG: "one_tag", INFO: "info", SIGNAL: "signal", PUSH: "push"}
REQUESTS = {INVENTORY: (4, 6, 9), ONE_TAG: (4,), INFO: (4,), SIGNAL: (7,)}
SHORT_REQUESTS = {INVENTORY: (4, 6), ONE_TAG: (4,), INFO: (4,), SIGNAL: (7,)}
"""Questions with so few data that they name nobody."""
HEARTBEAT = 0x28
TAGS, MORE = (0x01, 0x02, 0x03, 0x04), 0x03
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
class Options:
    """`address`: 0..254, None asks everybody and takes every address. `rssi_floor`: the reader's own number, weaker
    tags are no reads, None: off (a UHFReader18 tells no RSSI). `tag_window_s`: seconds within which the same tag
    again is a repeat, 0: never. `antennas`: number 0..7 to `outer` or `inner`. `cross_s`: seconds from one side to
    the other. `mode`: ask, or listen to a reader in active mode. `poll_s`: seconds from question to question.
    `answer_s`: seconds an inventory may take. `feedback`: beep. `gap_s`: silence that gives up a partial frame.
    """

    address: int | None = None
    rssi_floor: int | None = None
    tag_window_s: float = uhf.WINDOW_S
    antennas: Mapping[str, str] = field(default_factory=dict)
    cross_s: float = uhf.CROSS_S
    mode: uhf.Mode = "ask"
    poll_s: float = POLL_S
    answer_s: float = ANSWER_S
    feedback: bool = False
    gap_s: float = uhf.GAP_S

    def __post_init__(self) -> None:
        uhf.check_address(self.address)
        self.rules.check(ANTENNAS)
        uhf.check_polling(self.poll_s, self.gap_s)
        if not 0.1 <= self.answer_s <= 30.0:
            raise ValueError(f"answer_s: {self.answer_s} is not between 0.1 and 30 seconds")

    @property
    def rules(self) -> uhf.Rules:
        """What makes a report a read."""
        return uhf.Rules(self.rssi_floor, self.tag_window_s, self.antennas, self.cross_s)

    @property
    def asks(self) -> bool:
        """A reader in active mode speaks by itself, and says nothing while nobody is there."""
        return self.mode == "ask"

    @property
    def emits(self) -> uhf.Emits:
        """Passages need two sides."""
        return uhf.READS_AND_PASSES if self.antennas else uhf.READS

    @property
    def directions(self) -> tuple[str, ...]:
        """Likewise."""
        return uhf.DIRECTIONS if self.antennas else ()


class _Bus:
    """Judges the frames of one line and knows its readers."""

    def __init__(self, units: Sequence[Options]) -> None:
        self._units = uhf.units_by_address([unit.address for unit in units])
        self._fields = [uhf.Field(unit.rules, index) for index, unit in enumerate(units)]

    def forget(self) -> None:
        """Nobody is near."""
        for near in self._fields:
            near.forget()

    def judge(self, data: bytearray, start: int, stop: int, at: float) -> Verdict | None:
        """What begins at `start`; see drivers.framing."""
        header = _HEADER.search(data, start, stop)
        if header is None or header.start() > start:
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

    def _unit(self, address: int) -> int | None:
        return self._units.get(address, self._units.get(None))

    def _tags(self, frame: bytes, tags: Sequence[Tag], at: float) -> tuple[Event, ...]:
        """All tags of a frame, in its order."""
        unit = self._unit(frame[1])
        fields: dict[str, object] = {"address": frame[1], "cmd": frame[2], "status": frame[3]}
        if not tags:
            return (Frame(name="no_tag", unit=unit, fields=fields | {"kind": "response"}),)
        told: list[Event] = []
        for tag in tags:
            known: dict[str, object] = {"kind": "tag", "epc": tag.epc.hex(), "tags": len(tags)}
            known |= {} if tag.rssi is None else {"rssi_raw": tag.rssi}
            known |= {"antennas": list(tag.antennas)} if tag.antennas else {}
            if unit is None:
                told.append(Frame(name="unconfigured", unit=None, fields=fields | known))
            else:
                report = uhf.Report(tag.epc, tag.rssi, tag.antennas, fields | known)
                told += self._fields[unit].see(report, at)
        return tuple(told)

    def _event(self, frame: bytes) -> Event:
        """A frame that brings no tag: a question, a status, a heartbeat."""
        length, address, command = frame[:3]
        unit = None if address == PUBLIC and None not in self._units else self._unit(address)
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
        return Frame(name=name if unit is not None else "unconfigured", unit=unit, fields=fields | {"kind": kind})


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
    if _has_tags(frame):
        changed = replaced(frame, tags_of(frame) or (), swap)[:-2]
    elif frame[0] in SHORT_REQUESTS.get(frame[2], ()):
        changed = frame[:-2]
    else:
        changed = frame[:DATA_AT] + bytes(len(frame[DATA_AT:-2])) if len(frame) > DATA_AT + 2 else frame[:-2]
    return changed + _check(changed)


def build(units: Sequence[Options], /) -> Driver:
    """The decoder of one line; `units` are its readers."""
    bus = _Bus(units)
    gap_s = max(unit.gap_s for unit in units)
    stream = FrameStream(bus.judge, max_bytes=WINDOW_BYTES, gap_s=gap_s, forget=bus.forget)
    dialogues = [
        Dialogue(index, PUBLIC if unit.address is None else unit.address, unit.answer_s, beeps=unit.feedback)
        if unit.mode == "ask"
        else None
        for index, unit in enumerate(units)
    ]
    script = uhf.InventoryScript(dialogues, [unit.poll_s for unit in units])
    return AskingDriver(stream, script, units=len(units))


DRIVER = DriverSpec(
    name="uhf_len",
    title="UHF readers that speak Len Adr Cmd (UHFReader18, Chafon, SID UR)",
    options=Options,
    build=build,
    emits=uhf.READS_AND_PASSES,
    baud=57600,
    bus=True,
    asks=True,
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
