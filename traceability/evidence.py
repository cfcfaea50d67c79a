"""Signed heads: what a gateway has testified of its chain, kept so that it can be proved later.

A `state` that the gateway has signed names the newest line's number and hash, and a time. Each line names the hash of
the line before, so who has that message, the public key and the lines can show that this chain up to there existed
then, and that the gateway, not this ledger, says so. Of each epoch the newest testimony is kept, and the last one of
every hour. What has not been seen to agree with a line yet is not thrown away, and what contradicts stays for ever:
other bytes than the line that is here, or two heads under one number.
"""

from __future__ import annotations

import json
from collections.abc import Mapping

from gateway.wire import Line
from traceability import chain
from traceability.states import State
from traceability.streams import Key, Tx, stream_of

HOUR_MS = 3_600_000
MAX_TIME = 40


def keep(tx: Tx, key: Key, state: State, message: bytes) -> None:
    """Keep a state whose signature was checked; `message` is every byte of it."""
    if not state.newest or state.head is None:
        return
    stream, seq, head = stream_of(tx, key), state.newest, bytes.fromhex(state.head)
    said = str(json.loads(message).get("time", ""))[:MAX_TIME]
    other, is_known = _other(tx, stream, seq, head), _is_known(tx, stream, seq, head)
    last = tx.connection.execute(
        "SELECT rowid, newest, hash, said, at_ms FROM evidence WHERE stream = ? "
        "ORDER BY newest DESC, rowid DESC LIMIT 1",
        (stream,),
    ).fetchone()
    if last is not None:
        row, newest, hash_then, said_then, at_ms = last
        is_same = (newest, hash_then) == (seq, head)
        if (is_same and said <= said_then) or (seq < newest and (is_known or other is None)):
            return
        is_proved = chain.hash_at(tx, stream, newest) == hash_then.hex() and newest <= seq
        if (is_same or is_proved) and at_ms // HOUR_MS == tx.now_ms // HOUR_MS:
            tx.connection.execute("DELETE FROM evidence WHERE rowid = ?", (row,))
    tx.connection.execute(
        "INSERT INTO evidence VALUES (?, ?, ?, ?, ?, ?)", (stream, seq, head, said, message, tx.now_ms)
    )
    if other is not None and not is_known:
        _alarm(tx, key, seq, signed=head.hex(), other=other)


def check(tx: Tx, key: Key, stream: int, new: Mapping[int, tuple[Line, str]]) -> None:
    """Compare lines that have just come (seq -> line and its hash) with what was testified of them before."""
    rows = tx.connection.execute(
        "SELECT DISTINCT newest, hash FROM evidence WHERE stream = ? AND newest BETWEEN ? AND ?",
        (stream, min(new), max(new)),
    ).fetchall()
    for seq, head in rows:
        if seq in new and new[seq][1] != head.hex():
            _alarm(tx, key, seq, signed=head.hex(), other=new[seq][1])


def _is_known(tx: Tx, stream: int, seq: int, head: bytes) -> bool:
    query = "SELECT 1 FROM evidence WHERE stream = ? AND newest = ? AND hash = ? LIMIT 1"
    return tx.connection.execute(query, (stream, seq, head)).fetchone() is not None


def _other(tx: Tx, stream: int, seq: int, head: bytes) -> str | None:
    """Another hash under this number: of the line that is here, or testified."""
    held = chain.hash_at(tx, stream, seq)
    if held is not None and held != head.hex():
        return held
    query = "SELECT hash FROM evidence WHERE stream = ? AND newest = ? AND hash <> ? LIMIT 1"
    row = tx.connection.execute(query, (stream, seq, head)).fetchone()
    return row[0].hex() if row else None


def _alarm(tx: Tx, key: Key, seq: int, *, signed: str, other: str) -> None:
    tx.counts["contradicted"] += 1
    tx.alarm("evidence.conflict", key, seq=seq, signed=signed, other=other)
