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
from dataclasses import dataclass
from pathlib import Path

from gateway.clock import Moment
from gateway.journal.chain import require_record
from gateway.journal.marks import PREFIX, advanced, rewound
from gateway.journal.reader import Entry, Reader
from gateway.journal.ring import RING_BYTES
from gateway.journal.schema import SQLITE_ERROR, Connection, Damaged, Error, connect_writer, is_damage
from gateway.records import Draft, Lost, Ref
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

    Of a file that was a copy the end is not known: others may have come after `seq`. `marks` are how far its devices
    with a memory were heard; None: nobody has looked.
    """

    epoch: str | None = None
    seq: int | None = None
    hash: str | None = None
    settled: int | None = None
    is_copy: bool = False
    marks: Mapping[str, str] | None = None

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


class Store(Reader):
    """The one writer. `newest` and `head` follow the committed state, never a failed transaction."""

    def __init__(self, path: Path, names: tuple[str, str, str]) -> None:
        """`names` are site, gateway and time zone."""
        self._connection: Connection = connect_writer(path)
        self.path = path
        self.is_copy = False
        self.newest, self.head = 0, GENESIS
        try:
            self._look(names)
        except BaseException:
            self.close()
            raise

    def as_previous(self) -> Previous:
        """This epoch as the one after it will name it."""
        settled = self.settled().through()
        return Previous(self.origin.epoch, self.newest, self.head, settled, self.is_copy, self.marks())

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """All or nothing; on failure `newest` and `head` are as before. Raises sqlite3.Error."""
        before = (self.newest, self.head)
        try:
            self._connection.execute("BEGIN IMMEDIATE")
            yield
            self._connection.execute("COMMIT")
            self._durable = self.newest
        except BaseException:
            self.newest, self.head = before
            self._rollback()
            raise

    def append(self, drafts: Sequence[Draft], now_ms: int) -> list[Entry]:
        """Number, encode and insert; to be called inside `transaction`.

        A draft that refers to one the journal had to refuse, or that no centre would take because of its size, is
        refused: it keeps no number.
        """
        entries: list[Entry] = []
        for draft in drafts:
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
            if draft.mark is not None:
                self.keep_mark(*draft.mark)
            entries.append(Entry(draft.seq, line, now_ms))
        return entries

    def keep_mark(self, device: str, mark: str) -> None:
        """Keep how far a device was heard, as of the newest record; to be called inside `transaction`."""
        key = f"{PREFIX}{device}"
        self.remember(key, advanced(self.meta(key), self._durable, self.newest, mark))

    def remember(self, key: str, value: str) -> None:
        """Keep a value beside the records; to be called inside `transaction`."""
        self._connection.execute("INSERT OR REPLACE INTO meta VALUES (?, ?)", (key, value))

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
        if self.newest > seq:
            with self.transaction():
                self._connection.execute("DELETE FROM records WHERE seq > ?", (seq,))
                self._connection.execute("DELETE FROM open_reads WHERE seq > ?", (seq,))
                for key, kept in self._marks():
                    self.remember(key, rewound(kept, seq))
        self.checkpoint()
        self.oldest, self.newest = self.bounds()
        self.head, self._durable = known.hash or GENESIS, self.newest
        return True

    def checkpoint(self) -> None:
        """Carry what is in the log over into the file, and give the log's room back."""
        self._connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()

    def begin(self, previous: Previous, moment: Moment) -> list[Entry]:
        """Write the first record of an epoch that follows another one: it names it and says what was lost."""
        with self.transaction():
            entries = self.append([Draft(previous.loss(), moment)], moment.time_ms)
            for device, mark in (previous.marks or {}).items():
                self.keep_mark(device, mark)
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
        self._durable = self.newest
        tail = self.lines(self.newest, self.newest, 1, 1)
        self.head = line_hash(tail[0].line) if tail else GENESIS
        for entry in [*tail, *self.open_reads()]:
            require_record(entry, self.origin.epoch)
        self._compare_with_end()
        self.settled()
        self.marks()
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
