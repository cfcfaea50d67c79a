"""A ZKTeco terminal on a desk: a log, a clock that is minutes off and drifts, events for who asked for them.

Written from adrobinoga/zk-protocol and from what is told of real terminals: it answers with the reply number of the
question, sends a log of more than a kilobyte only in chunks that are asked for, and each chunk as prepare, data, ok;
it counts its session in seconds; live events are lost when nobody has asked for them. Old firmware knows no chunks
and sends its log at once, in data packets of a kilobyte.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from random import Random

from gateway.simulation.devices import Sent

START = b"\x50\x50\x82\x7d"
POWER_ON = datetime(2026, 3, 2, 7, 30)  # noqa: DTZ001 - a clock on a wall, which knows no zone
ANSWER_S = 0.01
PER_ENTRY_S = 5e-6
SMALL_BYTES = 1024
USER_DIGITS = 5


@dataclass(frozen=True, slots=True)
class Punch:
    """One line of the log: whose, when by the terminal's clock, how, with which key pressed."""

    user: str
    time: datetime
    verify: int = 1
    state: int = 0


def packed_time(time: datetime) -> int:
    """The document's formula: days of months that all have 31."""
    days = (time.year % 100) * 12 * 31 + (time.month - 1) * 31 + time.day - 1
    return days * 24 * 60 * 60 + (time.hour * 60 + time.minute) * 60 + time.second


def sum16(payload: bytes) -> int:
    """The document's checksum, step by step."""
    words = payload + b"\0" * (len(payload) % 2)
    total = 0
    for (word,) in struct.iter_unpack("<H", words):
        total += word
    total = (total & 0xFFFF) + (total >> 16)
    total = (total & 0xFFFF) + (total >> 16)
    return 0xFFFF - total


def packed(command: int, session: int, reply: int, data: bytes = b"") -> bytes:
    """One packet."""
    check = sum16(struct.pack("<HHH", command, session, reply) + data)
    payload = struct.pack("<HHHH", command, check, session, reply) + data
    return START + struct.pack("<I", len(payload)) + payload


def hidden_key(key: int, session: int) -> bytes:
    """What a terminal expects from a host that knows its communication key."""
    turned = sum(1 << 31 - bit for bit in range(32) if key >> bit & 1) + session
    a, b, c, d = struct.pack("<I", turned & 0xFFFFFFFF)
    return bytes([c ^ ord("S") ^ 50, d ^ ord("O") ^ 50, 50, b ^ ord("K") ^ 50]) if a >= 0 else b""


@dataclass(slots=True)
class Zk:
    """One terminal. `width` of its log's records: 40, 16 or 8; `wrong_s`: how far its clock is ahead; `drift`:
    seconds it gains a second; `before`: entries in its log when it is switched on; `key`: its communication key;
    `room`: for so many entries, then the oldest ones go, to make room at the end or `in_place`; `refuses`: commands
    it answers with `refusal`.
    """

    model: str = "zk"
    driver: str = "zk_terminal"
    baud: int = 115200
    options: str = 'pull_s = 5, history = "all"'
    directions: str = ""
    width: int = 40
    wrong_s: float = 420.0
    drift: float = 5e-5
    before: int = 0
    key: int | None = None
    has_chunks: bool = True
    has_sizes: bool = True
    tells_live: bool = True
    room: int = 100_000
    in_place: bool = False
    refuses: set[int] = field(default_factory=set)
    refusal: int = 2001
    log: list[Punch] = field(default_factory=list)
    orders: list[int] = field(default_factory=list)
    _input: bytearray = field(default_factory=bytearray)
    _session: int = 0
    _is_known: bool = False
    _is_listening: bool = False
    _buffer: bytes = b""
    _oldest: int = 0

    def __post_init__(self) -> None:
        old = POWER_ON - timedelta(days=400)
        self.log += [Punch(f"{10000 + n % 977}", old + timedelta(seconds=337 * n)) for n in range(self.before)]

    def clock(self, at: float) -> datetime:
        """What the terminal shows at the monotonic second `at`, whole seconds."""
        shown = POWER_ON + timedelta(seconds=self.wrong_s + at * (1 + self.drift))
        return shown.replace(microsecond=0)

    def new_deed(self, rng: Random) -> str:
        """A user id."""
        return str(rng.randrange(10 ** (USER_DIGITS - 1), 10**USER_DIGITS if self.width != 8 else 65_536))

    def do(self, deed: str, at: float) -> list[Sent]:
        """Somebody punches: it is in the log, and who listens is told."""
        if not deed.isdecimal() or not 0 < len(deed) <= 9:
            raise ValueError(f"{deed!r} is no user id: up to nine digits")
        punch = Punch(deed, self.clock(at), verify=2)
        self._write(punch)
        if not (self._is_listening and self.tells_live):
            return []
        time = punch.time
        six = bytes([time.year - 2000, time.month, time.day, time.hour, time.minute, time.second])
        data = deed.encode().ljust(24, b"\0") + bytes([punch.verify, punch.state]) + six
        return [Sent(0.02, packed(500, 1, 0, data))]

    def _write(self, punch: Punch) -> None:
        if len(self.log) < self.room:
            self.log.append(punch)
        elif self.in_place:
            self.log[self._oldest] = punch
            self._oldest = (self._oldest + 1) % self.room
        else:
            del self.log[0]
            self.log.append(punch)

    def hear(self, data: bytes, at: float) -> list[Sent]:
        """Packets of the host; noise before one is skipped."""
        self._input += data
        answers: list[Sent] = []
        while (start := self._input.find(START)) >= 0:
            del self._input[:start]
            if len(self._input) < 8:
                break
            size = struct.unpack_from("<I", self._input, 4)[0]
            if size > 4096:
                del self._input[:4]
                continue
            if len(self._input) < 8 + size:
                break
            payload = bytes(self._input[8 : 8 + size])
            del self._input[: 8 + size]
            answers += self._answer(payload, at)
        return answers

    def tick(self, at: float) -> list[Sent]:
        """Nothing happens by itself."""
        return []

    def _answer(self, payload: bytes, at: float) -> list[Sent]:
        if len(payload) < 8:
            return []
        command, check, session, reply = struct.unpack_from("<HHHH", payload)
        data = payload[8:]
        if check != sum16(struct.pack("<HHH", command, session, reply) + data):
            return []
        self.orders.append(command)
        delay_s = ANSWER_S + PER_ENTRY_S * len(self.log) * (command in (13, 1503))
        said = self._obey(command, data, reply, at)
        return [Sent(delay_s + n * 0.001, packet) for n, packet in enumerate(said)]

    def _obey(self, command: int, data: bytes, reply: int, at: float) -> list[bytes]:
        if command in self.refuses:
            return [self._say(self.refusal, reply)]
        if command == 1000:
            self._session = int(at) & 0xFFFF or 1
            self._is_known, self._is_listening = self.key is None, False
            return [self._say(2000 if self._is_known else 2005, reply)]
        if command == 1102:
            self._is_known = data == hidden_key(self.key or 0, self._session)
            return [self._say(2000 if self._is_known else 2005, reply)]
        if command == 2000:
            return []
        if not self._is_known:
            return [self._say(2005, reply)]
        if command == 500:
            self._is_listening = True
            return [self._say(2000, reply)]
        if command == 201:
            return [self._say(2000, reply, struct.pack("<I", packed_time(self.clock(at))))]
        if command == 50:
            return [self._sizes(reply)]
        return self._read(command, data, reply)

    def _read(self, command: int, data: bytes, reply: int) -> list[bytes]:
        if command == 13:
            return self._at_once(self._whole_log(), reply)
        if command == 1503 and self.has_chunks and data[:2] == b"\x01\x0d":
            self._buffer = self._whole_log()
            if len(self._buffer) <= SMALL_BYTES:
                return [self._say(1501, reply, self._buffer)]
            size = len(self._buffer)
            return [self._say(2000, reply, struct.pack("<BIII", 0, size, size, 0))]
        if command == 1504 and self.has_chunks and len(data) == 8:
            start, size = struct.unpack("<II", data)
            return self._at_once(self._buffer[start : start + size], reply, piece=size)
        if command == 1502:
            self._buffer = b""
            return [self._say(2000, reply)]
        return [self._say(0xFFFF, reply)]

    def _at_once(self, data: bytes, reply: int, piece: int = 1024) -> list[bytes]:
        pieces = [self._say(1501, reply, data[at : at + piece]) for at in range(0, len(data), piece)]
        return [self._say(1500, reply, struct.pack("<II", len(data), 4096)), *pieces, self._say(2000, reply)]

    def _sizes(self, reply: int) -> bytes:
        if not self.has_sizes:
            return self._say(2001, reply)
        numbers = [0] * 23
        numbers[4], numbers[8], numbers[16] = 1000, len(self.log), self.room
        return self._say(2000, reply, struct.pack("<23I", *numbers))

    def _say(self, command: int, reply: int, data: bytes = b"") -> bytes:
        return packed(command, self._session, reply, data)

    def _whole_log(self) -> bytes:
        lines = b"".join(self._line(punch) for punch in self.log)
        return struct.pack("<I", len(lines)) + lines

    def _line(self, punch: Punch) -> bytes:
        when, number = packed_time(punch.time), int(punch.user)
        if self.width == 8:
            return struct.pack("<HBIB", number & 0xFFFF, punch.verify, when, punch.state)
        if self.width == 16:
            return struct.pack("<IIBBHI", number, when, punch.verify, punch.state, 0, 0)
        user = punch.user.encode().ljust(24, b"\0")
        return struct.pack("<H24sBIBI", number % 1000, user, punch.verify, when, punch.state, 0) + b"\xff\0\0\0"
