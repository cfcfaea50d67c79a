"""Generic five-byte boards of Chinese tripod and flap turnstiles. RS-485 or RS-232, 9600 8N1, several on a bus.

    EB | address 00..FF | code | data, usually 00 | XOR of the four bytes before

    40 left open      41 right open     42 pole drop     43 pole raise     4A ban transit     4B resume     (host)
    C1 entry passed   C6 exit count                                                                         (board)

What a code means is a table, since boards agree on little beyond the frame: `codes` adds to it or overrules it.
Timeouts, tailgating, forcing and alarms are named there, no public source gives their codes. The host's own orders,
echoed by the bus, are `frame` events.

Some boards send a passage twice. Whoever counts every second frame is wrong for ever after one is lost, so time
decides: the same bytes within `repeat_s` of the first are `frame` `repeat`.
Sources: Mach Power AC-ATRI-018 manual page 12 (its printed checks for 42 and 43 are wrong: XOR gives A8 and A9);
YLGateDev.cs (C1, C6, the doubled frame); an Android gym gate (40, 41).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from drivers.checksums import xor
from drivers.contract import Driver, DriverSpec
from drivers.events import DeviceChange, Event, Frame, Passage
from drivers.framing import GAP_S, Bad, FrameStream, Good, Noise, Verdict, check_gap

START = 0xEB
FRAME_BYTES = 5
WINDOW_BYTES = 64
DIRECTIONS = ("left", "right")
ALIASES = {"entry": "left", "exit": "right"}
REPEAT_S = 0.5
CODES = {
    0x40: "frame left_open",
    0x41: "frame right_open",
    0x42: "frame pole_drop",
    0x43: "frame pole_raise",
    0x4A: "frame ban_transit",
    0x4B: "frame resume",
    0xC1: "pass left",
    0xC6: "pass right",
}
NAMES = {(0xC1, "pass left"): "entry_passed", (0xC6, "pass right"): "exit_count"}
CHANGES = ("timeout", "forced", "tailgate", "alarm", "fault", "held", "tamper")
MEANINGS = "pass, tailgate or counter with left or right; " + ", ".join(CHANGES) + "; frame NAME"


@dataclass(frozen=True, slots=True)
class Options:
    """One board on the line.

    `address`: 0..255, None takes every address no other device has. `codes`: hex code to meaning, over the table of
    the module: `{ "C3" = "timeout" }`; on a command line `C3=timeout,C4=pass left`. `repeat_s`: seconds within which
    the same passage frame is a repeat, 0 counts every frame. `gap_s`: silence in seconds that gives up a partial one.
    """

    address: int | None = None
    codes: Mapping[str, str] = field(default_factory=dict)
    repeat_s: float = REPEAT_S
    gap_s: float = GAP_S

    def __post_init__(self) -> None:
        if self.address is not None and not 0 <= self.address <= 255:
            raise ValueError(f"address: {self.address} is not between 0 and 255")
        if not 0.0 <= self.repeat_s <= 10.0:
            raise ValueError(f"repeat_s: {self.repeat_s} is not between 0 and 10 seconds")
        code_table(self.codes)
        check_gap(self.gap_s)


def code_table(codes: Mapping[str, str]) -> dict[int, tuple[str, str]]:
    """Code to (kind, detail) such as (`pass`, `left`); ValueError names the entry that is wrong."""
    table = {code: _meaning(meaning) for code, meaning in CODES.items()}
    for text, meaning in codes.items():
        try:
            code = bytes.fromhex(text.lower().removeprefix("0x"))
        except ValueError:
            code = b""
        if len(code) != 1:
            raise ValueError(f"codes: {text!r} is no code; write two hex digits, such as C3")
        table[code[0]] = _meaning(meaning)
    return table


def _meaning(text: str) -> tuple[str, str]:
    kind, _, detail = " ".join(text.split()).partition(" ")
    detail = ALIASES.get(detail, detail)
    valid = {
        "pass": detail in DIRECTIONS,
        "counter": detail in DIRECTIONS,
        "tailgate": detail in ("", *DIRECTIONS),
        "frame": detail != "" and " " not in detail,
    }
    if not valid.get(kind, kind in CHANGES and not detail):
        raise ValueError(f"codes: {text!r} is no meaning; allowed: {MEANINGS}")
    return kind, detail


class _Bus:
    """Judges the frames of one bus and remembers its latest passages."""

    def __init__(self, units: Sequence[Options]) -> None:
        self._units = {unit.address: index for index, unit in enumerate(units)}
        if len(self._units) < len(units):
            raise ValueError("address: two devices on this line have the same one, or none; give each its own")
        self._tables = [code_table(unit.codes) for unit in units]
        self._repeats_s = [unit.repeat_s for unit in units]
        self._passed_at: dict[bytes, float] = {}

    def judge(self, data: bytearray, start: int, stop: int, at: float) -> Verdict | None:
        """What begins at `start`; see drivers.framing."""
        if data[start] != START:
            following = data.find(START, start, stop)
            return Noise((following if following > 0 else stop) - start)
        if stop - start < FRAME_BYTES:
            return None
        frame = bytes(data[start : start + FRAME_BYTES])
        if xor(frame) != 0:
            return Bad(FRAME_BYTES, "integrity")
        return Good(FRAME_BYTES, (self._event(frame, at),))

    def _event(self, frame: bytes, at: float) -> Event:
        _, address, code, data, _ = frame
        fields: dict[str, object] = {"address": address, "cmd": code, "data": data}
        unit = self._units.get(address, self._units.get(None))
        if unit is None:
            return Frame(name="unconfigured", unit=None, fields=fields)
        kind, detail = self._tables[unit].get(code, ("frame", "unknown"))
        if kind == "frame":
            return Frame(name=detail, unit=unit, fields=fields)
        meaning = f"{kind} {detail}".strip()
        fields["name"] = NAMES.get((code, meaning), meaning.replace(" ", "_"))
        if kind == "counter":
            return Frame(name="counter", unit=unit, fields=fields | {"direction": detail, "total": data})
        if not detail:
            return DeviceChange(kind=kind, unit=unit, fields=fields)
        if self._repeated(frame, at, self._repeats_s[unit]):
            return Frame(name="repeat", unit=unit, fields=fields | {"of": fields["name"]})
        if kind == "tailgate":
            fields["tailgate"] = True
        return Passage(direction=detail, unit=unit, fields=fields)

    def _repeated(self, frame: bytes, at: float, window_s: float) -> bool:
        """Whether this passage has been told: same bytes, at most `window_s` after the first."""
        first_at = self._passed_at.get(frame)
        if window_s and first_at is not None and at - first_at <= window_s:
            return True
        self._passed_at[frame] = at
        if len(self._passed_at) > 256:
            del self._passed_at[next(iter(self._passed_at))]
        return False

    def forget(self) -> None:
        """Forget the latest passages."""
        self._passed_at.clear()


def build(units: Sequence[Options], /) -> Driver:
    """The decoder of one bus; `units` are its boards."""
    bus = _Bus(units)
    gap_s = max(unit.gap_s for unit in units)
    return FrameStream(bus.judge, max_bytes=WINDOW_BYTES, gap_s=gap_s, forget=bus.forget)


DRIVER = DriverSpec(
    name="eb_turnstile",
    title="Turnstiles with the generic five-byte EB board (Chinese tripods and flap gates)",
    options=Options,
    build=build,
    emits=frozenset({"passage"}),
    baud=9600,
    bus=True,
    bauds=(9600, 19200, 38400),
    proof_bits=16,
    directions=DIRECTIONS,
    aliases=ALIASES,
    wiring="RS-485 A/B (several boards, each with its address) or RS-232, 9600 8N1; the gateway only listens",
    frame="EB, address, code, data, XOR of the four",
    example="""\
[[ports]]
url = "/dev/serial/by-id/usb-FTDI_B70031QX-if00-port0"
baud = 9600

  [[ports.devices]]
  id = "tripod-1"
  driver = "eb_turnstile"
  lane = "lobby-1"
  directions = { left = "in", right = "out" }
  options = { address = 1, codes = { "C3" = "timeout" } }
""",
)
