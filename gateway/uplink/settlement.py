"""What the centre has committed, as its receipts prove it. Pure: a receipt in, what follows from it out.

A receipt is believed only if it speaks of this epoch and is newer than the last one of the same ledger; several
consumers answer for one ledger, so older ones arrive late and mean nothing. A ledger that was never seen before is a
centre that was set up anew or restored from a backup: what it does not have is not settled any more, whatever an
earlier one said. A receipt that knows more of this epoch than we do proves that our journal is an old copy; so does
one that names another hash for a record we hold (see `proof`).
"""

from __future__ import annotations

from dataclasses import dataclass, field

from gateway.errors import Rejected
from gateway.spans import Range, Spans
from gateway.wire import MAX_MISSING_RANGES, Receipt

LEDGERS_MAX = 16


@dataclass(frozen=True, slots=True)
class Held:
    """What the journal has of this epoch: oldest body and newest number."""

    oldest: int
    newest: int


@dataclass(slots=True)
class Consequences:
    """What a receipt asks for: ranges to send again, records refused, ranges no longer held, proof of a copy."""

    missing: list[Range] = field(default_factory=list)
    refused: list[tuple[int, str]] = field(default_factory=list)
    pruned: list[Range] = field(default_factory=list)
    unsettled: bool = False
    is_copy: bool = False


class Settlement:
    """The settled records of one epoch; `ledger` and `receipt` name the receipt believed last."""

    def __init__(self, epoch: str, settled: Spans, ledger: str | None = None, receipt: int = 0) -> None:
        self.epoch = epoch
        self.settled = settled
        self.ledger = ledger
        self.receipt = receipt
        self._numbers = {} if ledger is None else {ledger: receipt}
        self._refused: set[int] = set()
        self._declared = Spans()
        self._reopened = Spans()
        self._is_copy = False

    def through(self) -> int:
        """The highest number up to which everything is settled."""
        return self.settled.through()

    def unsettled(self, held: Held) -> list[Range]:
        """The records that still have to reach the centre, as far as they are held."""
        return self.settled.gaps(held.oldest, held.newest)

    def reopen(self, first: int, last: int) -> None:
        """These are to be sent once more: until they were, no receipt settles or refuses them."""
        self.settled.remove(first, last)
        self._reopened.add(first, last)
        self._refused -= {seq for seq in self._refused if first <= seq <= last}

    def arrived(self, first: int, last: int) -> None:
        """The broker has taken them: from now on receipts speak of them again."""
        self._reopened.remove(first, last)

    def delivered(self, first: int, last: int) -> None:
        """Without receipts (settle = "puback"): the broker has taken them for somebody."""
        self.settled.add(first, last)

    def lost(self, ranges: list[Range]) -> list[Range]:
        """Bodies that are no longer held count as settled; returns those that were not declared lost before."""
        gone = Spans(ranges)
        self.settled.update(gone)
        gone.subtract(self._declared)
        self._declared.update(gone)
        return list(gone)

    def take(self, receipt: Receipt, held: Held) -> Consequences | None:
        """Apply a receipt; None if it is old news, or the end of this epoch is known already.

        Raises Rejected if it is not for this epoch.
        """
        if receipt.epoch != self.epoch:
            raise Rejected(f"receipt for epoch {receipt.epoch}, this journal is {self.epoch}")
        if self._is_copy:
            return None
        if max(receipt.through, receipt.seen, *(head.seq for head in receipt.heads)) > held.newest:
            return self.disproved()
        if receipt.receipt <= self._numbers.get(receipt.ledger, -1):
            return None
        then = Consequences()
        if receipt.ledger != self.ledger:
            self._forget_above(receipt.through, then)
        self.ledger, self.receipt = receipt.ledger, receipt.receipt
        self._numbers.pop(receipt.ledger, None)
        self._numbers[receipt.ledger] = receipt.receipt
        if len(self._numbers) > LEDGERS_MAX:
            del self._numbers[next(iter(self._numbers))]
        self._settle(receipt)
        self._refuse(receipt, held, then)
        self._want(receipt, held, then)
        return then

    def disproved(self) -> Consequences | None:
        """Our journal is an old copy, or one of two: nothing the centre says of this epoch settles ours any more."""
        if self._is_copy:
            return None
        self._is_copy = True
        return Consequences(is_copy=True)

    def _forget_above(self, through: int, then: Consequences) -> None:
        highest = self.settled.highest() or 0
        then.unsettled = highest > through
        self.settled.remove(through + 1, highest)
        if self.ledger is not None:  # what was declared before there was any is still on its way
            self._declared = Spans()
        self._refused.clear()

    def _settle(self, receipt: Receipt) -> None:
        """A list of MAX_MISSING_RANGES may be cut short: then nothing beyond `through` is certain."""
        committed = Spans([(1, receipt.through)])
        if len(receipt.missing) < MAX_MISSING_RANGES:
            committed.add(receipt.through + 1, receipt.seen)
            committed.subtract(receipt.missing)
        committed.subtract(self._reopened)
        self.settled.update(committed)

    def _refuse(self, receipt: Receipt, held: Held, then: Consequences) -> None:
        """Nobody can refuse a record that was never made: that would settle it before it exists."""
        for refusal in receipt.rejected:
            if not 1 <= refusal.seq <= held.newest or refusal.seq in self._reopened:
                continue
            self.settled.add(refusal.seq, refusal.seq)
            if refusal.seq not in self._refused:
                self._refused.add(refusal.seq)
                then.refused.append((refusal.seq, refusal.reason))

    def _want(self, receipt: Receipt, held: Held, then: Consequences) -> None:
        """Missing bodies are sent again while they are held; the rest is declared lost, once."""
        missing = Spans(receipt.missing)
        if then.unsettled:
            missing.update(self.settled.gaps(receipt.through + 1, held.oldest - 1))
        missing.remove(held.newest + 1, max(held.newest, missing.highest() or 0))
        missing.subtract((refusal.seq, refusal.seq) for refusal in receipt.rejected)
        self.settled.subtract(missing.within(held.oldest, held.newest))
        then.missing = missing.within(held.oldest, held.newest)
        then.pruned = self.lost(missing.within(1, held.oldest - 1))
