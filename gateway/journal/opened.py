"""An epoch as it is found when its file is opened: what everybody who goes on from there has to know."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping
from dataclasses import dataclass, field

from gateway.journal.reader import Entry
from gateway.journal.schema import Error
from gateway.journal.store import Store
from gateway.spans import Spans

LOSSES_MAX = 400


@dataclass(frozen=True, slots=True)
class Opened:
    """An epoch as it was found: bounds, chain head, what is settled, reads left open, its newest record, what went
    because it was too old, how far devices with a memory were heard."""

    epoch: str
    oldest: int
    newest: int
    head: str
    settled: Spans
    ledger: str | None
    receipt: int
    open_reads: list[Entry]
    last: Entry | None
    expired: Spans
    marks: dict[str, str] = field(default_factory=dict)


BEGINNINGS = (b"punchgate.records.lost.v1", b"punchgate.journal.marks.v1")


def describe(store: Store, waiting: Mapping[str, str]) -> Opened:
    """What an open store holds; `waiting` are the marks that wait in the emergency ring: they are newer."""
    return Opened(
        epoch=store.origin.epoch,
        oldest=store.oldest,
        newest=store.newest,
        head=store.head,
        settled=store.settled(),
        ledger=store.meta("ledger") or None,
        receipt=int(store.meta("receipt") or 0),
        open_reads=store.open_reads(),
        last=_witness(store),
        expired=store.expired(),
        marks=store.marks() | dict(waiting),
    )


def _witness(store: Store) -> Entry | None:
    """The newest record that proves when an earlier run was there: the beginning of an epoch may be this one's."""
    with contextlib.suppress(Error):
        for seq in range(store.newest, max(0, store.newest - LOSSES_MAX), -1):
            for entry in store.lines(seq, seq, 1, 1):
                if not any(kind in entry.line for kind in BEGINNINGS):
                    return entry
    return None
