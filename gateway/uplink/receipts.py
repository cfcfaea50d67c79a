"""What the centre's receipts change: records settle, go again, into quarantine, or are declared lost.

Where nobody sends receipts (settle = "puback") the broker's word settles. Either way the journal is told, so that
the next start knows.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Sequence
from typing import Protocol

import structlog

from gateway.clock import Clock
from gateway.errors import Rejected
from gateway.journal import Journal, Opened
from gateway.log import Once
from gateway.spans import Range
from gateway.uplink.outbox import Shipment
from gateway.uplink.proof import Proof
from gateway.uplink.sender import Sender
from gateway.uplink.settlement import Consequences, Held, Settlement
from gateway.uplink.signature import CentreKey
from gateway.wire import Receipt, read_receipt

REMEMBER_EVERY_S = 0.2

log = structlog.get_logger()


class CentreListener(Protocol):
    """What the rest of the gateway is told of the centre; called on the loop."""

    def pruned(self, epoch: str, ranges: Sequence[Range]) -> None:
        """The centre misses records that are no longer held."""

    def journal_is_a_copy(self) -> None:
        """The centre knows more of this epoch than we do."""


class Receipts:
    """`begin` for each epoch; `held` tells what the journal has now; `heard` is set by an answer made just now."""

    def __init__(
        self,
        journal: Journal,
        sender: Sender,
        clock: Clock,
        listener: CentreListener,
        held: Callable[[], Held],
    ) -> None:
        self.centre_key: CentreKey | None = None
        self.heard = asyncio.Event()
        self._journal = journal
        self._sender = sender
        self._clock = clock
        self._listener = listener
        self._held = held
        self._once = Once(clock.mono)
        self._proof = Proof(journal)
        self._proving: set[asyncio.Task[None]] = set()
        self._remembering: asyncio.TimerHandle | None = None

    def begin(self, opened: Opened) -> None:
        """Work on this epoch from now on."""
        self.settlement = Settlement(opened.epoch, opened.settled.copy(), opened.ledger, opened.receipt)
        self.settlement.lost(list(opened.expired))

    def take(self, payload: bytes, *, retained: bool) -> None:
        """A message on the receipt topic.

        One that the broker had kept may be of an epoch before this one; that is no news and nobody's fault.
        """
        try:
            if self.centre_key is not None:
                self.centre_key.check(payload)
            receipt = read_receipt(payload)
        except Rejected as refusal:
            self._refuse(refusal)
            return
        if retained and receipt.epoch != self.settlement.epoch:
            return
        if receipt.epoch == self.settlement.epoch and self._proof.is_needed(receipt):
            task = asyncio.get_running_loop().create_task(self._prove(receipt, retained=retained))
            self._proving.add(task)
            task.add_done_callback(self._proving.discard)
        else:
            self._believe(receipt, retained=retained)

    def resend(self, first: int, last: int) -> None:
        """A person wants records that are held sent once more, settled or not."""
        self.settlement.reopen(first, last)
        self._sender.outbox.again(first, last)
        self._remember()
        self._sender.pump()

    def arrived(self, shipment: Shipment) -> None:
        """The broker has taken it; from now on receipts speak of it again."""
        self.settlement.arrived(shipment.first, shipment.last)

    def delivered(self, shipment: Shipment) -> None:
        """Without receipts: the broker has taken it for somebody."""
        self.settlement.delivered(shipment.first, shipment.last)
        self._sender.outbox.settled(self.settlement.settled)
        if self._remembering is None:
            self._remembering = asyncio.get_running_loop().call_later(REMEMBER_EVERY_S, self._remember)

    def gone(self, span: Range) -> None:
        """What should be sent again is not in the journal any more."""
        if lost := self.settlement.lost([span]):
            self._declare(lost)
            self._remember()

    def expired(self, ranges: list[Range]) -> None:
        """Bodies that went because they were too old, declared lost already: nobody needs to ask for them."""
        self.settlement.lost(ranges)
        for first, last in ranges:
            self._sender.outbox.drop(first, last)
        self._remember()

    async def last_word(self, newest: int, within_s: float) -> None:
        """Wait until all up to `newest` is settled; not if the centre has not answered in this session."""
        if not self.heard.is_set():
            return
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(within_s):
                while self.settlement.through() < newest:
                    self.heard.clear()
                    await self.heard.wait()

    def finish(self) -> None:
        """Tell the journal what it has not been told yet."""
        if self._remembering is not None:
            self._remembering.cancel()
            self._remember()

    async def _prove(self, receipt: Receipt, *, retained: bool) -> None:
        """Before it settles anything: is the centre's line ours?"""
        if not await self._proof.contradicts(receipt):
            self._believe(receipt, retained=retained)
        elif receipt.epoch == self.settlement.epoch and (then := self.settlement.disproved()) is not None:
            self._follow(then)

    def _believe(self, receipt: Receipt, *, retained: bool) -> None:
        try:
            then = self.settlement.take(receipt, self._held())
        except Rejected as refusal:
            self._refuse(refusal)
            return
        if not retained:
            self.heard.set()
        if then is not None:
            self._follow(then)

    def _refuse(self, refusal: Rejected) -> None:
        if times := self._once.due("receipt", refusal.message):
            log.warning("receipt.refused", reason=refusal.message, times=times)

    def _declare(self, lost: list[Range]) -> None:
        log.error("records.pruned", ranges=lost)
        self._listener.pruned(self.settlement.epoch, lost)

    def _remember(self) -> None:
        self._remembering = None
        self._journal.settle(self.settlement.settled, self.settlement.ledger, self.settlement.receipt)

    def _follow(self, then: Consequences) -> None:
        if then.is_copy:
            log.error("uplink.copy", epoch=self.settlement.epoch)
            self._sender.stop()
            self._listener.journal_is_a_copy()
            return
        outbox, now = self._sender.outbox, self._clock.mono()
        if then.unsettled:
            log.warning("uplink.restored", ledger=self.settlement.ledger, through=self.settlement.through())
            outbox.forget_acknowledged()
            outbox.resend(self.settlement.unsettled(self._held()), now)
        if then.refused:
            self._journal.refuse(then.refused)
            log.error("records.refused", count=len(then.refused), first=then.refused[0][0], reason=then.refused[0][1])
        if then.pruned:
            self._declare(then.pruned)
        if resent := outbox.resend(then.missing, now):
            log.warning("records.resent", count=resent, ranges=then.missing[:3])
        outbox.settled(self.settlement.settled)
        self._remember()
        self._sender.pump()
