"""The journal's records on disk: append, read, settle, prune. Synchronous; the thread above owns it.

A record gets its number, its `prev` and its bytes in the transaction that makes it durable, so numbers are gapless
and the chain has no branch. Bodies are kept until they are settled and old; the newest always stays, it is the head
of the chain.
"""

from __future__ import annotations

import json
import secrets
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from gateway.clock import Moment
from gateway.errors import NotDurable
from gateway.journal.schema import Connection, Error, connect_reader, connect_writer
from gateway.records import Draft, Lost, Ref, seq_of
from gateway.spans import Range, Spans
from gateway.wire import GENESIS, Origin, encode, line_hash

FILE_NAME = "journal.sqlite"
PRUNE_SLICE = 2_000


@dataclass(frozen=True, slots=True)
class Entry:
    """A durable record: its number, its bytes, the wall clock in ms when it was committed."""

    seq: int
    line: bytes
    made_ms: int


@dataclass(frozen=True, slots=True)
class Limits:
    """How much the journal may hold, and how long settled records stay."""

    max_bytes: int
    keep_settled_ms: int


@dataclass(frozen=True, slots=True)
class Trouble:
    """Why the journal cannot keep anything now; `kind` is one of disk, damage, quota."""

    kind: str
    text: str


@dataclass(frozen=True, slots=True)
class Previous:
    """The epoch before this one, as far as it is known; `settled` is its highest contiguous settled number."""

    epoch: str | None = None
    seq: int | None = None
    hash: str | None = None
    settled: int | None = None

    def loss(self) -> Lost:
        """What the end of that epoch stands for: all that the centre had not committed of it."""
        named = {"epoch": self.epoch, "seq": self.seq, "hash": self.hash}
        first = None if self.settled is None else self.settled + 1
        return Lost(cause="damage", epoch=self.epoch, first=first, last=self.seq, previous=named)


@dataclass(frozen=True, slots=True)
class Stats:
    """Figures of the journal; sizes in bytes, `settled` the highest contiguous number."""

    epoch: str
    oldest: int
    newest: int
    held: int
    settled: int
    unsettled: int
    open_reads: int
    quarantined: int
    used_bytes: int
    head: str
    ledger: str | None


def find_journal(state_dir: Path) -> Path:
    """Where the journal of a state directory lies."""
    return state_dir / FILE_NAME


class Reader:
    """Read-only view of a journal file; safe beside the running daemon."""

    def __init__(self, path: Path) -> None:
        if not path.exists():
            raise NotDurable(
                f"{path}: there is no journal", remedy="start the daemon once, or name its configuration with -c"
            )
        self._connection = connect_reader(path)

    def close(self) -> None:
        """Release the file."""
        self._connection.close()

    def meta(self, key: str) -> str | None:
        """One remembered value."""
        row = self._connection.execute("SELECT value FROM meta WHERE key=?", (key,)).fetchone()
        return None if row is None else str(row[0])

    def bounds(self) -> Range:
        """Oldest body held and newest; (1, 0) while there is none."""
        oldest, newest = self._connection.execute("SELECT min(seq), max(seq) FROM records").fetchone()
        return (1, 0) if newest is None else (int(oldest), int(newest))

    def lines(self, first: int, last: int, max_records: int, max_bytes: int) -> list[Entry]:
        """Records `first` to `last`, at most `max_records` and about `max_bytes` (at least one)."""
        entries: list[Entry] = []
        rows = self._connection.execute(
            "SELECT seq, line, made_ms FROM records WHERE seq BETWEEN ? AND ? ORDER BY seq LIMIT ?",
            (first, last, max_records),
        )
        for seq, line, made_ms in rows:
            max_bytes -= len(line)
            if entries and max_bytes < 0:
                break
            entries.append(Entry(seq, bytes(line), made_ms))
        return entries

    def open_reads(self) -> list[Entry]:
        """Reads that pairing has not closed."""
        rows = self._connection.execute(
            "SELECT r.seq, r.line, r.made_ms FROM open_reads o JOIN records r ON r.seq = o.seq ORDER BY r.seq"
        )
        return [Entry(seq, bytes(line), made_ms) for seq, line, made_ms in rows]

    def quarantine(self) -> list[tuple[int, str, int]]:
        """Records the centre refused: seq, reason, when (ms)."""
        return self._connection.execute("SELECT seq, reason, at_ms FROM quarantine ORDER BY seq").fetchall()

    def settled(self) -> Spans:
        """What the centre has committed, as last remembered."""
        return Spans((first, last) for first, last in json.loads(self.meta("settled") or "[]"))

    def used_bytes(self) -> int:
        """Bytes of pages in use; free pages inside the file do not count."""
        (pages,) = self._connection.execute("PRAGMA page_count").fetchone()
        (free,) = self._connection.execute("PRAGMA freelist_count").fetchone()
        (size,) = self._connection.execute("PRAGMA page_size").fetchone()
        return int((pages - free) * size)

    def stats(self) -> Stats:
        """Everything `journal stats` says, in one consistent read."""
        with self._snapshot():
            oldest, newest = self.bounds()
            settled = self.settled()
            tail = self.lines(newest, newest, 1, 1)
            count = self._connection.execute
            return Stats(
                epoch=self.meta("epoch") or "",
                oldest=oldest,
                newest=newest,
                held=count("SELECT count(*) FROM records").fetchone()[0],
                settled=settled.through(),
                unsettled=sum(last - first + 1 for first, last in settled.gaps(oldest, newest)),
                open_reads=count("SELECT count(*) FROM open_reads").fetchone()[0],
                quarantined=count("SELECT count(*) FROM quarantine").fetchone()[0],
                used_bytes=self.used_bytes(),
                head=line_hash(tail[0].line) if tail else GENESIS,
                ledger=self.meta("ledger"),
            )

    @contextmanager
    def _snapshot(self) -> Iterator[None]:
        self._connection.execute("BEGIN")
        try:
            yield
        finally:
            self._connection.execute("COMMIT")


class Store(Reader):
    """The one writer. `newest` and `head` follow the committed state, never a failed transaction."""

    def __init__(self, path: Path, names: tuple[str, str, str]) -> None:
        """`names` are site, gateway and time zone."""
        self._connection: Connection = connect_writer(path)
        self.path = path
        self.newest, self.head = 0, GENESIS
        self.created = self.meta("epoch") is None
        if self.created:
            self._mint()
        self.origin = Origin(*names, self.meta("epoch") or "")
        self.oldest, self.newest = self.bounds()
        tail = self.lines(self.newest, self.newest, 1, 1)
        self.head = line_hash(tail[0].line) if tail else GENESIS

    def as_previous(self) -> Previous:
        """This epoch as the one after it will name it."""
        return Previous(self.origin.epoch, self.newest, self.head, self.settled().through())

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """All or nothing; on failure `newest` and `head` are as before. Raises sqlite3.Error."""
        before = (self.newest, self.head)
        try:
            self._connection.execute("BEGIN IMMEDIATE")
            yield
            self._connection.execute("COMMIT")
        except BaseException:
            self.newest, self.head = before
            self._rollback()
            raise

    def append(self, drafts: Sequence[Draft], now_ms: int) -> list[Entry]:
        """Number, encode and insert; to be called inside `transaction`.

        A draft that refers to one the journal had to refuse is refused too: it keeps no number.
        """
        entries: list[Entry] = []
        for draft in drafts:
            draft.seq = self.newest + 1
            try:
                line = encode(draft, self.origin, self.head)
            except LookupError:
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

    def refuse(self, seq: int, reason: str, now_ms: int) -> None:
        """Put a record the centre refused into quarantine; its body stays."""
        self._connection.execute("INSERT OR REPLACE INTO quarantine VALUES (?, ?, ?)", (seq, reason, now_ms))

    def prune(self, made_before_ms: int) -> int:
        """Delete one slice of settled bodies older than that; returns how many went. Opens its own transaction."""
        settled = min(self.settled().through(), self.newest - 1)
        with self.transaction():
            cursor = self._connection.execute(
                "DELETE FROM records WHERE seq IN (SELECT seq FROM records WHERE seq <= ? AND made_ms < ?"
                " AND seq NOT IN (SELECT seq FROM quarantine) AND seq NOT IN (SELECT seq FROM open_reads)"
                " ORDER BY seq LIMIT ?)",
                (settled, made_before_ms, PRUNE_SLICE),
            )
        self.oldest = self.bounds()[0]
        return cursor.rowcount

    def begin(self, previous: Previous, moment: Moment) -> list[Entry]:
        """Write the first record of an epoch that follows another one: it names it and says what was lost."""
        with self.transaction():
            return self.append([Draft(previous.loss(), moment)], moment.time_ms)

    def _mint(self) -> None:
        with self.transaction():
            self.remember("epoch", secrets.token_hex(8))

    def _note_reads(self, opened: int | None, closed: tuple[Ref, ...]) -> None:
        if opened is not None:
            self._connection.execute("INSERT INTO open_reads VALUES (?)", (opened,))
        for ref in closed:
            self._connection.execute("DELETE FROM open_reads WHERE seq=?", (seq_of(ref),))

    def _rollback(self) -> None:
        try:
            if self._connection.in_transaction:
                self._connection.execute("ROLLBACK")
        except Error:
            self._connection.interrupt()
