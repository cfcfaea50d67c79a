"""The journal's records as anybody may read them, beside the running daemon: slices, bounds, figures."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gateway.errors import NotDurable
from gateway.journal.ladder import Room, free_bytes
from gateway.journal.marks import is_beside, marks_in, resolved
from gateway.journal.schema import TOMBSTONES_SINCE, Damaged, connect_reader, copy_to, usable_since
from gateway.spans import Range, Spans
from gateway.wire import GENESIS, line_hash

FILE_NAME = "journal.sqlite"


@dataclass(frozen=True, slots=True)
class Entry:
    """A durable record: its number, its bytes, the wall clock in ms when it was committed."""

    seq: int
    line: bytes
    made_ms: int


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
    expired: int
    used_bytes: int
    head: str
    ledger: str | None


def file_id(path: Path) -> tuple[int, int] | None:
    """Which file has this name now; None: none that can be seen."""
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_dev, found.st_ino


def find_journal(state_dir: Path) -> Path:
    """Where the journal of a state directory lies."""
    return state_dir / FILE_NAME


class Reader:
    """Read-only view of a journal file; safe beside the running daemon."""

    def __init__(self, path: Path) -> None:
        try:
            path.stat()
        except (FileNotFoundError, NotADirectoryError) as error:
            raise NotDurable(
                f"{path}: there is no journal", remedy="start the daemon once, or name its configuration with -c"
            ) from error
        except OSError as error:
            raise NotDurable(f"{path}: {error.strerror}", remedy="ask as root or as the daemon's user") from error
        self.path = path
        self._file = file_id(path)
        self._connection = connect_reader(path)

    @property
    def is_of_now(self) -> bool:
        """Whether the file that is open still has its name."""
        return file_id(self.path) == self._file

    def close(self) -> None:
        """Release the file."""
        self._connection.close()

    def meta(self, key: str) -> str | None:
        """One remembered value."""
        row = self._connection.execute("SELECT value FROM meta WHERE key=?", (key,)).fetchone()
        return None if row is None else str(row[0])

    def bounds(self) -> Range:
        """Oldest body held and newest; (1, 0) while there is none."""
        oldest, newest = self._connection.execute(
            "SELECT (SELECT min(seq) FROM records), (SELECT max(seq) FROM records)"
        ).fetchone()
        return (1, 0) if newest is None else (int(oldest), int(newest))

    def lines(self, first: int, last: int, max_records: int, max_bytes: int) -> list[Entry]:
        """Records `first` to `last`, at most `max_records` and about `max_bytes` (at least one)."""
        entries: list[Entry] = []
        rows = self._connection.execute(
            "SELECT seq, line, made_ms FROM records WHERE seq BETWEEN ? AND ? ORDER BY seq LIMIT ?",
            (first, last, max_records),
        )
        for row in rows:
            entry = _entry(*row)
            max_bytes -= len(entry.line)
            if entries and max_bytes < 0:
                break
            entries.append(entry)
        return entries

    def open_reads(self) -> list[Entry]:
        """Reads that pairing has not closed."""
        rows = self._connection.execute(
            "SELECT seq, line, made_ms FROM records WHERE seq IN (SELECT seq FROM open_reads) ORDER BY seq"
        )
        return [_entry(*row) for row in rows]

    def quarantine(self) -> list[tuple[int, str, int]]:
        """Records the centre refused: seq, reason, when (ms)."""
        return self._connection.execute("SELECT seq, reason, at_ms FROM quarantine ORDER BY seq").fetchall()

    def dropped(self) -> dict[str, dict[str, Any]]:
        """Refused records that were given up, by seq: `reason`, `refused_ms`, `dropped_ms`."""
        story: dict[str, dict[str, Any]] = json.loads(self.meta("dropped") or "{}")
        return story

    def expired(self) -> Spans:
        """The records that went unsettled, because they were too old to be kept."""
        return Spans((seq, seq) for (seq,) in self._tombstones("SELECT seq FROM tombstones ORDER BY seq"))

    def marks(self) -> dict[str, str]:
        """How far each device with a memory was heard, in its driver's own words."""
        return marks_in(resolved(self.beside(), self.bounds()[1]))

    def beside(self) -> dict[str, str]:
        """What is as old as the records: see marks."""
        rows = self._connection.execute("SELECT key, value FROM meta")
        return {str(key): str(value) for key, value in rows if is_beside(str(key))}

    def tombstone(self, seq: int) -> str | None:
        """The hash of such a record."""
        return next(
            (found.hex() for (found,) in self._tombstones(f"SELECT hash FROM tombstones WHERE seq={seq:d}")), None
        )

    def made(self, last: int, most: int) -> list[tuple[int, int]]:
        """The lowest records up to `last`, at most `most`: seq and when committed (ms)."""
        return self._connection.execute(
            "SELECT seq, made_ms FROM records WHERE seq <= ? ORDER BY seq LIMIT ?", (last, most)
        ).fetchall()

    def missing(self, first: int, last: int) -> list[Range]:
        """The records of `first` to `last` whose bodies are not held."""
        span = (first, last)
        (held,) = self._connection.execute("SELECT count(*) FROM records WHERE seq BETWEEN ? AND ?", span).fetchone()
        if held == last - first + 1:
            return []
        rows = self._connection.execute("SELECT seq FROM records WHERE seq BETWEEN ? AND ? ORDER BY seq", span)
        return Spans((seq, seq) for (seq,) in rows).gaps(first, last)

    def settled(self) -> Spans:
        """What the centre has committed, as last remembered."""
        return Spans((first, last) for first, last in json.loads(self.meta("settled") or "[]"))

    def used_bytes(self) -> int:
        """Bytes of pages in use; free pages inside the file do not count."""
        return self.page_bytes()[0]

    def room(self, max_bytes: int) -> Room:
        """How full the journal is, if it may have `max_bytes`."""
        used, free = self.page_bytes()
        return Room(used, free + free_bytes(self.path.parent), max_bytes)

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
                expired=len(self.expired()),
                used_bytes=self.used_bytes(),
                head=line_hash(tail[0].line) if tail else GENESIS,
                ledger=self.meta("ledger"),
            )

    def page_bytes(self) -> tuple[int, int]:
        """Bytes of pages in use, and of free ones inside the file."""
        (pages,) = self._connection.execute("PRAGMA page_count").fetchone()
        (free,) = self._connection.execute("PRAGMA freelist_count").fetchone()
        (size,) = self._connection.execute("PRAGMA page_size").fetchone()
        return int((pages - free) * size), int(free * size)

    def version(self) -> int:
        """The version of its schema."""
        (version,) = self._connection.execute("PRAGMA user_version").fetchone()
        return int(version)

    def usable_since(self) -> int:
        """The oldest schema whose releases may write it."""
        return usable_since(self._connection)

    def copy_to(self, target: Path, progress: Callable[[int, int], None]) -> None:
        """Copy the whole journal as it is now into one file that needs no other; see `schema.copy_to`."""
        with self._snapshot():
            self.bounds()
            copy_to(self._connection, target, progress)

    def _tombstones(self, query: str) -> list[tuple[Any, ...]]:
        """A journal of an older version, which only a reader meets, has none."""
        return self._connection.execute(query).fetchall() if self.version() >= TOMBSTONES_SINCE else []

    @contextmanager
    def _snapshot(self) -> Iterator[None]:
        self._connection.execute("BEGIN")
        try:
            yield
        finally:
            self._connection.execute("COMMIT")


def _entry(seq: object, line: object, made_ms: object) -> Entry:
    """SQLite hands out whatever a damaged page says, of any type."""
    if isinstance(seq, int) and isinstance(line, bytes) and isinstance(made_ms, int):
        return Entry(seq, line, made_ms)
    raise Damaged(f"record {seq} is no line")
