"""What to send next, and what is on its way. Pure bookkeeping: no socket, no file, the time is handed in.

Two streams share one window. Live records are kept in memory from the moment they are durable until they are sent;
everything else that is not settled is `replay`, read back from the journal. One slot of the window is never given to
replay, and replay in flight stays within one second of the throughput that was measured, so that a punch made now
does not stand in a queue behind last week. A record that was sent is `awaiting` until a receipt settles it; replay
stops when too many are (a PUBACK frees the window, it proves nothing).
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from typing import Literal

from gateway.journal import Entry
from gateway.spans import Range, Spans

Stream = Literal["records", "replay"]

LIVE_MEMORY_BYTES = 4 * 1024 * 1024
FRESH_S = 2.0
FIRST_RATE_BYTES_S = 16 * 1024.0
LEAST_RATE_BYTES_S = 2 * 1024.0
RATE_MEMORY = 0.8
RESEND_AFTER_S = 10.0


@dataclass(frozen=True, slots=True)
class WindowLimits:
    """Batches in flight, records and uncompressed bytes in a batch, records sent and not receipted."""

    window: int
    batch_records: int
    batch_bytes: int
    unreceipted_max: int | None


@dataclass(frozen=True, slots=True)
class Shipment:
    """One message on its way: records `first` to `last` on a stream; `at` is monotonic, `wire_bytes` as sent.

    `delivered`: bytes acknowledged before it was sent; `pressed`: more was waiting behind it.
    """

    stream: Stream
    first: int
    last: int
    wire_bytes: int
    at: float
    delivered: int
    pressed: bool


class Outbox:
    """The records of one epoch that still have to go, as ranges; live ones with their bytes."""

    def __init__(self, limits: WindowLimits) -> None:
        self.limits = limits
        self.window = limits.window
        self._batch_bytes = limits.batch_bytes
        self.replay = Spans()
        self.awaiting = Spans()
        self.in_flight: dict[int, Shipment] = {}
        self.too_large = Spans()
        self.probing = False
        self._live: deque[tuple[float, Entry]] = deque()
        self._live_bytes = 0
        self._recent: deque[tuple[float, int, int]] = deque()
        self._delivered = 0
        self._rate = FIRST_RATE_BYTES_S

    def committed(self, entries: list[Entry], at: float) -> None:
        """Records that have just become durable; what memory cannot hold becomes replay."""
        for entry in entries:
            self._live.append((at, entry))
            self._live_bytes += len(entry.line)
        while self._live_bytes > LIVE_MEMORY_BYTES:
            _, entry = self._pop_live()
            self.replay.add(entry.seq, entry.seq)

    def connected(self, unsettled: list[Range], receive_maximum: int, at: float) -> None:
        """A fresh connection: nothing is on its way; what is older than FRESH_S and not settled is the past."""
        self.window = max(1, min(self.limits.window, receive_maximum))
        self._batch_bytes = self.limits.batch_bytes
        self.in_flight.clear()
        self.probing = False
        self.too_large = Spans()
        self._recent.clear()
        self.awaiting = Spans()
        while self._live and self._live[0][0] < at - FRESH_S:
            self._pop_live()
        self.replay = Spans(unsettled)
        for _, entry in self._live:
            self.replay.remove(entry.seq, entry.seq)

    def shrink(self, batch_bytes: int | None = None) -> None:
        """The broker takes no larger packets on this connection; it is not said how large: half of those so far."""
        self._batch_bytes = max(1, min(self._batch_bytes, batch_bytes or self._batch_bytes // 2))

    def set_apart(self, seq: int) -> None:
        """A record that is too large for this broker must not stop those behind it; it waits for the next one."""
        self.too_large.add(seq, seq)
        self.awaiting.remove(seq, seq)
        self.replay.remove(seq, seq)

    def take_live(self) -> list[Entry]:
        """The next batch of live records, or nothing while the window is full or nothing waits."""
        batch: list[Entry] = []
        room = self._batch_bytes
        if len(self.in_flight) >= self.window:
            return batch
        while self._live and len(batch) < self.limits.batch_records:
            room -= len(self._live[0][1].line) + 1
            gap = bool(batch) and self._live[0][1].seq != batch[-1].seq + 1
            if batch and (room < 0 or gap):
                break
            batch.append(self._pop_live()[1])
        return batch

    def next_replay(self) -> tuple[int, int, int, int] | None:
        """First, last, most records and most bytes to read from the journal next; None while there is no room."""
        first = self.replay.lowest()
        if first is None or not self.replay_has_room():
            return None
        if self.probing:
            return first, first, 1, 1
        last = self.replay.within(first, first + self.limits.batch_records - 1)[0][1]
        most = self.limits.batch_records
        if self.limits.unreceipted_max is not None:
            most = min(most, self.limits.unreceipted_max - len(self.awaiting))
        size = min(self._batch_bytes, max(1, int(self._rate)))
        return first, last, most, size

    def sent(self, mid: int, stream: Stream, span: Range, wire_bytes: int, at: float) -> None:
        """A batch was handed to the connection."""
        self.replay.remove(*span)
        self.awaiting.add(*span)
        pressed = bool(self.replay or self._live)
        self.in_flight[mid] = Shipment(stream, span[0], span[1], wire_bytes, at, self._delivered, pressed)

    def acknowledged(self, mid: int, at: float) -> Shipment | None:
        """PUBACK: the slot is free, the throughput is measured. None for a message that is not ours.

        A lone record on a quiet line says nothing against the line: only pressed shipments lower the figure.
        """
        shipment = self.in_flight.pop(mid, None)
        if shipment is None:
            return None
        self._delivered += shipment.wire_bytes
        self._forget_recent(at)
        self._recent.append((at, shipment.first, shipment.last))
        rate = (self._delivered - shipment.delivered) / max(at - shipment.at, 1e-4)
        if rate > self._rate:
            self._rate = rate
        elif shipment.pressed:
            self._rate = max(LEAST_RATE_BYTES_S, RATE_MEMORY * self._rate + (1 - RATE_MEMORY) * rate)
        return shipment

    def settled(self, settled: Spans) -> None:
        """Settled records need not be sent, and do not wait for a receipt."""
        self.replay.subtract(settled)
        self.awaiting.subtract(settled)

    def return_to_replay(self, shipment: Shipment) -> None:
        """A batch that reached nobody has to go again."""
        self.awaiting.remove(shipment.first, shipment.last)
        self.replay.add(shipment.first, shipment.last)

    def forget_acknowledged(self) -> None:
        """A restored centre lacks what its predecessor was given, however short ago."""
        self._recent.clear()

    def resend(self, missing: list[Range], at: float) -> int:
        """Queue what the centre misses, unless it is queued, on its way or was acknowledged just now; how many."""
        self._forget_recent(at)
        wanted = Spans(missing)
        wanted.subtract(self.too_large)
        wanted.subtract(self.replay)
        wanted.subtract((shipment.first, shipment.last) for shipment in self.in_flight.values())
        wanted.subtract((first, last) for _, first, last in self._recent)
        if self._live:
            wanted.remove(self._live[0][1].seq, self._live[-1][1].seq)
        self.awaiting.subtract(wanted)
        self.replay.update(wanted)
        return len(wanted)

    def again(self, first: int, last: int) -> None:
        """Queue these whatever became of them before; live ones go anyway."""
        wanted = Spans([(first, last)])
        if self._live:
            wanted.remove(self._live[0][1].seq, self._live[-1][1].seq)
        self.awaiting.subtract(wanted)
        self.replay.update(wanted)

    def live_becomes_replay(self) -> None:
        """Nobody listens: what was meant for now will be the past when somebody does."""
        while self._live:
            _, entry = self._pop_live()
            self.replay.add(entry.seq, entry.seq)

    def oldest_in_flight(self) -> float | None:
        """When the batch that has waited longest was sent."""
        return min((shipment.at for shipment in self.in_flight.values()), default=None)

    def drop(self, first: int, last: int) -> None:
        """Records that are no longer held cannot be sent."""
        self.replay.remove(first, last)

    def live_waiting(self) -> int:
        """How many live records are not sent yet."""
        return len(self._live)

    def replay_has_room(self) -> bool:
        """The last slot is for live records; only a lone replay may take it, or a busy door would stop the past."""
        replays = [shipment for shipment in self.in_flight.values() if shipment.stream == "replay"]
        on_their_way = len(self.in_flight)
        if self._live or on_their_way >= self.window:
            return False
        if replays and (
            self.probing
            or on_their_way >= self.window - 1
            or sum(shipment.wire_bytes for shipment in replays) >= self._rate
        ):
            return False
        return self.limits.unreceipted_max is None or len(self.awaiting) < self.limits.unreceipted_max

    def _forget_recent(self, at: float) -> None:
        while self._recent and self._recent[0][0] <= at - RESEND_AFTER_S:
            self._recent.popleft()

    def _pop_live(self) -> tuple[float, Entry]:
        at, entry = self._live.popleft()
        self._live_bytes -= len(entry.line)
        return at, entry
