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
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gateway.clock import Clock
from gateway.errors import NotDurable
from gateway.journal.chain import require_chain
from gateway.journal.former import Former
from gateway.journal.intake import Callbacks
from gateway.journal.ladder import Level, Room
from gateway.journal.opened import Opened, describe
from gateway.journal.overflow import Waiting
from gateway.journal.reader import Entry, Reader, find_journal
from gateway.journal.schema import Error, Progress, is_damage, mute
from gateway.journal.store import Limits, Store, Trouble
from gateway.journal.writer import Writer
from gateway.records import Draft, Item
from gateway.spans import Range, Spans

STOP_TIMEOUT_S = 3.0


@dataclass(frozen=True, slots=True)
class Listeners:
    """Called on the loop: what became durable, trouble or its end, a new epoch, how full the journal is when that has
    changed, reads that an earlier run left open in the emergency ring, and what went because it was too old.

    `copying` is called by `open`, while a journal of an older release is copied before it is taken over.
    """

    committed: Callable[[list[Entry]], None]
    trouble: Callable[[Trouble | None], None]
    epoch: Callable[[Opened], None]
    level: Callable[[Level, Room], None] = lambda level, room: None
    left_open: Callable[[list[Entry]], None] = lambda entries: None
    expired: Callable[[list[Range]], None] = lambda ranges: None
    copying: Progress = mute


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
        self.former: Former | None = None
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
            copying=listeners.copying,
        )
        try:
            self._writer = Writer(self.path, self._names, self._limits, self._clock, report)
        except (Error, OSError) as error:
            raise NotDurable(
                f"{self.path}: journal cannot be opened: {error}",
                remedy="see that the state directory exists, belongs to the daemon's user and has room",
            ) from error
        self.found_damaged, self.former = self._writer.found_damaged, self._writer.former
        opened = self._describe(self._writer.store)
        self._epoch = opened.epoch
        self._writer.start()
        return opened

    def append(self, items: Sequence[Item]) -> None:
        """Make drafts, and how far devices were heard, durable in one transaction, in order, soon; never blocks."""
        if items:
            self._writer.append(list(items))

    def when_durable(self, then: Callable[[], None]) -> None:
        """Call `then` on the loop when all that was appended so far is durable, in the journal or in the ring."""
        self._writer.when_durable(lambda: self._tell(lambda _: then(), None))

    def when_taken(self, drafts: Sequence[Draft], then: Callable[[bool], None]) -> None:
        """Call `then` on the loop when it is certain what became of these, appended before: True if all are durable,
        in the journal or in the ring, False if one was refused.
        """
        asked = list(drafts)
        self._writer.when_durable(lambda: self._tell(then, all(draft.is_taken for draft in asked)))

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
            if self._reader is not None and not self._reader.is_of_now:
                self._close_reader()
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
        self._tell(self._enter_epoch, self._describe(store))

    def _describe(self, store: Store) -> Opened:
        return describe(store, self._writer.overflow.marks())

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
