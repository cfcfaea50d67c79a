"""What operators corrected: which records, moves and counts are declared wrong, and what was put instead.

Nothing is changed by it: the original stands beside the correction, as it was understood.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from sqlalchemy import select

from traceability.database import Connection
from traceability.database import tables as ledger
from traceability.presence.answers import Scope, scope_of
from traceability.presence.facts import Counted, Declaration, Move, Reason
from traceability.presence.moments import Span
from traceability.whereabouts import tables
from traceability.whereabouts.desk import OPERATOR, Desk, desk_at
from traceability.whereabouts.view import TableView

Kind = Literal["did_not_occur", "incorrect_data", "move", "count"]


@dataclass(frozen=True, slots=True)
class Original:
    """A record that is declared wrong: what it is, and what it told; null where it does not tell."""

    kind: str
    at_ms: int | None
    lane: str | None
    subjects: tuple[str, ...]
    outcomes: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Correction:
    """One thing an operator said. `at_ms` and `site`: of what it is about, null where that is not known here.

    `target` and `instead` are ids, null and empty for a move and a count; those tell `subject`, `zone` and `count`.
    `stands`: it was not declared wrong itself.
    """

    id: str
    kind: Kind
    known_ms: int
    stands: bool
    at_ms: int | None
    site: str | None
    target: str | None = None
    instead: tuple[str, ...] = ()
    original: Original | None = None
    subject: str | None = None
    zone: str | None = None
    count: int | None = None


@dataclass(frozen=True, slots=True)
class Corrections:
    """Of a window of what they are about, and all that are about nobody knows when; by when they were said."""

    scope: Scope
    site: str
    window: Span
    corrections: tuple[Correction, ...]


def corrections(connection: Connection, view: TableView, site: str, window: Span) -> Corrections:
    """The corrections that concern a site. The view is one of this connection."""
    file = _File(connection, desk_at(connection, view.known_at_ms), view.known_at_ms)
    found = [
        each for each in file.all() if each.site in {site, None} and (each.at_ms is None or window.holds(each.at_ms))
    ]
    found.sort(key=lambda each: (each.known_ms, each.id))
    return Corrections(scope_of(view, [site], window, window.end_ms), site, window, tuple(found))


@dataclass(frozen=True, slots=True)
class _File:
    connection: Connection
    desk: Desk
    known_at_ms: int

    def all(self) -> Iterator[Correction]:
        """In no order."""
        for declaration in self.desk.declarations:
            yield self._declared(declaration)
        for move in self.desk.moves.values():
            stands, at_ms = move.id not in self.desk.void, move.when.best_ms
            yield Correction(
                move.id, "move", move.known_ms, stands, at_ms, move.site, subject=move.subject, zone=move.to_zone
            )
        for held in self.desk.counts.values():
            stands, at_ms = held.id not in self.desk.void, held.when.best_ms
            yield Correction(
                held.id, "count", held.known_ms, stands, at_ms, held.site, zone=held.zone, count=held.count
            )

    def _declared(self, said: Declaration) -> Correction:
        original = self._original(said.target)
        at_ms, site = self._about(said.target)
        reason: Reason = said.reason
        return Correction(
            said.id,
            reason,
            said.known_ms,
            said.id not in self.desk.void,
            at_ms if original is None else original.at_ms,
            site,
            said.target,
            said.instead,
            original,
        )

    def _about(self, target: str) -> tuple[int | None, str | None]:
        """When and where what is declared wrong was, by way of other declarations."""
        followed: set[str] = set()
        declared = {each.id: each.target for each in self.desk.declarations}
        while target in declared and target not in followed:
            followed.add(target)
            target = declared[target]
        said: Move | Counted | None = self.desk.moves.get(target) or self.desk.counts.get(target)
        if said is not None:
            return said.when.best_ms, said.site
        original = self._original(target)
        named = None if target.startswith(OPERATOR) or target.count("/") != 3 else target.partition("/")[0]
        return None if original is None else original.at_ms, named

    def _original(self, name: str) -> Original | None:
        g, s, t = tables.signs.c, ledger.streams.c, tables.steps.c
        *place, seq = name.split("/")
        if len(place) != 3 or not (seq.isascii() and seq.isdecimal() and len(seq) < 17):
            return None
        sign = (
            select(g.kind, g.best_ms, g.lane)
            .join(ledger.streams, s.id == g.stream)
            .where(s.site == place[0], s.gateway == place[1], s.epoch == place[2], g.seq == int(seq))
            .where(g.known_from <= self.known_at_ms, g.known_to > self.known_at_ms)
        )
        row = self.connection.execute(sign).first()
        if row is None:
            return None
        made = select(t.subject, t.body).where(
            t.name == name, t.known_from <= self.known_at_ms, t.known_to > self.known_at_ms
        )
        steps = self.connection.execute(made.order_by(t.subject)).all()
        outcomes = sorted({told for _, body in steps if (told := json.loads(body)["outcome"]) is not None})
        return Original(*row, tuple(subject for subject, _ in steps if subject), tuple(outcomes))
