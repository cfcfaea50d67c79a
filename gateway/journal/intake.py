"""Takes groups of jobs into the journal, or what of them cannot wait into the emergency ring.

Where only room is missing nothing has suffered: drafts go into the ring, durable there, and the ports are read on;
whatever needs a transaction is held until the disk has room for one. Any other failure is the writer's business: of a
disk that fails to sync nothing is believed, and the ring lies on the same disk.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from gateway.clock import Clock
from gateway.errors import NotDurable
from gateway.journal.jobs import Append, Job, Tell
from gateway.journal.ladder import Level, Room
from gateway.journal.overflow import Overflow
from gateway.journal.quota import Quota
from gateway.journal.reader import Entry
from gateway.journal.schema import Error, Progress, is_no_room
from gateway.journal.store import Limits, Previous, Store, Trouble
from gateway.spans import Range

SHORT_S = 2.0
FAILURES = (Error, OSError, NotDurable)


@dataclass(frozen=True, slots=True)
class Callbacks:
    """What the thread reports, on the thread: durable entries, trouble or its end, a new epoch's store, its death,
    how full the journal is when that has changed, reads of an earlier run that came out of the ring open, and what
    was declared lost because it was too old; and, while it is made, how far the copy of an older file is."""

    committed: Callable[[list[Entry]], None]
    trouble: Callable[[Trouble | None], None]
    epoch: Callable[[Store], None]
    died: Callable[[BaseException], None]
    level: Callable[[Level, Room], None]
    left_open: Callable[[list[Entry]], None]
    expired: Callable[[list[Range]], None]
    copying: Progress


class Intake:
    """Owned by the journal thread. `known` is what is durable in the store, `after` who waits for the next commit.

    `say_trouble` is called before anybody is told that something is durable.
    """

    def __init__(
        self, path: Path, limits: Limits, store: Store, quota: Quota, clock: Clock, report: Callbacks
    ) -> None:
        self.quota = quota
        self.overflow = Overflow(path, limits.ring_bytes)
        self.known = known_of(store)
        self.after: list[Callable[[], None]] = []
        self._clock = clock
        self._report = report
        self._held: list[Job] = []
        self._unreported: list[Entry] | None = None
        self._is_draining = False
        self.has_started = False
        self._short_until = 0.0
        self._level: Level = "ok"
        self.say_trouble: Callable[[], None] = lambda: None
        self._prepare(store)

    @property
    def is_short(self) -> bool:
        """Whether something waits for room."""
        return bool(self._held) or self.quota.no_room or not self.overflow.is_empty

    def begin(self, store: Store) -> None:
        """A new epoch: what was not reported of the one before is part of what that epoch's end says."""
        self.known = known_of(store)
        self._unreported = self._unreported and []

    def commit(self, store: Store, jobs: list[Job]) -> None:
        """Into the journal, or into the ring where that has no room. Done jobs leave the list."""
        self._report_committed(store)
        jobs[:0], self._held = self._held, []
        self.measure(store)
        short = self.quota.full or (self.quota.no_room and self._clock.mono() < self._short_until)
        if short or not self._transact(store, jobs):
            self._keep_in_ring(store, jobs)
            if not self.quota.full or not self._transact(store, jobs):
                self._held = list(jobs)

    def _transact(self, store: Store, jobs: list[Job]) -> bool:
        """One transaction: what waits in the ring goes first. False if the disk has no room, and the ring has."""
        self.after.clear()
        self._is_draining = False
        try:
            with store.transaction():
                entries = [] if self.quota.full else self._drain(store)
                entries += self.quota.confess(store)
                for job in jobs:
                    entries += job(store)
        except FAILURES as error:
            self._undo(jobs)
            if not (is_no_room(error) and self.overflow.is_ready and self._is_as_known(store)):
                raise
            self.quota.no_room = True
            self._short_until = self._clock.mono() + SHORT_S
            return False
        self.known, self._unreported = known_of(store), entries
        self.quota.no_room = False
        jobs.clear()
        self._report_committed(store)
        return True

    def _drain(self, store: Store) -> list[Entry]:
        """Inside a transaction."""
        if self.overflow.is_empty:
            return []
        self._is_draining = True
        entries, dead = self.overflow.drain(store, self._clock.now())
        self.quota.refuse(store, dead, "refused")
        return entries

    def _report_committed(self, store: Store) -> None:
        """What is in the journal leaves the ring before anybody hears of it. Raises OSError; then called again."""
        if (entries := self._unreported) is None:
            return
        left_open = self.overflow.drained() if self._is_draining else []
        self._unreported, self._is_draining = None, False
        self.say_trouble()
        if entries:
            self._report.committed(entries)
        if left_open and self.has_started:
            self._report.left_open([entry for entry in store.open_reads() if entry.seq in left_open])
        for done in self.after:
            done()
        self.after.clear()

    def _keep_in_ring(self, store: Store, jobs: list[Job]) -> None:
        if not self.overflow.is_ready:
            return
        self.overflow.keep([job.items for job in jobs if isinstance(job, Append)], store.origin.epoch)
        self.say_trouble()
        for job in jobs:
            if isinstance(job, Tell):
                job.done()
        jobs[:] = [job for job in jobs if not isinstance(job, Append | Tell)]

    def _undo(self, jobs: list[Job]) -> None:
        self.overflow.undrained()
        for job in jobs:
            if isinstance(job, Append):
                job.undo()

    def _is_as_known(self, store: Store) -> bool:
        try:
            return store.bounds()[1] == self.known.seq
        except FAILURES:
            return False

    def measure(self, store: Store) -> None:
        """How full it is; a disk without room can often still free some of what is in the file."""
        try:
            self.quota.measure(store)
            if self.quota.no_room and self._clock.mono() >= self._short_until:
                store.prune(2**62)
                store.checkpoint()
        except FAILURES as error:
            if not is_no_room(error):
                raise
        if self.quota.level != self._level:
            self._level = self.quota.level
            self._report.level(self._level, self.quota.room)
        if self._level != "critical" and not self.overflow.is_ready:
            self._prepare(store)

    def _prepare(self, store: Store) -> None:
        """A box whose disk is full already has to do without a ring until there is room for one."""
        with contextlib.suppress(OSError):
            self.overflow.prepare(store)


def known_of(store: Store) -> Previous:
    """What a store has that is durable, to be found there again."""
    return Previous(store.origin.epoch, store.newest, store.head, beside=store.kept_beside)
