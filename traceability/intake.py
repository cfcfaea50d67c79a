"""What becomes of a line, inside the transaction of its group: kept, known already, contradicting, or refused.

The name of a record is (site, gateway, epoch, seq). The first bytes under a name are the record; the same bytes
again change nothing, other bytes are kept beside it and raise an alarm. A line that names itself but cannot be taken
is refused for good, so that the gateway can set it aside instead of sending it for ever. A refusal counts for the
gateway whose *topic* it came by: one gateway can never settle the records of another. A line that does not even
name itself is counted and dropped; its gateway keeps it, because no receipt will cover it.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Sequence
from functools import cache
from itertools import repeat
from typing import Any

from sqlalchemy import select, true

from gateway.wire import MAX_LINE_BYTES, Line
from traceability import chain, clocks, evidence, losses, spans
from traceability.database import tables
from traceability.database.bulk import LineRow
from traceability.database.portable import add, append_lines, execute, given, insert
from traceability.message import Block, Message
from traceability.page import Page, open_pages, write_pages
from traceability.streams import MAX_SEQ, Key, Tx, plain, stream_of

_EPOCH = re.compile(r"[0-9a-f]{16}")


def take(tx: Tx, messages: Iterable[Message]) -> set[Key]:
    """Take messages in the order in which they came; returns the streams they belong to."""
    touched: set[Key] = set()
    waiting: list[Block] = []
    for message in messages:
        if message.refused:
            _keep(tx, waiting)
            waiting = []
        for raw, reason in message.refused:
            touched |= _refuse(tx, message.site, message.gateway, raw, reason)
        waiting += message.blocks
        touched.update(block.key for block in message.blocks)
    _keep(tx, waiting)
    return touched


# --- kept


def _keep(tx: Tx, blocks: Sequence[Block]) -> None:
    """Sort out what is new of these lines, and write it at once: nobody else writes of their gateways meanwhile."""
    pages = open_pages(tx, blocks)
    notes, new, lost = clocks.Notes(), list[tuple[int, Block]](), list[tuple[Page, Line]]()
    for block in blocks:
        page = pages[block.key]
        fresh = _fresh(tx, page, block)
        if fresh.seqs:
            _account(tx, page, fresh, notes)
            new.append((page.stream, fresh))
            lost += [(page, line) for line in fresh.notable.values() if line.type == losses.LOST_TYPE]
    if new:
        append_lines(tx.connection, tables.records, _rows(new), tx.now_ms, tx.meanwhile)
        write_pages(tx, pages.values())
        notes.write(tx.connection)
    _repeat(tx, pages.values())
    for page, line in lost:
        losses.declare(tx, page.key, page.stream, line)


def _fresh(tx: Tx, page: Page, block: Block) -> Block:
    """What of a block is not here yet; a repeat is counted, a contradiction kept beside."""
    if page.held.keys().isdisjoint(block.seqs) and (block.is_in_order() or len(set(block.seqs)) == len(block.seqs)):
        return block
    places, come = list[int](), dict[int, bytes]()
    for at, (seq, own_hash) in enumerate(zip(block.seqs, block.hashes, strict=True)):
        known = page.held.get(seq) or come.get(seq)
        if known is None:
            come[seq] = own_hash
            places.append(at)
        elif known == own_hash:
            page.again += 1
        else:
            _contradict(tx, page, seq, own_hash, block.raws[at])
    return block.only(places)


def _account(tx: Tx, page: Page, new: Block, notes: clocks.Notes) -> None:
    """Spans, chain and testimony for lines that are new; what they say of their clocks."""
    tx.counts["new"] += len(new.seqs)
    runs = new.runs()
    page.add(new, runs, tx.now_ms)
    chain.check(tx, page, new, runs)
    evidence.check(tx, page, new)
    for line in new.notable.values():
        notes.take(page.stream, line)
    for boot, boot_ns in new.moments.items():
        notes.tick(page.stream, boot, boot_ns)


def _rows(blocks: Iterable[tuple[int, Block]]) -> Iterator[LineRow]:
    """As `records` has them, in the order in which they came."""
    for stream, block in blocks:
        yield from zip(repeat(stream), block.seqs, block.hashes, block.raws)


def _repeat(tx: Tx, pages: Iterable[Page]) -> None:
    """So many lines came that were here already."""
    again = [(page.stream, tx.now_ms, page.again) for page in pages if page.again]
    if again:
        tx.counts["repeated"] += sum(count for _, _, count in again)
        execute(tx.connection, _more(tx.connection.dialect.name), again)


def _contradict(tx: Tx, page: Page, seq: int, own_hash: bytes, raw: bytes) -> None:
    """Other bytes under a name that is taken."""
    row = {"stream": page.stream, "seq": seq, "hash": own_hash, "line": raw, "at_ms": tx.now_ms}
    if add(tx.connection, tables.conflicts, row):
        tx.counts["conflicts"] += 1
        tx.alarm("record.conflict", page.key, seq=seq, hash=own_hash.hex())


# --- refused


def _refuse(tx: Tx, site: str, gateway: str, raw: bytes, reason: str) -> set[Key]:
    """Refuse a line under the name it gives itself, in the stream of the topic it came by."""
    name = _name(raw)
    if name is None:
        tx.counts["nameless"] += 1
        return set()
    epoch, seq = name
    key = Key(site, gateway, epoch)
    stream = stream_of(tx, key)
    if chain.hash_at(tx, stream, seq) is None:
        _write_refusal(tx, key, stream, seq, raw, reason)
    return {key}


def _write_refusal(tx: Tx, key: Key, stream: int, seq: int, raw: bytes, reason: str) -> None:
    row = {"stream": stream, "seq": seq, "reason": plain(reason), "line": raw[:MAX_LINE_BYTES], "at_ms": tx.now_ms}
    if add(tx.connection, tables.refused, row):
        spans.cover(tx.connection, stream, seq, seq, tx.now_ms)
        tx.counts["refused"] += 1
        tx.alarm("record.refused", key, seq=seq, reason=reason)


def _name(raw: bytes) -> tuple[str, int] | None:
    """Epoch and seq of a line that is otherwise wrong, if it says them clearly."""
    try:
        event = json.loads(raw)
    except (ValueError, RecursionError):
        return None
    data = event.get("data") if isinstance(event, dict) else None
    if not isinstance(data, dict):
        return None
    epoch, seq = data.get("epoch"), data.get("seq")
    if not (isinstance(epoch, str) and _EPOCH.fullmatch(epoch)):
        return None
    return (epoch, seq) if type(seq) is int and 1 <= seq <= MAX_SEQ else None


@cache
def _more(dialect: str) -> Any:
    columns = ("stream", "at_ms", "count")
    rows = given(dialect, *(tables.repeats.c[name] for name in columns))
    statement = insert(tables.repeats, dialect).from_select(list(columns), select(rows).where(true()))
    sum_of_both = tables.repeats.c["count"] + statement.excluded["count"]
    return statement.on_conflict_do_update(index_elements=["stream", "at_ms"], set_={"count": sum_of_both})
