"""Is what the centre holds what we hold? A receipt names records of its ledger by hash (`heads`).

Two boxes that run from one cloned card make different records under the same numbers, and the ledger keeps the first.
Whoever holds another line under a named number is one of two, or a snapshot that was put back: what the centre has is
not what we made, so the receipt must not settle it. Of what has expired the hash is left; what was pruned cannot be
compared and proves nothing.
"""

from __future__ import annotations

from gateway.errors import NotDurable
from gateway.journal import Journal
from gateway.wire import Head, Receipt, line_hash, read_line

MAX_KNOWN = 64


class Proof:
    """Compares the heads of receipts with the journal; what has been found alike is not read again."""

    def __init__(self, journal: Journal) -> None:
        self._journal = journal
        self._alike: set[tuple[str, Head]] = set()

    def is_needed(self, receipt: Receipt) -> bool:
        """Whether there is anything to compare."""
        return any((receipt.epoch, head) not in self._alike for head in receipt.heads)

    async def contradicts(self, receipt: Receipt) -> bool:
        """Whether the ledger holds another line than we do under one of these numbers."""
        for head in receipt.heads:
            name = (receipt.epoch, head)
            if name in self._alike:
                continue
            if await self._differs(*name):
                return True
            if len(self._alike) >= MAX_KNOWN:
                self._alike.clear()
            self._alike.add(name)
        return False

    async def _differs(self, epoch: str, head: Head) -> bool:
        """The journal may be of another epoch by now, and then its line is not the one that is meant."""
        try:
            held = await self._journal.read(head.seq, head.seq, 1, 1)
        except NotDurable:
            return False
        if not held:
            return await self._journal.tombstone(epoch, head.seq) not in (None, head.hash)
        return read_line(held[0].line).epoch == epoch and line_hash(held[0].line) != head.hash
