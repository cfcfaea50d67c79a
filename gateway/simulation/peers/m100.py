"""An M100 / R200 module on a desk: it polls when it is told to, and says so when there was nobody."""

from __future__ import annotations

from random import Random

from gateway.simulation.devices import Sent
from gateway.simulation.peers.tag_field import TagField, epc_of, new_epc

ROUND_S = 0.03
NOTICE_S = 0.003
QUICK_S = 0.005
TAGS_A_POLL = 4
NO_TAG, BAD_COMMAND = 0x15, 0x17


class M100:
    """One module. `ghosts`: share of the notices whose EPC is wrong and whose sum is right, as from a bad antenna."""

    model = "m100"
    driver = "uhf_bb"
    baud = 115200
    options = ""
    directions = ""

    def __init__(self, seed: int = 0, *, ghosts: float = 0.0) -> None:
        self._rng = Random(seed)
        self.field = TagField(self._rng)
        self._ghosts = ghosts
        self._input = bytearray()

    def new_deed(self, rng: Random) -> str:
        """A tag nobody has carried yet."""
        return new_epc(rng)

    def do(self, deed: str, at: float) -> list[Sent]:
        """Somebody with this tag walks past; a polled module says nothing of it."""
        self.field.enter(epc_of(deed), at)
        return []

    def hear(self, data: bytes, at: float) -> list[Sent]:
        """Commands of the host."""
        self._input += data
        sent: list[Sent] = []
        while (frame := self._next()) is not None:
            sent += self._answer(frame, at)
        return sent

    def tick(self, at: float) -> list[Sent]:
        """It says nothing of itself."""
        return []

    def _next(self) -> bytes | None:
        """The next whole command in the input."""
        while self._input:
            if self._input[0] != 0xBB:
                del self._input[0]
                continue
            if len(self._input) < 5:
                return None
            size = 7 + int.from_bytes(self._input[3:5])
            if size > 64:
                del self._input[0]
                continue
            if len(self._input) < size:
                return None
            frame = bytes(self._input[:size])
            if frame[-1] == 0x7E:
                del self._input[:size]
                return frame
            del self._input[0]
        return None

    def _answer(self, frame: bytes, at: float) -> list[Sent]:
        if sum(frame[1:-2]) & 0xFF != frame[-2] or frame[1] != 0x00:
            return [Sent(QUICK_S, _frame(1, 0xFF, bytes([BAD_COMMAND])))]
        command = frame[2]
        if command == 0x22:
            return self._poll(at)
        if command == 0x03:
            return [Sent(QUICK_S, _frame(1, 0x03, frame[5:6] + b"M100 V1.00"))]
        return [Sent(QUICK_S, _frame(1, 0xFF, bytes([BAD_COMMAND])))]

    def _poll(self, at: float) -> list[Sent]:
        heard = self.field.round(0, at)[:TAGS_A_POLL]
        if not heard:
            return [Sent(ROUND_S, _frame(1, 0xFF, bytes([NO_TAG])))]
        sent = []
        for n, one in enumerate(heard):
            pc = bytes([len(one.epc) // 2 << 3, 0])
            epc, crc = one.epc, _tag_crc(pc + one.epc)
            if self._rng.random() < self._ghosts:
                epc = epc[:-1] + bytes([epc[-1] ^ 1 << self._rng.randrange(8)])
            notice = _frame(2, 0x22, (one.dbm & 0xFF).to_bytes() + pc + epc + crc)
            sent.append(Sent(ROUND_S + n * NOTICE_S, notice))
        return sent


def _frame(kind: int, command: int, data: bytes) -> bytes:
    body = bytes([kind, command]) + len(data).to_bytes(2) + data
    return b"\xbb" + body + bytes([sum(body) & 0xFF, 0x7E])


def _tag_crc(data: bytes) -> bytes:
    """CRC-16 1021, start FFFF, inverted, bit by bit."""
    crc = 0xFFFF
    for byte in data:
        crc ^= byte << 8
        for _ in range(8):
            crc = (crc << 1 ^ 0x1021 if crc & 0x8000 else crc << 1) & 0xFFFF
    return (crc ^ 0xFFFF).to_bytes(2)
