"""The journal's records into a file that a person carries: read in slices, beside the running daemon."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from gateway.carry import CarryWriter
from gateway.journal.reader import Entry, Reader
from gateway.spans import Range

SLICE_RECORDS = 1000
SLICE_BYTES = 4 * 1024 * 1024


def wanted(reader: Reader, since_seq: int, *, unsettled: bool) -> list[Range]:
    """The records from `since_seq` on that are held; all, or those the centre has not committed."""
    oldest, newest = reader.bounds()
    first = max(oldest, since_seq)
    if unsettled:
        return reader.settled().gaps(first, newest)
    return [(first, newest)] if first <= newest else []


def export(reader: Reader, ranges: list[Range], out: CarryWriter, progress: Callable[[int], None]) -> None:
    """Write the records of these ranges, as far as they are held; `progress` gets how many are written."""
    for done, entry in enumerate(_entries(reader, ranges), 1):
        out.add(entry.seq, entry.line)
        progress(done)


def _entries(reader: Reader, ranges: list[Range]) -> Iterator[Entry]:
    """A slice is a transaction of its own: a reader that stays in one keeps SQLite from truncating its log."""
    for first, last in ranges:
        seq = first
        while entries := reader.lines(seq, last, SLICE_RECORDS, SLICE_BYTES):
            yield from entries
            seq = entries[-1].seq + 1
