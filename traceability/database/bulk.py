"""PostgreSQL's own words: COPY for many rows in one round trip, advisory locks for taking turns."""

from __future__ import annotations

import hashlib
import struct
from collections.abc import Callable, Iterable, Iterator, Sequence

from traceability.database.base import Connection

LineRow = tuple[int, int, bytes, bytes]
"""Stream, seq, SHA-256, line."""
LINE_COLUMNS = ("stream", "seq", "hash", "line", "at_ms")

LEDGER, DERIVATION, DESK = 0x70676C67, 0x70676C69, 0x70676C6A
"""The locks of the ledger itself and of what is derived from it; far from what `number` gives, of all 63 bits."""

_HEAD = b"PGCOPY\n\xff\r\n\x00" + struct.pack(">ii", 0, 0)
_END = struct.pack(">h", -1)
_BEFORE_LINE, _BEHIND = struct.Struct(">hiqiqi32si"), struct.Struct(">iq")
PIECE_ROWS = 256


_ESCAPED = str.maketrans({"\\": "\\\\", "\n": "\\n", "\r": "\\r", "\t": "\\t"})
_WORDS = {None: "\\N", True: "t", False: "f"}


def append(connection: Connection, table: str, columns: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    """Insert new rows of texts, numbers, truths and nothings by one COPY."""
    cursor = connection.connection.cursor()
    try:
        statement = f"COPY {table} ({', '.join(columns)}) FROM STDIN"
        cursor.execute(statement, stream=_texts(rows))  # type: ignore[call-arg]
    finally:
        cursor.close()


def _texts(rows: Iterable[Sequence[object]]) -> Iterator[bytes]:
    """Rows in COPY's text format."""
    for row in rows:
        yield ("\t".join(map(_text, row)) + "\n").encode()


def _text(value: object) -> str:
    if isinstance(value, str):
        return value.translate(_ESCAPED)
    return _WORDS[value] if value is None or isinstance(value, bool) else str(value)


def append_lines(
    connection: Connection,
    table: str,
    rows: Iterable[LineRow],
    at_ms: int,
    meanwhile: Callable[[], None] | None = None,
) -> None:
    """Insert new rows by one COPY; the server takes the first of them while the next are made, and `meanwhile` is
    called between them."""
    cursor = connection.connection.cursor()
    try:
        statement = f"COPY {table} ({', '.join(LINE_COLUMNS)}) FROM STDIN WITH (FORMAT binary)"
        cursor.execute(statement, stream=_pieces(rows, at_ms, meanwhile))  # type: ignore[call-arg]
    finally:
        cursor.close()


def _pieces(rows: Iterable[LineRow], at_ms: int, meanwhile: Callable[[], None] | None) -> Iterator[bytes]:
    """Rows in COPY's binary format: how many values, then each as its length and its bytes."""
    parts, full, behind, pack = [_HEAD], 3 * PIECE_ROWS, _BEHIND.pack(8, at_ms), _BEFORE_LINE.pack
    for stream, seq, own_hash, line in rows:
        parts += (pack(5, 8, stream, 8, seq, 32, own_hash, len(line)), line, behind)
        if len(parts) >= full:
            yield b"".join(parts)
            parts = []
            if meanwhile is not None:
                meanwhile()
    parts.append(_END)
    yield b"".join(parts)


def lock(connection: Connection, numbers: Sequence[int]) -> None:
    """Take these locks in this order, until the end of the transaction."""
    if numbers:
        wanted = ",".join(map(str, numbers))
        connection.exec_driver_sql(f"SELECT pg_advisory_xact_lock(n) FROM unnest('{{{wanted}}}'::bigint[]) AS n")


def number(site: str, gateway: str) -> int:
    """The lock of a gateway. Two of one number only wait for each other without need."""
    digest = hashlib.sha256(f"{site}/{gateway}".encode()).digest()
    return int.from_bytes(digest[:8]) >> 1
