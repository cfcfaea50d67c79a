"""Signed heads: what a gateway has testified of its chain, kept so that it can be proved later.

A `state` that the gateway has signed names the newest line's number and hash, and a time. Each line names the hash of
the line before, so who has that message, the public key and the lines can show that this chain up to there existed
then, and that the gateway, not this ledger, says so. Of each epoch the newest testimony is kept, and the last one of
every hour. What has not been seen to agree with a line yet is not thrown away, and what contradicts stays for ever:
other bytes than the line that is here, or two heads under one number.
"""

from __future__ import annotations

import json

from sqlalchemy import bindparam, delete, select

from traceability import chain
from traceability.database import tables
from traceability.message import Block
from traceability.page import Page
from traceability.states import State
from traceability.streams import Key, Tx, plain, stream_of

HOUR_MS = 3_600_000
MAX_TIME = 40


def keep(tx: Tx, key: Key, state: State, message: bytes) -> None:
    """Keep a state whose signature was checked; `message` is every byte of it."""
    if not state.newest or state.head is None:
        return
    stream, seq, head = stream_of(tx, key), state.newest, bytes.fromhex(state.head)
    said = plain(str(json.loads(message).get("time", "")))[:MAX_TIME]
    other, is_known = _other(tx, stream, seq, head), _is_known(tx, stream, seq, head)
    last = tx.connection.execute(_LAST, {"of": stream}).one_or_none()
    if last is not None:
        row, newest, hash_then, said_then, at_ms = last
        is_same = (newest, hash_then) == (seq, head)
        if (is_same and said <= said_then) or (seq < newest and (is_known or other is None)):
            return
        is_proved = chain.hash_at(tx, stream, newest) == hash_then.hex() and newest <= seq
        if (is_same or is_proved) and at_ms // HOUR_MS == tx.now_ms // HOUR_MS:
            tx.connection.execute(_FORGET, {"row": row})
    tx.connection.execute(
        tables.evidence.insert(),
        {"stream": stream, "newest": seq, "hash": head, "said": said, "message": message, "at_ms": tx.now_ms},
    )
    if other is not None and not is_known:
        _alarm(tx, key, seq, signed=head.hex(), other=other)


def check(tx: Tx, page: Page, new: Block) -> None:
    """Compare lines that have just come, and are on the page, with what was testified of them before."""
    if not page.testified:
        return
    come = set(new.seqs)
    for seq, head in page.testified:
        if seq in come and page.held[seq] != head:
            _alarm(tx, page.key, seq, signed=head.hex(), other=page.held[seq].hex())


def _is_known(tx: Tx, stream: int, seq: int, head: bytes) -> bool:
    return tx.connection.scalar(_SAME, {"of": stream, "at": seq, "head": head}) is not None


def _other(tx: Tx, stream: int, seq: int, head: bytes) -> str | None:
    """Another hash under this number: of the line that is here, or testified."""
    held = chain.hash_at(tx, stream, seq)
    if held is not None and held != head.hex():
        return held
    other = tx.connection.scalar(_OTHER, {"of": stream, "at": seq, "head": head})
    return None if other is None else other.hex()


def _alarm(tx: Tx, key: Key, seq: int, *, signed: str, other: str) -> None:
    tx.counts["contradicted"] += 1
    tx.alarm("evidence.conflict", key, seq=seq, signed=signed, other=other)


_EVIDENCE = tables.evidence.c
_OWN, _AT = _EVIDENCE.stream == bindparam("of"), _EVIDENCE.newest == bindparam("at")
_HEAD = bindparam("head", type_=tables.Bytes())
_LAST = (
    select(_EVIDENCE.rowid, _EVIDENCE.newest, _EVIDENCE.hash, _EVIDENCE.said, _EVIDENCE.at_ms)
    .where(_OWN)
    .order_by(_EVIDENCE.newest.desc(), _EVIDENCE.rowid.desc())
    .limit(1)
)
_FORGET = delete(tables.evidence).where(_EVIDENCE.rowid == bindparam("row"))
_SAME = select(_EVIDENCE.newest).where(_OWN, _AT, _EVIDENCE.hash == _HEAD).limit(1)
_OTHER = select(_EVIDENCE.hash).where(_OWN, _AT, _EVIDENCE.hash != _HEAD).limit(1)
