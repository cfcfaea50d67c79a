"""Signs, steps and stays made anew beside those that answer, and then put right where they differ.

All turns there have been are taken once more, each with the records and the words of operators it took, dated as they
were then: so what was known when is kept, and an answer as known then stays the same to the byte, unless it was
wrong. Meanwhile the tables answer, and grow; what they lack or have too much is changed in one transaction at the
end, while nobody derives. Until then nothing was written, so it may be killed at any moment.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import Table, and_, bindparam, case, delete, literal, or_, select

from traceability.database import Connection, Database
from traceability.database.portable import hold_derivation
from traceability.database.shadows import analyze, be_patient, close_all_others, shadow
from traceability.presence.moments import DAY_MS, FUTURE
from traceability.whereabouts import tables
from traceability.whereabouts.desk import Desk, Entry
from traceability.whereabouts.digest import Names, digest_anew
from traceability.whereabouts.past import Past, Then
from traceability.whereabouts.progress import progress
from traceability.whereabouts.work import Work

REBUILT = (tables.signs, tables.steps, tables.stays)
DIGESTS = (tables.named, tables.blocks)
"""What follows from the signs that are there, whenever they came to be known."""
COMMIT_S = 1.0
ANALYZE_TURNS = 500
CHUNK = 1000


@dataclass(slots=True)
class Differences:
    """Rows of one table that were not there, that should not have been, and that said something else."""

    missing: int = 0
    surplus: int = 0
    other: int = 0

    def __bool__(self) -> bool:
        return bool(self.missing or self.surplus or self.other)


@dataclass(slots=True)
class Rebuilt:
    """What was taken once more, and what it changed (or would), by table."""

    turns: int = 0
    records: int = 0
    differences: dict[str, Differences] = field(default_factory=dict)

    @property
    def changed(self) -> bool:
        return any(self.differences.values())


def rebuild(database: Database, keep_ms: int, now_ms: int, tell: Callable[[int], None], *, write: bool) -> Rebuilt:
    """Of a ledger that keeps bodies so long (0: for ever). `tell`: how many records are done. Not `write`: only look.

    Raises Unavailable, NotDurable.
    """
    with database.sketching() as sketch:
        hidden = (*REBUILT, *DIGESTS)
        own = dict(zip((table.name for table in hidden), shadow(sketch, hidden), strict=True))
        past = Past(sketch, own["signs"], own["steps"], now_ms + DAY_MS - keep_ms if keep_ms else 0)
        past.open()
        close_all_others(sketch)
        again = _Again(sketch, past, own, tell)
        again.take(progress(sketch)[1])
        if not write:
            again.compare(None)
            return again.rebuilt
        sketch.commit()
        with database.writing() as connection:
            hold_derivation(connection)
            be_patient(connection)
            again.take(progress(connection)[1])
            again.compare(connection)
            digest_anew(connection)
        return again.rebuilt


@dataclass(slots=True)
class _Again:
    sketch: Connection
    past: Past
    own: Mapping[str, Table]
    tell: Callable[[int], None]
    rebuilt: Rebuilt = field(default_factory=Rebuilt)
    known_ms: int = 0
    _desk: Desk = field(default_factory=Desk)
    _names: Names = field(default_factory=Names)

    def take(self, upto_ms: int) -> None:
        """The turns behind the last one taken, up to a moment."""
        self.past.gather(self.known_ms, upto_ms)
        said = self._said(upto_ms)
        committed = time.monotonic()
        for known_ms in self._moments(said):
            self._turn(known_ms, said.get(known_ms, []))
            if self.rebuilt.turns % ANALYZE_TURNS == 0:
                analyze(self.sketch, REBUILT)
            if time.monotonic() - committed > COMMIT_S:
                self.sketch.commit()
                committed = time.monotonic()
        self.known_ms = upto_ms
        analyze(self.sketch, REBUILT)

    def compare(self, connection: Connection | None) -> None:
        """Count where the tables differ, and put them right over a connection."""
        for table in REBUILT:
            found = self.rebuilt.differences[table.name] = Differences()
            for keys, row in self._different(table):
                found.missing += keys is None
                found.surplus += row is None
                found.other += keys is not None and row is not None
                if connection is not None:
                    _put_right(connection, table, keys, row)

    # --- inside

    def _moments(self, said: Mapping[int, list[Entry]]) -> Iterator[int]:
        words = sorted(said)
        for known_ms in self.past.turns(self.known_ms):
            while words and words[0] < known_ms:
                yield words.pop(0)
            if words and words[0] == known_ms:
                words.pop(0)
            yield known_ms
        yield from words

    def _said(self, upto_ms: int) -> dict[int, list[Entry]]:
        c = tables.entries.c
        query = select(c.number, c.name, c.kind, c.body, c.known_ms)
        found: dict[int, list[Entry]] = {}
        rows = self.sketch.execute(query.where(c.known_ms > self.known_ms, c.known_ms <= upto_ms).order_by(c.number))
        for entry in (Entry(*row) for row in rows):
            found.setdefault(entry.known_ms or 0, []).append(entry)
        return found

    def _turn(self, known_ms: int, said: list[Entry]) -> None:
        past = self.past
        lines = Then(self.sketch, own=past.signs, steps=past.steps, known_ms=known_ms, keep_from_ms=past.keep_from_ms)
        new, changed = self.past.taken(known_ms)
        place_of = {told.place: told for told in lines.at([*new, *changed])}
        work = Work(self.sketch, lines, self._desk, known_ms, self._names)
        work.hear(said)
        work.take([place_of[place] for place in new if place in place_of])
        work.date(lines.dated_otherwise(place_of[place] for place in changed if place in place_of))
        work.follow(*self.past.followed(known_ms))
        work.finish()
        self.rebuilt.turns += 1
        self.rebuilt.records += len(new)
        self.tell(self.rebuilt.records)

    def _different(self, table: Table) -> Iterator[tuple[dict[str, Any] | None, dict[str, Any] | None]]:
        """The key of a row that has to go, and the row that has to be there; either may be None."""
        own, new = self.own[table.name].alias("own"), table.alias("new")
        keys = [column.name for column in table.primary_key]
        same = and_(*(new.c[name] == own.c[name] for name in keys))
        then = case((own.c.known_to > self.known_ms, literal(FUTURE)), else_=own.c.known_to)
        values = {column.name: own.c[column.name] for column in table.c if column.name not in keys}
        differs = or_(*(new.c[name].is_distinct_from(value) for name, value in (values | {"known_to": then}).items()))
        is_new, is_own = (
            select(side.c.known_to).where(same).correlate(other) for side, other in ((new, own), (own, new))
        )
        surplus = select(*(own.c[name] for name in keys)).where(own.c.known_from <= self.known_ms, ~is_new.exists())
        missing = select(*new.c).where(~is_own.exists())
        other = select(*new.c).select_from(new.join(own, same)).where(differs)
        for row in self.sketch.execute(surplus):
            yield dict(row._mapping), None
        for row in self.sketch.execute(missing):
            yield None, dict(row._mapping)
        for row in self.sketch.execute(other):
            told = dict(row._mapping)
            yield {name: told[name] for name in keys}, told


def _put_right(connection: Connection, table: Table, keys: dict[str, Any] | None, row: dict[str, Any] | None) -> None:
    if keys is not None:
        connection.execute(
            delete(table).where(*(table.c[name] == bindparam(f"its_{name}") for name in keys)),
            {f"its_{name}": value for name, value in keys.items()},
        )
    if row is not None:
        connection.execute(table.insert(), row)
