"""UHFReader18 and UR readers on a desk: one answers when its inventory is over, one speaks by itself."""

from __future__ import annotations

from random import Random

from gateway.simulation.devices import Sent
from gateway.simulation.peers.tag_field import Heard, TagField, epc_of, new_epc

PAUSE_S = 0.05
ROUND_S = 0.03
QUICK_S = 0.004
INVENTORY_S = 0.3
TAGS_A_FRAME = 2
PUSH_S = 0.05
HEARTBEAT_S = 5.0


class UhfReader18:
    """Answer mode. `wants_parameters`: a UR reader, whose inventory has Q and session and whose tags have RSSI."""

    model = "uhfreader18"
    driver = "uhf_len"
    baud = 57600
    options = "answer_s = 0.5"
    directions = ""

    def __init__(self, seed: int = 0, *, address: int = 0, wants_parameters: bool = False) -> None:
        self._rng = Random(seed)
        self.field = TagField(self._rng)
        self.beeps: list[bytes] = []
        self._address = address
        self._is_ur = wants_parameters
        self._input = bytearray()
        self._heard_at = 0.0
        self._ends_at: float | None = None
        self._round_at = 0.0

    def new_deed(self, rng: Random) -> str:
        """A tag nobody has carried yet."""
        return new_epc(rng)

    def do(self, deed: str, at: float) -> list[Sent]:
        """Somebody with this tag walks past."""
        self.field.enter(epc_of(deed), at)
        return []

    def hear(self, data: bytes, at: float) -> list[Sent]:
        """Commands of the host; a pause in the middle of one ends it."""
        if at - self._heard_at > PAUSE_S:
            self._input.clear()
        self._heard_at = at
        self._input += data
        sent: list[Sent] = []
        while (frame := self._next()) is not None:
            if frame[1] in (self._address, 0xFF):
                sent += self._answer(frame[2], frame[3:-2], at)
        return sent

    def tick(self, at: float) -> list[Sent]:
        """An inventory is over when it has heard tags, or when its time is."""
        if self._ends_at is None or at < self._round_at:
            return []
        self._round_at = at + ROUND_S
        heard = self.field.round(0, at)
        if not heard and at < self._ends_at:
            return []
        self._ends_at = None
        return self._tags(heard)

    def _next(self) -> bytes | None:
        while self._input:
            size = self._input[0] + 1
            if not 5 <= size <= 40:
                del self._input[0]
                continue
            if len(self._input) < size:
                return None
            frame = bytes(self._input[:size])
            if _crc(frame[:-2]) == frame[-2:]:
                del self._input[:size]
                return frame
            del self._input[0]
        return None

    def _answer(self, command: int, data: bytes, at: float) -> list[Sent]:
        if command == 0x01 and len(data) == (2 if self._is_ur else 0):
            self._ends_at, self._round_at = at + INVENTORY_S, at + ROUND_S
            return []
        if command == 0x33 and len(data) == 3:
            self.beeps.append(data)
            return [Sent(QUICK_S, self._frame(0x33, b"\x00"))]
        return [Sent(QUICK_S, self._frame(command, b"\xfd" if command == 0x01 else b"\xfe"))]

    def _tags(self, heard: list[Heard]) -> list[Sent]:
        if not heard:
            return [Sent(0.0, self._frame(0x01, b"\x01\x01\x00" if self._is_ur else b"\xfb"))]
        groups = [heard[n : n + TAGS_A_FRAME] for n in range(0, len(heard), TAGS_A_FRAME)]
        frames = []
        for group in groups:
            status = b"\x01" if group is groups[-1] else b"\x03"
            head = (b"\x01" if self._is_ur else b"") + bytes([len(group)])
            frames.append(self._frame(0x01, status + head + b"".join(map(self._entry, group))))
        return [Sent(n * QUICK_S, frame) for n, frame in enumerate(frames)]

    def _entry(self, one: Heard) -> bytes:
        return bytes([len(one.epc)]) + one.epc + (bytes([one.dbm + 129]) if self._is_ur else b"")

    def _frame(self, command: int, data: bytes) -> bytes:
        frame = bytes([len(data) + 4, self._address, command]) + data
        return frame + _crc(frame)


class ActiveReader(UhfReader18):
    """Active mode: it tells every tag in the field again and again, and that it lives when there is none."""

    model = "uhfreader18_active"
    options = 'mode = "listen"'

    def __init__(self, seed: int = 0, *, address: int = 0) -> None:
        super().__init__(seed, address=address)
        self._push_at = 0.0
        self._heartbeat_at = HEARTBEAT_S
        self._heartbeats = 0

    def hear(self, data: bytes, at: float) -> list[Sent]:
        """In this mode it takes no inventory commands."""
        return []

    def tick(self, at: float) -> list[Sent]:
        """Tags, or after a while without any the heartbeat."""
        if at < self._push_at:
            return []
        self._push_at = at + PUSH_S
        heard = self.field.round(0, at)
        if heard:
            self._heartbeat_at = at + HEARTBEAT_S
            return [Sent(n * QUICK_S, self._push(one)) for n, one in enumerate(heard)]
        if at < self._heartbeat_at:
            return []
        self._heartbeat_at = at + HEARTBEAT_S
        self._heartbeats += 1
        counts = self._heartbeats.to_bytes(4) + bytes(8) + bytes(4)
        return [Sent(0.0, self._frame(0xEE, b"\x28" + counts))]

    def _push(self, one: Heard) -> bytes:
        return self._frame(0xEE, bytes([0x00, 0x01, len(one.epc)]) + one.epc + bytes([one.dbm + 129]))


def _crc(data: bytes) -> bytes:
    """CRC-16, polynomial 8408 low bit first, start FFFF, low byte first."""
    crc = 0xFFFF
    for byte in data:
        crc ^= byte
        for _ in range(8):
            crc = crc >> 1 ^ 0x8408 if crc & 1 else crc >> 1
    return crc.to_bytes(2, "little")
