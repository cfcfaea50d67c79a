"""Both axes of time as rows: each stay with the time in which it was the knowledge of its day.

`known_from_ms` up to, not including, `known_to_ms` (None: still). The rows of a subject depend on the set of its
steps and when each version of them was known, not on the order in which somebody learns of them. At any moment the
rows that hold then are the stays that follow from what was known then.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from itertools import groupby
from operator import attrgetter

from traceability.presence.stays import Stay, Step
from traceability.presence.timeline import Timeline


@dataclass(frozen=True, slots=True)
class Change:
    """From `known_ms` on a fact makes this step of the subject; None: none any more, it is another's or withdrawn."""

    known_ms: int
    id: str
    step: Step | None


@dataclass(frozen=True, slots=True)
class Row:
    """A stay and since when, until when, it was held to be true."""

    stay: Stay
    known_from_ms: int
    known_to_ms: int | None

    def holds(self, known_at_ms: int) -> bool:
        """Whether it was the knowledge of that moment."""
        return self.known_from_ms <= known_at_ms and (self.known_to_ms is None or known_at_ms < self.known_to_ms)


def history(changes: Iterable[Change]) -> list[Row]:
    """The rows of one subject, by when they were known, then by the stays. Of two changes of one fact at one moment,
    which no ledger has, the greater one by `repr` counts."""
    line = Timeline()
    held: dict[str, Step] = {}
    since: dict[Stay, int] = {}
    rows: list[Row] = []
    for known_ms, together in groupby(sorted(changes, key=lambda each: (each.known_ms, repr(each.step))), key=_known):
        before = set(line.stays)
        for change in together:
            if change.id in held:
                line.drop(held.pop(change.id))
            if change.step is not None:
                held[change.id] = change.step
                line.put(change.step)
        after = set(line.stays)
        rows += (Row(stay, since.pop(stay), known_ms) for stay in before - after)
        since |= dict.fromkeys(after - before, known_ms)
    rows += (Row(stay, known_ms, None) for stay, known_ms in since.items())
    return sorted(rows, key=lambda row: (row.known_from_ms, row.stay.start.when.best_ms, row.stay.id, repr(row)))


_known = attrgetter("known_ms")
