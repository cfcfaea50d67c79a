"""Digicon TX1500 and CATRAX turnstiles (Brazil). RS-232, 115200 8N1.

    02 | size low, size high | one or two commands | XOR of all before
         `- commands + check: 2 or 3

    48 allow right to left    41 allow left to right    44 allow both    43 back to control            (host)
    4C free + direction       53 program + direction                                                    (host)
    06 done    15 refused     1A passed right to left (RET1)    1B passed left to right (RET2)          (board)

The board says a passage by itself, once. Which way RET1 goes is the site's business: the manual's command table says
48 is right to left, its example calls the same frame left to right. So the words are `first` (1A) and `second` (1B),
and the configuration maps them. The host's orders, echoed on the line, are `frame` events.

The XOR over the head is 0, so that `02 02 00` and any byte twice would pass: only the codes above are taken.
Sources: Digicon TX1500 manual page 31, CATRAX Master manual page 24 (the same table).
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from drivers.checksums import xor
from drivers.contract import Driver, DriverSpec
from drivers.events import Event, Frame, Passage
from drivers.framing import GAP_S, Bad, FrameStream, Good, Noise, Verdict, check_gap

HEAD = re.compile(b"\x02(?:[\x02\x03](?:\x00|\\Z)|\\Z)")
"""A frame's start, size and high byte of the size, as far as the bytes go."""
HEAD_BYTES = 3
WINDOW_BYTES = 64
DIRECTIONS = ("first", "second")
ALIASES = {"r2l": "first", "l2r": "second", "ret1": "first", "ret2": "second"}
PASSAGES = {0x1A: ("first", "passed_R2L"), 0x1B: ("second", "passed_L2R")}
NAMES = {0x48: "allow_R2L", 0x41: "allow_L2R", 0x44: "allow_both", 0x43: "control", 0x06: "ack", 0x15: "nak"}
DIRECTED = {0x4C: "free", 0x53: "program"}
WAYS = b"HAD"


@dataclass(frozen=True, slots=True)
class Options:
    """`gap_s`: silence in seconds after which a partial frame is given up."""

    gap_s: float = GAP_S

    def __post_init__(self) -> None:
        check_gap(self.gap_s)


def judge(data: bytearray, start: int, stop: int, at: float) -> Verdict | None:
    """What begins at `start`: start, size, check, commands."""
    head = HEAD.search(data, start, stop)
    if head is None or head.start() > start:
        return Noise((head.start() if head else stop) - start)
    if stop - start < HEAD_BYTES:
        return None
    size = HEAD_BYTES + data[start + 1]
    if stop - start < size:
        return None
    frame = bytes(data[start : start + size])
    if xor(frame) != 0:
        return Bad(size, "integrity")
    event = _event(frame[HEAD_BYTES:-1])
    return Bad(size, "format") if event is None else Good(size, (event,))


def _event(commands: bytes) -> Event | None:
    """What the commands mean; None: they are in no manual."""
    fields: dict[str, object] = {"commands": commands.hex()}
    if len(commands) == 2:
        name = DIRECTED.get(commands[0]) if commands[1] in WAYS else None
        return None if name is None else Frame(name=name, fields=fields)
    if commands[0] in PASSAGES:
        direction, name = PASSAGES[commands[0]]
        return Passage(direction=direction, fields=fields | {"name": name})
    name = NAMES.get(commands[0])
    return None if name is None else Frame(name=name, fields=fields)


def build(units: Sequence[Options], /) -> Driver:
    """The decoder of one turnstile."""
    return FrameStream(judge, max_bytes=WINDOW_BYTES, gap_s=units[0].gap_s)


DRIVER = DriverSpec(
    name="digicon_turnstile",
    title="Digicon TX1500 and CATRAX turnstiles",
    options=Options,
    build=build,
    emits=frozenset({"passage"}),
    baud=115200,
    bauds=(115200,),
    proof_bits=30,
    directions=DIRECTIONS,
    aliases=ALIASES,
    wiring="RS-232, 115200 8N1; the gateway only listens",
    frame="02, size (2 bytes), one or two commands, XOR of all before",
    example="""\
[[ports]]
url = "/dev/serial/by-id/usb-FTDI_B70031QY-if00-port0"
baud = 115200

  [[ports.devices]]
  id = "catrax-1"
  driver = "digicon_turnstile"
  lane = "lobby-1"
  directions = { first = "in", second = "out" }
""",
)
