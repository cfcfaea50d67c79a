"""The hash chain: each line names the hash of the line before, so a changed or swapped line shows.

Lines arrive in any order, so a link is checked when its second end arrives, whichever that is. A link that does not
hold is written down (`breaks`) and raises an alarm; both lines stay. `held` is the hash of the line that is here,
`named` what its successor, or the gateway's own `state.head`, says it should be.
"""

from __future__ import annotations

from collections.abc import Mapping

from gateway.wire import Line, read_line
from traceability import spans
from traceability.streams import Key, Tx


def check(tx: Tx, key: Key, stream: int, new: Mapping[int, tuple[Line, str]]) -> None:
    """Check every link that got its second end with these lines (seq -> line and its hash)."""
    for first, last in spans.runs(new):
        before = hash_at(tx, stream, first - 1)
        for seq in range(first, last + 1):
            line, own_hash = new[seq]
            compare(tx, key, stream, seq, held=before, named=line.prev)
            before = own_hash
        compare(tx, key, stream, last + 1, held=before, named=_prev_at(tx, stream, last + 1))


def compare(tx: Tx, key: Key, stream: int, seq: int, *, held: str | None, named: str | None) -> None:
    """The link between seq-1 (whose hash is `held`) and seq (which names `named`); None: that end is not here."""
    if held is None or named is None or held == named:
        return
    added = tx.connection.execute(
        "INSERT INTO breaks VALUES (?, ?, ?, ?, ?) ON CONFLICT DO NOTHING", (stream, seq, held, named, tx.now_ms)
    )
    if added.rowcount:
        tx.counts["breaks"] += 1
        tx.alarm("chain.broken", key, seq=seq, held=held, named=named)


def hash_at(tx: Tx, stream: int, seq: int) -> str | None:
    """Hash of the line that is held under this seq, in hex."""
    row = tx.connection.execute("SELECT hash FROM records WHERE stream = ? AND seq = ?", (stream, seq)).fetchone()
    return row[0].hex() if row else None


def _prev_at(tx: Tx, stream: int, seq: int) -> str | None:
    row = tx.connection.execute("SELECT line FROM records WHERE stream = ? AND seq = ?", (stream, seq)).fetchone()
    return read_line(row[0]).prev if row and row[0] else None
