"""Find ZKTeco packets, or the bare records of a log saved as a file, and say what they mean to somebody who listens.

Who listens sees a conversation, or only the terminal's half of it: a log comes as data packets, cut anywhere, its
size in front. So the pieces are put together here; what else comes as data (users, templates, photos) is told by the
question if it was seen, else by the record's shape, and stays a frame without content. Once a packet has begun there
are no bare records any more: what a damaged packet holds is not believed.

A bare record has no check. Where one should stand, at the start, behind another, or anywhere if nothing else can come
(`attlog`), user id and day are enough; in the midst of other bytes all its fields must be as they usually are.

Who talks (`drivers.zk.talk`) wants packets and makes his own sense of them: `talking` switches all that off.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal

from drivers.events import CardRead, Event, Frame, Origin
from drivers.framing import Bad, Edge, Good, Noise, Verdict
from drivers.zk import packets, records
from drivers.zk.packets import HEAD_BYTES, LEAST_BYTES, MAGIC, MOST_BYTES, Packet
from drivers.zk.questions import STATED_BYTES
from drivers.zk.records import HEADER_BYTES, LOOSE40, STRICT40, Entry

Form = Literal["auto", "tcp", "attlog"]
FORMS = ("auto", "tcp", "attlog")
RECORD_BYTES = 40
OTHER_QUESTIONS = frozenset({7, 9, 11, 34, 64, 75})
_EXAMPLE = bytes(2) + b"0" + bytes(37)
_SHAPES = {"auto": re.compile(STRICT40), "attlog": re.compile(LOOSE40)}
_STARTS = {
    "tcp": re.compile(re.escape(MAGIC)),
    "auto": re.compile(re.escape(MAGIC) + b"|" + STRICT40),
    "attlog": _SHAPES["attlog"],
}


@dataclass(frozen=True, slots=True, kw_only=True)
class PacketFrame(Frame):
    """A packet, for the one who talks."""

    packet: Packet


class Line:
    """Judges what one terminal's line says. `talking`: packets only, and no meaning."""

    def __init__(self, form: Form) -> None:
        self._form: Form = form
        self.edge = Edge()
        self.talking = False
        self.forget()

    def forget(self) -> None:
        """Forget the log that was coming, and that packets come at all."""
        self._log = _Pieces()
        self._is_packets = False

    def judge(self, data: bytearray, start: int, stop: int, at: float) -> Verdict | None:
        """What begins at `start`; see drivers.framing."""
        form = "tcp" if self.talking or self._is_packets else self._form
        piece = bytes(data[start : min(stop, start + RECORD_BYTES)])
        if form == "auto" and self.edge.holds and _may_begin(piece, "attlog"):
            verdict = self._record(piece, "attlog") if len(piece) == RECORD_BYTES else None
            if not isinstance(verdict, Noise):
                return verdict
        found = _STARTS[form].search(data, start, stop)
        if found is None or found.start() > start:
            return _before(data, start, stop, found.start() if found else stop, form)
        if form == "attlog" or not data.startswith(MAGIC, start, stop):
            return self._record(piece, form)
        self._is_packets = True
        return self._packet(data, start, stop)

    def _record(self, record: bytes, form: str) -> Verdict:
        fits = records.is_loose if form == "attlog" else records.is_strict
        entry = records.entry(record) if fits(record) else None
        if entry is None or entry.time is None or entry.time.year < records.FIRST_YEAR:
            return Noise(1)
        return Good(RECORD_BYTES, (read(entry),))

    def _packet(self, data: bytearray, start: int, stop: int) -> Verdict | None:
        if stop - start < HEAD_BYTES:
            return None
        size = int.from_bytes(data[start + 4 : start + HEAD_BYTES], "little")
        if not LEAST_BYTES <= size <= MOST_BYTES:
            return Bad(HEAD_BYTES, "length")
        command = int.from_bytes(data[start + HEAD_BYTES : start + HEAD_BYTES + 2], "little")
        if stop - start >= HEAD_BYTES + 2 and packets.MOST_COMMAND < command < packets.LEAST_REFUSAL:
            return Bad(HEAD_BYTES + 2, "format")
        if stop - start < HEAD_BYTES + size:
            return None
        payload = bytes(data[start + HEAD_BYTES : start + HEAD_BYTES + size])
        if not packets.is_sound(payload):
            return Bad(HEAD_BYTES + size, "integrity")
        return Good(HEAD_BYTES + size, self._events(packets.parse(payload)))

    def _events(self, packet: Packet) -> tuple[Event, ...]:
        fields = {
            "command": packet.command,
            "session": packet.session,
            "reply": packet.reply,
            "bytes": len(packet.data),
        }
        frame = PacketFrame(name=packet.name, packet=packet, fields=fields)
        if self.talking:
            return (frame,)
        if packet.is_event and packet.session == packets.ATTENDANCE:
            entry = records.live(packet.data)
            return (frame,) if entry is None else (read(entry),)
        return tuple(read(entry) for entry in self._log.take(packet)) or (frame,)


def read(entry: Entry, origin: Origin | None = None, mark: str | None = None) -> CardRead:
    """The event of one punch."""
    return CardRead(
        scheme="zk-user",
        value=entry.user,
        bits=None,
        decision="granted",
        origin=origin,
        mark=mark,
        fields=entry.fields(),
    )


def _before(data: bytearray, start: int, stop: int, end: int, form: str) -> Noise | None:
    """Noise from `start` to `end`, but no further than where something may begin that has not come whole."""
    waits = RECORD_BYTES if form != "tcp" else len(MAGIC)
    for at in range(max(start, stop - waits + 1), end):
        if _may_begin(bytes(data[at:stop]), form):
            return Noise(at - start) if at > start else None
    return Noise(end - start)


def _may_begin(piece: bytes, form: str) -> bool:
    if form != "attlog" and MAGIC.startswith(piece):
        return True
    return form in _SHAPES and _SHAPES[form].fullmatch(piece + _EXAMPLE[len(piece) :]) is not None


class _Pieces:
    """A log that comes in pieces, as far as it can be told by listening."""

    def __init__(self) -> None:
        self._begin(None)

    def _begin(self, is_log: bool | None) -> None:
        self._is_log = is_log  # None: the question was not seen
        self._width: int | None = None  # of a record; None: no log is coming
        self._left: int | None = None  # bytes of it that are still to come
        self._rest = b""  # the beginning of a record
        self._at = 0  # bytes of the log that have come
        self._skip = 0  # bytes to the next record, after a jump

    def take(self, packet: Packet) -> list[Entry]:
        """The entries that a packet completes."""
        match packet.command:
            case packets.QUERY:
                self._begin(packet.data.startswith(packets.LOG_QUERY[:2]))
            case packets.READ_LOG:
                self._begin(True)
            case packets.OK if len(packet.data) == STATED_BYTES:
                self._begin(self._is_log)
            case packets.READY if self._width is not None and len(packet.data) >= 8:
                self._seek(int.from_bytes(packet.data[:4], "little"), self._width)
            case packets.DATA if self._is_log is not False:
                return self._add(packet.data)
            case packets.FREE:
                self._begin(None)
            case question if question in OTHER_QUESTIONS:
                self._begin(False)
        return []

    def _seek(self, start: int, width: int) -> None:
        if start != self._at:
            self._at, self._rest, self._left = start, b"", None
            self._skip = -(start - HEADER_BYTES) % width if start else HEADER_BYTES

    def _add(self, data: bytes) -> list[Entry]:
        if self._width is None:
            body = self._open(data)
        else:
            body, self._skip = self._rest + data[self._skip :], 0
            self._left = None if self._left is None else self._left - len(data)
        self._at += len(data)
        if self._width is None:
            return []
        whole = len(body) - len(body) % self._width
        self._rest = body[whole:]
        found = records.records_in(body[:whole], self._width)
        told = [records.entry(record) for record in found if self._is_log or records.is_strict(record)]
        if self._left is not None and self._left <= 0:
            self._begin(None)
        return told

    def _open(self, data: bytes) -> bytes:
        """The first piece: with its size in front, or from the middle of a log. Returns its records."""
        self._at, total = 0, int.from_bytes(data[:HEADER_BYTES], "little")
        has_header = total >= len(data) - HEADER_BYTES > 0 and total % min(records.WIDTHS) == 0
        body = data[HEADER_BYTES:] if has_header else data
        width = records.width_of(body, total if has_header else len(body) - len(body) % 40)
        if self._is_log or width != min(records.WIDTHS) or len(body) >= 4 * width:
            self._width, self._left = width, total - len(body) if has_header else None
        return body
