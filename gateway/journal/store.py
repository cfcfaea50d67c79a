"""The journal's records on disk: append, settle, prune. Synchronous; the thread above owns it.

A record gets its number, its `prev` and its bytes in the transaction that makes it durable, so numbers are gapless
and the chain has no branch. Bodies are kept until they are settled and old; the newest always stays, it is the head
of the chain.
"""

from __future__ import annotations

import json
import secrets
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from gateway.clock import Moment
from gateway.journal.chain import require_record
from gateway.journal.marks import PREFIX, filed, is_beside, marks_in, resolved
from gateway.journal.reader import Entry, Reader
from gateway.journal.ring import RING_BYTES
from gateway.journal.schema import SQLITE_ERROR, Connection, Damaged, Error, Progress, connect_writer, is_damage, mute
from gateway.records import Body, Draft, Heard, Item, Lost, Notice, Ref
from gateway.wire import GENESIS, MAX_LINE_BYTES, Origin, encode, line_hash

PRUNE_SLICE = 2_000
SIGNED_OFF = "end"


@dataclass(frozen=True, slots=True)
class Limits:
    """How much the journal may hold, how long settled records stay, the size of the emergency ring, and how long any
    record stays (0: no limit)."""

    max_bytes: int
    keep_settled_ms: int
    ring_bytes: int = RING_BYTES
    keep_ms: int = 0


@dataclass(frozen=True, slots=True)
class Trouble:
    """Why the journal cannot keep anything now; `kind` is one of disk, damage, quota."""

    kind: str
    text: str


@dataclass(frozen=True, slots=True)
class Previous:
    """The epoch before this one, as far as it is known; `settled` is its highest contiguous settled number.

    Of a file that was a copy the end is not known: others may have come after `seq`. `beside` is what is as old as
    its records (see marks): of a file that cannot be read any more it may be older than they were.
    """

    epoch: str | None = None
    seq: int | None = None
    hash: str | None = None
    settled: int | None = None
    is_copy: bool = False
    beside: Mapping[str, str] = field(default_factory=dict)

    def loss(self) -> Lost:
        """What the end of that epoch stands for: all that the centre had not committed of it."""
        named = {"epoch": self.epoch, "seq": self.seq, "hash": self.hash}
        if self.settled is None or self.seq is None:
            first = None if self.settled is None else self.settled + 1
            return Lost(cause="damage", epoch=self.epoch, first=first, last=self.seq, previous=named)
        count = max(0, self.seq - self.settled)
        span = (self.settled + 1, self.seq) if count else (None, None)
        known = None if self.is_copy else count
        return Lost(cause="damage", epoch=self.epoch, first=span[0], last=span[1], count=known, previous=named)

    def doubt(self) -> Notice | None:
        """Where its end is not known: the devices of which a mark is known, older perhaps than what was told last."""
        if self.seq is not None and not self.is_copy:
            return None
        return Notice(kind="journal.marks", details={"devices": sorted(marks_in(self.beside))})


class Store(Reader):
    """The one writer. `newest`, `head` and `kept_beside` follow the committed state, never a failed transaction."""

    def __init__(self, path: Path, names: tuple[str, str, str], copying: Progress = mute) -> None:
        """`names` are site, gateway and time zone; `copying`: see `connect_writer`."""
        self._connection: Connection = connect_writer(path, copying)
        self.path = path
        self.is_copy = False
        self.newest, self.head = 0, GENESIS
        self.kept_beside: dict[str, str] = {}
        try:
            self._look(names)
        except BaseException:
            self.close()
            raise

    def as_previous(self) -> Previous:
        """This epoch as the one after it will name it."""
        settled = self.settled().through()
        return Previous(self.origin.epoch, self.newest, self.head, settled, self.is_copy, self.kept_beside)

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """All or nothing; on failure `newest` and `head` are as before. Raises sqlite3.Error."""
        before = (self.newest, self.head, self.kept_beside)
        try:
            self._connection.execute("BEGIN IMMEDIATE")
            yield
            self._connection.execute("COMMIT")
        except BaseException:
            self.newest, self.head, self.kept_beside = before
            self._rollback()
            raise

    def append(self, items: Sequence[Item], now_ms: int) -> list[Entry]:
        """Number, encode and insert, keep marks; to be called inside `transaction`.

        A draft that refers to one the journal had to refuse, or that no centre would take because of its size, is
        refused: it keeps no number.
        """
        entries: list[Entry] = []
        for draft in items:
            if isinstance(draft, Heard):
                self.remember(f"{PREFIX}{draft.device}", filed(self.newest, draft.mark))
                continue
            draft.seq = self.newest + 1
            try:
                line = encode(draft, self.origin, self.head)
            except LookupError:
                line = b""
            if not 0 < len(line) <= MAX_LINE_BYTES:
                draft.seq = None
                continue
            self._connection.execute("INSERT INTO records VALUES (?, ?, ?)", (draft.seq, now_ms, line))
            self._note_reads(draft.seq if draft.opens else None, draft.closes)
            self.newest, self.head = draft.seq, line_hash(line)
            entries.append(Entry(draft.seq, line, now_ms))
        return entries

    def remember(self, key: str, value: str) -> None:
        """Keep a value beside the records; to be called inside `transaction`."""
        self._connection.execute("INSERT OR REPLACE INTO meta VALUES (?, ?)", (key, value))
        if is_beside(key):
            self.kept_beside = {**self.kept_beside, key: value}

    def refuse(self, seq: int, reason: str, now_ms: int) -> None:
        """Put a record the centre refused into quarantine, the first reason counts; its body stays.

        One that was given up is declared lost: it does not come back, however often it is refused.
        """
        if str(seq) not in self.dropped():
            self._connection.execute("INSERT OR IGNORE INTO quarantine VALUES (?, ?, ?)", (seq, reason, now_ms))

    def release(self, seq: int) -> bool:
        """Take a record out of quarantine; False if it is not there."""
        return self._connection.execute("DELETE FROM quarantine WHERE seq=?", (seq,)).rowcount == 1

    def drop(self, seq: int, now_ms: int) -> bool:
        """Give a record in quarantine up; what is known of it is kept. False if it is not there."""
        known = {number: (reason, at_ms) for number, reason, at_ms in self.quarantine()}
        if seq not in known:
            return False
        story = {"reason": known[seq][0], "refused_ms": known[seq][1], "dropped_ms": now_ms}
        self.remember("dropped", json.dumps(self.dropped() | {str(seq): story}, ensure_ascii=False))
        return self.release(seq)

    def bury(self, seq: int, hash_: str) -> None:
        """Leave a tombstone; to be called inside `transaction`."""
        self._connection.execute("INSERT OR REPLACE INTO tombstones VALUES (?, ?)", (seq, bytes.fromhex(hash_)))

    def forget(self, seqs: Sequence[int]) -> None:
        """Delete bodies and all that waits for them; to be called inside `transaction`."""
        for table in ("records", "open_reads", "quarantine"):
            self._connection.executemany(f"DELETE FROM {table} WHERE seq=?", [(seq,) for seq in seqs])

    def prune(self, made_before_ms: int) -> int:
        """Delete one slice of settled bodies older than that; returns how many went. Opens its own transaction.

        Only the lowest slice is looked at: a week of settled records must not be scanned each minute.
        """
        settled = min(self.settled().through(), self.newest - 1)
        with self.transaction():
            cursor = self._connection.execute(
                "DELETE FROM records WHERE seq IN (SELECT seq FROM (SELECT seq, made_ms FROM records WHERE seq <= ?"
                " AND seq NOT IN (SELECT seq FROM quarantine) AND seq NOT IN (SELECT seq FROM open_reads)"
                " ORDER BY seq LIMIT ?) WHERE made_ms < ?)",
                (settled, PRUNE_SLICE, made_before_ms),
            )
        self.oldest = self.bounds()[0]
        return cursor.rowcount

    def rewind(self, known: Previous) -> bool:
        """After a failed commit: take back what it may have left behind; False if this is not the file we know.

        The checkpoint writes what the failed sync may have left in memory only once more, to another place.
        """
        seq = known.seq or 0
        tail = self.lines(seq, seq, 1, 1)
        if (self.origin.epoch, line_hash(tail[0].line) if tail else GENESIS) != (known.epoch, known.hash):
            return False
        if self.newest > seq or self.kept_beside != known.beside:
            with self.transaction():
                self._connection.execute("DELETE FROM records WHERE seq > ?", (seq,))
                self._connection.execute("DELETE FROM open_reads WHERE seq > ?", (seq,))
                for key in self.kept_beside:
                    self._connection.execute("DELETE FROM meta WHERE key=?", (key,))
                self.kept_beside = {}
                for key, value in known.beside.items():
                    self.remember(key, value)
        self.checkpoint()
        self.oldest, self.newest = self.bounds()
        self.head = known.hash or GENESIS
        return True

    def checkpoint(self) -> None:
        """Carry what is in the log over into the file, and give the log's room back."""
        self._connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()

    def begin(self, previous: Previous, moment: Moment) -> list[Entry]:
        """Write the first records of an epoch that follows another one: it is named, what was lost of it is said,
        and of which devices nobody is sure how far they were heard. What was kept beside its records is taken over.
        """
        bodies: list[Body] = [previous.loss(), *filter(None, [previous.doubt()])]
        with self.transaction():
            entries = self.append([Draft(body, moment) for body in bodies], moment.time_ms)
            for key, value in previous.beside.items():
                self.remember(key, value)
            return entries

    def sign_off(self) -> None:
        """Note the end of the chain for the next start: the last line has none behind it to speak for it."""
        with self.transaction():
            self.remember(SIGNED_OFF, json.dumps([self.newest, self.head]))

    def _look(self, names: tuple[str, str, str]) -> None:
        """Read all that a start needs, so that damage shows here, where the file can still be set aside."""
        try:
            self._look_closely(names)
        except (ValueError, TypeError, LookupError, ArithmeticError) as error:
            raise Damaged(f"{type(error).__name__}: {error}") from error
        except Error as error:
            if is_damage(error) or getattr(error, "sqlite_errorcode", SQLITE_ERROR) & 0xFF != SQLITE_ERROR:
                raise
            raise Damaged(str(error)) from error

    def _look_closely(self, names: tuple[str, str, str]) -> None:
        self.created = self.meta("epoch") is None
        if self.created:
            self._mint()
        self.origin = Origin(*names, self.meta("epoch") or "")
        self.oldest, self.newest = self.bounds()
        tail = self.lines(self.newest, self.newest, 1, 1)
        self.head = line_hash(tail[0].line) if tail else GENESIS
        for entry in [*tail, *self.open_reads()]:
            require_record(entry, self.origin.epoch)
        self._compare_with_end()
        self.settled()
        self.kept_beside = self.beside()
        self._settle_marks()
        self.expired()
        self.quarantine()
        self.dropped()
        json.loads(self.meta("refused") or "{}")
        int(self.meta("receipt") or 0)

    def _compare_with_end(self) -> None:
        seq, head = json.loads(self.meta(SIGNED_OFF) or f'[0, "{GENESIS}"]')
        then = self.lines(seq, seq, 1, 1)
        if self.newest < seq or (then and line_hash(then[0].line) != head):
            raise Damaged(f"the journal ended with record {seq}, hash {head}")

    def _mint(self) -> None:
        with self.transaction():
            self.remember("epoch", secrets.token_hex(8))

    def _settle_marks(self) -> None:
        """Which of two marks of an earlier version counts is known now, before another record is written."""
        marks_in(self.kept_beside)
        now = resolved(self.kept_beside, self.newest)
        if now != self.kept_beside:
            with self.transaction():
                for key, value in now.items():
                    self.remember(key, value)

    def _note_reads(self, opened: int | None, closed: tuple[Ref, ...]) -> None:
        if opened is not None:
            self._connection.execute("INSERT INTO open_reads VALUES (?)", (opened,))
        for ref in closed:
            seq = ref.seq if isinstance(ref, Draft) else ref
            self._connection.execute("DELETE FROM open_reads WHERE seq=?", (seq,))

    def _rollback(self) -> None:
        try:
            if self._connection.in_transaction:
                self._connection.execute("ROLLBACK")
        except Error:
            self._connection.interrupt()
