"""The stored lines, bytes unchanged, ordered by site, gateway, epoch (as text) and seq.

What has expired leaves no line. Other bytes under a name that was taken follow the first, in the order they came:
both are kept, so both are shown.

Read in slices, each its own short transaction: a reader that stays in one transaction keeps SQLite from truncating
the write-ahead log, and a centre that runs beside a long export would fill the disk. A slice begins behind the last
seq of the one before, so nothing is skipped or doubled whatever arrives meanwhile.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from operator import itemgetter
from pathlib import Path

from traceability.database import Connection, reading

SLICE_ROWS = 1000


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which records; None: all. `since_seq` is the first seq of each epoch."""

    site: str | None = None
    gateway: str | None = None
    epoch: str | None = None
    since_seq: int = 1


def slices(path: Path, wanted: Wanted) -> Iterator[list[bytes]]:
    """The lines in order, up to SLICE_ROWS at a time. Raises Unavailable, NotDurable."""
    with reading(path) as connection:
        for _, lines in pieces(connection, wanted):
            yield lines


def pieces(connection: Connection, wanted: Wanted) -> Iterator[tuple[tuple[str, str], list[bytes]]]:
    """The same over a connection, each slice with the site and the gateway it is of."""
    streams = connection.execute(
        "SELECT id, site, gateway FROM streams WHERE (?1 IS NULL OR site = ?1) AND (?2 IS NULL OR gateway = ?2) "
        "AND (?3 IS NULL OR epoch = ?3) ORDER BY site, gateway, epoch",
        (wanted.site, wanted.gateway, wanted.epoch),
    ).fetchall()
    for stream, *name in streams:
        for lines in _of_stream(connection, stream, wanted.since_seq - 1):
            yield (name[0], name[1]), lines


def _of_stream(connection: Connection, stream: int, seq: int) -> Iterator[list[bytes]]:
    while rows := connection.execute(
        "SELECT seq, line FROM records WHERE stream = ? AND seq > ? AND line <> x'' ORDER BY seq LIMIT ?",
        (stream, seq, SLICE_ROWS),
    ).fetchall():
        others = connection.execute(
            "SELECT seq, line FROM conflicts WHERE stream = ? AND seq > ? AND seq <= ? AND line <> x'' "
            "ORDER BY seq, rowid",
            (stream, seq, rows[-1][0]),
        ).fetchall()
        seq = rows[-1][0]
        yield [line for _, line in sorted(rows + others, key=itemgetter(0))]
