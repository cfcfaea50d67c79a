"""UHF modules that speak BB .. 7E: M100, QM100, R200, YRM100, YPD-R200, EL-UHF. UART or USB, 115200 8N1.

    BB | type | command | length, 2 bytes | data | sum | 7E
         |                high byte first          `- low byte of the sum from type to the last data byte
         `- 00 command (host), 01 response, 02 notice

    02 22    RSSI (signed, dBm) | PC, 2 bytes | EPC | tag CRC, 2 bytes            a tag
    01 FF    code, 15: no tag in this poll                                        an error
    00 22    poll once     00 27    poll many times     00 28    stop             (host)

Data may hold BB and 7E: the length counts, the end is only checked. A notice carries the CRC the tag itself sent
over PC and EPC (CRC-16 1021, start FFFF, inverted); a credential whose frame is whole but whose tag CRC is not is
refused. Length 0 to 255: no frame of the family is longer, and a false start must not wait for 64 kB.

We poll once, again and again, and not many times (27): each poll has an answer, so that a silent module is known as
such at once; a module that was switched off needs no restart; and no radio goes on sending when the gateway dies.
Sources: docs.electron.id EL-UHF-RMT01 frame examples; captures in U6Series.java and an R200 driver.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from drivers import uhf, uhf_asking
from drivers.asking import ANSWER_S, AskingDriver, Request
from drivers.checksums import crc16, sum8
from drivers.contract import Driver, DriverSpec, Swap
from drivers.events import Event, Frame
from drivers.framing import Bad, FrameStream, Good, Noise, Verdict

END = 0x7E
AROUND_BYTES = 7
WINDOW_BYTES = 512
POLL_S = 0.1
COMMAND, RESPONSE, NOTICE = range(3)
POLL, ERROR = 0x22, 0xFF
NO_TAG = 0x15
NAMES = {0x03: "info", 0x07: "region", 0x11: "baud", 0x22: "poll", 0x27: "multi_poll", 0x28: "stop"}
ERRORS = {0x17: "command error", 0x20: "no free channel"}
HARMLESS_BYTES = {
    (RESPONSE, ERROR): 1,
    (COMMAND, 0x27): 3,
    (COMMAND, 0x07): 1,
    (COMMAND, 0x11): 2,
    (COMMAND, 0x03): 1,
}
"""Type and command to how many bytes of data are a code or a parameter: they are no card, nor part of one."""
SINGLE_POLL = bytes.fromhex("BB00220000227E")
_HEADER = re.compile(uhf.beginning(rb"\xBB", rb"[\x00-\x02]", b".", rb"\x00"), re.DOTALL)


@dataclass(frozen=True, slots=True)
class Options:
    """`rssi_floor`: dBm, weaker tags are no reads, None: off. `tag_window_s`: seconds within which the same tag again
    is a repeat, 0: never. `mode`: ask, or listen to a module that polls by itself. `poll_s`: seconds from poll to
    poll. `gap_s`: silence in seconds that gives up a partial frame.
    """

    rssi_floor: int | None = None
    tag_window_s: float = uhf.WINDOW_S
    mode: uhf.Mode = "ask"
    poll_s: float = POLL_S
    gap_s: float = uhf.GAP_S

    def __post_init__(self) -> None:
        uhf.Rules(self.rssi_floor, self.tag_window_s).check(1)
        uhf.check_polling(self.poll_s, self.gap_s)

    @property
    def asks(self) -> bool:
        """A reader in active mode speaks by itself, and says nothing while nobody is there."""
        return self.mode == "ask"


class _Line:
    """Judges the frames of one module."""

    def __init__(self, options: Options) -> None:
        self.field = uhf.Field(uhf.Rules(options.rssi_floor, options.tag_window_s))

    def judge(self, data: bytearray, start: int, stop: int, at: float) -> Verdict | None:
        """What begins at `start`; see drivers.framing."""
        header = _HEADER.search(data, start, stop)
        if header is None or header.start() > start:
            return Noise((stop if header is None else header.start()) - start)
        if stop - start < AROUND_BYTES or stop - start < AROUND_BYTES + data[start + 4]:
            return None
        frame = bytes(data[start : start + AROUND_BYTES + data[start + 4]])
        if sum8(frame[1:-2]) != frame[-2]:
            return Bad(len(frame), "integrity")
        if frame[-1] != END:
            return Bad(len(frame), "format")
        if _is_tag(frame):
            return self._tag(frame, at)
        return Good(len(frame), (_event(frame),))

    def _tag(self, frame: bytes, at: float) -> Verdict:
        pc, epc, crc = frame[6:8], frame[8:-4], frame[-4:-2]
        if len(frame) < AROUND_BYTES + 5 or _tag_crc(pc + epc) != crc:
            return Bad(len(frame), "integrity")
        if not epc or len(epc) != 2 * (pc[0] >> 3):
            return Bad(len(frame), "format")
        rssi = int.from_bytes(frame[5:6], signed=True)
        fields: dict[str, object] = {"type": NOTICE, "cmd": POLL, "kind": "tag", "rssi_dbm": rssi}
        fields |= {"pc": pc.hex(), "epc": epc.hex(), "crc": crc.hex(), "epc_crc_ok": True}
        return Good(len(frame), self.field.see(uhf.Report(epc, rssi, fields=fields), at))


def _is_tag(frame: bytes) -> bool:
    return frame[1] == NOTICE and frame[2] == POLL


def _tag_crc(data: bytes) -> bytes:
    """The CRC a tag sends over its PC and EPC, 2 bytes."""
    return (crc16(data, "crc16-ccitt") ^ 0xFFFF).to_bytes(2)


def _event(frame: bytes) -> Event:
    """A frame that is no tag: errors, responses, the host's own commands."""
    kind, command, data = frame[1], frame[2], frame[5:-2]
    fields: dict[str, object] = {"type": kind, "cmd": command}
    if (kind, command) == (RESPONSE, ERROR) and data:
        name = "no_tag" if data[0] == NO_TAG else "error"
        return Frame(name=name, fields=fields | {"kind": "error", "error": data[0]})
    name = NAMES.get(command, "unknown")
    word = {COMMAND: "command", RESPONSE: "response", NOTICE: "notice"}[kind]
    return Frame(name=f"{name}_{word}", fields=fields | {"kind": word, "data": data.hex()})


class _Dialogue:
    """One poll after the other."""

    def __init__(self) -> None:
        self._asked_at: float | None = None

    def question(self) -> Request:
        """A single poll."""
        return Request(SINGLE_POLL, expects=uhf_asking.INVENTORY)

    def takes(self, event: Event, asked: Request) -> bool:
        """A tag or an error answers; further tags of the same poll come on top."""
        return event.fields.get("kind") in ("tag", "error")

    def settled_at(self, event: Event, asked_at: float) -> float | None:
        """No tag says all. Behind a tag others of the same poll may come, so it settles the poll before."""
        before_at, self._asked_at = self._asked_at, asked_at
        if event.fields.get("kind") == "tag":
            return before_at
        return asked_at if event.fields.get("error") == NO_TAG else None

    def complaint(self, event: Event) -> tuple[str, str | None] | None:
        """An error that is not `no tag`; a tag or its absence mends it."""
        if event.fields.get("kind") not in ("tag", "error"):
            return None
        error = event.fields.get("error", NO_TAG)
        reason = ERRORS.get(error, f"error {error:02X}") if isinstance(error, int) and error != NO_TAG else None
        return "", reason

    def pause_s(self, event: Event) -> float:
        """A module that polls by itself is asked all the same."""
        return 0.0

    def order(self, state: str) -> None:
        """It has no lamp and no buzzer of its own; its pins may switch anything and are left alone."""

    def restart(self) -> None:
        """The poll before is no longer known."""
        self._asked_at = None


def redact(frame: bytes, swap: Swap) -> bytes:
    """The frame with another EPC, tag CRC and sum recomputed. Other data stay only where they are parameters."""
    head, data = frame[:5], frame[5:-2]
    if _is_tag(frame):
        pc, epc = data[1:3], bytes.fromhex(swap(data[3:-2].hex().upper()))
        data = data[:3] + epc + _tag_crc(pc + epc)
    else:
        kept = HARMLESS_BYTES.get((frame[1], frame[2]), 0)
        data = data[:kept] + bytes(len(data[kept:]))
    return head + data + bytes([sum8(head[1:] + data), END])


def build(units: Sequence[Options], /) -> Driver:
    """The decoder of one module."""
    options = units[0]
    line = _Line(options)
    stream = FrameStream(line.judge, max_bytes=WINDOW_BYTES, gap_s=options.gap_s, forget=line.field.forget)
    dialogue = _Dialogue() if options.mode == "ask" else None
    return AskingDriver(stream, uhf_asking.InventoryScript([dialogue], [options.poll_s]))


def _latency_s(options: Options, line: Sequence[Options]) -> float:
    """One inventory."""
    return options.poll_s + ANSWER_S


DRIVER = DriverSpec(
    name="uhf_bb",
    title="UHF modules that speak BB .. 7E (M100, QM100, R200, YRM100)",
    options=Options,
    build=build,
    emits=uhf.READS,
    baud=115200,
    asks=True,
    latency=_latency_s,
    bauds=(115200, 57600, 38400, 19200, 9600),
    proof_bits=24,
    redact=redact,
    wiring="UART (3.3 or 5 V) or USB, 115200 8N1; the gateway asks",
    frame="BB, type, command, length, data, sum, 7E",
    example="""\
[[ports]]
url = "/dev/serial/by-id/usb-1a86_USB_Serial-if00-port0"
baud = 115200

  [[ports.devices]]
  id = "gate-1"
  driver = "uhf_bb"
  lane = "lobby-1"
  side = "in"
  options = { rssi_floor = -60, tag_window_s = 3.0 }
""",
)
