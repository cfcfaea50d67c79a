"""What the journal's file remembers; it can be read with and without a running daemon."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from gateway.errors import NotDurable
from gateway.journal import Reader, find_journal
from gateway.journal.schema import Error


@dataclass(frozen=True, slots=True)
class Past:
    """`used_bytes` hold records committed over `span_ms`; the oldest unsettled one was committed at
    `waiting_since_ms` (None: all are settled). `ledger` names the centre's, if it ever gave a receipt; `free_bytes`
    inside the file can be used again."""

    newest: int
    used_bytes: int
    span_ms: int
    waiting_since_ms: int | None
    ledger: str | None = None
    free_bytes: int = 0


def read_past(state_dir: Path) -> Past | None:
    """The journal's past; None where there is no journal, or it cannot be read by this user."""
    try:
        reader = Reader(find_journal(state_dir))
    except (NotDurable, Error, OSError):
        return None
    try:
        oldest, newest = reader.bounds()
        made = [entry.made_ms for seq in (oldest, newest) for entry in reader.lines(seq, seq, 1, 1)]
        waiting = reader.lines(reader.settled().through() + 1, newest, 1, 1)
        span_ms = max(0, made[-1] - made[0]) if made else 0
        since_ms = waiting[0].made_ms if waiting else None
        used, free = reader.page_bytes()
        return Past(newest, used, span_ms, since_ms, reader.meta("ledger"), free)
    except Error:
        return None
    finally:
        reader.close()
