"""Steps go into the tables, and the stays beside them are derived anew: only those beside them.

The gaps a step can change reach to the second move on either side (see `presence.timeline`), so that much of its
subject is read, and not its whole life.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from sqlalchemy import Table, Update, bindparam, select, update

from traceability.database import Connection
from traceability.presence.moments import FUTURE, PAST
from traceability.presence.stays import Step, Travel
from traceability.presence.timeline import Delta, Timeline
from traceability.whereabouts import tables
from traceability.whereabouts.rows import Row, stay_row, stays_of, step_row, steps_of

MARGIN_MOVES = 3
FLOW = ""
"""The subject of those without a name."""


@dataclass(slots=True)
class Change:
    """What one turn does to the steps of one subject."""

    gone: list[Step] = field(default_factory=list)
    new: list[Step] = field(default_factory=list)
    tokens: dict[str, str | None] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Shelf:
    """The tables in one transaction, at one moment of knowledge."""

    connection: Connection
    known_ms: int
    travel: Callable[[int], Travel]

    def held(self, names: Sequence[str]) -> list[Step]:
        """The steps that these facts make by now."""
        c = tables.steps.c
        found: list[str] = []
        for begin in range(0, len(names), 400):
            chunk = names[begin : begin + 400]
            query = select(c.body).where(c.name.in_(chunk), c.known_to == FUTURE)
            found += self.connection.scalars(query)
        return steps_of(found)

    def apply(self, subject: str, change: Change) -> None:
        """Take steps out and put others in."""
        delta = Delta() if subject == FLOW else self._delta(subject, change)
        self._close_steps(change.gone)
        self._insert(tables.steps, [step_row(step, change.tokens.get(step.id), self.known_ms) for step in change.new])
        self._write(delta)

    def derive(self, subject: str) -> None:
        """Derive all stays of a subject anew: how long it takes from site to site has changed."""
        c, s = tables.steps.c, tables.stays.c
        bodies = self.connection.scalars(select(c.body).where(c.subject == subject, c.known_to == FUTURE))
        after = set(Timeline(steps_of(bodies), self.travel).stays)
        bodies = self.connection.scalars(select(s.body).where(s.subject == subject, s.known_to == FUTURE))
        before = set(stays_of(bodies))
        self._write(Delta(tuple(before - after), tuple(after - before)))

    def _delta(self, subject: str, change: Change) -> Delta:
        times = [step.when.best_ms for step in (*change.gone, *change.new)]
        line = Timeline(self._around(subject, min(times), max(times)), self.travel)
        delta = Delta()
        for step in change.gone:
            delta = delta.then(line.drop(step))
        for step in change.new:
            delta = delta.then(line.put(step))
        return delta

    def _around(self, subject: str, first_ms: int, last_ms: int) -> list[Step]:
        """The steps of a subject from the third move before these moments to the third one behind."""
        c = tables.steps.c
        moves = select(c.best_ms).where(c.subject == subject, c.role == "moved", c.known_to == FUTURE)
        before = self.connection.scalars(
            moves.where(c.best_ms < first_ms).order_by(c.best_ms.desc()).limit(MARGIN_MOVES)
        ).all()
        behind = self.connection.scalars(
            moves.where(c.best_ms > last_ms).order_by(c.best_ms).limit(MARGIN_MOVES)
        ).all()
        begin_ms = before[-1] if len(before) == MARGIN_MOVES else PAST
        end_ms = behind[-1] if len(behind) == MARGIN_MOVES else FUTURE
        query = select(c.body).where(
            c.subject == subject, c.known_to == FUTURE, c.best_ms >= begin_ms, c.best_ms <= end_ms
        )
        return steps_of(self.connection.scalars(query))

    def _close_steps(self, gone: Sequence[Step]) -> None:
        if gone:
            rows = [{"it": step.id, "of": step.subject, "now": self.known_ms} for step in gone]
            self.connection.execute(_CLOSE_STEP, rows)

    def _write(self, delta: Delta) -> None:
        if delta.gone:
            rows = [{"it": stay.id, "of": stay.subject, "now": self.known_ms} for stay in delta.gone]
            self.connection.execute(_CLOSE_STAY, rows)
        self._insert(tables.stays, [stay_row(stay, self.known_ms) for stay in delta.new])

    def _insert(self, table: Table, rows: Sequence[Row]) -> None:
        if rows:
            self.connection.execute(table.insert(), rows)


def _closing(table: Table) -> Update:
    c = table.c
    return (
        update(table)
        .where(c.subject == bindparam("of"), c.name == bindparam("it"), c.known_to == FUTURE)
        .values(known_to=bindparam("now"))
    )


_CLOSE_STEP, _CLOSE_STAY = _closing(tables.steps), _closing(tables.stays)
