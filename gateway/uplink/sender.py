"""Moves records from the outbox onto a connection: live ones at once, the past through the room that is left.

Works only while a connection is attached. A batch that reached nobody, or that the broker refused, goes back into the
replay and sending pauses; while nobody subscribes, one record a second is sent to find out whether somebody does.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

from gateway.clock import Clock
from gateway.errors import NotDurable, Transient
from gateway.journal import Entry, Journal
from gateway.spans import Range
from gateway.uplink.connection import Connection, Greeting
from gateway.uplink.outbox import Outbox, Shipment, Stream, WindowLimits
from gateway.uplink.settlement import Held, Settlement
from gateway.wire import Batch, Topics, pack

PACKET_OVERHEAD_BYTES = 1024


class Sender:
    """`begin` for each epoch, `attach` for each connection."""

    def __init__(
        self, topics: Topics, limits: WindowLimits, *, deflate: bool, journal: Journal, clock: Clock
    ) -> None:
        self.outbox = Outbox(limits)
        self.idle = asyncio.Event()
        self._topics = topics
        self._limits = limits
        self._deflate = deflate
        self._journal = journal
        self._clock = clock
        self._connection: Connection | None = None
        self._held_until = 0.0
        self._replay_wanted = asyncio.Event()
        self._probe: list[Entry] = []

    def begin(self) -> None:
        """A new epoch: forget what was queued of the old one."""
        self.outbox = Outbox(self._limits)

    def reconfigure(self, limits: WindowLimits, *, deflate: bool) -> None:
        """Other limits from the next connection on."""
        self._limits, self._deflate = limits, deflate
        self.outbox.limits = limits

    def attach(self, connection: Connection, greeting: Greeting, settlement: Settlement, held: Held) -> None:
        """Send over this connection from now on, beginning with all that is not settled."""
        self._connection, self._held_until = connection, 0.0
        now = self._clock.mono()
        self.outbox.connected(settlement.unsettled(held), greeting.receive_maximum, now)
        if greeting.packet_bytes is not None:
            self.outbox.shrink(max(1, greeting.packet_bytes - PACKET_OVERHEAD_BYTES))
        self.pump()

    def detach(self) -> None:
        """The connection is gone; nobody needs to wait for acknowledgements."""
        self._connection = None
        self.idle.set()

    def stop(self) -> None:
        """Send nothing more until `begin` and `attach`."""
        self._held_until = float("inf")

    def committed(self, entries: list[Entry]) -> None:
        """Records that are durable now."""
        self.outbox.committed(entries, self._clock.mono())
        self.pump()

    def acknowledged(self, mid: int) -> Shipment | None:
        """A PUBACK's shipment; None if it is not one of ours."""
        shipment = self.outbox.acknowledged(mid, self._clock.mono())
        self.check_idle()
        return shipment

    def put_back(self, shipment: Shipment, pause_s: float, *, probing: bool) -> None:
        """The shipment reached nobody: it goes again, after a pause."""
        self.outbox.probing = probing
        self.outbox.return_to_replay(shipment)
        self._held_until = max(self._held_until, self._clock.mono() + pause_s)
        asyncio.get_running_loop().call_later(pause_s + 0.001, self.pump)

    def pump(self) -> None:
        """Send all live records that fit, then let replay use the room that is left."""
        if self._connection is None or self._clock.mono() < self._held_until:
            return
        if self.outbox.probing:
            self.outbox.live_becomes_replay()
        try:
            while batch := self.outbox.take_live():
                self._ship("records", batch)
        except Transient:
            return
        self._replay_wanted.set()

    async def send_replay(self) -> None:
        """Feed the replay until cancelled; ends by itself when the connection is lost."""
        while self._connection is not None:
            await self._replay_wanted.wait()
            self._replay_wanted.clear()
            try:
                while (piece := self.outbox.next_replay()) and self._clock.mono() >= self._held_until:
                    await self._send_piece(*piece)
            except (NotDurable, Transient):
                continue

    def check_idle(self) -> None:
        """Tell a waiting stop whether all that was sent is acknowledged."""
        if not self.outbox.in_flight and not self.outbox.live_waiting():
            self.idle.set()

    async def _send_piece(self, first: int, last: int, max_records: int, max_bytes: int) -> None:
        batch = await self._read(first, last, max_records, max_bytes)
        if not batch or batch[0].seq > first:
            self.outbox.drop(first, batch[0].seq - 1 if batch else last)
            return
        self._ship("replay", batch)
        await asyncio.sleep(0)

    async def _read(self, first: int, last: int, max_records: int, max_bytes: int) -> list[Entry]:
        """A contiguous piece of the journal; the probe, which goes once a second, is kept."""
        if self.outbox.probing and self._probe and self._probe[0].seq == first:
            return self._probe
        entries = await self._journal.read(first, last, max_records, max_bytes)
        batch = [entry for at, entry in enumerate(entries) if entry.seq == entries[0].seq + at]
        self._probe = batch if self.outbox.probing else []
        return batch

    def _ship(self, stream: Stream, entries: Sequence[Entry]) -> None:
        if self._connection is None:
            raise Transient("not connected")
        batch = pack([entry.line for entry in entries], deflate=self._deflate)
        mid = self._connection.publish(self._topics.of(stream), batch.body, properties=_properties(batch))
        span: Range = (entries[0].seq, entries[-1].seq)
        self.outbox.sent(mid, stream, span, len(batch.body), self._clock.mono())
        self.idle.clear()


def _properties(batch: Batch) -> dict[str, Any]:
    words: dict[str, Any] = {"ContentType": batch.content_type}
    if batch.encoding is not None:
        words["UserProperty"] = [("content-encoding", batch.encoding)]
    else:
        words["PayloadFormatIndicator"] = 1
    return words
