"""The turns there have been, out of the signs: what each was told, and how records were dated then.

A sign's versions are the memory of when a record was known, and of the time it had by what was known then; they
cannot be derived from the lines, which say nothing of it. Records whose bodies have expired, or soon will, are
followed instead: their signs and steps are taken over as they are.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import (
    Column,
    MetaData,
    Table,
    Text,
    and_,
    case,
    cast,
    func,
    insert,
    literal,
    or_,
    select,
)

from gateway.wire import Line
from traceability import clocks
from traceability.database import Connection
from traceability.database import tables as ledger
from traceability.database.portable import execute, given
from traceability.database.tables import BIG, FLAG
from traceability.dating import Dated
from traceability.presence.moments import FUTURE
from traceability.presence.reading import name_of
from traceability.presence.stays import Step
from traceability.whereabouts import tables
from traceability.whereabouts.lines import PLACE, Lines, Told, kept_line
from traceability.whereabouts.rows import Dates, Place, steps_of

_scratch = MetaData()
takings = Table(
    "rebuild_takings",
    _scratch,
    Column("known_ms", BIG, index=True),
    Column("stream", BIG),
    Column("seq", BIG),
    Column("is_new", FLAG),
    prefixes=["TEMPORARY"],
)
"""Which records were taken, or dated otherwise, at which turn."""
follows = Table(
    "rebuild_follows",
    _scratch,
    Column("known_ms", BIG, index=True),
    Column("is_new", FLAG),
    Column("token", Text),
    Column("body", Text),
    prefixes=["TEMPORARY"],
)
"""Which steps of records that are followed came and went at which turn."""


@dataclass(slots=True)
class Then(Lines):
    """Lines dated as they were at a moment: by the signs of the ledger, `own`, and not by the anchors of today."""

    own: Table = tables.signs
    steps: Table = tables.steps
    known_ms: int = 0
    keep_from_ms: int = 0

    def at(self, places: Iterable[Place]) -> Iterator[Told]:
        """Those of them that were signs then and are not followed."""
        asked, r, g = sorted(set(places)), ledger.records.c, self.own.c
        if not asked:
            return
        at = given(self.connection.dialect.name, *PLACE)
        here = and_(r.stream == at.c.stream, r.seq == at.c.seq)
        then = and_(g.stream == r.stream, g.seq == r.seq, g.known_from <= self.known_ms, g.known_to > self.known_ms)
        query = (
            select(r.stream, r.seq, r.line, g.best_ms, g.earliest_ms, g.latest_ms)
            .select_from(at.join(ledger.records, here).join(self.own, then))
            .where(r.line != b"", r.at_ms >= self.keep_from_ms)
        )
        rows: Sequence[Any] = execute(self.connection, query, asked).all()
        for stream, seq, raw, *dates in rows:
            place, line = (stream, seq), kept_line(raw)
            yield Told(place, line, self._dated(line, place, (dates[0], dates[1], dates[2])))

    def _dated(self, line: Line, place: Place, dates: Dates) -> Dated:
        story = self.almanac.story(self.connection, (line.site, line.gateway))
        now = story.chronicle.date(clocks.reading_of(line))
        if Told(place, line, now).dates == dates:
            return now
        best, first, last = dates
        return Dated(best, None, first, last, "order" if best is None else self._basis(line))

    def _basis(self, line: Line) -> Any:
        """By what it was dated then; only a step tells, and matters."""
        c = self.steps.c
        query = select(c.body).where(
            c.name == name_of(line), c.known_from <= self.known_ms, c.known_to > self.known_ms
        )
        body = self.connection.scalar(query.limit(1))
        return "anchor" if body is None else json.loads(body)["when"]["basis"]


@dataclass(frozen=True, slots=True)
class Past:
    """All turns up to a moment, over a connection with temporary tables. `own`: the ledger's signs and steps.

    `keep_from_ms`: what arrived before is followed.
    """

    connection: Connection
    signs: Table
    steps: Table
    keep_from_ms: int

    def open(self) -> None:
        """Make the tables for it."""
        _scratch.create_all(self.connection)

    def gather(self, after_ms: int, upto_ms: int) -> int:
        """Add the turns behind one moment up to another; how many records they took."""
        connection, g, r = self.connection, self.signs.c, ledger.records.c
        here = self.signs.join(ledger.records, and_(r.stream == g.stream, r.seq == g.seq))
        within = and_(g.known_from > after_ms, g.known_from <= upto_ms)
        before = self.signs.alias()
        earlier = (before.c.stream == g.stream, before.c.seq == g.seq, before.c.known_from < g.known_from)
        is_new = ~select(before.c.seq).where(*earlier).correlate(self.signs).exists()
        found = select(g.known_from, g.stream, g.seq, is_new).select_from(here).where(within, ~self._is_followed())
        connection.execute(insert(takings).from_select(["known_ms", "stream", "seq", "is_new"], found))
        self._take_over(within, upto_ms)
        self._gather_steps(after_ms, upto_ms)
        c = takings.c
        query = select(func.count()).select_from(takings).where(c.known_ms > after_ms, c.is_new)
        return connection.scalar(query) or 0

    def turns(self, after_ms: int) -> Iterator[int]:
        """The moments of the gathered turns behind one, in order; of what was taken and followed."""
        while True:
            behind = [
                self.connection.scalar(select(func.min(table.c.known_ms)).where(table.c.known_ms > after_ms))
                for table in (takings, follows)
            ]
            found = [known_ms for known_ms in behind if known_ms is not None]
            if not found:
                return
            after_ms = min(found)
            yield after_ms

    def taken(self, known_ms: int) -> tuple[list[Place], list[Place]]:
        """Records that were new at a turn, in the order of arrival, and those that were dated otherwise."""
        c, r = takings.c, ledger.records.c
        both = takings.join(ledger.records, and_(r.stream == c.stream, r.seq == c.seq))
        query = select(c.stream, c.seq, c.is_new).select_from(both).where(c.known_ms == known_ms).order_by(r.rowid)
        rows = self.connection.execute(query).all()
        new, changed = ([(row[0], row[1]) for row in rows if bool(row[2]) is wanted] for wanted in (True, False))
        return new, changed

    def followed(self, known_ms: int) -> tuple[list[Step], list[tuple[Step, str | None]]]:
        """Steps that went and that came at a turn."""
        c = follows.c
        rows = self.connection.execute(select(c.is_new, c.token, c.body).where(c.known_ms == known_ms)).all()
        gone = steps_of(body for is_new, _, body in rows if not is_new)
        return gone, [(steps_of([body])[0], token) for is_new, token, body in rows if is_new]

    # --- inside

    def _is_followed(self) -> Any:
        r = ledger.records.c
        return or_(r.line == b"", r.at_ms < self.keep_from_ms)

    def _take_over(self, within: Any, upto_ms: int) -> None:
        """Signs of what is followed, as they were at the end."""
        g, r = self.signs.c, ledger.records.c
        here = self.signs.join(ledger.records, and_(r.stream == g.stream, r.seq == g.seq))
        still = case((g.known_to > upto_ms, literal(FUTURE, BIG)), else_=g.known_to)
        columns = [still.label("known_to") if column.name == "known_to" else column for column in g]
        found = select(*columns).select_from(here).where(within, self._is_followed())
        self.connection.execute(insert(tables.signs).from_select([column.name for column in g], found))

    def _gather_steps(self, after_ms: int, upto_ms: int) -> None:
        t, r, s = self.steps.c, ledger.records.c, ledger.streams.c
        name = s.site + "/" + s.gateway + "/" + s.epoch + "/" + cast(r.seq, Text)
        named = ledger.records.join(ledger.streams, s.id == r.stream).join(self.steps, t.name == name)
        for moment, is_new in ((t.known_from, True), (t.known_to, False)):
            found = select(moment, literal(is_new, FLAG), t.token, t.body).select_from(named)
            found = found.where(self._is_followed(), moment > after_ms, moment <= upto_ms)
            self.connection.execute(insert(follows).from_select(["known_ms", "is_new", "token", "body"], found))
