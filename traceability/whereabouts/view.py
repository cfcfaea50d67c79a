"""The `View` of presence that tables give: each selection is one indexed query.

It is bound to a connection that sees one state of the database, and to one moment of knowledge: that of the last turn
of the deriver, or an earlier one.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from functools import cached_property
from typing import Any

from sqlalchemy import ColumnElement, Table, and_, or_, select, union

from traceability.database import Connection
from traceability.database import tables as ledger
from traceability.presence.atlas import Atlas
from traceability.presence.bindings import PERSON, Bindings, Person
from traceability.presence.coverage import Covered
from traceability.presence.facts import Counted, Unplaced, order_of
from traceability.presence.moments import Span
from traceability.presence.stays import Stay, Step
from traceability.presence.view import Passing, Place
from traceability.whereabouts import tables
from traceability.whereabouts.desk import Desk, desk_at, people_at
from traceability.whereabouts.finding import Knowledge, Sought, passing, stays_in, was_anybody_in, zones_of
from traceability.whereabouts.progress import progress
from traceability.whereabouts.rows import Stays, steps_of
from traceability.whereabouts.watching import coverage_of


class TableView:
    """All that was known at `known_at_ms`; None: at the last turn."""

    def __init__(self, connection: Connection, known_at_ms: int | None = None) -> None:
        self._connection = connection
        self._latest_ms = progress(connection)[1]
        self.known_at_ms: int = self._latest_ms if known_at_ms is None else min(known_at_ms, self._latest_ms)
        self._people, self._stays = Bindings(), Stays()
        self._asked: set[str] = set()
        self._met: set[str] = set()
        """Whose stays were read: they are likely to be asked for next, so all are read at once."""

    @property
    def atlas(self) -> Atlas:
        return self._desk.atlas

    def sites(self) -> list[str]:
        return sorted(self._connection.scalars(select(ledger.streams.c.site).distinct()))

    def person(self, subject: str) -> Person | None:
        if subject not in self._asked:
            self._met |= {subject}
            names = {each.removeprefix(PERSON) for each in self._met if each.startswith(PERSON)}
            for person in people_at(self._connection, self.known_at_ms, names):
                self._people.introduce(person)
            self._asked |= self._met
            self._met = set()
        return self._people.person_of(subject)

    def owner(self, token: str, at_ms: int) -> str:
        return self.bindings.subject_of(token, at_ms)

    def of_subject(self, subject: str, window: Span) -> list[Stay]:
        c = tables.stays.c
        query = select(c.body).where(c.subject == subject, self._known(tables.stays), _meeting(window))
        return self._stays.of(self._connection.scalars(query))

    def in_zones(self, places: Collection[Place], window: Span) -> list[Stay]:
        [stays] = self._in_zones([(places, window)])
        return stays

    def in_zones_each(self, asked: Sequence[Sought]) -> list[list[Stay]]:
        return self._in_zones(asked)

    def in_site(self, site: str, window: Span) -> list[Stay]:
        return self.in_zones(self._places_of(site), window)

    def unentered(self, site: str, window: Span) -> list[Stay]:
        [stays] = self._in_zones([(self._places_of(site), window)], unentered=True)
        return stays

    def steps_of(self, subject: str, window: Span) -> list[Step]:
        return self._steps(window, tables.steps.c.subject == subject)

    def passing(self, asked: Sequence[tuple[str, str, Span]]) -> list[list[Passing]]:
        return passing(self._connection, asked, self.known_at_ms)

    def flows(self, site: str, window: Span) -> list[Step]:
        c = tables.steps.c
        return self._steps(window, and_(c.site == site, c.subject == ""))

    def counted(self, site: str, window: Span) -> list[Counted]:
        found = [held for held in self._desk.counts.values() if held.site == site and held.id not in self._desk.void]
        return sorted((held for held in found if window.holds(held.when.best_ms)), key=order_of)

    def subjects(self, window: Span) -> list[str]:
        t, s = tables.steps.c, tables.stays.c
        stepping = select(t.subject).where(self._known(tables.steps), _during(window), t.subject != "")
        staying = select(s.subject).where(self._known(tables.stays), _meeting(window))
        return sorted(self._connection.scalars(union(stepping, staying)))

    def unplaced(self) -> list[Unplaced]:
        g, s = tables.signs.c, ledger.streams.c
        query = (
            select(s.site, s.gateway, s.epoch, g.seq, g.known_from, g.why)
            .join(ledger.streams, s.id == g.stream)
            .where(g.why.is_not(None), self._known(tables.signs))
        )
        found = [
            Unplaced(f"{site}/{gateway}/{epoch}/{seq}", known_ms, why)
            for site, gateway, epoch, seq, known_ms, why in self._connection.execute(query)
        ]
        return sorted((each for each in found if each.id not in self._desk.void), key=lambda each: each.id)

    def knows_zone(self, site: str, zone: str, window: Span) -> bool:
        """Whether a map has it, anybody was ever in it, or somebody without a name went through its doors then."""
        return (
            any((site, zone) in chart.zones for chart in self.atlas.maps)
            or was_anybody_in(self._connection, Place(site, zone), self.known_at_ms)
            or any(zone in {step.from_zone, step.to_zone} for step in self.flows(site, window))
        )

    def coverage(self, site: str, window: Span) -> Sequence[Covered]:
        return self.coverages([site], window)[site]

    def coverages(self, sites: Collection[str], window: Span) -> dict[str, list[Covered]]:
        return coverage_of(self._connection, sites, window, self.known_at_ms)

    # --- inside

    @cached_property
    def _desk(self) -> Desk:
        return desk_at(self._connection, self.known_at_ms, ("map", "counted", "declaration"))

    @cached_property
    def bindings(self) -> Bindings:
        """Who carries which credential."""
        desk: Desk = desk_at(self._connection, self.known_at_ms, {"binding"})
        return desk.bindings

    def _known(self, table: Table) -> ColumnElement[bool]:
        return and_(table.c.known_from <= self.known_at_ms, table.c.known_to > self.known_at_ms)

    def _places_of(self, site: str) -> list[Place]:
        return [Place(site, zone) for zone in zones_of(self._connection, site)]

    def _in_zones(self, asked: Sequence[Sought], *, unentered: bool = False) -> list[list[Stay]]:
        known = Knowledge(self.known_at_ms, self._latest_ms)
        found = stays_in(self._connection, asked, known, self._stays, unentered=unentered)
        self._met |= {stay.subject for stays in found for stay in stays} - self._asked
        return found

    def _steps(self, window: Span, which: ColumnElement[bool]) -> list[Step]:
        query = select(tables.steps.c.body).where(which, self._known(tables.steps), _during(window))
        return steps_of(self._connection.scalars(query))


def _meeting(window: Span) -> Any:
    """As `Span.meets`, for the possible extent of a stay."""
    c = tables.stays.c
    return or_(and_(c.first_ms < window.end_ms, c.last_ms > window.begin_ms), c.first_ms == window.begin_ms)


def _during(window: Span) -> Any:
    c = tables.steps.c
    return and_(c.best_ms >= window.begin_ms, c.best_ms < window.end_ms, c.role != "void")
