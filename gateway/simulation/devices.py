"""Devices as the wire sees them: what each one sends, and when, for one thing a person does.

A device is a pure function of the deed: `present` and `passed` give a list of `Sent`, offsets from the deed's start
and bytes. The first frame of a presentation is the read; an RDM6300 keeps repeating it while the card stays in the
field, an ID-20LA says it once and falls silent, and a turnstile board says an exit twice for good measure.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from random import Random
from typing import Literal

from gateway.simulation import frames

REPEAT_S = 0.065
DOUBLE_S = 0.04
FLICKER = 0.1
BITS_PER_BYTE = 10

Heading = Literal["in", "out"]


@dataclass(frozen=True, slots=True)
class Sent:
    """Bytes on the line `after_s` seconds from the start of the deed."""

    after_s: float
    data: bytes


@dataclass(frozen=True, slots=True)
class Reader:
    """A kind of reader: the driver it needs, its cards' scheme, its frame, whether it repeats a held card."""

    model: str
    driver: str
    scheme: str
    encode: Callable[[str], bytes]
    new_card: Callable[[Random], str]
    repeats: bool = False
    options: str = ""

    def present(self, card: str, held_s: float, rng: Random) -> list[Sent]:
        """A card arrives and stays `held_s` seconds; a repeating reader misses it now and then."""
        frame = self.encode(card)
        count = 1 + int(held_s / REPEAT_S) if self.repeats else 1
        return [Sent(n * REPEAT_S, frame) for n in range(count) if n == 0 or rng.random() > FLICKER]


@dataclass(frozen=True, slots=True)
class Turnstile:
    """A five-byte EB board: one frame for an entry, the same frame twice for an exit, a code for a time-out."""

    model: str = "eb"
    driver: str = "eb_turnstile"
    address: int = 1
    timeout_code: int = 0xC3

    def passed(self, heading: Heading) -> list[Sent]:
        """Somebody went through."""
        if heading == "in":
            return [Sent(0.0, frames.eb(frames.EB_ENTRY_DONE, self.address))]
        frame = frames.eb(frames.EB_EXIT_COUNT, self.address)
        return [Sent(0.0, frame), Sent(DOUBLE_S, frame)]

    def timed_out(self) -> list[Sent]:
        """The arm was released and nobody went: it locks again."""
        return [Sent(0.0, frames.eb(self.timeout_code, self.address))]


def _hex_card(digits: int) -> Callable[[Random], str]:
    return lambda rng: f"{rng.getrandbits(4 * digits):0{digits}X}"


def _decimal_card(rng: Random) -> str:
    return f"{rng.getrandbits(32):010d}"


def _visitor_code(rng: Random) -> str:
    return f"V1|{rng.getrandbits(64):016x}"


SR30_PATTERN = "(?P<value>[0-9A-F]{8}|[0-9A-F]{10})"
SR30_OPTIONS = f'start = "02", end = "03", check = "xor", pattern = "{SR30_PATTERN}", scheme = "sr30"'

READERS: dict[str, Reader] = {
    reader.model: reader
    for reader in (
        Reader("rdm6300", "em4100", "em4100", frames.rdm6300, _hex_card(10), repeats=True),
        Reader("id20la", "em4100", "em4100", frames.id20la, _hex_card(10)),
        Reader("wie232", "wiegand_line", "wiegand26", frames.wiegand, _hex_card(6)),
        Reader("s4a", "wiegand_line", "number", frames.wiegand, _decimal_card),
        Reader("gm65", "scanner", "scan", frames.scanned, _visitor_code),
        Reader("sr30", "line", "sr30", frames.sr30, _decimal_card, options=SR30_OPTIONS),
    )
}
"""Every simulated reader by model name; the first of a driver is what `punchgate simulate DRIVER` plays."""


def models_of(driver: str) -> list[str]:
    """Names of the models that speak to this driver."""
    boards = ["eb"] if driver == "eb_turnstile" else []
    return boards + [reader.model for reader in READERS.values() if reader.driver == driver]


# --- what goes wrong on a line


def noise(rng: Random, most: int = 6) -> bytes:
    """Bytes from a bad contact: anything, printable or not."""
    return rng.randbytes(rng.randint(1, most))


def ghost(frame: bytes, rng: Random) -> bytes:
    """The frame with one bit of its body flipped: a checksum that does not hold."""
    at = rng.randrange(1, max(2, len(frame) - 4))
    return frame[:at] + bytes([frame[at] ^ 1]) + frame[at + 1 :]


def truncated(frame: bytes, rng: Random) -> bytes:
    """The frame cut short, as when the supply dips."""
    return frame[: rng.randrange(1, len(frame))]


def at_line_speed(sent: Sent, baud: int) -> Iterator[Sent]:
    """The same bytes one by one, as fast as the line carries them (8N1: ten bits a byte)."""
    for n, byte in enumerate(sent.data):
        yield Sent(sent.after_s + n * BITS_PER_BYTE / baud, bytes([byte]))
