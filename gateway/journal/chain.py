"""Does a line follow the one before it? Asked of every line that is read back, so it must cost next to nothing.

SQLite notices a page that is no page; a line whose letters have changed it cannot notice, its hash in the next line
can. A quote inside a JSON string is escaped, so the first `"prev":"` of a line is the field.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

from gateway.errors import Rejected
from gateway.journal.reader import Entry
from gateway.journal.schema import Damaged
from gateway.wire import line_hash, read_line

PREV = b'"prev":"'
HASH_LETTERS = 64


def require_chain(entries: Sequence[Entry], behind: Sequence[Entry]) -> None:
    """Raise Damaged if one of `entries` is not what the next one says; `behind` is what follows them, if anything."""
    for one, following in pairwise([*entries, *behind]):
        if following.seq == one.seq + 1 and _prev(following.line) != line_hash(one.line):
            raise Damaged(f"record {one.seq} is not the one that {following.seq} follows")


def require_record(entry: Entry, epoch: str) -> None:
    """Raise Damaged if the line is not the record it is filed as."""
    try:
        line = read_line(entry.line)
    except Rejected as error:
        raise Damaged(f"record {entry.seq}: {error}") from error
    if (line.seq, line.epoch) != (entry.seq, epoch):
        raise Damaged(f"record {entry.seq} calls itself {line.epoch}/{line.seq}")


def _prev(line: bytes) -> str:
    at = line.find(PREV) + len(PREV)
    return line[at : at + HASH_LETTERS].decode("ascii", "replace")
