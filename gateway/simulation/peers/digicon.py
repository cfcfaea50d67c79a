"""A Digicon TX1500 on a desk: it says a passage when the arm has turned, and acknowledges what it is told.

Written from the manual, page 31. In is RET1 here; the site's `directions` say so.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from random import Random

from gateway.simulation.devices import Sent

TURN_S = 0.4
ANSWER_S = 0.002
RETURNS = {"in": 0x1A, "out": 0x1B}
KNOWN = b"HADCLS"


def packed(commands: bytes) -> bytes:
    """STX, how many bytes follow (low byte first), the commands, and a byte that makes the XOR of all of them 0."""
    head = b"\x02" + (len(commands) + 1).to_bytes(2, "little") + commands
    check = 0
    for byte in head:
        check ^= byte
    return head + bytes([check])


@dataclass(slots=True)
class Digicon:
    """One turnstile."""

    model: str = "digicon"
    driver: str = "digicon_turnstile"
    baud: int = 115200
    options: str = ""
    directions: str = 'first = "in", second = "out"'
    _input: bytearray = field(default_factory=bytearray)

    def new_deed(self, rng: Random) -> str:
        """Somebody comes or goes."""
        return rng.choice(("in", "out"))

    def do(self, deed: str, at: float) -> list[Sent]:
        """Somebody goes through: told when the arm has turned."""
        if deed not in RETURNS:
            raise ValueError("a turnstile knows in and out")
        return [Sent(TURN_S, packed(bytes([RETURNS[deed]])))]

    def hear(self, data: bytes, at: float) -> list[Sent]:
        """Orders of the host: acknowledged (06) or refused (15)."""
        self._input += data
        answers: list[Sent] = []
        while len(self._input) >= 5:
            size = 3 + int.from_bytes(self._input[1:3], "little")
            if self._input[0] != 0x02 or size not in (5, 6):
                del self._input[0]
                continue
            if len(self._input) < size:
                break
            frame = bytes(self._input[:size])
            del self._input[:size]
            is_good = packed(frame[3:-1]) == frame and frame[3] in KNOWN
            answers.append(Sent(ANSWER_S, packed(b"\x06" if is_good else b"\x15")))
        return answers

    def tick(self, at: float) -> list[Sent]:
        """Nothing happens by itself."""
        return []
