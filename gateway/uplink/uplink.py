"""The station that carries durable records to the broker and takes the centre's receipts.

One session per connection: say who we are (state, devices), then send: what has just become durable at once, what is
not settled from the journal. PUBACKs move the window, receipts settle. Whatever goes wrong is a reason with a remedy
in `status`, `state` and the log; capture never waits for any of it.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal, Protocol

import structlog

from gateway.clock import Clock
from gateway.errors import NotDurable, Rejected, Transient
from gateway.journal import Entry, Journal, Opened
from gateway.log import Once
from gateway.spans import Range
from gateway.uplink.connection import Connection, Greeting, Link
from gateway.uplink.outbox import Outbox, Shipment, Stream, WindowLimits
from gateway.uplink.presence import Head, offline, online
from gateway.uplink.remedies import FAILURE_FROM, NO_SUBSCRIBER, said_by_broker
from gateway.uplink.settlement import Consequences, Held, Settlement
from gateway.uplink.signature import CentreKey
from gateway.wire import Batch, Topics, compact, line_hash, pack, read_receipt

BACKOFF_FIRST_S = 0.2
BACKOFF_MAX_S = 1.0
REFUSED_PAUSE_S = 10.0
NOBODY_PAUSE_S = 1.0
PUBACK_TIMEOUT_S = 20.0
HOUSEKEEPING_S = 5.0
STATE_EVERY_S = 30.0
REMEMBER_EVERY_S = 0.2
FLUSH_S = 2.0

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class UplinkRules:
    """How records travel. `settle`: what proves that one has arrived."""

    settle: Literal["receipt", "puback"]
    deflate: bool
    window: WindowLimits


class UplinkListener(Protocol):
    """What the uplink needs from the rest of the gateway; called on the loop."""

    def devices(self) -> Sequence[dict[str, Any]]:
        """The `device/…` documents as they are now; each has the key `device`."""

    def pruned(self, epoch: str, ranges: Sequence[Range]) -> None:
        """The centre misses records that are no longer held."""

    def journal_is_a_copy(self) -> None:
        """The centre knows more of this epoch than we do."""


class Uplink:
    """`begin` with the journal's epoch, `run` for ever, `committed` for each group that became durable."""

    def __init__(
        self,
        link: Link,
        topics: Topics,
        rules: UplinkRules,
        journal: Journal,
        clock: Clock,
        listener: UplinkListener,
        centre_key: CentreKey | None,
    ) -> None:
        self.reason: str | None = "not connected yet"
        self._link = link
        self._topics = topics
        self._rules = rules
        self._journal = journal
        self._clock = clock
        self._listener = listener
        self._centre_key = centre_key
        self._once = Once(clock.mono)
        self._connection: Connection | None = None
        self._held_until = 0.0
        self._replay_wanted = asyncio.Event()
        self._idle = asyncio.Event()
        self._remembering: asyncio.TimerHandle | None = None
        self._state_at = 0.0
        self._clock_state = ""
        self._greeting = Greeting(1, None)
        self._closing = False

    @property
    def connected(self) -> bool:
        """Whether a session stands."""
        return self._connection is not None

    def begin(self, opened: Opened) -> None:
        """Work on this epoch from now on."""
        self.settlement = Settlement(opened.epoch, opened.settled.copy(), opened.ledger, opened.receipt)
        self.head = Head(Held(max(1, opened.oldest), opened.newest), opened.head)
        self._outbox = Outbox(self._rules.window)
        if self._connection is not None:
            self._start_sending()

    def committed(self, entries: list[Entry]) -> None:
        """Records that are durable now: send them if we can."""
        self.head = Head(Held(self.head.held.oldest, entries[-1].seq), line_hash(entries[-1].line))
        self._outbox.committed(entries, self._clock.mono())
        self._pump()

    def settled_below(self, oldest: int) -> None:
        """Bodies below `oldest` were pruned."""
        self.head = Head(Held(oldest, self.head.held.newest), self.head.hash)

    def say_devices(self) -> None:
        """Publish the device documents that have changed."""
        if self._connection is not None:
            for document in self._listener.devices():
                self._say(f"device/{document['device']}", document)

    def say_state(self) -> None:
        """Publish the state document."""
        if self._connection is None:
            return
        self._state_at = self._clock.mono()
        self._clock_state = self._clock.quality().state
        extra: dict[str, object] = {"settle": self._rules.settle}
        if self.reason is not None:
            extra["reason"] = self.reason
        self._connection.tell(self._topics.of("state"), online(self._clock, self.settlement, self.head, extra))

    def relink(self, link: Link) -> None:
        """Use other credentials or another broker: end this session, the next one takes them up."""
        if link != self._link:
            self._link = link
            if self._connection is not None:
                self._connection.give_up("configuration changed")

    async def run(self) -> None:
        """Keep a session up until cancelled."""
        delay = BACKOFF_FIRST_S
        while not self._closing:
            try:
                await self._session()
                delay = BACKOFF_FIRST_S
            except Transient as trouble:
                self._change_reason(str(trouble))
            await self._clock.sleep(delay * random.uniform(0.7, 1.0))
            delay = min(BACKOFF_MAX_S, delay * 2)

    async def close(self) -> None:
        """Let what is under way arrive, say goodbye."""
        self._closing = True
        if self._connection is not None:
            self._check_idle()
            try:
                async with asyncio.timeout(FLUSH_S):
                    await self._idle.wait()
            except TimeoutError:
                log.info(
                    "uplink.down", reason="stopped before all was acknowledged; the rest goes after the next start"
                )
        if self._connection is not None:
            farewell = offline(self._clock, self.settlement, self.head)
            self._connection.tell(self._topics.of("state"), farewell)
            self._connection.close()
        if self._remembering is not None:
            self._remembering.cancel()
            self._remember()

    def acknowledged(self, mid: int, code: int) -> None:
        """See ConnectionListener."""
        if mid < 0:
            text, remedy = said_by_broker(code)
            self._change_reason(f"receipts: {text}; {remedy}")
            return
        shipment = self._outbox.acknowledged(mid, self._clock.mono())
        if shipment is None:
            return
        if code >= FAILURE_FROM:
            self._put_back(shipment, REFUSED_PAUSE_S, "; ".join(said_by_broker(code)), "uplink.refused")
        elif code == NO_SUBSCRIBER:
            text = "nobody subscribes to the records; start the centre, or check its share and prefix"
            self._put_back(shipment, NOBODY_PAUSE_S, text, "uplink.nobody")
        else:
            self._arrived(shipment)
        self._check_idle()
        self._pump()

    def message(self, topic: str, payload: bytes) -> None:
        """See ConnectionListener: the only topic we subscribe to is the receipt."""
        try:
            if self._centre_key is not None:
                self._centre_key.check(payload)
            then = self.settlement.take(read_receipt(payload), self.head.held)
        except Rejected as refusal:
            if times := self._once.due("receipt", refusal.message):
                log.warning("receipt.refused", reason=refusal.message, times=times)
            return
        if then is not None:
            self._follow(then)

    async def _session(self) -> None:
        will = (self._topics.of("state"), offline(self._clock, self.settlement, self.head))
        connection = Connection(self._link, will, self)
        try:
            self._greeting = await connection.open(clock_is_wrong=self._clock.quality().state == "unset")
            self._connection = connection
            self._change_reason(None)
            log.info("uplink.up", host=self._link.host, port=self._link.port)
            self.say_devices()
            if self._rules.settle == "receipt":
                connection.subscribe(self._topics.of("receipt"))
            self._start_sending()
            async with asyncio.TaskGroup() as tasks:
                others = [tasks.create_task(self._send_replay()), tasks.create_task(self._keep_house())]
                reason = await connection.lost
                for task in others:
                    task.cancel()
            raise Transient(reason)
        finally:
            self._connection = None
            self._idle.set()
            connection.close()

    def _start_sending(self) -> None:
        self._held_until = 0.0
        unsettled = self.settlement.unsettled(self.head.held)
        self._outbox.connected(unsettled, self._greeting.receive_maximum, self._clock.mono())
        self.say_state()
        self._pump()

    def _pump(self) -> None:
        """Send all live records that fit, then let replay use the room that is left."""
        if self._connection is None or self._clock.mono() < self._held_until:
            return
        try:
            while batch := self._outbox.take_live():
                self._ship("records", batch)
        except Transient:
            return
        self._replay_wanted.set()

    async def _send_replay(self) -> None:
        while True:
            await self._replay_wanted.wait()
            self._replay_wanted.clear()
            while (piece := self._outbox.next_replay()) and self._clock.mono() >= self._held_until:
                try:
                    entries = await self._journal.read(*piece)
                except NotDurable:
                    break
                batch = _contiguous(entries)
                if not batch or batch[0].seq > piece[0]:
                    self._outbox.drop(piece[0], batch[0].seq - 1 if batch else piece[1])
                    continue
                try:
                    self._ship("replay", batch)
                except Transient:
                    return
                await asyncio.sleep(0)

    def _ship(self, stream: Stream, entries: Sequence[Entry]) -> None:
        connection = self._connection
        if connection is None:
            raise Transient("not connected")
        batch = pack([entry.line for entry in entries], deflate=self._rules.deflate)
        mid = connection.publish(self._topics.of(stream), batch.body, properties=_properties(batch))
        span = (entries[0].seq, entries[-1].seq)
        self._outbox.sent(mid, stream, span, len(batch.body), self._clock.mono())
        self._idle.clear()

    def _arrived(self, shipment: Shipment) -> None:
        if self.reason is not None:
            self._change_reason(None)
        if self._rules.settle == "puback":
            self.settlement.delivered(shipment.first, shipment.last)
            self._outbox.settled(self.settlement.settled)
            if self._remembering is None:
                loop = asyncio.get_running_loop()
                self._remembering = loop.call_later(REMEMBER_EVERY_S, self._remember)

    def _remember(self) -> None:
        self._remembering = None
        self._journal.settle(self.settlement.settled, self.settlement.ledger, self.settlement.receipt)

    def _put_back(self, shipment: Shipment, pause_s: float, text: str, event: str) -> None:
        self._outbox.return_to_replay(shipment)
        self._held_until = self._clock.mono() + pause_s
        asyncio.get_running_loop().call_later(pause_s + 0.001, self._pump)
        if self.reason != text:
            log.warning(event, reason=text)
            self._change_reason(text)

    def _follow(self, then: Consequences) -> None:
        if then.is_copy:
            log.error("uplink.copy", epoch=self.settlement.epoch)
            self._held_until = float("inf")
            self._listener.journal_is_a_copy()
            return
        if then.unsettled:
            log.warning("uplink.restored", ledger=self.settlement.ledger, through=self.settlement.through())
            self._outbox.replay.update(self.settlement.unsettled(self.head.held))
        if then.refused:
            self._journal.refuse(then.refused)
            log.error("records.refused", count=len(then.refused), first=then.refused[0][0], reason=then.refused[0][1])
        if then.pruned:
            log.error("records.pruned", ranges=then.pruned)
            self._listener.pruned(self.settlement.epoch, then.pruned)
        resent = self._outbox.resend(then.missing, self._clock.mono())
        if resent:
            log.warning("records.resent", count=resent, ranges=then.missing[:3])
        self._outbox.settled(self.settlement.settled)
        self._remember()
        self._pump()

    async def _keep_house(self) -> None:
        """Notice a broker that no longer answers; keep the retained documents fresh."""
        while self._connection is not None:
            await self._clock.sleep(HOUSEKEEPING_S)
            now = self._clock.mono()
            oldest = self._outbox.oldest_in_flight()
            if oldest is not None and now - oldest > PUBACK_TIMEOUT_S:
                self._connection.give_up("broker does not acknowledge")
                return
            if now - self._state_at >= STATE_EVERY_S or self._clock.quality().state != self._clock_state:
                self.say_devices()
                self.say_state()

    def _change_reason(self, reason: str | None) -> None:
        if reason == self.reason:
            return
        self.reason = reason
        if reason is not None and self._connection is None:
            log.warning("uplink.down", reason=reason)
        self.say_state()

    def _say(self, leaf: str, document: dict[str, Any]) -> None:
        if self._connection is not None:
            self._connection.tell(self._topics.of(leaf), compact(document))

    def _check_idle(self) -> None:
        if not self._outbox.in_flight and not self._outbox.live_waiting():
            self._idle.set()


def _contiguous(entries: Sequence[Entry]) -> list[Entry]:
    """The leading entries whose numbers follow each other."""
    return [entry for at, entry in enumerate(entries) if entry.seq == entries[0].seq + at]


def _properties(batch: Batch) -> dict[str, Any]:
    words: dict[str, Any] = {"ContentType": batch.content_type}
    if batch.encoding is not None:
        words["UserProperty"] = [("content-encoding", batch.encoding)]
    else:
        words["PayloadFormatIndicator"] = 1
    return words
