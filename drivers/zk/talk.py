"""The conversation with one ZKTeco terminal: connect, ask for live events, read the log again and again.

    connect ─(2005)─> auth ─> events ─> time ─> sizes ─> query ─> chunk … chunk ─> free ─> idle
       ▲                                 ▲  a live event, or pull_s later                    │
       └── something is not answered     └───────────────────────────────────────────────────┘

A live event only says that there is something to read: it is lost while nobody listens, the log is not. It is
acknowledged with the next question. An answer of many packets (prepare, data, …, ok) ends when its bytes are there.
Nothing is written to the terminal: no order to disable it, to clear or to unlock anything is among the questions.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from math import inf
from struct import pack

from drivers.asking import Heard, Request
from drivers.contract import Command
from drivers.events import DeviceChange, Event
from drivers.zk import packets
from drivers.zk.age import Reading
from drivers.zk.cursor import Cursor, from_mark
from drivers.zk.packets import Packet
from drivers.zk.pull import History, Pull
from drivers.zk.questions import ANSWER_S, COUNT_AT, QUERY_S, QUESTIONS, STATED_BYTES, Step
from drivers.zk.records import from_stamp
from drivers.zk.stream import Line, PacketFrame

KEEP_S = 20.0
RETRY_S = 2.0
REFUSED_S = 60.0
LOOK_AGAIN_S = 1.0
LOOKS = 3
SLICE = 2000
"""Entries told at once of a log that came in one piece."""
MOST_LOG_BYTES = 64_000_000
NO_TIME = datetime(2000, 1, 1)  # noqa: DTZ001 - a terminal whose clock shows no day at all


@dataclass(slots=True)
class _Coming:
    """An answer of many packets: what has come of it, how much there will be, until when the next piece must come."""

    size: int | None
    until: float
    data: bytearray = field(default_factory=bytearray)


class Talk:
    """What is asked; see the module and drivers.asking.Script."""

    def __init__(self, line: Line, *, pull_s: float, history: History, comm_key: int) -> None:
        self._line = line
        self._pull_s = pull_s
        self._history: History = history
        self._key = comm_key
        self._answers: dict[Step, Callable[[Packet, float], list[Event]]] = {
            "connect": self._connected, "auth": self._authorised, "events": self._enabled, "time": self._timed,
            "sizes": self._sized, "query": self._queried, "log": self._queried, "chunk": self._piece,
            "free": self._freed,
        }  # fmt: skip
        self.stop()

    def stop(self) -> None:
        """Forget everything."""
        self._line.talking = False
        self._step: Step = "connect"
        self._due: float | None = None
        self._session = self._reply = self._asked = self._acks = 0
        self._asked_at = 0.0
        self._cursor: Cursor | None = None
        self._reading: Reading | None = None
        self._since: float | None = None  # when the last complete pull began
        self._pull: Pull | None = None
        self._coming: _Coming | None = None
        self._pull_at = 0.0
        self._is_hinted = self._was_hinted = False
        self._looks = 0
        self._count: int | None = None
        self._width: int | None = None
        self._log_step: Step = "query"
        self._faults: set[str] = set()

    def start(self, unit: int, mark: str | None, at: float) -> None:
        """The line is open; `mark`: the place in the log (drivers.zk.cursor)."""
        self.stop()
        self._line.talking = True
        self._cursor = from_mark(mark)
        self._due = at

    def due(self) -> float | None:
        """When the next question is to be asked, or the next piece of an answer is late."""
        return self._due if self._coming is None else self._coming.until

    def ask(self, at: float) -> Request | None:
        """The next question."""
        if self._coming is not None:
            self._fail(at)
            return None
        if self._step == "idle":
            self._step = "time"
        if self._step == "connect":
            self._session = self._reply = 0
        command, data, timeout_s = self._question()
        acks = packets.frame(packets.OK, session=self._session) * self._acks
        sent = packets.frame(command, data, session=self._session, reply=self._reply)
        self._asked, self._reply, self._acks = self._reply, self._reply % 0xFFFF + 1, 0
        self._asked_at = at
        return Request(acks + sent, timeout_s=timeout_s, expects=self._step)

    def _question(self) -> tuple[int, bytes, float]:
        if self._step == "auth":
            return packets.AUTH, packets.auth(self._key, self._session), ANSWER_S
        if self._step != "chunk":
            return QUESTIONS[self._step]
        wanted = self._pull.wants() if self._pull is not None else None
        start, size = wanted or (0, 0)
        self._coming = _Coming(size, inf)
        return packets.READY, pack("<II", start, size), QUERY_S

    def hear(self, event: Event, asked: Request | None, at: float) -> Heard:
        """A packet: an event, a piece of a long answer, or the answer to the question."""
        if not isinstance(event, PacketFrame):
            return Heard((event,))
        packet = event.packet
        if packet.is_event:
            self._happened(packet, at)
            return Heard((event,))
        is_piece = packet.command in (packets.PREPARE, packets.DATA)
        if packet.reply != self._asked or not (is_piece or packet.command >= packets.OK):
            return Heard((event,))
        if asked is None and self._coming is None:
            return Heard((event,))
        if self._coming is not None:
            return Heard((event, *self._piece(packet, at)), answers=True)
        return Heard((event, *self._answers[self._step](packet, at)), answers=True)

    def miss(self, asked: Request, at: float) -> None:
        """Not answered: begin again with connect."""
        self._fail(at)

    def order(self, command: Command, at: float) -> None:
        """A terminal shows by itself what it thinks of a person."""

    def _happened(self, packet: Packet, at: float) -> None:
        self._acks += 1
        if packet.session == packets.ATTENDANCE:
            self._is_hinted = True
            self._looks = 0
            if self._step == "idle":
                self._due = at

    def _fail(self, at: float) -> None:
        self._step, self._due = "connect", at + RETRY_S
        self._coming = self._pull = None
        self._acks = 0

    def _go(self, step: Step, at: float) -> list[Event]:
        self._step, self._due = step, at
        return []

    def _fault(self, reason: str) -> list[Event]:
        """Said once a connection."""
        told = reason in self._faults
        self._faults.add(reason)
        return [] if told else [DeviceChange(kind="fault", reason=reason)]

    def _connected(self, packet: Packet, at: float) -> list[Event]:
        self._session = packet.session
        if packet.command == packets.UNAUTH:
            return self._go("auth", at)
        if packet.command == packets.OK:
            return self._go("events", at)
        return self._go("connect", at + RETRY_S)

    def _authorised(self, packet: Packet, at: float) -> list[Event]:
        if packet.command == packets.OK:
            return self._go("events", at)
        self._go("connect", at + REFUSED_S)
        return self._fault("the communication key is refused")

    def _enabled(self, packet: Packet, at: float) -> list[Event]:
        self._pull_at = at
        return self._go("time", at)

    def _timed(self, packet: Packet, at: float) -> list[Event]:
        if packet.command != packets.OK or len(packet.data) < 4:
            self._fail(at)
            return self._fault("the terminal does not tell its time")
        time = from_stamp(int.from_bytes(packet.data[:4], "little"))
        self._reading = Reading(time or NO_TIME, at, at - self._asked_at)
        if self._is_hinted:
            return self._go(self._log_step, at)
        return self._go("sizes", at) if at >= self._pull_at else self._rest(at)

    def _sized(self, packet: Packet, at: float) -> list[Event]:
        self._count = None
        if packet.command == packets.OK and len(packet.data) >= COUNT_AT + 4:
            count = int.from_bytes(packet.data[COUNT_AT : COUNT_AT + 4], "little")
            self._count = count if 8 * count <= MOST_LOG_BYTES else None
        if self._count == 0:
            return self._whole(b"", at)
        if self._since is not None and self._cursor is not None and self._count == self._cursor.count:
            return self._finish(at)
        return self._go(self._log_step, at)

    def _queried(self, packet: Packet, at: float) -> list[Event]:
        """The log's size, or the log itself, or a refusal."""
        if packet.command in (packets.PREPARE, packets.DATA):
            self._coming = _Coming(None, at + ANSWER_S)
            return self._piece(packet, at)
        if packet.command == packets.OK and len(packet.data) == STATED_BYTES:
            total = int.from_bytes(packet.data[1:5], "little")
            if total > MOST_LOG_BYTES:
                return self._finish(at) + self._fault("the log is said to be larger than a log can be")
            return self._begin(total) + self._onward(at)
        if packet.command == packets.OK:
            return self._whole(b"", at)
        if self._step == "query":
            self._log_step = "log"
            return self._go("log", at)
        self._log_step = "query"
        return self._finish(at) + self._fault("the terminal refuses its log")

    def _piece(self, packet: Packet, at: float) -> list[Event]:
        coming = self._coming
        assert coming is not None
        coming.until = at + ANSWER_S
        if packet.command == packets.PREPARE:
            coming.size = int.from_bytes(packet.data[:4], "little") if coming.size is None else coming.size
        elif packet.command == packets.DATA:
            coming.size = len(packet.data) if coming.size is None else coming.size
            coming.data += packet.data
        if coming.size is None or len(coming.data) < coming.size:
            if packet.command >= packets.OK or (coming.size or 0) > MOST_LOG_BYTES:
                self._fail(at)
            return []
        self._coming = None
        data = bytes(coming.data[: coming.size])
        if self._step != "chunk" or self._pull is None:
            return self._whole(data, at)
        events = self._pull.take(data, at)
        self._cursor = self._pull.cursor
        return events + self._onward(at)

    def _begin(self, total: int) -> list[Event]:
        """Read a log of `total` bytes."""
        assert self._reading is not None
        self._was_hinted, self._is_hinted = self._is_hinted or self._looks > 0, False
        self._pull = Pull(
            total, self._cursor, self._reading, self._since, self._history, width=self._width, count=self._count
        )
        events = self._pull.begin()
        self._cursor = self._pull.cursor
        return events

    def _whole(self, data: bytes, at: float) -> list[Event]:
        """A log that came in one piece. Of a long one only so much is told at once; the rest is read again."""
        events = self._begin(len(data))
        pull = self._pull
        assert pull is not None
        while (wanted := pull.wants()) is not None and pull.told < SLICE:
            start, size = wanted
            if len(data) < start + size:
                pull.is_strange = True
                break
            events += pull.take(data[start : start + size], at)
            self._cursor = pull.cursor
        self._is_hinted = self._is_hinted or (wanted is not None and not pull.is_strange)
        return events + self._finish(at)

    def _onward(self, at: float) -> list[Event]:
        """The next range, or what comes after the last."""
        assert self._pull is not None
        return self._go("free" if self._pull.wants() is None else "chunk", at)

    def _freed(self, packet: Packet, at: float) -> list[Event]:
        return self._finish(at)

    def _finish(self, at: float) -> list[Event]:
        """The log has been read; when again?"""
        pull, self._pull = self._pull, None
        self._pull_at = at + self._pull_s
        if pull is not None and pull.is_strange:
            self._rest(at)
            return self._fault("the records of the log have no known size")
        if pull is not None and self._reading is not None and not self._is_hinted:
            self._since, self._width = self._reading.at, pull.width or self._width
        looks_again = pull is not None and self._was_hinted and not pull.told and self._looks < LOOKS
        self._looks = self._looks + 1 if looks_again else 0
        if looks_again:
            self._pull_at = at + LOOK_AGAIN_S
        return self._rest(at)

    def _rest(self, at: float) -> list[Event]:
        return self._go("idle", at if self._is_hinted else min(self._pull_at, at + KEEP_S))
