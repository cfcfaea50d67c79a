"""A Turnstiles TPW-321 swing gate on a desk: it counts, and tells its counts to who asks.

Written from the manual, pages 14 to 19: greeted with FF it answers FF, waits two seconds for an FF, then tells model,
version, number, modes, delay, speed and both counts, each when the one before is acknowledged; asked with 28 it sends
the count; what it does not know fails with F4. Orders that would set something are refused here, and kept.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from random import Random

from gateway.simulation.devices import Sent

ANSWER_S = 0.03
PATIENCE_S = 2.0
LENGTHS = {0xFF: 0, 0x44: 0, 0x28: 1, 0x41: 1, 0x14: 2, 0x18: 3, 0x21: 1, 0x22: 1, 0x24: 1, 0x42: 1, 0x81: 1, 0x82: 2}


def told(kind: int, content: str = "") -> bytes:
    """One frame of the board."""
    return bytes([0x02, kind, len(content)]) + content.encode() + b"\x04"


@dataclass(slots=True)
class Tpw:
    """One gate. `digits`: how many its counts have; `needs_greeting`: it tells nothing before it was greeted."""

    model: str = "tpw"
    driver: str = "tpw_turnstile"
    baud: int = 9600
    options: str = "poll_s = 0.5"
    directions: str = 'entry = "in", exit = "out"'
    digits: int = 6
    needs_greeting: bool = False
    entered: int = 1203
    left: int = 1187
    refused: list[bytes] = field(default_factory=list)
    _input: bytearray = field(default_factory=bytearray)
    _untold: list[bytes] = field(default_factory=list)
    _patient_until: float = -1.0
    _is_greeted: bool = False

    def new_deed(self, rng: Random) -> str:
        """Somebody comes or goes."""
        return rng.choice(("in", "out"))

    def do(self, deed: str, at: float) -> list[Sent]:
        """Somebody goes through: it is counted, and nothing is said."""
        if deed not in ("in", "out"):
            raise ValueError("a turnstile knows in and out")
        self.entered += deed == "in"
        self.left += deed == "out"
        return []

    def hear(self, data: bytes, at: float) -> list[Sent]:
        """Frames of the host; bytes that begin none are skipped."""
        self._input += data
        said: list[bytes] = []
        while self._input:
            size = LENGTHS.get(self._input[1]) if len(self._input) > 1 else 0
            if self._input[0] != 0x02 or size is None:
                del self._input[0]
                continue
            if len(self._input) < 4 + size:
                break
            frame = bytes(self._input[: 4 + size])
            if frame[2] != size or frame[-1] != 0x04:
                del self._input[0]
                continue
            del self._input[: 4 + size]
            said += self._answer(frame, at)
        return [Sent(ANSWER_S * (n + 1), frame) for n, frame in enumerate(said)]

    def tick(self, at: float) -> list[Sent]:
        """Nothing is said unasked."""
        return []

    def count(self, which: str) -> bytes:
        """What it says of one count: entries `0`, exits `1`."""
        if which == "0":
            return told(0x21, f"{self.entered % 10**self.digits:0{self.digits}d}")
        return told(0x22, f"{self.left % 10**self.digits:0{self.digits}d}")

    def _answer(self, frame: bytes, at: float) -> list[bytes]:
        kind, content = frame[1], frame[3:-1].decode("latin-1")
        if kind == 0xFF:
            return self._greeted(at)
        if kind == 0x28 and content in ("0", "1"):
            return [self.count(content)] if self._is_greeted or not self.needs_greeting else []
        self.refused.append(frame)
        return [told(0xF4)]

    def _greeted(self, at: float) -> list[bytes]:
        if at > self._patient_until:
            self._untold = [
                told(0xF1, "TPW-321ASP"), told(0xF2, "V2.1"), told(0xF8, "000042"), told(0x41, "0"), told(0x14, "00"),
                told(0x18, "005"), told(0x42, "4"), self.count("0"), self.count("1"), told(0x81, "3"),
            ]  # fmt: skip
            self._patient_until = at + PATIENCE_S
            self._is_greeted = True
            return [told(0xFF)]
        self._patient_until = at + PATIENCE_S if len(self._untold) > 1 else -1.0
        return [self._untold.pop(0)] if self._untold else []
