"""The conversation with one ZKTeco terminal: connect, ask for live events, read the log again and again.

    connect ─(2005)─> auth ─> events ─> time ─> sizes ─> query ─> chunk … chunk ─> free ─> idle
       ▲                                 ▲        └─ nothing new ────────────────────────>│
       └── something is not answered     └── a live event, or some seconds later ─────────┘

Entries are told when the time has been asked once more (`behind`), after `free` or the first of many chunks; what was
read and not told when the terminal falls silent is read again.

A live event only says that there is something to read: it is lost while nobody listens, the log is not. It is
acknowledged with the next question. When what is asked stands in `drivers.zk.schedule`, what the clock tells in
`drivers.zk.watch`, how the log is read in `drivers.zk.pull`. Nothing is written to the terminal: no order to disable
it, to clear or to unlock anything is among the questions.
"""

from __future__ import annotations

from collections.abc import Callable
from math import inf

from drivers.asking import Heard, Request
from drivers.contract import Command
from drivers.events import DeviceChange, Event
from drivers.zk import packets
from drivers.zk.answer import Coming
from drivers.zk.cursor import Cursor, from_mark
from drivers.zk.packets import Packet
from drivers.zk.pull import History, Pull
from drivers.zk.questions import ANSWER_S, MOST_LOG_BYTES, NO_TIME, STATED_BYTES, Step, question, sizes_in, time_in
from drivers.zk.schedule import Schedule
from drivers.zk.stream import Line, PacketFrame
from drivers.zk.watch import Here, Watch
from drivers.zk.whole import take_whole

RETRY_S = 2.0
TRIES = 2
"""Who does not tell the time behind the log so often in a row is not asked for it there any more."""


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
            "free": self._freed, "behind": self._timed_behind,
        }  # fmt: skip
        self.stop()

    def stop(self) -> None:
        """Forget everything."""
        self._line.talking = False
        self._step: Step = "connect"
        self._due: float | None = None
        self._session = self._reply = self._asked = self._acks = 0
        self._asked_at = 0.0
        self._schedule = Schedule(self._pull_s)
        self._watch = Watch(Here(0.0))
        self._cursor: Cursor | None = None
        self._held: bytearray | None = None  # the keys of a full log, when all of it has been told
        self._width: int | None = None
        self._pull: Pull | None = None
        self._coming: Coming | None = None
        self._log_step: Step = "query"
        self._has_copy = False  # the terminal has made one, to be read in ranges and freed
        self._untimed = 0  # times in a row that it did not tell its time behind its log
        self._faults: set[str] = set()

    def start(self, unit: int, mark: str | None, at: float) -> None:
        """The line is open; `mark`: the place in the log (drivers.zk.cursor) and its clock (drivers.zk.watch)."""
        self.stop()
        self._line.talking = True
        self._cursor = from_mark(mark)
        self._due = at

    def recall(self, mark: str | None, here: Here) -> None:
        """Our own clocks at the start: what the terminal's clock showed when the mark was made can be used."""
        self._watch = Watch(here, mark)

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
        wanted = (self._pull.wants() if self._pull is not None else None) or (0, 0)
        command, data, timeout_s = question(self._step, wanted, self._key, self._session)
        self._coming = Coming(wanted[1], inf) if self._step == "chunk" else None
        acks = packets.frame(packets.OK, session=self._session) * self._acks
        sent = packets.frame(command, data, session=self._session, reply=self._reply)
        self._asked, self._reply, self._acks = self._reply, self._reply % 0xFFFF + 1, 0
        self._asked_at = at
        return Request(acks + sent, timeout_s=timeout_s, expects=self._step)

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
        self._untimed += self._step == "behind"
        self._fail(at)

    def order(self, command: Command, at: float) -> None:
        """A terminal shows by itself what it thinks of a person."""

    def _happened(self, packet: Packet, at: float) -> None:
        self._acks += 1
        if packet.session == packets.ATTENDANCE:
            self._schedule.hint()
            if self._step == "idle":
                self._due = self._schedule.idle_until(at)

    def _fail(self, at: float) -> None:
        """Begin again; who does not even answer connect may be switched on any moment, others want a rest."""
        again = at + RETRY_S if self._step == "connect" else max(at + RETRY_S, self._schedule.refused(at))
        self._step, self._due = "connect", again
        self._coming = self._pull = None
        self._acks = 0

    def _go(self, step: Step, at: float) -> list[Event]:
        self._step, self._due = step, at
        return []

    def _rest(self, at: float) -> list[Event]:
        return self._go("idle", self._schedule.idle_until(at))

    def _refused(self, step: Step, at: float, reason: str) -> list[Event]:
        """Go on with `step` after a rest; what is known is told now, the reason once a connection."""
        self._pull = None
        self._go(step, self._schedule.refused(at))
        if step == "idle":
            self._rest(at)
        is_new = reason not in self._faults
        self._faults.add(reason)
        return self._jumped(None) + ([DeviceChange(kind="fault", reason=reason)] if is_new else [])

    def _jumped(self, mark: str | None) -> list[Event]:
        """Clocks that were set, told behind what was dated with them; `mark`: if all was told."""
        return [DeviceChange(kind="fault", reason=reason, mark=mark) for reason in self._watch.jumps()]

    def _connected(self, packet: Packet, at: float) -> list[Event]:
        self._session = packet.session
        if packet.command == packets.UNAUTH:
            return self._go("auth", at)
        if packet.command == packets.OK:
            return self._go("events", at)
        return self._refused("connect", at, "the terminal refuses the connection")

    def _authorised(self, packet: Packet, at: float) -> list[Event]:
        if packet.command == packets.OK:
            return self._go("events", at)
        return self._refused("connect", at, "the communication key is refused")

    def _enabled(self, packet: Packet, at: float) -> list[Event]:
        if packet.command == packets.UNAUTH:
            return self._refused("connect", at, "the terminal does not let us in")
        return self._go("time", at)

    def _timed(self, packet: Packet, at: float) -> list[Event]:
        stamp = time_in(packet)
        if stamp is None:
            return self._refused("connect", at, NO_TIME)
        if self._watch.read(stamp, at, at - self._asked_at):
            self._schedule.hurry()
        self._schedule.anew()
        if self._schedule.rests(at):
            return self._rest(at)
        return self._go(self._log_step if self._schedule.is_hinted(at) else "sizes", at)

    def _sized(self, packet: Packet, at: float) -> list[Event]:
        self._schedule.told(sizes_in(packet))
        if self._schedule.is_same:
            self._watch.quiet()
        if not self._schedule.is_due(at):
            return self._rest(at)
        return self._whole(b"", at) if self._schedule.sizes.count == 0 else self._go(self._log_step, at)

    def _queried(self, packet: Packet, at: float) -> list[Event]:
        """The log's size, or the log itself, or a refusal."""
        if packet.command in (packets.PREPARE, packets.DATA):
            self._coming = Coming(None, at + ANSWER_S)
            return self._piece(packet, at)
        if packet.command == packets.OK and len(packet.data) == STATED_BYTES:
            total = int.from_bytes(packet.data[1:5], "little")
            if total > MOST_LOG_BYTES:
                return self._refused("idle", at, "the log is said to be larger than a log can be")
            self._has_copy = True
            return self._begin(total, at) + self._onward(at)
        if packet.command == packets.OK:
            return self._whole(b"", at)
        if self._step == "query":
            self._log_step = "log"
            return self._go("log", at)
        self._log_step = "query"
        return self._refused("idle", at, "the terminal refuses its log")

    def _piece(self, packet: Packet, at: float) -> list[Event]:
        assert self._coming is not None
        came = self._coming.take(packet, at)
        if came == "broken":
            self._fail(at)
        if came != "all":
            return []
        data, self._coming = bytes(self._coming.data), None
        if self._step != "chunk" or self._pull is None:
            return self._whole(data, at)
        return self._pull.take(data, at) + self._onward(at)

    def _begin(self, total: int, at: float) -> list[Event]:
        """Read a log of `total` bytes."""
        schedule = self._schedule
        schedule.begins(at, is_unsure=self._cursor is not None and bool(self._cursor.copy))
        held, self._held = self._held, None
        self._pull = Pull(
            total, self._cursor, self._watch, self._history,
            width=self._width, sizes=schedule.sizes, thoroughly=schedule.thoroughly, held=held,
        )  # fmt: skip
        return self._pull.begin()

    def _whole(self, data: bytes, at: float) -> list[Event]:
        """A log that came in one piece."""
        self._has_copy = False
        events = self._begin(len(data), at)
        assert self._pull is not None
        return events + take_whole(self._pull, data, at) + self._onward(at)

    def _onward(self, at: float) -> list[Event]:
        """The next range, or what comes after the last."""
        pull = self._pull
        assert pull is not None
        self._cursor = pull.cursor
        if self._has_copy and pull.wants() is None:
            return self._go("free", at)
        if pull.awaits_time and self._untimed < TRIES:
            return self._go("behind", at)
        events = pull.date(at, is_behind=False) if pull.awaits_time else []
        self._cursor = pull.cursor
        return events + (self._go("chunk", at) if self._has_copy else self._finish(at))

    def _freed(self, packet: Packet, at: float) -> list[Event]:
        self._has_copy = False
        return self._onward(at)

    def _timed_behind(self, packet: Packet, at: float) -> list[Event]:
        stamp = time_in(packet)
        if stamp is None:
            self._untimed += 1
            return self._refused("connect", at, NO_TIME)
        self._untimed = 0
        self._watch.read(stamp, at, at - self._asked_at)
        assert self._pull is not None
        return self._pull.date(at) + self._onward(at)

    def _finish(self, at: float) -> list[Event]:
        """The log has been read; when again?"""
        pull, self._pull = self._pull, None
        assert pull is not None
        if pull.is_strange:
            return self._refused("idle", at, "the records of the log have no known size")
        is_whole = pull.wants() is None
        self._schedule.ended(at, pull.entries, found=pull.told > 0, whole=is_whole)
        if is_whole:
            self._held = pull.held
            self._width = pull.width or self._width
        if is_whole and pull.is_proof:
            self._watch.completed(pull.reading)
        self._rest(at)
        if not is_whole or self._cursor is None:
            return []
        return self._jumped(self._cursor.mark(self._watch.kept()))
