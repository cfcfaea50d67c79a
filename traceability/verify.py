"""Reads the whole ledger, or a part of it, and computes the chain anew: is every line what it was, and in its place?

What arrived was checked when it arrived (`chain`); this finds what was changed since, in the file. A line whose
bytes do not have the hash that was written down with them is `changed`; one that does not name the hash of the line
before it is `broken`; one that was taken and is not here any more is `gone`. Other numbers that are not here (never
arrived, refused, declared lost) are no flaw, but there is no link over them, so they are told: `missing`.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, Literal

from sqlalchemy import select

from gateway.errors import Rejected
from gateway.wire import GENESIS, line_hash, read_line
from traceability import spans
from traceability.database import Connection, Database, tables
from traceability.export import Wanted, streams
from traceability.streams import MAX_SEQ

SLICE_ROWS = 2000

Kind = Literal["changed", "broken", "gone"]


@dataclass(frozen=True, slots=True)
class Flaw:
    """Seqs, both ends included, with the same thing wrong."""

    first: int
    last: int
    kind: Kind


@dataclass(frozen=True, slots=True)
class Missing:
    """Seqs that are not here, both ends included."""

    first: int
    last: int


@dataclass(slots=True)
class Checked:
    """One epoch of one gateway: how many lines and links were checked, what was wrong, and what is not here.

    Of what has `expired` only the hash is here: what follows it is checked against that.
    """

    site: str
    gateway: str
    epoch: str
    lines: int = 0
    expired: int = 0
    links: int = 0
    flaws: list[Flaw] = field(default_factory=list)
    missing: list[Missing] = field(default_factory=list)

    @property
    def holds(self) -> bool:
        """Whether the chain is shown to hold from end to end: something was checked, nothing is wrong or missing."""
        return bool(self.lines + self.expired) and not self.flaws and not self.missing

    def as_dict(self) -> dict[str, Any]:
        """As `--json` prints it."""
        return asdict(self)

    def text(self) -> Iterator[str]:
        """As a person reads it."""
        found = "no flaw" if not self.flaws else "FLAWS"
        lines = f"{self.lines} lines" + (f" ({self.expired} have expired)" if self.expired else "")
        yield f"{self.site}/{self.gateway}/{self.epoch}  {lines}, {self.links} links: {found}"
        for flaw in self.flaws:
            yield f"  {_range(flaw)}: {_MEANING[flaw.kind]}"
        for hole in self.missing:
            yield f"  {_range(hole)}: not here, so nothing is shown over it; `centre coverage` tells why"


_MEANING: dict[Kind, str] = {
    "changed": "not the bytes that arrived; restore the ledger from a backup, gateways send what it lacks",
    "broken": "does not name the hash of the line before it",
    "gone": "was taken once, and is not here any more; restore the ledger from a backup",
}


def _range(told: Flaw | Missing) -> str:
    return str(told.first) if told.first == told.last else f"{told.first}–{told.last}"


def verify(database: Database, wanted: Wanted, upto_seq: int | None = None) -> Iterator[Checked]:
    """Each epoch that is wanted, one after the other, up to a number. Raises Unavailable, NotDurable."""
    with database.reading() as connection:
        for stream, site, gateway, epoch in connection.execute(streams(wanted)).all():
            yield _check(connection, stream, wanted.since_seq, upto_seq or MAX_SEQ, Checked(site, gateway, epoch))


def _check(connection: Connection, stream: int, since_seq: int, upto_seq: int, checked: Checked) -> Checked:
    wrong: dict[Kind, list[int]] = {"changed": [], "broken": []}
    before = (0, GENESIS) if since_seq == 1 else (-1, "")
    taken = _taken(connection, stream)
    last = spans.top(connection, stream) if upto_seq == MAX_SEQ else upto_seq
    holes: list[tuple[int, int]] = []
    due = since_seq
    for seq, raw, own_hash in _rows(connection, stream, since_seq, upto_seq):
        holes += [(due, seq - 1)] if due < seq else []
        due = seq + 1
        if not raw:
            checked.expired += 1
            before = (seq, own_hash.hex())
            continue
        found = line_hash(raw)
        checked.lines += 1
        if found != own_hash.hex():
            wrong["changed"].append(seq)
        if before[0] == seq - 1:
            checked.links += 1
            if _prev(raw) != before[1]:
                wrong["broken"].append(seq)
        before = (seq, found)
    holes += [(due, last)] if due <= last else []
    gone = list(_common(holes, taken))
    flaws = [Flaw(first, last, kind) for kind, seqs in wrong.items() for first, last in spans.runs(seqs)]
    flaws += [Flaw(first, last, "gone") for first, last in gone]
    checked.flaws = sorted(flaws, key=lambda flaw: flaw.first)
    checked.missing = [Missing(first, last) for first, last in spans.without(holes, gone)]
    return checked


def _taken(connection: Connection, stream: int) -> list[tuple[int, int]]:
    """The seqs whose lines were taken, as ranges: accounted for, and neither refused nor declared lost.

    To be asked before the lines are read: what is taken meanwhile is then no more than a line that nobody looks for.
    """
    accounted = [(span.first, span.last) for span in spans.read(connection, stream)]
    refused, lost = tables.refused.c, tables.losses.c
    others = [(seq, seq) for seq in connection.scalars(select(refused.seq).where(refused.stream == stream))]
    whole = (lost.stream == stream, lost.first.is_not(None), lost.last.is_not(None))
    others += [(first, last) for first, last in connection.execute(select(lost.first, lost.last).where(*whole))]
    return list(spans.without(accounted, sorted(others)))


def _common(some: Sequence[tuple[int, int]], others: Sequence[tuple[int, int]]) -> Iterator[tuple[int, int]]:
    """What two rows of ranges have in common; both in order."""
    at = 0
    for first, last in some:
        while at < len(others) and others[at][1] < first:
            at += 1
        for low, high in others[at:]:
            if low > last:
                break
            yield max(first, low), min(last, high)


def _rows(connection: Connection, stream: int, since_seq: int, upto_seq: int) -> Iterator[tuple[int, bytes, bytes]]:
    """In slices, each its own short transaction, as the export reads."""
    seq, records = since_seq - 1, tables.records.c
    kept = select(records.seq, records.line, records.hash).where(records.stream == stream, records.seq <= upto_seq)
    while rows := connection.execute(kept.where(records.seq > seq).order_by(records.seq).limit(SLICE_ROWS)).all():
        seq = rows[-1].seq
        yield from (tuple(row) for row in rows)


def _prev(raw: bytes) -> str | None:
    try:
        return read_line(raw).prev
    except Rejected:
        return None
