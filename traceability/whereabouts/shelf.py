"""Steps go into the tables, and the stays beside them are derived anew: only those beside them.

The gaps a step can change reach to the second move on either side (see `presence.timeline`), so that much of its
subject is read, and not its whole life.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from typing import Any

from sqlalchemy import Select, Table, Text, Update, bindparam, column, select, update

from traceability.database import Connection
from traceability.database.portable import append, ask, execute, given
from traceability.database.tables import BIG
from traceability.presence.moments import FUTURE, PAST
from traceability.presence.stays import Stay, Step
from traceability.presence.timeline import Delta, Timeline
from traceability.presence.travel import Travel
from traceability.whereabouts import tables
from traceability.whereabouts.rows import Stays, stay_row, step_row, steps_of

MARGIN_MOVES = 3
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
        before = set(Stays().of(bodies))
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
        wide = ask(self.connection, _wide, [(subject, *reach) for subject, reach in sorted(reaches.items())])
        asked = [
            (subject, PAST if first_ms is None else first_ms, FUTURE if last_ms is None else last_ms)
            for subject, first_ms, last_ms in wide
        ]
        bodies: dict[str, list[str]] = {}
        for subject, body in ask(self.connection, _within, asked):
            bodies.setdefault(subject, []).append(body)
        return {subject: steps_of(found) for subject, found in bodies.items()}

    def _write(self, deltas: Sequence[Delta]) -> None:
        self._close(tables.stays, [stay for delta in deltas for stay in delta.gone])
        new = [stay for delta in deltas for stay in delta.new]
        append(self.connection, tables.stays, [stay_row(stay, self.known_ms) for stay in new])

    def _close(self, table: Table, gone: Sequence[Step] | Sequence[Stay]) -> None:
        named = sorted((each.subject, each.id) for each in gone)
        if named:
            closing = _closing(table, self.connection.dialect.name)
            execute(self.connection, closing, named, now=self.known_ms)


REACH = (column("subject", Text), column("first_ms", BIG), column("last_ms", BIG))


@cache
def _wide(dialect: str) -> Select[Any]:
    """Of given subjects and reaches the third move before and the third behind; null where there is none."""
    told, m = given(dialect, *REACH).c, tables.steps.alias().c
    moves = select(m.best_ms).where(m.subject == told.subject, m.role == "moved", m.known_to == FUTURE)
    before = moves.where(m.best_ms < told.first_ms).order_by(m.best_ms.desc())
    behind = moves.where(m.best_ms > told.last_ms).order_by(m.best_ms)
    ends = (each.limit(1).offset(MARGIN_MOVES - 1).scalar_subquery() for each in (before, behind))
    return select(told.subject, *ends)


@cache
def _within(dialect: str) -> Select[Any]:
    """The steps of given subjects within given reaches."""
    told, c = given(dialect, *REACH).c, tables.steps.c
    during = c.best_ms.between(told.first_ms, told.last_ms)
    return select(c.subject, c.body).where(c.subject == told.subject, during, c.known_to == FUTURE)


@cache
def _closing(table: Table, dialect: str) -> Update:
    """End given rows, by subject and name, at a moment of knowledge."""
    gone, c = given(dialect, column("subject", Text), column("name", Text)).c, table.c
    closing = update(table).where(c.subject == gone.subject, c.name == gone.name, c.known_to == FUTURE)
    return closing.values(known_to=bindparam("now", type_=BIG))
