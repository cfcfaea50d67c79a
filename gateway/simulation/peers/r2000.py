"""An Indy R2000 reader on a desk, with one antenna at a door or two that stand on both sides of a gate."""

from __future__ import annotations

from random import Random

from gateway.simulation.devices import Sent
from gateway.simulation.peers.tag_field import Heard, TagField, epc_of, new_epc

ROUND_S = 0.04
TAG_S = 0.003
QUICK_S = 0.004
DONE, ANTENNA_MISSING, PARAMETER = 0x10, 0x22, 0x41
FREQUENCIES = 50


class R2000:
    """One reader. `missing`: an antenna whose cable is off. `ghosts`: share of reports with a wrong PC."""

    model = "r2000"
    driver = "uhf_a0"
    baud = 115200
    options = ""
    directions = ""
    antennas: tuple[int, ...] = (0,)

    def __init__(self, seed: int = 0, *, address: int = 1, ghosts: float = 0.0, missing: int | None = None) -> None:
        self._rng = Random(seed)
        self.field = TagField(self._rng)
        self.missing = missing
        self._address = address
        self._ghosts = ghosts
        self._antenna = 0
        self._input = bytearray()

    def new_deed(self, rng: Random) -> str:
        """A tag nobody has carried yet."""
        return new_epc(rng)

    def do(self, deed: str, at: float) -> list[Sent]:
        """Somebody with this tag walks past the antennas, inwards."""
        self.walk(deed, at, self.antennas)
        return []

    def walk(self, deed: str, at: float, antennas: tuple[int, ...]) -> None:
        """The same in any order."""
        self.field.enter(epc_of(deed), at, antennas)

    def switch_off_and_on(self) -> None:
        """The chosen antenna is forgotten."""
        self._antenna = 0
        self._input.clear()

    def hear(self, data: bytes, at: float) -> list[Sent]:
        """Commands of the host."""
        self._input += data
        sent: list[Sent] = []
        while (frame := self._next()) is not None:
            if frame[2] in (self._address, 0xFF):
                sent += self._answer(frame[3], frame[4:-1], at)
        return sent

    def tick(self, at: float) -> list[Sent]:
        """It says nothing of itself."""
        return []

    def _next(self) -> bytes | None:
        """The next whole command in the input; what is none is dropped."""
        while self._input:
            if self._input[0] != 0xA0:
                del self._input[0]
                continue
            if len(self._input) < 2:
                return None
            size = self._input[1] + 2
            if not 5 <= size <= 40:
                del self._input[0]
                continue
            if len(self._input) < size:
                return None
            frame = bytes(self._input[:size])
            if sum(frame) & 0xFF == 0:
                del self._input[:size]
                return frame
            del self._input[0]
        return None

    def _answer(self, command: int, data: bytes, at: float) -> list[Sent]:
        if command == 0x72:
            return [Sent(QUICK_S, self._frame(0x72, b"\x01\x09"))]
        if command == 0x74:
            is_there = len(data) == 1 and data[0] < 4
            self._antenna = data[0] if is_there else self._antenna
            return [Sent(QUICK_S, self._frame(0x74, bytes([DONE if is_there else PARAMETER])))]
        if command == 0x89:
            return self._inventory(at)
        return []

    def _inventory(self, at: float) -> list[Sent]:
        if self._antenna == self.missing:
            return [Sent(QUICK_S, self._frame(0x89, bytes([ANTENNA_MISSING])))]
        heard = self.field.round(self._antenna, at)
        sent = [Sent(ROUND_S + n * TAG_S, self._report(one)) for n, one in enumerate(heard)]
        counts = (len(heard) * 25).to_bytes(2) + len(heard).to_bytes(4)
        return [*sent, Sent(ROUND_S + len(heard) * TAG_S, self._frame(0x89, bytes([self._antenna]) + counts))]

    def _report(self, one: Heard) -> bytes:
        words = len(one.epc) // 2
        if self._rng.random() < self._ghosts:
            words ^= 1 << self._rng.randrange(5)
        place = self._rng.randrange(FREQUENCIES) << 2 | self._antenna
        return self._frame(0x89, bytes([place, words << 3, 0]) + one.epc + bytes([one.dbm + 129]))

    def _frame(self, command: int, data: bytes) -> bytes:
        frame = bytes([0xA0, len(data) + 3, self._address, command]) + data
        return frame + bytes([-sum(frame) & 0xFF])


class R2000Gate(R2000):
    """Two antennas: 0 stands outside, 1 inside."""

    model = "r2000_gate"
    options = 'antennas = { 0 = "outer", 1 = "inner" }'
    directions = 'inward = "in", outward = "out"'
    antennas = (0, 1)
