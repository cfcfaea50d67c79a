"""The Acme desk reader: a worked example for docs/adding-a-driver.md, not registered. RS-232, 19200 8N1.

    AC | n n n n | sum
         |         `- low byte of the sum of the five bytes before
         `- the card number, high byte first

Source: Acme desk reader manual, page 3.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from drivers.checksums import sum8
from drivers.contract import Driver, DriverSpec, Swap
from drivers.events import CardRead
from drivers.framing import GAP_S, Bad, FrameStream, Good, Noise, Verdict, check_gap

START = 0xAC
FRAME_BYTES = 6
WINDOW_BYTES = 64


@dataclass(frozen=True, slots=True)
class Options:
    """`gap_s`: silence in seconds after which a partial frame is given up."""

    gap_s: float = GAP_S

    def __post_init__(self) -> None:
        check_gap(self.gap_s)


def judge(data: bytearray, start: int, stop: int, at: float) -> Verdict | None:
    """What begins at `start`: start, length, check, card."""
    if data[start] != START:
        following = data.find(START, start, stop)
        return Noise((following if following > 0 else stop) - start)
    if stop - start < FRAME_BYTES:
        return None
    frame = bytes(data[start : start + FRAME_BYTES])
    if sum8(frame[:-1]) != frame[-1]:
        return Bad(FRAME_BYTES, "integrity")
    return Good(FRAME_BYTES, (CardRead(scheme="acme", value=frame[1:5].hex().upper(), bits=32),))


def redact(frame: bytes, swap: Swap) -> bytes:
    """The frame with another card's number."""
    body = frame[:1] + bytes.fromhex(swap(frame[1:5].hex().upper()))
    return body + bytes((sum8(body),))


def build(units: Sequence[Options], /) -> Driver:
    """The decoder of one reader."""
    return FrameStream(judge, max_bytes=WINDOW_BYTES, gap_s=units[0].gap_s)


DRIVER = DriverSpec(
    name="acme",
    title="Acme desk reader",
    options=Options,
    build=build,
    emits=frozenset({"credential"}),
    baud=19200,
    bauds=(19200, 9600),
    proof_bits=16,
    redact=redact,
    wiring="RS-232, 19200 8N1",
    frame="AC, four number bytes, sum",
    example='[[ports.devices]]\nid = "desk"\ndriver = "acme"\nlane = "lobby-1"\nside = "in"\n',
)
