"""Stays by zone and time, and who went through a lane when: many such questions in one statement.

Stays are looked for in stretches of an index, by how long they last (see the revision `v9_lengths`): who asks for an
hour looks back a quarter of an hour for those that pass, a day for most others, and for the few that last longer
at their ends. What was replaced meanwhile is looked for apart, once for each zone.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from functools import cache, partial
from typing import Any

from sqlalchemy import ColumnElement, FromClause, Text, and_, bindparam, column, func, or_, select, text, union_all

from traceability.database import Connection
from traceability.database.portable import ask, given
from traceability.database.tables import BIG
from traceability.presence.facts import order
from traceability.presence.moments import DAY_MS, FUTURE, Span
from traceability.presence.stays import Stay
from traceability.presence.view import Passing, Place
from traceability.whereabouts import tables
from traceability.whereabouts.rows import BETWEEN, Stays

QUARTER_MS, LONG_MS = 900_000, DAY_MS
_PASSES = text(f"last_ms - first_ms < {QUARTER_MS}")
_STAYS = text(f"last_ms - first_ms >= {QUARTER_MS} AND last_ms - first_ms < {LONG_MS}")
_LASTS = text(f"last_ms - first_ms >= {LONG_MS}")
"""In the words of the three indices."""

Sought = tuple[Collection[Place], Span]
S = tables.stays.c


@dataclass(frozen=True, slots=True)
class Knowledge:
    """As known when; `latest_ms`: the last turn, behind which nothing was replaced yet."""

    at_ms: int
    latest_ms: int


def stays_in(
    connection: Connection, asked: Sequence[Sought], known: Knowledge, read: Stays, *, unentered: bool = False
) -> list[list[Stay]]:
    """Of each the stays in any of its zones that meet its window; `unentered`: those alone that nobody saw begin."""
    rows = [
        (nth, place.site, place.zone, window.begin_ms, window.end_ms)
        for nth, (places, window) in enumerate(asked)
        for place in sorted(set(places))
    ]
    bodies: list[list[str]] = [[] for _ in asked]
    for nth, together in ask(connection, partial(_still_known, unentered=unentered), rows, known_ms=known.at_ms):
        bodies[nth] += together.split(BETWEEN)
    if known.at_ms < known.latest_ms:
        for nth, body in _replaced(connection, rows, known, unentered=unentered):
            bodies[nth].append(body)
    return [read.of(each) for each in bodies]


def _replaced(
    connection: Connection, rows: Sequence[Any], known: Knowledge, *, unentered: bool
) -> Iterable[tuple[int, str]]:
    """What is no longer known: once for each zone, then shared out."""
    of_zone: dict[tuple[str, str], list[Any]] = {}
    for row in rows:
        of_zone.setdefault((row[1], row[2]), []).append(row)
    zones = list(of_zone)
    wanted = [
        (nth, *zone, min(row[3] for row in of_zone[zone]), max(row[4] for row in of_zone[zone]))
        for nth, zone in enumerate(zones)
    ]
    maker = partial(_known_then, unentered=unentered)
    for nth, body, first_ms, last_ms in ask(connection, maker, wanted, known_ms=known.at_ms):
        extent = Span(first_ms, last_ms)
        for row in of_zone[zones[nth]]:
            if extent.meets(Span(row[3], row[4])):
                yield row[0], body


@cache
def _still_known(dialect: str, *, unentered: bool) -> Any:
    asked = _asked(dialect)
    c = asked.c
    known = and_(S.known_to == FUTURE, *_here(asked, unentered=unentered))
    begun = and_(S.first_ms <= c.end_ms, S.last_ms >= c.begin_ms)
    parts = (
        and_(_PASSES, S.first_ms > c.begin_ms - QUARTER_MS, begun),
        and_(_STAYS, S.first_ms > c.begin_ms - LONG_MS, begun),
        and_(_LASTS, begun),
    )
    found = union_all(
        *(select(c.nth, S.body).select_from(asked.join(tables.stays, and_(known, part))) for part in parts)
    ).subquery()
    return select(found.c.nth, func.aggregate_strings(found.c.body, BETWEEN)).group_by(found.c.nth)


@cache
def _known_then(dialect: str, *, unentered: bool) -> Any:
    asked = _asked(dialect)
    moment: ColumnElement[int] = bindparam("known_ms", type_=BIG)
    known = and_(S.known_to > moment, S.known_to < FUTURE, *_here(asked, unentered=unentered))
    columns = (asked.c.nth, S.body, S.first_ms, S.last_ms)
    return union_all(
        *(
            select(*columns).select_from(asked.join(tables.stays, and_(known, part)))
            for part in (_PASSES, _STAYS, _LASTS)
        )
    )


def _asked(dialect: str) -> FromClause:
    return given(
        dialect,
        column("nth", BIG),
        column("place", Text),
        column("room", Text),
        column("begin_ms", BIG),
        column("end_ms", BIG),
    )


def _here(asked: FromClause, *, unentered: bool) -> list[ColumnElement[bool]]:
    """In the zone and in the window (as `Span.meets`), and known by then."""
    c = asked.c
    meeting = or_(and_(S.first_ms < c.end_ms, S.last_ms > c.begin_ms), S.first_ms == c.begin_ms)
    known = S.known_from <= bindparam("known_ms", type_=BIG)
    found = [S.site == c.place, S.zone == c.room, known, meeting]
    return [*found, S.body.contains('"no_entry"', autoescape=True)] if unentered else found


def zones_of(connection: Connection, site: str) -> list[str]:
    """In which anybody ever stayed: from each one to the next in each index, in one question."""
    found = connection.scalars(_zones(), {"wanted": site})
    return sorted({zone for zone in found if zone is not None})


def was_anybody_in(connection: Connection, place: Place, known_at_ms: int) -> bool:
    """Whether anybody ever stayed in a zone, as known then; by the same indices."""
    here = (S.site == place.site, S.zone == place.zone, S.known_from <= known_at_ms, S.known_to > known_at_ms)
    parts = (select(S.zone).where(*here, part).limit(1) for part in (_PASSES, _STAYS, _LASTS))
    return any(connection.scalar(each) is not None for each in parts)


@cache
def _zones() -> Any:
    site: ColumnElement[str] = bindparam("wanted", type_=Text)
    parts = []
    for number, part in enumerate((_PASSES, _STAYS, _LASTS)):
        found = select(func.min(S.zone).label("zone")).where(S.site == site, part)
        walk = found.cte(f"zones_{number}", recursive=True)
        behind = select(func.min(S.zone)).where(S.site == site, S.zone > walk.c.zone, part).scalar_subquery()
        walk = walk.union_all(select(behind).where(walk.c.zone.is_not(None)))
        parts.append(select(walk.c.zone))
    return union_all(*parts)


def passing(connection: Connection, asked: Sequence[tuple[str, str, Span]], known_at_ms: int) -> list[list[Passing]]:
    """Of each (site, lane, window) who was at the lane, in order of time."""
    rows = [(nth, site, lane, window.begin_ms, window.end_ms) for nth, (site, lane, window) in enumerate(asked)]
    found: list[list[Any]] = [[] for _ in asked]
    for nth, subject, at_ms, name in ask(connection, _passing, rows, known_ms=known_at_ms):
        found[nth].append((order(at_ms, name), Passing(subject, at_ms)))
    return [[each for _, each in sorted(them, key=_first)] for them in found]


@cache
def _passing(dialect: str) -> Any:
    asked = _asked(dialect)
    a, t = asked.c, tables.steps.c
    moment: ColumnElement[int] = bindparam("known_ms", type_=BIG)
    here = and_(t.site == a.place, t.lane == a.room, t.best_ms >= a.begin_ms, t.best_ms < a.end_ms)
    counts = and_(t.subject != "", t.role != "void", t.known_from <= moment, t.known_to > moment)
    return select(a.nth, t.subject, t.best_ms, t.name).select_from(asked.join(tables.steps, and_(here, counts)))


def _first(pair: tuple[Any, Passing]) -> Any:
    return pair[0]
