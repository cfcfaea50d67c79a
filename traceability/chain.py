"""The hash chain: each line names the hash of the line before, so a changed or swapped line shows.

Lines arrive in any order, so a link is checked when its second end arrives, whichever that is. A link that does not
hold is written down (`breaks`) and raises an alarm; both lines stay. `held` is the hash of the line that is here,
`named` what its successor, or the gateway's own `state.head`, says it should be.
"""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import bindparam, select

from gateway.wire import read_line
from traceability.database import tables
from traceability.database.portable import add
from traceability.message import Block
from traceability.page import Page, Range
from traceability.streams import Key, Tx


def check(tx: Tx, page: Page, new: Block, runs: Sequence[Range]) -> None:
    """Check every link that got its second end with these lines, which are on the page already, in their runs."""
    prevs = _to_check(new, runs)
    for first, last in runs:
        for seq in range(first, last + 1) if len(prevs) > 1 else (first,):
            compare(tx, page.key, page.stream, seq, held=page.hash_at(seq - 1), named=prevs[seq])
        page.starts[first] = prevs[first]
        named = page.starts.get(last + 1)
        if named is None and last + 1 in page.held:
            named = _prev_at(tx, page.stream, last + 1)
        compare(tx, page.key, page.stream, last + 1, held=page.hash_at(last), named=named)


def _to_check(new: Block, runs: Sequence[Range]) -> dict[int, str]:
    """What lines name as the one before, by seq: the first alone, if they are one run in order and fit together."""
    if len(runs) == 1 and new.is_in_order() and new.fits():
        return {new.seqs[0]: new.prev_at(0)}
    return {seq: new.prev_at(at) for at, seq in enumerate(new.seqs)}


def compare(tx: Tx, key: Key, stream: int, seq: int, *, held: str | None, named: str | None) -> None:
    """The link between seq-1 (whose hash is `held`) and seq (which names `named`); None: that end is not here."""
    if held is None or named is None or held == named:
        return
    row = {"stream": stream, "seq": seq, "held": held, "named": named, "at_ms": tx.now_ms}
    if add(tx.connection, tables.breaks, row):
        tx.counts["breaks"] += 1
        tx.alarm("chain.broken", key, seq=seq, held=held, named=named)


def hash_at(tx: Tx, stream: int, seq: int) -> str | None:
    """Hash of the line that is held under this seq, in hex."""
    own_hash = tx.connection.scalar(_HASH, {"of": stream, "at": seq})
    return None if own_hash is None else own_hash.hex()


def _prev_at(tx: Tx, stream: int, seq: int) -> str | None:
    line = tx.connection.scalar(_LINE, {"of": stream, "at": seq})
    return read_line(line).prev if line else None


_RECORDS = tables.records.c
_NAMED = (_RECORDS.stream == bindparam("of")) & (_RECORDS.seq == bindparam("at"))
_HASH = select(_RECORDS.hash).where(_NAMED)
_LINE = select(_RECORDS.line).where(_NAMED)
