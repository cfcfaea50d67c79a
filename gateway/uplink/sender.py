"""Moves records from the outbox onto a connection: live ones at once, the past through the room that is left.

Works only while a connection is attached. A batch that reached nobody, or that the broker refused, goes back into the
replay and its stream pauses; while nobody takes the replay, one record a second is sent to find out whether somebody
does.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import Any

import structlog

from gateway.clock import Clock
from gateway.errors import NotDurable, Transient
from gateway.journal import Entry, Journal
from gateway.spans import Range
from gateway.uplink.connection import Connection, Greeting
from gateway.uplink.isolation import Isolation
from gateway.uplink.outbox import Outbox, Shipment, Stream, WindowLimits
from gateway.uplink.settlement import Held, Settlement
from gateway.wire import Batch, Topics, pack

PACKET_OVERHEAD_BYTES = 128
READ_RETRY_S = 1.0

log = structlog.get_logger()


class Sender:
    """`begin` for each epoch, `attach` for each connection. `gone` is told of records that are no longer held."""

    def __init__(
        self,
        topics: Topics,
        limits: WindowLimits,
        *,
        deflate: bool,
        journal: Journal,
        clock: Clock,
    ) -> None:
        self.gone: Callable[[Range], None] = _nobody_asks
        self.outbox = Outbox(limits)
        self.idle = asyncio.Event()
        self.complaint: str | None = None
        self._topics = topics
        self._limits = limits
        self._deflate = deflate
        self._journal = journal
        self._clock = clock
        self._connection: Connection | None = None
        self._packet_bytes: int | None = None
        self._stopped = False
        self._paused_until: dict[Stream, float] = {}
        self._nobody_live = False
        self._shrunk_at = 0.0
        self._replay_wanted = asyncio.Event()
        self._read_ahead: list[Entry] = []
        self._isolation = Isolation()

    def begin(self) -> None:
        """A new epoch: forget what was queued of the old one."""
        self.outbox = Outbox(self._limits)
        self._read_ahead = []
        self._stopped = False
        self._isolation.forget()

    def reconfigure(self, limits: WindowLimits, *, deflate: bool) -> None:
        """Other limits from the next connection on."""
        self._limits, self._deflate = limits, deflate
        self.outbox.limits = limits
        self._isolation.forget()

    def attach(self, connection: Connection, greeting: Greeting, settlement: Settlement, held: Held) -> None:
        """Send over this connection from now on, beginning with all that is not settled."""
        self._connection, self.complaint = connection, None
        self._paused_until, self._nobody_live = {}, False
        self.outbox.connected(settlement.unsettled(held), greeting.receive_maximum, self._clock.mono())
        self._packet_bytes = greeting.packet_bytes
        if greeting.packet_bytes is not None:
            self.outbox.shrink(max(1, greeting.packet_bytes - self._overhead()))
        self._isolation.begun(self.outbox, self._clock.mono())
        self.pump()

    def detach(self) -> None:
        """The connection is gone; nobody needs to wait for acknowledgements."""
        if self._connection is not None:
            seq = self._isolation.ended(self.outbox, self._clock.mono())
            if seq is not None:
                log.error("uplink.set_apart", seq=seq)
        self._connection = None
        self.idle.set()

    def stop(self) -> None:
        """Send nothing more of this epoch."""
        self._stopped = True

    def committed(self, entries: list[Entry]) -> None:
        """Records that are durable now."""
        self.outbox.committed(entries, self._clock.mono())
        self.pump()

    def acknowledged(self, mid: int) -> Shipment | None:
        """A PUBACK's shipment; None if it is not one of ours."""
        shipment = self.outbox.acknowledged(mid, self._clock.mono())
        self.check_idle()
        return shipment

    def heard(self, shipment: Shipment) -> None:
        """Somebody has got it."""
        if shipment.stream == "replay":
            self.outbox.probing = False

    def unheard(self, shipment: Shipment, pause_s: float) -> None:
        """Nobody subscribes to its stream: it goes again after a pause, and until then nothing else of the stream."""
        if shipment.stream == "replay":
            self.outbox.probing = True
        else:
            self._nobody_live = True
        self.outbox.return_to_replay(shipment)
        self._pause((shipment.stream,), pause_s)

    def put_back(self, shipment: Shipment, pause_s: float) -> None:
        """The broker refuses it: it goes again after a pause, and until then nothing else."""
        self._nobody_live = False
        self.outbox.return_to_replay(shipment)
        self._pause(("records", "replay"), pause_s)

    def too_large(self, shipment: Shipment) -> None:
        """The broker takes no message of that size: try smaller ones, set apart what cannot be made smaller."""
        self.outbox.return_to_replay(shipment)
        if shipment.first == shipment.last or shipment.at >= self._shrunk_at:
            self._make_smaller((shipment.first, shipment.last), shipment.wire_bytes)

    def pump(self) -> None:
        """Send all live records that fit, then let replay use the room that is left."""
        if self._connection is None or self._stopped:
            return
        if not self._is_paused("records"):
            try:
                while batch := self.outbox.take_live():
                    self._ship("records", batch)
            except Transient:
                return
        elif self._nobody_live:
            self.outbox.live_becomes_replay()
        if not self._is_paused("replay"):
            self._replay_wanted.set()

    async def send_replay(self) -> None:
        """Feed the replay until cancelled; ends by itself when the connection is lost."""
        while self._connection is not None:
            await self._replay_wanted.wait()
            self._replay_wanted.clear()
            try:
                while not self._is_paused("replay") and (piece := self.outbox.next_replay()):
                    await self._send_piece(*piece)
            except NotDurable as trouble:
                log.warning("uplink.unread", reason=str(trouble))
                await self._clock.sleep(READ_RETRY_S)
                self._replay_wanted.set()
            except Transient:
                continue

    def tend(self) -> None:
        """Now and then: try again what ended connections."""
        now = self._clock.mono()
        if released := self._isolation.release(self.outbox, now):
            self.outbox.resend(released, now)
            self.pump()

    def check_idle(self) -> None:
        """Tell a waiting stop whether all that was sent is acknowledged."""
        if not self.outbox.in_flight and not self.outbox.live_waiting():
            self.idle.set()

    async def _send_piece(self, first: int, last: int, max_records: int, max_bytes: int) -> None:
        """Read and ship; what has changed while the journal was read counts, not what was true before."""
        outbox = self.outbox
        batch = await self._read(first, last, max_records, max_bytes)
        if outbox is not self.outbox:
            return
        if not batch or batch[0].seq > first:
            gone = (first, batch[0].seq - 1 if batch else last)
            outbox.drop(*gone)
            self.gone(gone)
        elif outbox.replay_has_room() and not self._is_paused("replay"):
            self._ship("replay", batch)
            if outbox.replay_has_room():
                await asyncio.sleep(0)

    async def _read(self, first: int, last: int, max_records: int, max_bytes: int) -> list[Entry]:
        """A contiguous piece of the journal; what was read and could not be sent is kept for the next time."""
        if not self._read_ahead or self._read_ahead[0].seq != first:
            self._read_ahead = await self._journal.read(first, last, max_records, max_bytes)
        entries = self._read_ahead
        batch: list[Entry] = []
        for at, entry in enumerate(entries[:max_records]):
            max_bytes -= len(entry.line) + 1
            if entry.seq != entries[0].seq + at or entry.seq > last or (batch and max_bytes < 0):
                break
            batch.append(entry)
        return batch

    def _ship(self, stream: Stream, entries: Sequence[Entry]) -> None:
        if self._connection is None:
            raise Transient("not connected")
        batch = pack([entry.line for entry in entries], deflate=self._deflate)
        span: Range = (entries[0].seq, entries[-1].seq)
        if self._packet_bytes is not None and len(batch.body) + self._overhead() > self._packet_bytes:
            self._make_smaller(span, len(batch.body))
            return
        mid = self._connection.publish(self._topics.of(stream), batch.body, properties=_properties(batch))
        self.outbox.sent(mid, stream, span, len(batch.body), self._clock.mono())
        self.idle.clear()

    def _make_smaller(self, span: Range, size: int) -> None:
        if span[0] < span[1]:
            self.outbox.replay.add(*span)
            self.outbox.shrink()
            self._shrunk_at = self._clock.mono()
            return
        seq = span[0]
        self.outbox.set_apart(seq)
        self.complaint = (
            f"record {seq} of {size} bytes is larger than the broker takes; raise the broker's message size limit"
        )
        log.error("uplink.too_large", seq=seq, bytes=size)

    def _overhead(self) -> int:
        """Bytes of a packet beside its body, rounded up."""
        return PACKET_OVERHEAD_BYTES + len(self._topics.of("records").encode())

    def _pause(self, streams: tuple[Stream, ...], pause_s: float) -> None:
        until = self._clock.mono() + pause_s
        for stream in streams:
            self._paused_until[stream] = max(until, self._paused_until.get(stream, 0.0))
        asyncio.get_running_loop().call_later(pause_s + 0.001, self.pump)

    def _is_paused(self, stream: Stream) -> bool:
        return self._stopped or self._clock.mono() < self._paused_until.get(stream, 0.0)


def _nobody_asks(span: Range) -> None:
    """Until somebody is set as `gone`."""


def _properties(batch: Batch) -> dict[str, Any]:
    words: dict[str, Any] = {"ContentType": batch.content_type}
    if batch.encoding is not None:
        words["UserProperty"] = [("content-encoding", batch.encoding)]
    else:
        words["PayloadFormatIndicator"] = 1
    return words
