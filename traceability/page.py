"""What must be known of a stream to take lines of it, asked once for all streams of a group and kept in memory.

A page holds what is in the ledger around the lines that have come, and takes up what they add; so any number of
messages is sorted out without another question, and `write_pages` writes once what became of all of them.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from enum import IntEnum
from functools import cache
from typing import Any

from sqlalchemy import and_, cast, column, delete, literal_column, null, select, tuple_, union_all, update

from traceability import spans
from traceability.database import tables
from traceability.database.portable import ask, execute, given
from traceability.message import Block
from traceability.spans import Span, Window
from traceability.streams import Key, Tx, streams_of

Range = tuple[int, int]


class _Kind(IntEnum):
    HELD = 0
    SPAN = 1
    REFUSED = 2
    TESTIFIED = 3


@dataclass(slots=True)
class Page:
    """One stream, around the lines that have come.

    `held`: the SHA-256 of lines that are here, those beside the new ones too. `testified`: signed heads among them.
    `refused`: seqs that were refused. `new`: ranges of lines added; `starts`: what the first of each names before it.
    `again`: how many came that were here already.
    """

    key: Key
    stream: int
    held: dict[int, bytes] = field(default_factory=dict)
    spans: Window = field(default_factory=Window)
    testified: set[tuple[int, bytes]] = field(default_factory=set)
    refused: set[int] = field(default_factory=set)
    new: list[Range] = field(default_factory=list)
    starts: dict[int, str] = field(default_factory=dict)
    again: int = 0

    def hash_at(self, seq: int) -> str | None:
        """Hash of the line that is held under this seq, in hex; for seqs around what has come."""
        own_hash = self.held.get(seq)
        return None if own_hash is None else own_hash.hex()

    def add(self, block: Block, runs: Iterable[Range], now_ms: int) -> None:
        """Take up lines that are new, in their runs."""
        self.held.update(zip(block.seqs, block.hashes, strict=True))
        for first, last in runs:
            self.spans.cover(first, last, now_ms)
            self.new.append((first, last))


def open_pages(tx: Tx, blocks: Iterable[Block]) -> dict[Key, Page]:
    """The pages of the streams of these blocks, with all that is known around their lines."""
    ranges: dict[Key, list[Range]] = {}
    for block in blocks:
        ranges.setdefault(block.key, []).extend(block.runs())
    pages = {key: Page(key, stream) for key, stream in streams_of(tx, ranges).items()}
    by_stream = {page.stream: page for page in pages.values()}
    found: dict[int, list[Span]] = {}
    wanted = [(pages[key].stream, *joined) for key, parts in ranges.items() for joined in _merged(parts)]
    for kind, stream, first, last, since_ms, own_hash in ask(tx.connection, _around, wanted):
        page = by_stream[stream]
        match kind:
            case _Kind.HELD:
                page.held[first] = own_hash
            case _Kind.SPAN:
                found.setdefault(stream, []).append(Span(first, last, since_ms))
            case _Kind.REFUSED:
                page.refused.add(first)
            case _:
                page.testified.add((first, own_hash))
    for stream, parts in found.items():
        by_stream[stream].spans = Window(parts)
    return pages


def write_pages(tx: Tx, pages: Iterable[Page]) -> None:
    """What became of them: which seqs are accounted for and no longer refused, how many lines are held."""
    changed = [page for page in pages if page.new]
    if not changed:
        return
    connection = tx.connection
    spans.write(connection, {page.stream: page.spans for page in changed})
    taken = [(page.stream, seq) for page in changed for seq in sorted(page.refused & page.held.keys())]
    if taken:
        execute(connection, _not_refused(connection.dialect.name), taken)
    counts = [(page.stream, sum(last - first + 1 for first, last in page.new), tx.now_ms) for page in changed]
    execute(connection, _count(connection.dialect.name), counts)


def _merged(ranges: list[Range]) -> list[Range]:
    """The same seqs in as few ranges as can be."""
    window = Window()
    for first, last in ranges:
        window.cover(first, last, 0)
    return [(span.first, span.last) for span in window.changed()]


_R, _F, _E, _ST = tables.records.c, tables.refused.c, tables.evidence.c, tables.streams.c


@cache
def _around(dialect: str) -> Any:
    """(kind, stream, first, last, since_ms, hash) around ranges: the lines there and right beside, the spans, what
    was refused, what was testified."""
    asked = given(dialect, *(column(name, tables.BIG) for name in ("stream", "first", "last")))
    a, none, no_hash = asked.c, cast(null(), tables.BIG), cast(null(), tables.Bytes())
    span = spans.around(asked)

    def kind(of: _Kind) -> Any:
        return literal_column(str(of.value)).label("kind")

    return union_all(
        select(kind(_Kind.HELD), _R.stream, _R.seq, none, none, _R.hash).join_from(
            asked, tables.records, and_(_R.stream == a.stream, _R.seq.between(a.first - 1, a.last + 1))
        ),
        span.with_only_columns(kind(_Kind.SPAN), *span.selected_columns, no_hash),
        select(kind(_Kind.REFUSED), _F.stream, _F.seq, none, none, no_hash).join_from(
            asked, tables.refused, and_(_F.stream == a.stream, _F.seq.between(a.first, a.last))
        ),
        select(kind(_Kind.TESTIFIED), _E.stream, _E.newest, none, none, _E.hash).join_from(
            asked, tables.evidence, and_(_E.stream == a.stream, _E.newest.between(a.first, a.last))
        ),
    )


@cache
def _not_refused(dialect: str) -> Any:
    rows = given(dialect, column("stream", tables.BIG), column("seq", tables.BIG))
    return delete(tables.refused).where(tuple_(_F.stream, _F.seq).in_(select(rows.c.stream, rows.c.seq)))


@cache
def _count(dialect: str) -> Any:
    rows = given(dialect, *(column(name, tables.BIG) for name in ("stream", "more", "at_ms")))
    own = rows.c.stream == _ST.id
    more, at_ms = (select(of).where(own).scalar_subquery() for of in (rows.c.more, rows.c.at_ms))
    return update(tables.streams).where(_ST.id.in_(select(rows.c.stream))).values(held=_ST.held + more, last_ms=at_ms)
