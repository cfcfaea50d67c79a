"""Messages that wait for their group, in the order in which they came, and what the first of them say.

A group is read before its transaction begins, for a time that is bounded. While a server takes in its lines the
next messages are read already: a server and a centre are two processes, and neither should wait for the other.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from queue import Empty
from typing import Generic, TypeVar

from traceability.subscription import Delivery, Event, Inbox

MAX_GROUP_MESSAGES = 64
MAX_GROUP_BYTES = 4 * 1024 * 1024
MAX_GROUP_S = 0.1

Said = TypeVar("Said")


@dataclass(slots=True)
class Held(Generic[Said]):
    """`read` makes of a message what it says. `later`: events that came while a group was being written."""

    inbox: Inbox
    read: Callable[[Delivery], Said]
    deliveries: list[Delivery] = field(default_factory=list)
    later: list[Event] = field(default_factory=list)
    _said: list[Said] = field(default_factory=list)
    _bytes: int = 0
    _group: int = 0
    _ahead_s: float = 0.0

    def __len__(self) -> int:
        return len(self.deliveries)

    def put(self, delivery: Delivery) -> None:
        """Hold one more."""
        self.deliveries.append(delivery)
        self._bytes += len(delivery.payload)

    def is_full(self) -> bool:
        """Whether that is enough for a group."""
        return len(self.deliveries) >= MAX_GROUP_MESSAGES or self._bytes >= MAX_GROUP_BYTES

    def group(self) -> list[Said]:
        """What the messages of the next group say: as many as can be read in MAX_GROUP_S, one at least."""
        begun = time.monotonic()
        while len(self._said) < len(self.deliveries) and (not self._said or time.monotonic() - begun < MAX_GROUP_S):
            self._said.append(self.read(self.deliveries[len(self._said)]))
        self._group, self._ahead_s = len(self._said), 0.0
        return self._said[:]

    def ahead(self) -> None:
        """Read one message that belongs to the group after this one, if there is any, and time for it."""
        if self.later or self._ahead_s >= MAX_GROUP_S or len(self._said) - self._group >= MAX_GROUP_MESSAGES:
            return
        if len(self._said) == len(self.deliveries):
            try:
                event = self.inbox.get_nowait()
            except Empty:
                return
            if not isinstance(event, Delivery):
                self.later.append(event)
                return
            self.put(event)
        begun = time.monotonic()
        self._said.append(self.read(self.deliveries[len(self._said)]))
        self._ahead_s += time.monotonic() - begun

    def take(self) -> list[Delivery]:
        """The messages of the group that was read last: it is written, and they are held no longer."""
        taken, self.deliveries = self.deliveries[: self._group], self.deliveries[self._group :]
        self._said = self._said[self._group :]
        self._bytes = sum(len(delivery.payload) for delivery in self.deliveries)
        self._group = 0
        return taken

    def forget(self) -> None:
        """It could not be written: they all are read again."""
        self._said.clear()
        self._group = 0
