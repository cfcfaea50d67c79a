"""The thread that owns the journal's only writing connection: group commit, recovery, pruning, quota.

Whatever is waiting goes into one transaction, so a burst costs one fsync and an idle line waits for nobody. An error
on commit poisons the connection: it is closed, reopened and compared with what was known to be durable, and only then
are the same jobs tried again; an fsync that failed is never retried and believed. While that goes on, nothing is
reported as committed and the ports are told to stop reading. A file that is damaged, or that is not the one we know,
is set aside and a new epoch begins, whose first record says what was lost.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from queue import Empty, SimpleQueue

from gateway.clock import Clock
from gateway.errors import NotDurable
from gateway.journal.quota import Quota
from gateway.journal.schema import Error, is_damage
from gateway.journal.store import Entry, Limits, Previous, Store, Trouble

MAX_GROUP = 500
RETRY_FIRST_S = 0.1
RETRY_MAX_S = 2.0
PRUNE_EVERY_S = 60.0

Job = Callable[[Store], list[Entry]]


@dataclass(frozen=True, slots=True)
class Callbacks:
    """What the thread reports, on the thread: durable entries, trouble or its end, a new epoch's store."""

    committed: Callable[[list[Entry]], None]
    trouble: Callable[[Trouble | None], None]
    epoch: Callable[[Store], None]


class Writer(threading.Thread):
    """Runs jobs in order, in groups."""

    def __init__(
        self, path: Path, names: tuple[str, str, str], limits: Limits, clock: Clock, report: Callbacks
    ) -> None:
        super().__init__(name="journal", daemon=True)
        self.quota = Quota(limits, clock)
        self._path, self._names = path, names
        self._clock = clock
        self._report = report
        self._jobs: SimpleQueue[Job | None] = SimpleQueue()
        self._stopping = threading.Event()
        self._new_epoch = threading.Event()
        self._after: list[Callable[[], None]] = []
        self._trouble: Trouble | None = None
        self._pruned_at = clock.mono()
        self.store, self.found_damaged = self._open_or_set_aside()

    def put(self, job: Job) -> None:
        """Queue a job; it runs inside a transaction, perhaps more than once until that succeeds."""
        self._jobs.put(job)

    def waiting(self) -> int:
        """Jobs that are not taken up yet."""
        return self._jobs.qsize()

    def begin_epoch(self) -> None:
        """After the jobs queued so far, set this file aside and begin a new epoch."""

        def job(_: Store) -> list[Entry]:
            self._new_epoch.set()
            return []

        self._jobs.put(job)

    def when_durable(self, done: Callable[[], None]) -> None:
        """Call `done` on the thread when all that is queued now is committed and reported."""

        def job(_: Store) -> list[Entry]:
            self._after.append(done)
            return []

        self._jobs.put(job)

    def stop(self) -> None:
        """Finish what is queued, then close; a disk that refuses to take it is given up."""
        self._stopping.set()
        self._jobs.put(None)

    def run(self) -> None:
        more = True
        while more:
            jobs, more = self._take()
            if jobs:
                self._commit(jobs)
            if self._new_epoch.is_set():
                self._new_epoch.clear()
                self._follow(self.store.as_previous())
            self._prune_when_due()
        self.store.close()

    def _take(self) -> tuple[list[Job], bool]:
        job = self._jobs.get()
        jobs: list[Job] = []
        while job is not None:
            jobs.append(job)
            if len(jobs) == MAX_GROUP:
                return jobs, True
            try:
                job = self._jobs.get_nowait()
            except Empty:
                return jobs, True
        return jobs, False

    def _commit(self, jobs: list[Job]) -> None:
        delay = RETRY_FIRST_S
        while True:
            try:
                entries = self._attempt(jobs)
            except (Error, OSError) as error:
                self._say(Trouble("damage" if is_damage(error) else "disk", str(error)))
                if self._stopping.wait(delay):
                    return
                delay = min(RETRY_MAX_S, delay * 2)
                self._recover(damaged=is_damage(error))
                continue
            self._say(self.quota.trouble())
            if entries:
                self._report.committed(entries)
            for done in self._after:
                done()
            self._after.clear()
            return

    def _attempt(self, jobs: list[Job]) -> list[Entry]:
        self._after.clear()
        self.quota.measure(self.store)
        with self.store.transaction():
            entries = self.quota.confess(self.store)
            for job in jobs:
                entries += job(self.store)
        self.quota.confessed()
        return entries

    def _recover(self, *, damaged: bool) -> None:
        known = Previous(self.store.origin.epoch, self.store.newest, self.store.head)
        try:
            self.store.close()
            if not damaged:
                self.store = Store(self._path, self._names)
            if damaged or (self.store.newest, self.store.head) != (known.seq, known.hash):
                self._follow(known)
        except (Error, OSError, NotDurable) as error:
            self._say(Trouble("disk", str(error)))

    def _follow(self, previous: Previous) -> None:
        self.store.close()
        set_aside(self._path, previous.epoch or "unknown")
        self.store = Store(self._path, self._names)
        entries = self.store.begin(previous, self._clock.now())
        self._report.epoch(self.store)
        self._report.committed(entries)

    def _open_or_set_aside(self) -> tuple[Store, bool]:
        try:
            return Store(self._path, self._names), False
        except Error as error:
            if not is_damage(error):
                raise
        set_aside(self._path, "damaged")
        store = Store(self._path, self._names)
        store.begin(Previous(), self._clock.now())
        return store, True

    def _say(self, trouble: Trouble | None) -> None:
        if trouble != self._trouble:
            self._trouble = trouble
            self._report.trouble(trouble)

    def _prune_when_due(self) -> None:
        now = self._clock.mono()
        if now - self._pruned_at < PRUNE_EVERY_S:
            return
        self._pruned_at = now
        try:
            self.quota.prune(self.store)
        except (Error, OSError) as error:
            self._say(Trouble("disk", str(error)))


def set_aside(path: Path, epoch: str) -> Path:
    """Rename a journal file and its companions so that a new epoch can begin; returns the new name."""
    aside, number = path.with_name(f"journal-{epoch}.aside"), 1
    while aside.exists():
        number += 1
        aside = path.with_name(f"journal-{epoch}.aside-{number}")
    for suffix in ("", "-wal", "-shm"):
        companion = Path(f"{path}{suffix}")
        if companion.exists():
            companion.rename(f"{aside}{suffix}")
    return aside
