"""Reads the whole ledger, or a part of it, and computes the chain anew: is every line what it was, and in its place?

What arrived was checked when it arrived (`chain`); this finds what was changed since, in the file. A line whose
bytes do not have the hash that was written down with them is `changed`; one that does not name the hash of the line
before it is `broken`. Where a line is missing there is no link to check, and that is `coverage`'s to say.
"""

from __future__ import annotations

from collections.abc import Iterator
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

Kind = Literal["changed", "broken"]


@dataclass(frozen=True, slots=True)
class Flaw:
    """Seqs, both ends included, with the same thing wrong."""

    first: int
    last: int
    kind: Kind


@dataclass(slots=True)
class Checked:
    """One epoch of one gateway: how many lines and links were checked, and what was wrong.

    Of what has `expired` only the hash is here: what follows it is checked against that.
    """

    site: str
    gateway: str
    epoch: str
    lines: int = 0
    expired: int = 0
    links: int = 0
    flaws: list[Flaw] = field(default_factory=list)

    def as_dict(self) -> dict[str, Any]:
        """As `--json` prints it."""
        return asdict(self)

    def text(self) -> Iterator[str]:
        """As a person reads it."""
        found = "no flaw" if not self.flaws else "FLAWS"
        lines = f"{self.lines} lines" + (f" ({self.expired} have expired)" if self.expired else "")
        yield f"{self.site}/{self.gateway}/{self.epoch}  {lines}, {self.links} links: {found}"
        for flaw in self.flaws:
            where = str(flaw.first) if flaw.first == flaw.last else f"{flaw.first}–{flaw.last}"
            yield f"  {where}: {_MEANING[flaw.kind]}"


_MEANING: dict[Kind, str] = {
    "changed": "not the bytes that arrived; restore the ledger from a backup, gateways send what it lacks",
    "broken": "does not name the hash of the line before it",
}


def verify(database: Database, wanted: Wanted, upto_seq: int | None = None) -> Iterator[Checked]:
    """Each epoch that is wanted, one after the other, up to a number. Raises Unavailable, NotDurable."""
    with database.reading() as connection:
        for stream, site, gateway, epoch in connection.execute(streams(wanted)).all():
            yield _check(connection, stream, wanted.since_seq, upto_seq or MAX_SEQ, Checked(site, gateway, epoch))


def _check(connection: Connection, stream: int, since_seq: int, upto_seq: int, checked: Checked) -> Checked:
    wrong: dict[Kind, list[int]] = {"changed": [], "broken": []}
    before = (0, GENESIS) if since_seq == 1 else (-1, "")
    for seq, raw, own_hash in _rows(connection, stream, since_seq, upto_seq):
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
    flaws = [Flaw(first, last, kind) for kind, seqs in wrong.items() for first, last in spans.runs(seqs)]
    checked.flaws = sorted(flaws, key=lambda flaw: flaw.first)
    return checked


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
