"""The thread that owns the journal's only writing connection: group commit, recovery, pruning, quota.

Whatever is waiting goes into one transaction, so a burst costs one fsync and an idle line waits for nobody. An error
on commit poisons the connection: it is closed, reopened and compared with what was known to be durable; what the
failed commit may have left behind is taken back, and only then are the same jobs tried again. An fsync that failed is
never retried and believed. While that goes on, nothing is reported as committed and the ports are told to stop
reading. A file that is damaged, or that is not the one we know, is set aside and a new epoch begins, whose first
record says what was lost. A group that only finds no room is the business of `intake`.
"""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from queue import Empty, SimpleQueue

from gateway.clock import Clock
from gateway.journal.aside import salvage, set_aside
from gateway.journal.copy import Copy
from gateway.journal.expiry import Expire
from gateway.journal.former import Former, leave, name_in
from gateway.journal.intake import FAILURES, Callbacks, Intake
from gateway.journal.jobs import Append, Job, NewEpoch, Tell, nothing
from gateway.journal.quota import Quota
from gateway.journal.reader import Entry
from gateway.journal.schema import Error, is_damage
from gateway.journal.seat import Seat
from gateway.journal.store import PRUNE_SLICE, Limits, Previous, Store, Trouble
from gateway.records import Item
from gateway.spans import Range

MAX_GROUP = 500
RETRY_FIRST_S = 0.1
RETRY_MAX_S = 2.0
PRUNE_EVERY_S = 60.0
PRUNE_PAUSE_S = 0.05


class Writer(threading.Thread):
    """Runs jobs in order, in groups."""

    def __init__(
        self, path: Path, names: tuple[str, str, str], limits: Limits, clock: Clock, report: Callbacks
    ) -> None:
        super().__init__(name="journal", daemon=True)
        self.quota = Quota(limits, clock)
        self.turns = 0
        self._path, self._names = path, names
        self._clock = clock
        self._report = report
        self._jobs: SimpleQueue[Job | None] = SimpleQueue()
        self._stopping = threading.Event()
        self._new_epoch = threading.Event()
        self._trouble: Trouble | None = None
        self._abandoned: Previous | None = None
        self._keep_ms = limits.keep_ms
        self._pruned_at, self._prune_more = clock.mono(), False
        self._copy = Copy(path, clock)
        self.former: Former | None = None
        self.store, self.found_damaged = self._open_or_set_aside()
        self._seat = Seat(path, clock)
        self._intake = Intake(path, limits, self.store, self.quota, clock, report)
        self._intake.say_trouble = lambda: self._say(self.quota.trouble())
        self.overflow = self._intake.overflow
        self._commit([])
        self._copy.follow(self.store)

    def put(self, job: Job) -> None:
        """Queue a job; it runs inside a transaction, perhaps more than once until that succeeds."""
        self._jobs.put(job)

    def waiting(self) -> int:
        """Jobs that are not taken up yet."""
        return self._jobs.qsize()

    def pulse(self) -> int:
        """How often the thread has turned to something; it has again by the next call, unless it stands still.

        While the disk refuses a group the thread tries it again and again: that is no standstill.
        """
        if not self.waiting():
            self.put(nothing)
        return self.turns

    def begin_epoch(self, epoch: str, *, is_copy: bool = False) -> None:
        """After the jobs queued so far, set the file of this epoch aside and begin a new one."""
        self._jobs.put(NewEpoch(epoch, self._new_epoch, is_copy))

    def append(self, items: list[Item]) -> None:
        """Queue what belongs into one transaction."""
        self._jobs.put(Append(items, self.quota, self._clock))

    def when_durable(self, done: Callable[[], None]) -> None:
        """Call `done` on the thread when all drafts queued so far are durable, in the journal or in the ring."""
        self._jobs.put(Tell(done, self._intake.after))

    def when_committed(self, job: Job, done: Callable[[], None]) -> None:
        """Queue a job; call `done` on the thread when it is committed."""

        def both(store: Store) -> list[Entry]:
            self._intake.after.append(done)
            return job(store)

        self._jobs.put(both)

    def stop(self) -> None:
        """Finish what is queued, then close; a disk that refuses to take it is given up."""
        self._stopping.set()
        self._jobs.put(None)

    def run(self) -> None:
        try:
            self._intake.has_started = True
            self._work()
        except BaseException as error:  # noqa: BLE001 - a journal that stands still in silence would lose everything
            self._report.died(error)
        finally:
            with contextlib.suppress(*FAILURES):
                self.store.sign_off()
                self._copy.follow(self.store, at_once=True)
            self.store.close()
            self.overflow.close()

    def _work(self) -> None:
        """Until the stop; after a group that was given up nothing may follow, it would refer to what is not there."""
        more, kept = True, True
        while more and kept:
            jobs, more = self._take()
            if jobs or self._intake.is_short:
                kept = self._insist(partial(self._commit, jobs))
            self._copy.follow(self.store)
            if self.quota.full:
                kept = kept and self._insist(self._look_for_room)
            if more and self._seat.is_lost():
                kept = kept and self._insist(self._take_back)
            if self._new_epoch.is_set():
                kept = kept and self._insist(self._change_epoch)
            elif more and self._prune_is_due():
                kept = kept and self._insist(self._prune)

    def _take(self) -> tuple[list[Job], bool]:
        """The next group, and whether there may be more; an empty one when it is time to prune."""
        jobs: list[Job] = []
        try:
            job = self._jobs.get(timeout=self._patience_s())
            self.turns += 1
            while job is not None:
                jobs.append(job)
                if len(jobs) == MAX_GROUP or isinstance(job, NewEpoch):
                    return jobs, True
                job = self._jobs.get_nowait()
        except Empty:
            return jobs, True
        return jobs, False

    def _insist(self, step: Callable[[], None]) -> bool:
        """Do a step until the disk takes it, recovering before each new try; False if the stop came first."""
        delay, healthy, damaged = RETRY_FIRST_S, True, False
        while True:
            self.turns += 1
            try:
                if not healthy:
                    self._recover(damaged=damaged)
                    healthy, damaged = True, False
                step()
            except FAILURES as error:
                healthy, damaged = False, damaged or is_damage(error)
                self._say(Trouble("damage" if damaged else "disk", str(error)))
                self._intake.known = replace(self._intake.known, settled=self._settled())
                if self._stopping.wait(delay):
                    return False
                delay = min(RETRY_MAX_S, delay * 2)
            else:
                return True

    def _commit(self, jobs: list[Job]) -> None:
        self._intake.commit(self.store, jobs)
        self._say(self.quota.trouble())

    def _recover(self, *, damaged: bool) -> None:
        """Make the store what is known to be durable, or begin a new epoch. Raises one of FAILURES."""
        if self._abandoned is not None:
            self._begin(self._abandoned)
        elif damaged or not self._reopen():
            self._follow(self._intake.known)

    def _reopen(self) -> bool:
        """Open the file again; False if it is damaged, or not the one we know."""
        self.store.close()
        try:
            self.store = Store(self._path, self._names)
            self._seat.taken()
            return self.store.rewind(self._intake.known)
        except Error as error:
            if not is_damage(error):
                raise
            return False

    def _take_back(self) -> None:
        if self._seat.take_back(self.store) and not self._reopen():
            self._follow(self._intake.known)

    def _change_epoch(self) -> None:
        if self._new_epoch.is_set():
            self._follow(self.store.as_previous())
        self._say(self.quota.trouble())

    def _follow(self, previous: Previous) -> None:
        self.store.close()
        set_aside(self._path, previous.epoch or "unknown")
        self._abandoned = previous
        self._new_epoch.clear()
        self._begin(previous)

    def _begin(self, previous: Previous) -> None:
        """Begin the epoch after `previous`; tried again until it is done."""
        self.store.close()
        self.store = Store(self._path, self._names)
        self._seat.taken()
        entries = self.store.begin(previous, self._clock.now())
        self._report.epoch(self.store)
        self._abandoned = None
        self._intake.begin(self.store)
        self._report.committed(entries)

    def _open_or_set_aside(self) -> tuple[Store, bool]:
        """The journal, and whether it had to be begun anew: it was damaged, or it is gone, as its copy can tell."""
        previous = self._copy.load()
        try:
            store = Store(self._path, self._names, self._report.copying)
            if (name := name_in(store)) not in (None, self._names[:2]):
                store, self.former = leave(store, name, self._names)
                return store, False
            if store.newest or previous.epoch in (None, store.origin.epoch):
                return store, False
        except Error as error:
            if not is_damage(error):
                raise
            left = salvage(self._path)
            beside = {**previous.beside, **left.beside}
            previous = replace(left, epoch=left.epoch or previous.epoch, beside=beside)
            set_aside(self._path, previous.epoch or "damaged")
            store = Store(self._path, self._names)
        store.begin(previous, self._clock.now())
        return store, True

    def _settled(self) -> int | None:
        """What can still be learnt of it before the connection is closed."""
        try:
            return self.store.settled().through()
        except (Error, ValueError):
            return self._intake.known.settled

    def _say(self, trouble: Trouble | None) -> None:
        if trouble != self._trouble:
            self._trouble = trouble
            self._report.trouble(trouble)

    def _look_for_room(self) -> None:
        """What was just settled may make room; what waits is then written at once."""
        self._intake.measure(self.store)
        if not self.quota.full:
            self._jobs.put(nothing)
        self._say(self.quota.trouble())

    def _patience_s(self) -> float:
        """How long to wait for a job before looking after everything else."""
        if self._prune_more:
            return PRUNE_PAUSE_S
        return RETRY_MAX_S if self._intake.is_short else PRUNE_EVERY_S

    def _prune_is_due(self) -> bool:
        if self.quota.no_room:
            return False
        return self._prune_more or self._clock.mono() - self._pruned_at >= PRUNE_EVERY_S

    def _prune(self) -> None:
        """One slice; what was committed meanwhile is more urgent than the next one."""
        self._prune_more = self.quota.prune(self.store) == PRUNE_SLICE
        self._pruned_at = self._clock.mono()
        if self._keep_ms:
            self.put(Expire(self._keep_ms, self._clock, self._intake.after, self._expired))
        self._say(self.quota.trouble())

    def _expired(self, store: Store, ranges: list[Range], *, more: bool) -> None:
        store.oldest = store.bounds()[0]
        self._prune_more = self._prune_more or more
        if ranges:
            self._report.expired(ranges)
