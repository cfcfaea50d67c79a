"""The journal as the loop sees it: append without waiting, be told what became durable, read slices back.

`append` only queues; `on_committed` is called on the loop, in order, with exactly what is on disk now. Nothing else
may be published.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from gateway.clock import Clock
from gateway.errors import NotDurable
from gateway.journal.chain import require_chain
from gateway.journal.intake import Callbacks
from gateway.journal.ladder import Level, Room
from gateway.journal.overflow import Waiting
from gateway.journal.reader import Entry, Reader, find_journal
from gateway.journal.schema import Error, is_damage
from gateway.journal.store import Limits, Store, Trouble
from gateway.journal.writer import Writer
from gateway.records import Draft
from gateway.spans import Range, Spans

STOP_TIMEOUT_S = 3.0
LOSSES_MAX = 400


@dataclass(frozen=True, slots=True)
class Opened:
    """An epoch as it was found: bounds, chain head, what is settled, reads left open, its newest record, what went
    because it was too old, how far devices with a memory were heard."""

    epoch: str
    oldest: int
    newest: int
    head: str
    settled: Spans
    ledger: str | None
    receipt: int
    open_reads: list[Entry]
    last: Entry | None
    expired: Spans
    marks: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Listeners:
    """Called on the loop: what became durable, trouble or its end, a new epoch, how full the journal is when that has
    changed, reads that an earlier run left open in the emergency ring, and what went because it was too old."""

    committed: Callable[[list[Entry]], None]
    trouble: Callable[[Trouble | None], None]
    epoch: Callable[[Opened], None]
    level: Callable[[Level, Room], None] = lambda level, room: None
    left_open: Callable[[list[Entry]], None] = lambda entries: None
    expired: Callable[[list[Range]], None] = lambda ranges: None


@dataclass(frozen=True, slots=True)
class Fullness:
    """How full the journal is, and what waits in the emergency ring for a number."""

    level: Level
    room: Room
    waiting: Waiting


class Journal:
    """One gateway's records; `names` are site, gateway and time zone."""

    def __init__(self, state_dir: Path, names: tuple[str, str, str], limits: Limits, clock: Clock) -> None:
        self.path = find_journal(state_dir)
        self.found_damaged = False
        self._names = names
        self._limits = limits
        self._clock = clock
        self._pool = ThreadPoolExecutor(1, thread_name_prefix="journal-read")
        self._reader: Reader | None = None

    def open(self, listeners: Listeners) -> Opened:
        """Open or create the file and start the thread; to be called on the loop. Raises NotDurable."""
        self._loop = asyncio.get_running_loop()
        self._listeners = listeners
        report = Callbacks(
            committed=self._on_committed,
            trouble=self._on_trouble,
            epoch=self._on_epoch,
            died=self._on_death,
            level=lambda level, room: self._tell(lambda _: listeners.level(level, room), None),
            left_open=lambda entries: self._tell(listeners.left_open, entries),
            expired=lambda ranges: self._tell(listeners.expired, ranges),
        )
        try:
            self._writer = Writer(self.path, self._names, self._limits, self._clock, report)
        except (Error, OSError) as error:
            raise NotDurable(
                f"{self.path}: journal cannot be opened: {error}",
                remedy="see that the state directory exists, belongs to the daemon's user and has room",
            ) from error
        self.found_damaged = self._writer.found_damaged
        opened = describe(self._writer.store)
        self._epoch = opened.epoch
        self._writer.start()
        return opened

    def append(self, drafts: Sequence[Draft]) -> None:
        """Make `drafts` durable in one transaction, soon; never blocks."""
        if drafts:
            self._writer.append(list(drafts))

    def when_durable(self, then: Callable[[], None]) -> None:
        """Call `then` on the loop when all that was appended so far is durable, in the journal or in the ring."""
        self._writer.when_durable(lambda: self._tell(lambda _: then(), None))

    @property
    def oldest(self) -> int:
        """The oldest body held."""
        return self._writer.store.oldest

    def fullness(self) -> Fullness:
        """As it was measured last, some seconds ago."""
        quota = self._writer.quota
        return Fullness(quota.level, quota.room, self._writer.overflow.waiting())

    def waiting(self) -> int:
        """How many calls of `append` and `settle` the thread has not taken up yet."""
        return self._writer.waiting()

    def pulse(self) -> int:
        """A number that rises between two calls as long as the thread does not stand still."""
        return self._writer.pulse()

    def settle(self, settled: Spans, ledger: str | None, receipt: int) -> None:
        """Remember what the centre has committed."""
        values = {"settled": json.dumps(list(settled)), "ledger": ledger or "", "receipt": str(receipt)}

        def keep(store: Store) -> None:
            for key, value in values.items():
                store.remember(key, value)

        self._put_for_epoch(keep)

    def keep_mark(self, device: str, mark: str) -> None:
        """Remember how far a device was heard, where no record comes with it."""
        self._put_for_epoch(lambda store: store.keep_mark(device, mark))

    def refuse(self, refused: Sequence[tuple[int, str]]) -> None:
        """Put records the centre refused into quarantine: pairs of seq and reason."""
        pairs = list(refused)

        def keep(store: Store) -> None:
            for seq, reason in pairs:
                store.refuse(seq, reason, self._clock.unix_ms())

        self._put_for_epoch(keep)

    async def carry_out(self, job: Callable[[Store], list[Entry]]) -> bool:
        """Run `job` in a transaction of this epoch; False if it is not durable yet after STOP_TIMEOUT_S."""
        epoch = self._epoch
        done = asyncio.Event()
        self._writer.when_committed(
            lambda store: job(store) if store.origin.epoch == epoch else [],
            lambda: self._tell(lambda _: done.set(), None),
        )
        return await _happens(done)

    def begin_epoch(self) -> None:
        """Set this file aside and begin a new epoch: for a journal that is proved to be a copy (cloned card)."""
        self._writer.begin_epoch(self._epoch, is_copy=True)

    async def read(self, first: int, last: int, max_records: int, max_bytes: int) -> list[Entry]:
        """Durable records `first` to `last`, cut to the limits; never blocks the loop. Raises NotDurable."""
        return await self._loop.run_in_executor(self._pool, self._read, first, last, max_records, max_bytes)

    async def tombstone(self, epoch: str, seq: int) -> str | None:
        """What is left of an expired record, its hash; None if this file has none, or is of another epoch by now."""
        return await self._loop.run_in_executor(self._pool, self._tombstone, epoch, seq)

    async def flush(self) -> bool:
        """Wait until all that was appended is durable; gives up after STOP_TIMEOUT_S, and returns False then."""
        done = asyncio.Event()
        self.when_durable(done.set)
        return await _happens(done)

    async def close(self) -> None:
        """Commit what is queued, close the file."""
        self._writer.stop()
        await self._loop.run_in_executor(self._pool, self._writer.join, STOP_TIMEOUT_S)
        self._pool.shutdown(wait=False)
        self._close_reader()

    def _put_for_epoch(self, keep: Callable[[Store], None]) -> None:
        """Queue what is true of this epoch only: said of the one after it, it would settle what nobody has."""
        epoch = self._epoch

        def job(store: Store) -> list[Entry]:
            if store.origin.epoch == epoch:
                keep(store)
            return []

        self._writer.put(job)

    def _read(self, first: int, last: int, max_records: int, max_bytes: int) -> list[Entry]:
        try:
            if self._reader is None:
                self._reader = Reader(self.path)
            entries = self._reader.lines(first, last, max_records, max_bytes)
            require_chain(
                entries, self._reader.lines(entries[-1].seq + 1, entries[-1].seq + 1, 1, 1) if entries else []
            )
            return entries
        except Error as error:
            self._close_reader()
            if is_damage(error):
                self._writer.begin_epoch(self._epoch)
            raise NotDurable(f"{self.path}: cannot be read: {error}") from error

    def _tombstone(self, epoch: str, seq: int) -> str | None:
        with contextlib.suppress(Error):
            if self._reader is not None and self._reader.meta("epoch") == epoch:
                return self._reader.tombstone(seq)
        return None

    def _close_reader(self) -> None:
        if self._reader is not None:
            self._reader.close()
            self._reader = None

    def _on_committed(self, entries: list[Entry]) -> None:
        self._tell(self._listeners.committed, entries)

    def _on_trouble(self, trouble: Trouble | None) -> None:
        self._tell(self._listeners.trouble, trouble)

    def _on_epoch(self, store: Store) -> None:
        self._tell(self._enter_epoch, describe(store))

    def _on_death(self, error: BaseException) -> None:
        """A bug in the thread is a bug of the process: nothing would be kept from now on."""
        self._tell(_raise, error)

    def _tell(self, listener: Callable[[Any], None], what: object) -> None:
        with contextlib.suppress(RuntimeError):  # the loop is closed: the daemon has ended, nobody listens
            self._loop.call_soon_threadsafe(listener, what)

    def _enter_epoch(self, opened: Opened) -> None:
        self._epoch = opened.epoch
        self._pool.submit(self._close_reader)
        self._listeners.epoch(opened)


async def _happens(event: asyncio.Event) -> bool:
    """Whether it does within STOP_TIMEOUT_S."""
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(STOP_TIMEOUT_S):
            await event.wait()
    return event.is_set()


def _raise(error: BaseException) -> None:
    raise error


def _witness(store: Store) -> Entry | None:
    """The newest record that proves when an earlier run was there: a loss may have been declared by this one."""
    with contextlib.suppress(Error):
        for seq in range(store.newest, max(0, store.newest - LOSSES_MAX), -1):
            for entry in store.lines(seq, seq, 1, 1):
                if b"punchgate.records.lost.v1" not in entry.line:
                    return entry
    return None


def describe(store: Store) -> Opened:
    """What an open store holds."""
    return Opened(
        epoch=store.origin.epoch,
        oldest=store.oldest,
        newest=store.newest,
        head=store.head,
        settled=store.settled(),
        ledger=store.meta("ledger") or None,
        receipt=int(store.meta("receipt") or 0),
        open_reads=store.open_reads(),
        last=_witness(store),
        expired=store.expired(),
        marks=store.marks(),
    )
