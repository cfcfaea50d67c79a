"""UHF readers that speak A0: Impinj Indy R2000, YR903, IND903 and clones. RS-232, USB or RS-485, 115200 8N1.

    A0 | length | address | command | data | check
         |        |                          `- brings the sum of all bytes to 0 modulo 256
         |        `- FF: everybody
         `- of everything behind it: address, command, data, check

    89 real-time inventory:  1 byte of data       rounds (host), or an error code from 10 on
                             4 + 2n               frequency (6 bits), antenna (2 bits) | PC, 2 | EPC, 2n | RSSI
                             7                    the end: antenna | reads a second, 2 | reads, 4
    74 antenna (host 00..03; answer 10: done)    72 version    8A inventory over all antennas    76 power

Nothing in a frame says what kind it is: its length does. A tag's PC holds the length of its EPC once more (high five
bits, in words); where the two differ the frame is refused. That is worth something, since the check is one byte.
RSSI is the reader's own number, not dBm.

With `antennas` each inventory is asked through each antenna in turn: set it (74), ask (89), wait for the end. 74 is
not kept by the reader over a reset and changes nothing else. Sources: ActivIoTy checkpoint README (IND903); captures
in public reader scripts. The README prints one end frame whose check is wrong (BC, its bytes need AE).
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from math import inf
from typing import ClassVar

from drivers import uhf, uhf_asking, uhf_bus
from drivers.asking import Request
from drivers.checksums import sum8, sum8_complement
from drivers.contract import Driver, DriverSpec, Swap
from drivers.events import Event, Frame
from drivers.framing import Bad, Good, Noise, Verdict

START = 0xA0
HEAD_BYTES = 4
ROUND_S = 0.5
SET_S = 0.25
ANTENNAS = 4
VERSION, POWER, ANTENNA, INVENTORY, FAST = 0x72, 0x76, 0x74, 0x89, 0x8A
DONE, NO_TAG = 0x10, 0x36
NAMES = {VERSION: "version", POWER: "power", ANTENNA: "antenna", INVENTORY: "inventory", FAST: "fast_inventory"}
ERRORS = {0x11: "failed", 0x20: "reset", 0x21: "no carrier", 0x22: "no antenna", 0x31: "inventory failed"}
FAST_REQUESTS = (10, 18)
END_BYTES = 7
_SLOTS = rb"(?:(?:[\0-\7]|\xFF).){4}"
_FEW = rb"[\x72\x74\x76\x89\x8A].{0,2}|\x76[\0-\x21]{4}|\x89.{3}\0.{3}|\x8A\0..\0.{3}"
HARMLESS = re.compile(_FEW + rb"|\x8A" + _SLOTS + b"(?:" + _SLOTS + b")?..", re.DOTALL)
"""Commands with data that say nothing of a tag: codes, powers in dBm, counts, antennas with their times."""
_LENGTHS = re.escape(bytes([4, 5, 10, 13, 21, *range(9, 70, 2)]))
_HEADERS = (
    (rb"\xA0", b"[" + _LENGTHS + b"]", b".", rb"[\x89\x8A]"),
    (rb"\xA0", rb"[\x03-\x08]", b".", rb"[\x70-\x7F]"),
    (rb"\xA0", rb"[\x03-\x80]", b".", rb"[\x60-\x6F\x80-\x88\x8B-\xBF]"),
)
"""Length and command go together: a stray A0 should not claim 255 bytes of what follows."""
_HEADER = re.compile(b"|".join(uhf.beginning(*steps) for steps in _HEADERS), re.DOTALL)


@dataclass(frozen=True, slots=True)
class Options(uhf_bus.Options):
    """Those of drivers.uhf_bus; antennas are 0..3."""

    ANTENNAS: ClassVar[int] = 4


class _Bus(uhf_bus.Readers):
    """Judges the frames of one line."""

    def judge(self, data: bytearray, start: int, stop: int, at: float) -> Verdict | None:
        """What begins at `start`; see drivers.framing."""
        header = _HEADER.search(data, start, stop)
        if header is None or header.start() > start:
            return Noise((stop if header is None else header.start()) - start)
        if stop - start < HEAD_BYTES or stop - start < data[start + 1] + 2:
            return None
        frame = bytes(data[start : start + data[start + 1] + 2])
        if sum8(frame) != 0:
            return Bad(len(frame), "integrity")
        if not _has_epc(frame):
            return Good(len(frame), (self._event(frame),))
        if not _is_tag(frame):
            return Bad(len(frame), "format")
        return Good(len(frame), self._tag(frame, at))

    def _tag(self, frame: bytes, at: float) -> tuple[Event, ...]:
        place, pc, epc, rssi = frame[4], frame[5:7], frame[7:-2], frame[-2]
        fields: dict[str, object] = {"address": frame[2], "cmd": frame[3], "kind": "tag", "freq_index": place >> 2}
        fields |= {"antenna": place & 3, "pc": pc.hex(), "epc": epc.hex(), "rssi_raw": rssi}
        fields["epc_words_pc"] = pc[0] >> 3
        return self.see(frame[2], uhf.Report(epc, rssi, (place & 3,), fields), at)

    def _event(self, frame: bytes) -> Event:
        """A frame that is no tag."""
        address, command, data = frame[2], frame[3], frame[4:-1]
        fields: dict[str, object] = {"address": address, "cmd": command, "kind": "response", "data": data.hex()}
        if command in (INVENTORY, FAST):
            name, fields = _inventory(frame)
        elif command == ANTENNA and len(data) == 1 and data[0] >= DONE:
            name = "done" if data[0] == DONE else "error"
        else:
            known = NAMES.get(command, "unknown")
            name = f"{known}_request" if command == ANTENNA or not data else known
        return self.frame(name, address, fields)


def _has_epc(frame: bytes) -> bool:
    """Whether this should be a tag report, by command and length."""
    command, size = frame[3], len(frame) - HEAD_BYTES - 1
    is_other = size in (1, 2, END_BYTES) or (command == FAST and size in FAST_REQUESTS)
    return command in (INVENTORY, FAST) and not is_other


def _is_tag(frame: bytes) -> bool:
    """Whether the EPC is as long as the PC says."""
    epc_bytes = len(frame) - 9
    return epc_bytes >= 2 and epc_bytes == 2 * (frame[5] >> 3)


def _inventory(frame: bytes) -> tuple[str, dict[str, object]]:
    """Name and fields of an inventory frame that is no tag: its end, an error, the host's question."""
    command, data = frame[3], frame[4:-1]
    fields: dict[str, object] = {"address": frame[2], "cmd": command}
    if len(data) == END_BYTES and command == INVENTORY:
        counts = {"read_rate": int.from_bytes(data[1:3]), "total_read": int.from_bytes(data[3:])}
        return "inventory_end", fields | {"kind": "inventory_end", "antenna": data[0]} | counts
    if len(data) == END_BYTES:
        counts = {"total_read": int.from_bytes(data[:3]), "took_ms": int.from_bytes(data[3:])}
        return "inventory_end", fields | {"kind": "inventory_end"} | counts
    if len(data) in FAST_REQUESTS:
        return "fast_inventory_request", fields | {"kind": "command", "data": data.hex()}
    code = data[-1]
    fields |= {"kind": "command_or_error", "value": code}
    if len(data) == 1 and (code < DONE or code == uhf_bus.PUBLIC):
        return "inventory_request", fields
    return "no_tag" if code == NO_TAG else "done" if code == DONE else "error", fields


class _Dialogue:
    """One reader: an inventory, through each of its antennas in turn."""

    def __init__(self, unit: int, options: Options) -> None:
        self._unit = unit
        self._address = uhf_bus.PUBLIC if options.address is None else options.address
        self._antennas = sorted(map(int, options.antennas))
        self._turn = 0
        self._is_set = not self._antennas
        self._turn_before = 0
        self._asked_at = dict.fromkeys(range(max(1, len(self._antennas))), -inf)

    def question(self) -> Request:
        """Choose the antenna, then ask."""
        if not self._is_set:
            return self._request(ANTENNA, self._antennas[self._turn], "antenna")
        is_last = self._turn + 1 >= len(self._antennas)
        return self._request(INVENTORY, 1, uhf_asking.INVENTORY if is_last else "inventory of one antenna")

    def _request(self, command: int, value: int, expects: str) -> Request:
        frame = bytes([START, 4, self._address, command, value])
        timeout_s = ROUND_S if command == INVENTORY else SET_S
        return Request(frame + bytes([sum8_complement(frame)]), self._unit, timeout_s, expects)

    def takes(self, event: Event, asked: Request) -> bool:
        """74 is answered by a code, 89 by its end or a code; tags alone do not end it."""
        command = asked.data[3]
        if not isinstance(event, Frame) or event.fields.get("cmd") != command:
            return False
        if event.name not in ("done", "error", "no_tag", "inventory_end"):
            return False
        self._turn_before = self._turn
        if self._antennas:
            if command == INVENTORY or event.name == "error":
                self._turn = (self._turn + 1) % len(self._antennas)
            self._is_set = command == ANTENNA and event.name == "done"
        return True

    def settled_at(self, event: Event, asked_at: float) -> float | None:
        """When the latest inventories of all antennas began; an antenna that gives errors holds up no other."""
        if isinstance(event, Frame) and event.name == "error":
            self._asked_at.pop(self._turn_before, None)
            return None
        if event.fields.get("cmd") != INVENTORY:
            return None
        self._asked_at[self._turn_before] = asked_at
        began_at = min(self._asked_at.values())
        return began_at if began_at > -inf else None

    def complaint(self, event: Event) -> tuple[str, str | None] | None:
        """The code of an inventory, or of the antenna that was to be chosen; by antenna, if we choose."""
        if not isinstance(event, Frame) or event.name not in ("error", "no_tag", "inventory_end"):
            return None
        antenna = f" {self._antennas[self._turn]}" if self._antennas else ""
        if event.name != "error":
            return antenna, None
        code = event.fields.get("value", event.fields.get("data"))
        code = code if isinstance(code, int) else int(str(code), 16)
        return antenna, ERRORS.get(code, f"error {code:02X}") + antenna

    def pause_s(self, event: Event) -> float:
        """It never speaks unasked."""
        return 0.0

    def order(self, state: str) -> None:
        """Its beeper is a setting that is kept, not a signal."""

    def restart(self) -> None:
        """Choose the antenna again: the reader may have forgotten it."""
        self._is_set = not self._antennas


def redact(frame: bytes, swap: Swap) -> bytes:
    """The frame with another EPC, its check recomputed. Other data stay only in shapes that hold no card."""
    data = frame[4:-1]
    if _has_epc(frame):
        data = data[:3] + bytes.fromhex(swap(data[3:-1].hex().upper())) + data[-1:]
    elif not HARMLESS.fullmatch(frame[3:-1]):
        data = bytes(len(data))
    head = frame[:4] + data
    return head + bytes([sum8_complement(head)])


def build(units: Sequence[Options], /) -> Driver:
    """The decoder of one line; `units` are its readers."""
    bus = _Bus(units)
    return uhf_bus.build(units, bus, bus.judge, (_Dialogue(index, unit) for index, unit in enumerate(units)))


DRIVER = DriverSpec(
    name="uhf_a0",
    title="UHF readers that speak A0 (Impinj Indy R2000, YR903, IND903 and clones)",
    options=Options,
    build=build,
    emits=uhf.READS_AND_PASSES,
    baud=115200,
    bus=True,
    asks=True,
    latency=uhf_bus.latency_s,
    bauds=(115200, 38400, 57600, 9600),
    proof_bits=16,
    redact=redact,
    directions=uhf.DIRECTIONS,
    wiring="RS-232, USB or RS-485 (several readers, each with its address), 115200 8N1; the gateway asks",
    frame="A0, length, address, command, data, check",
    example="""\
[[ports]]
url = "/dev/serial/by-id/usb-Silicon_Labs_CP2102_0001-if00-port0"
baud = 115200

  [[ports.devices]]
  id = "gate-1"
  driver = "uhf_a0"
  lane = "lobby-1"                 # a lane with sensor = "per_direction"
  side = "both"
  directions = { inward = "in", outward = "out" }
  options = { rssi_floor = 60, antennas = { 0 = "outer", 1 = "inner" } }
""",
)
