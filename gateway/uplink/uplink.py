"""The station that carries durable records to the broker and takes the centre's receipts.

One session per connection: say who we are (devices, state), then send: what has just become durable at once, what is
not settled from the journal. PUBACKs move the window, receipts settle. Whatever goes wrong is a reason with a remedy
in `status`, `state` and the log; capture never waits for any of it.
"""

from __future__ import annotations

import asyncio
import contextlib
import random
from collections.abc import Sequence
from typing import Any, Protocol

import structlog

from gateway.clock import Clock
from gateway.errors import Transient
from gateway.journal import Entry, Journal, Opened
from gateway.log import Once
from gateway.spans import Range
from gateway.uplink.acknowledgements import Acknowledgements
from gateway.uplink.connection import Connection, Greeting
from gateway.uplink.inbox import BELOW, KEPT, RECEIPT, Inbox
from gateway.uplink.link import Link
from gateway.uplink.outbox import Shipment
from gateway.uplink.own import explained, refusal
from gateway.uplink.presence import Head, Mood, offline, online
from gateway.uplink.receipts import CentreListener, Receipts
from gateway.uplink.rival import Rival
from gateway.uplink.rules import CameDown, UplinkRules
from gateway.uplink.sender import Sender
from gateway.uplink.settlement import Held, Settlement
from gateway.uplink.signature import CentreKey
from gateway.wire import Topics, compact, line_hash

BACKOFF_FIRST_S = 0.2
BACKOFF_MAX_S = 1.0
PUBACK_TIMEOUT_S = 20.0
HOUSEKEEPING_S = 5.0
STATE_EVERY_S = 30.0
FLUSH_S = 2.0
CENTRE_BACK_S = 0.7

log = structlog.get_logger()


class UplinkListener(CentreListener, Protocol):
    """What the uplink needs from the rest of the gateway; called on the loop."""

    @property
    def warnings(self) -> Sequence[str]:
        """What should be mended though the daemon works; said in `state`."""

    def devices(self) -> Sequence[dict[str, Any]]:
        """The `device/…` documents as they are now, by their key `device`; without another key: to be removed."""


class Uplink:
    """`begin` with the journal's epoch, `run` for ever, `committed` for each group that became durable.

    `came_down` gets what the centre sends beside receipts; without it, and without the centre's key, which is needed
    to believe any of it, nothing else is subscribed to: some brokers hang up on who asks for more than he may.
    """

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
        self._once = Once(clock.mono)
        self.came_down: CameDown | None = None
        self.inbox = Inbox(clock.mono)
        self._sender = Sender(topics, rules.window, deflate=rules.deflate, journal=journal, clock=clock)
        self._receipts = Receipts(journal, self._sender, clock, listener, lambda: self.head.held)
        self._receipts.centre_key = centre_key
        self._sender.gone = self._receipts.gone
        self._acknowledgements = Acknowledgements(self._sender, self._change_reason, self._arrived, self._refusal)
        self._connection: Connection | None = None
        self._greeting = Greeting(1, None)
        self._rival = Rival(clock.mono)
        self._said_at, self._said_clock = 0.0, ""
        self._said_newest = self._said_settled = 0
        self._closing = False
        self._at_once = False

    @property
    def connected(self) -> bool:
        """Whether a session stands."""
        return self._connection is not None

    @property
    def settlement(self) -> Settlement:
        """What is settled of this epoch."""
        return self._receipts.settlement

    def begin(self, opened: Opened) -> None:
        """Work on this epoch from now on."""
        self._receipts.begin(opened)
        self.head = Head(Held(max(1, opened.oldest), opened.newest), opened.head)
        self._sender.begin()
        if self._connection is not None:
            self._connection.give_up("a new epoch begins")
            self._sender.detach()

    def committed(self, entries: list[Entry], oldest: int) -> None:
        """Records that are durable now, and the oldest body still held: send what we can."""
        self.head = Head(Held(max(1, oldest), entries[-1].seq), line_hash(entries[-1].line))
        self._sender.committed(entries)

    def expired(self, ranges: list[Range]) -> None:
        """Records that are gone and declared lost: do not try to send them."""
        self._receipts.expired(ranges)

    def resend(self, first: int, last: int) -> None:
        """Send records that are held once more, on `replay`, settled or not."""
        self._receipts.resend(first, last)

    def reconfigure(self, link: Link, rules: UplinkRules, centre_key: CentreKey | None) -> None:
        """End this session; the next one takes up these rules, and renewed certificates."""
        self._link, self._rules, self._receipts.centre_key = link, rules, centre_key
        self._sender.reconfigure(rules.window, deflate=rules.deflate)
        if self._connection is not None:
            self._at_once = True
            self._connection.give_up("configuration read again")

    def say_devices(self) -> None:
        """Publish the device documents."""
        if self._connection is not None:
            for document in self._listener.devices():
                words = compact(document) if len(document) > 1 else b""
                self._connection.tell(self._topics.of(f"device/{document['device']}"), words)

    def say_state(self) -> None:
        """Publish the state document."""
        if self._connection is not None:
            self._said_at, self._said_clock = self._clock.mono(), self._clock.quality().state
            self._said_newest, self._said_settled = self.head.held.newest, self.settlement.through()
            mood = Mood(self._rules.settle, self.reason, tuple(self._listener.warnings))
            words = online(self._clock, self.settlement, self.head, mood)
            self._connection.tell(self._topics.of("state"), compact(self._rules.sign(words)))

    async def run(self) -> None:
        """Keep a session up until `close`."""
        delay = BACKOFF_FIRST_S
        while not self._closing:
            try:
                await self._session()
            except Transient as trouble:
                delay = BACKOFF_FIRST_S if self.reason is None else min(BACKOFF_MAX_S, delay * 2)
                reason = self._rival.suspected(str(await explained(trouble, self._link, self._clock)))
                self._change_reason(reason)
                if not self._closing and (times := self._once.due("down", reason)):
                    log.warning("uplink.down", reason=reason, times=times)
            if not self._at_once:
                await self._clock.sleep(delay * random.uniform(0.7, 1.0))
            self._at_once = False

    async def close(self) -> None:
        """Let what is under way arrive, say goodbye."""
        self._closing = True
        if self._connection is not None:
            self._sender.check_idle()
            try:
                async with asyncio.timeout(FLUSH_S):
                    await self._sender.idle.wait()
            except TimeoutError:
                log.info("uplink.unfinished")
            await self._receipts.last_word(self.head.held.newest, CENTRE_BACK_S)
        if self._connection is not None:
            self._connection.tell(*self._farewell())
            self._connection.close()
        self._receipts.finish()

    def reply(self, document: dict[str, Any]) -> bool:
        """Sign and publish an answer to a command; False: there is no connection to publish it on."""
        if self._connection is None or self._connection.lost.done():
            return False
        self._connection.tell(self._topics.of("reply"), compact(self._rules.sign(document)), retain=False)
        return True

    def acknowledged(self, mid: int, code: int) -> None:
        """See ConnectionListener: only the subscription to the receipts decides whether records can settle."""
        if mid >= 0 or (mid == -1 and self._rules.settle == "receipt"):
            self._acknowledgements.take(mid, code)
        else:
            self.inbox.is_deaf(self._refusal(code))

    def message(self, topic: str, payload: bytes, *, retained: bool) -> None:
        """See ConnectionListener."""
        leaf = topic.removeprefix(self._topics.of(""))
        if not self.inbox.lets_in(leaf, len(payload)):
            return
        if leaf == RECEIPT:
            self._receipts.take(payload, retained=retained)
        elif self.came_down is not None:
            self.came_down(leaf, payload, retained)

    async def _session(self) -> None:
        connection = Connection(self._link, self._farewell(), self)
        try:
            self._greeting = await connection.open(clock_is_wrong=self._clock.quality().state == "unset")
            self._connection = connection
            self._acknowledgements.begin()
            self._rival.begun()
            self.reason = None
            if times := self._once.due("up"):
                log.info("uplink.up", host=self._link.host, port=self._link.port, times=times)
            self.say_devices()
            by_receipt = self._rules.settle == "receipt"
            if by_receipt:
                connection.subscribe(self._topics.of(RECEIPT))
            if self.came_down is not None and self._receipts.centre_key is not None:
                self.inbox.begin()
                connection.subscribe(*(self._topics.of(leaf) for leaf in BELOW))
            if by_receipt:
                await connection.answered()
            self.say_state()
            await self._centre_is_there()
            self._sender.attach(connection, self._greeting, self.settlement, self.head.held)
            async with asyncio.TaskGroup() as tasks:
                work = [
                    tasks.create_task(self._sender.send_replay()),
                    tasks.create_task(self._keep_house(connection)),
                ]
                reason = await connection.lost
                for task in work:
                    task.cancel()
            raise Transient(reason)
        finally:
            self._connection = None
            self._sender.detach()
            connection.close()

    def _refusal(self, code: int) -> str:
        return refusal(code, self._link)

    def _farewell(self) -> tuple[str, bytes]:
        """Topic and document that say offline. The will is made, dated and signed now, whenever it is published."""
        words = offline(self._clock, self.settlement, self.head)
        return self._topics.of("state"), compact(self._rules.sign(words))

    async def _centre_is_there(self) -> None:
        """A centre that has answered before answers this birth: let it come back too, or the broker may take for
        somebody else what it should have got. Not for long: others may be listening."""
        self._receipts.heard.clear()
        if self._rules.settle == "receipt" and self.settlement.ledger is not None:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(CENTRE_BACK_S):
                    await self._receipts.heard.wait()

    def _arrived(self, shipment: Shipment) -> None:
        self._receipts.arrived(shipment)
        if self._rules.settle == "puback":
            self._receipts.delivered(shipment)

    async def _keep_house(self, connection: Connection) -> None:
        """Notice a broker that no longer answers; keep the retained documents fresh."""
        while True:
            await self._clock.sleep(HOUSEKEEPING_S)
            self._acknowledgements.tell()
            self._sender.tend()
            if self.inbox.missed:
                self.inbox.begin()
                connection.subscribe(*(self._topics.of(leaf) for leaf in KEPT))
            now = self._clock.mono()
            oldest = self._sender.outbox.oldest_in_flight()
            if oldest is not None and now - oldest > PUBACK_TIMEOUT_S:
                connection.give_up("broker does not acknowledge")
            elif now - self._said_at >= STATE_EVERY_S or self._clock.quality().state != self._said_clock:
                self.say_devices()
                self.say_state()
            elif self._has_moved_on():
                self.say_state()

    def _has_moved_on(self) -> bool:
        """What was said is out of date: what is settled, or the newest record while the centre may lack it.

        A centre that was restored from a backup sees by the retained `settled` that it is one.
        """
        settled, newest = self.settlement.through(), self.head.held.newest
        return settled != self._said_settled or settled < newest != self._said_newest

    def _change_reason(self, reason: str | None) -> None:
        if reason != self.reason:
            self.reason = reason
            self.say_state()
