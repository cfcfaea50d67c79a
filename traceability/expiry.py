"""The personal-data limit: after `centre.keep_days` the body of a record goes, its number and hash stay.

What is left is a tombstone: an empty line beside the hash that was written down when it came. So the number stays
accounted for, a repeat is still known as one, and the line behind it can still be checked against it. Age is counted
from the arrival here, by this clock: a record of 1970 is not old.

Records are looked at in the order they came, so each is looked at once, and a slice at a time, so that nobody waits.
"""

from __future__ import annotations

from collections import Counter
from itertools import takewhile

from traceability.streams import Tx

SLICE_ROWS = 2000
TOMBSTONE = b""


def expire(tx: Tx, keep_ms: int) -> int:
    """Empty the bodies of one slice of what is older than that; how many records it was."""
    limit = tx.now_ms - keep_ms
    (upto,) = tx.connection.execute("SELECT upto FROM expiry").fetchone()
    rows = tx.connection.execute(
        "SELECT rowid, stream, at_ms FROM records WHERE rowid > ? ORDER BY rowid LIMIT ?", (upto, SLICE_ROWS)
    ).fetchall()
    old = list(takewhile(lambda row: row[2] < limit, rows))
    if old:
        _bury(tx, upto, old[-1][0], Counter(stream for _, stream, _ in old))
    for table in ("conflicts", "refused"):
        tx.connection.execute(f"UPDATE {table} SET line = ?1 WHERE at_ms < ?2 AND line <> ?1", (TOMBSTONE, limit))
    return len(old)


def _bury(tx: Tx, after: int, last: int, streams: Counter[int]) -> None:
    tx.connection.execute("UPDATE records SET line = ? WHERE rowid > ? AND rowid <= ?", (TOMBSTONE, after, last))
    tx.connection.executemany(
        "UPDATE streams SET expired = expired + ? WHERE id = ?",
        [(count, stream) for stream, count in streams.items()],
    )
    tx.connection.execute("UPDATE expiry SET upto = ?", (last,))
