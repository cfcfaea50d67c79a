"""Steps go into the tables, and the stays beside them are derived anew: only those beside them.

The gaps a step can change reach to the second move on either side (see `presence.timeline`), so that much of its
subject is read, and not its whole life.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import BigInteger, Table, Text, column, select, update, values

from traceability.database import Connection
from traceability.database.portable import append
from traceability.presence.moments import FUTURE, PAST
from traceability.presence.stays import Stay, Step, Travel
from traceability.presence.timeline import Delta, Timeline
from traceability.whereabouts import tables
from traceability.whereabouts.rows import stay_row, stays_of, step_row, steps_of

MARGIN_MOVES = 3
CHUNK = 500
FLOW = ""
"""The subject of those without a name."""
Reach = tuple[int, int]
"""The first and the last moment, unix ms."""


@dataclass(slots=True)
class Change:
    """What one turn does to the steps of one subject."""

    gone: list[Step] = field(default_factory=list)
    new: list[Step] = field(default_factory=list)
    tokens: dict[str, str | None] = field(default_factory=dict)

    @property
    def reach(self) -> Reach:
        """From when to when it changes steps; there is one."""
        times = [step.when.best_ms for step in (*self.gone, *self.new)]
        return min(times), max(times)


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

    def apply(self, changes: Mapping[str, Change]) -> None:
        """Take steps out and put others in, by subject; a few statements for all of them together."""
        around = self._around({subject: change.reach for subject, change in changes.items() if subject != FLOW})
        deltas = [self._delta(around.get(subject, []), changes[subject]) for subject in sorted(changes)]
        ordered = [changes[subject] for subject in sorted(changes)]
        self._close(tables.steps, [step for change in ordered for step in change.gone])
        new = ((step, change.tokens.get(step.id)) for change in ordered for step in change.new)
        append(self.connection, tables.steps, [step_row(step, token, self.known_ms) for step, token in new])
        self._write(deltas)

    def derive(self, subject: str) -> None:
        """Derive all stays of a subject anew: how long it takes from site to site has changed."""
        c, s = tables.steps.c, tables.stays.c
        bodies = self.connection.scalars(select(c.body).where(c.subject == subject, c.known_to == FUTURE))
        after = set(Timeline(steps_of(bodies), self.travel).stays)
        bodies = self.connection.scalars(select(s.body).where(s.subject == subject, s.known_to == FUTURE))
        before = set(stays_of(bodies))
        self._write([Delta(tuple(before - after), tuple(after - before))])

    def _delta(self, around: Sequence[Step], change: Change) -> Delta:
        delta = Delta()
        named = [step for step in (*change.gone, *change.new) if step.subject != FLOW]
        if not named:
            return delta
        line = Timeline(around, self.travel)
        for step in change.gone:
            delta = delta.then(line.drop(step))
        for step in change.new:
            delta = delta.then(line.put(step))
        return delta

    def _around(self, reaches: Mapping[str, Reach]) -> dict[str, list[Step]]:
        """The steps of subjects from the third move before these moments to the third one behind."""
        bodies: dict[str, list[str]] = {}
        c = tables.steps.c
        ordered = sorted(reaches)
        for begin in range(0, len(ordered), CHUNK):
            chunk = {subject: reaches[subject] for subject in ordered[begin : begin + CHUNK]}
            wide = _reaches(self._widened(chunk))
            query = select(c.subject, c.body).where(
                c.subject == wide.subject,
                c.known_to == FUTURE,
                c.best_ms >= wide.first_ms,
                c.best_ms <= wide.last_ms,
            )
            for subject, body in self.connection.execute(query):
                bodies.setdefault(subject, []).append(body)
        return {subject: steps_of(found) for subject, found in bodies.items()}

    def _widened(self, reaches: Mapping[str, Reach]) -> dict[str, Reach]:
        told, m = _reaches(reaches), tables.steps.alias().c
        moves = select(m.best_ms).where(m.subject == told.subject, m.role == "moved", m.known_to == FUTURE)
        before = moves.where(m.best_ms < told.first_ms).order_by(m.best_ms.desc())
        behind = moves.where(m.best_ms > told.last_ms).order_by(m.best_ms)
        ends = (each.limit(1).offset(MARGIN_MOVES - 1).scalar_subquery() for each in (before, behind))
        rows = self.connection.execute(select(told.subject, *ends))
        return {
            subject: (PAST if first_ms is None else first_ms, FUTURE if last_ms is None else last_ms)
            for subject, first_ms, last_ms in rows
        }

    def _write(self, deltas: Sequence[Delta]) -> None:
        self._close(tables.stays, [stay for delta in deltas for stay in delta.gone])
        new = [stay for delta in deltas for stay in delta.new]
        append(self.connection, tables.stays, [stay_row(stay, self.known_ms) for stay in new])

    def _close(self, table: Table, gone: Sequence[Step] | Sequence[Stay]) -> None:
        c = table.c
        named = sorted((each.subject, each.id) for each in gone)
        for begin in range(0, len(named), CHUNK):
            chunk = values(column("subject", Text), column("name", Text), name="gone").data(
                named[begin : begin + CHUNK]
            )
            which = chunk.cte("gone").c
            closing = update(table).where(c.subject == which.subject, c.name == which.name, c.known_to == FUTURE)
            self.connection.execute(closing.values(known_to=self.known_ms))


def _reaches(reaches: Mapping[str, Reach]) -> Any:
    """As a table of the statement: its columns."""
    columns = (column("subject", Text), column("first_ms", BigInteger), column("last_ms", BigInteger))
    rows = [(subject, first_ms, last_ms) for subject, (first_ms, last_ms) in sorted(reaches.items())]
    return values(*columns, name="reach").data(rows).cte("reach").c
