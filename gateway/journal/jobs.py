"""What the journal's thread is asked to do: jobs that run in a transaction, perhaps more than once until it succeeds.

Drafts, and those who only want to know when drafts are durable, need no transaction where there is no room for one:
they can be served by the emergency ring. Everything else waits until the journal takes it.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass

from gateway.clock import Clock
from gateway.journal.quota import Quota
from gateway.journal.reader import Entry
from gateway.journal.store import Store
from gateway.records import Item, drafts_of

Job = Callable[[Store], list[Entry]]


@dataclass(frozen=True, slots=True)
class Append:
    """Drafts, and how far devices were heard, that belong into one transaction.

    Without room no mark is kept either: a device that remembers tells again what it had told in vain. What is refused
    for another reason would be refused again: its loss is stated in this transaction, and its mark counts.
    """

    items: list[Item]
    quota: Quota
    clock: Clock

    def __call__(self, store: Store) -> list[Entry]:
        drafts = drafts_of(self.items)
        if self.quota.full:
            self.quota.refuse(store, drafts, "quota")
            return []
        entries = store.append(self.items, self.clock.unix_ms())
        self.quota.refuse(store, [draft for draft in drafts if draft.seq is None], "refused")
        return entries

    def undo(self) -> None:
        """The transaction failed: nothing of it has a number."""
        for draft in drafts_of(self.items):
            draft.seq = None


@dataclass(frozen=True, slots=True)
class Tell:
    """Somebody wants to know when all that was appended before is durable."""

    done: Callable[[], None]
    after: list[Callable[[], None]]

    def __call__(self, store: Store) -> list[Entry]:
        self.after.append(self.done)
        return []


@dataclass(frozen=True, slots=True)
class NewEpoch:
    """The job that ends an epoch: the last of its group. Asked for twice, it does nothing the second time.

    `is_copy`: there was more of this epoch than this file knows.
    """

    epoch: str
    asked: threading.Event
    is_copy: bool

    def __call__(self, store: Store) -> list[Entry]:
        if store.origin.epoch == self.epoch:
            store.is_copy = self.is_copy
            self.asked.set()
        return []


def nothing(_: Store) -> list[Entry]:
    """The job of a commit that has nothing of its own to say: what waits is written, what was refused confessed."""
    return []
