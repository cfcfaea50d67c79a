"""From the broker into the ledger and back: collect, commit, acknowledge, receipt.

One turn takes what is waiting, bounded, commits it in one transaction together with the receipts that are due, and
only then acknowledges the messages and sends the receipts. A kill between any two of these steps costs nothing: what
was not acknowledged comes again and is a repeat, and a receipt that was not sent is made anew.

While the ledger cannot be written, nothing is acknowledged and nothing receipted; the same messages are tried again.
A message that makes no sense is counted, said once a minute, and acknowledged with its group, or the broker would
bring it for ever; its sender keeps what no receipt covers.
"""

from __future__ import annotations

import time
from collections.abc import Hashable
from dataclasses import dataclass
from queue import Empty
from typing import Any, Protocol

import structlog

from gateway.errors import NotDurable, Rejected
from gateway.wire import Topics, compact, unpack
from traceability import remedies
from traceability.cadence import Cadence
from traceability.expiry import SLICE_ROWS
from traceability.held import Held
from traceability.ledger import Group, Ledger
from traceability.message import Message, read_message
from traceability.receipts import Receipt
from traceability.sign import NO_KEYS, Forged, GatewayKeys, Signer
from traceability.states import State, read_state
from traceability.streams import Alarm, Key
from traceability.subscription import Connected, Delivery, Died, Disconnected, Event, Inbox, Refused, Wake
from traceability.tally import Tally

MAX_LINES = 20_000
RETRY_FIRST_S = 0.5
RETRY_MAX_S = 5.0
RESUBSCRIBE_S = 10.0
RESEND_S = 1.0
EXPIRE_EVERY_S = 60.0
EXPIRE_PAUSE_S = 0.2
NAP_S = 0.2


class Link(Protocol):
    """What the consumer needs of a Subscription."""

    @property
    def connected(self) -> bool: ...
    def subscribe(self) -> None: ...
    def ack(self, delivery: Delivery) -> None: ...
    def publish(self, topic: str, payload: bytes) -> bool: ...


@dataclass(frozen=True, slots=True)
class _Heard:
    """A state that may be believed; `signed`: its bytes, if it is this gateway's signature that says so."""

    site: str
    gateway: str
    state: State
    signed: bytes | None


class Consumer:
    """Owns the ledger, in the thread that calls `run`."""

    def __init__(
        self,
        ledger: Ledger,
        link: Link,
        inbox: Inbox,
        prefix: str,
        sign: Signer,
        keys: GatewayKeys = NO_KEYS,
        keep_ms: int = 0,
    ) -> None:
        self.tally = Tally()
        self._ledger = ledger
        self._link = link
        self._inbox = inbox
        self._topics = Topics(prefix)
        self._sign = sign
        self._keys = keys
        self._cadence = Cadence()
        self._held = Held(inbox, self._read)
        self._retry_at = 0.0
        self._retry_s = 0.0
        self._resubscribe_at: float | None = None
        self._keep_ms = keep_ms
        self._expire_at: float | None = time.monotonic() if keep_ms else None
        self._stopping = False
        self._log: Any = structlog.get_logger("traceability")

    def stop(self) -> None:
        """Ask `run` to return after the current group; safe in a signal handler."""
        self._stopping = True
        self._inbox.put(Wake())

    def run(self) -> None:
        """Work until stopped. Raises only for bugs."""
        while not self._stopping:
            self._collect()
            if self._resubscribe_at is not None and time.monotonic() >= self._resubscribe_at:
                self._resubscribe_at = None
                self._link.subscribe()
            if time.monotonic() >= self._retry_at:
                self._commit()
                self._expire()

    # --- collect

    def _collect(self) -> None:
        """Wait until there is something to do, then take what is there."""
        later, self._held.later = self._held.later, []
        for event in later:
            self._sort(event)
        if self._held.is_full():
            time.sleep(min(NAP_S, max(0.0, self._retry_at - time.monotonic())))
            return
        try:
            self._sort(self._inbox.get(timeout=0 if later else self._patience_s()))
            while not self._held.is_full():
                self._sort(self._inbox.get_nowait())
        except Empty:
            return

    def _patience_s(self) -> float | None:
        """Seconds until something is due by itself; None: never."""
        due = [self._resubscribe_at, self._expire_at, self._retry_at if self._held else None]
        due.append(self._cadence.next_at() if self._link.connected else None)
        moments = [at for at in due if at is not None]
        return max(0.0, min(moments) - time.monotonic(), self._retry_at - time.monotonic()) if moments else None

    def _sort(self, event: Event) -> None:
        match event:
            case Delivery():
                self._held.put(event)
            case Connected(resumed):
                self._log.info("broker.connected", resumed=resumed)
            case Disconnected(code, reason, remedy):
                self._say("broker.lost", (code, remedy), reason=reason, remedy=remedy)
            case Refused(code, reason):
                self._resubscribe_at = time.monotonic() + RESUBSCRIBE_S
                self._say("subscription.refused", code, reason=reason, remedy=remedies.for_subscription(code))
            case Died(error):
                raise RuntimeError("the broker's thread died") from error

    # --- commit

    def _commit(self) -> None:
        """Commit what is held and what is due to be told; then acknowledge, then tell."""
        if not self._held and not self._due():
            return
        try:
            receipts = self._transact()
        except NotDurable as error:
            self._held.forget()
            self._retry_s = min(RETRY_MAX_S, self._retry_s * 2 or RETRY_FIRST_S)
            self._retry_at = time.monotonic() + self._retry_s
            self._log.error("ledger.failed", error=error.message, remedy=error.remedy, waiting=len(self._held))
            return
        self._retry_s = 0.0
        for delivery in self._held.take():
            self._link.ack(delivery)
        for receipt in receipts:
            self._tell(receipt)

    def _transact(self) -> list[Receipt]:
        """One transaction over what can be read of the messages before their time is over; returns its receipts."""
        start = time.monotonic()
        read = self._held.group()
        gateways = {(key.site, key.gateway) for key in self._due()}
        gateways |= {(one.site, one.gateway) for one in read if one is not None}
        with self._ledger.group(gateways, self._held.ahead) as group:
            for key in _take(group, read):
                self._cadence.touch(key, start)
            receipts = group.receipts([key for key in self._due() if (key.site, key.gateway) in gateways])
        for alarm in group.alarms:
            self._raise_alarm(alarm)
        if group.counts["nameless"]:
            reason = "neither refused nor kept: it does not say which record it is"
            self._say("message.malformed", "line", group.counts["nameless"], part="line", reason=reason)
        if read:
            ms = round(1000 * (time.monotonic() - start))
            self._log.debug("centre.committed", messages=len(read), ms=ms, **group.counts)
        return receipts

    def _read(self, delivery: Delivery) -> Message | _Heard | None:
        """What a message says, before the ledger is held for it; None: nothing that could be taken."""
        part = "topic"
        try:
            site, gateway, leaf = self._topics.parse(delivery.topic)
            part = "state" if leaf == "state" else "batch"
            if leaf == "state":
                return self._hear(site, gateway, delivery.payload)
            return read_message(site, gateway, _lines(delivery))
        except Forged as error:
            self._say("state.forged", delivery.topic, reason=str(error)[:300], topic=delivery.topic[:200])
        except Rejected as error:
            self._say("message.malformed", part, part=part, reason=error.message[:200], topic=delivery.topic[:200])
        return None

    def _hear(self, site: str, gateway: str, payload: bytes) -> _Heard:
        """A state: of a gateway whose key is known only with its signature, and that is evidence then."""
        state = read_state(payload)
        is_signed = self._keys.check(site, gateway, payload)
        return _Heard(site, gateway, state, payload if is_signed else None)

    def _expire(self) -> None:
        """Now and then a slice of what is older than it may be; the next one soon if there is more."""
        if self._expire_at is None or time.monotonic() < self._expire_at:
            return
        self._expire_at = time.monotonic() + EXPIRE_EVERY_S
        try:
            count = self._ledger.expire(self._keep_ms)
        except NotDurable as error:
            self._say("ledger.failed", "expiry", error=error.message, remedy=error.remedy, waiting=len(self._held))
            return
        if count == SLICE_ROWS:
            self._expire_at = time.monotonic() + EXPIRE_PAUSE_S
        if count:
            self._log.info("records.expired", count=count)

    # --- tell

    def _due(self) -> list[Key]:
        return self._cadence.due(time.monotonic()) if self._link.connected else []

    def _tell(self, receipt: Receipt) -> None:
        """Send a committed receipt. One that cannot go out is made anew later."""
        stream = receipt.stream
        topic = Topics(self._topics.prefix, stream.site, stream.gateway).of("receipt")
        sent = self._link.publish(topic, compact(self._sign(receipt.message)))
        self._cadence.sent(stream, time.monotonic(), receipt.again_s if sent else RESEND_S)

    def _raise_alarm(self, alarm: Alarm) -> None:
        gateway = (alarm.stream.site, alarm.stream.gateway)
        self._say(alarm.event, gateway, stream=str(alarm.stream), **alarm.fields)

    def _say(self, event: str, kind: Hashable, times: int = 1, /, **fields: object) -> None:
        """A warning, at most once a minute for each event and kind, with how often it was since."""

        def say(since: int) -> None:
            self._log.warning(event, times=since, **fields)

        self.tally.note((event, kind), time.monotonic(), say, times)


def _take(group: Group, read: list[Message | _Heard | None]) -> set[Key]:
    """Take what was read, in order; lines that no state stands between are taken together."""
    touched, waiting = set[Key](), list[Message]()
    for one in read:
        if isinstance(one, Message):
            waiting.append(one)
        elif one is not None:
            touched |= group.take_all(waiting)
            waiting = []
            key = group.hear(one.site, one.gateway, one.state, one.signed)
            touched |= set() if key is None else {key}
    return touched | group.take_all(waiting)


def _lines(delivery: Delivery) -> list[bytes]:
    """The lines of a batch. Raises Rejected, also for more lines than records fit into a message."""
    lines = unpack(delivery.payload, delivery.encoding)
    if len(lines) > MAX_LINES:
        raise Rejected(f"message of {len(lines)} lines, at most {MAX_LINES} are taken")
    return lines
