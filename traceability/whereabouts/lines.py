"""Record lines with when they happened: of those that are new, and of any by name."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import cache
from typing import Any

from pydantic_core import from_json
from sqlalchemy import FromClause, Select, Text, and_, column, exists, func, select

from gateway.wire import Line, read_line
from traceability import clocks
from traceability.anchors import Reading
from traceability.database import Connection
from traceability.database import tables as ledger
from traceability.database.portable import ask, given
from traceability.database.tables import BIG
from traceability.dating import Dated
from traceability.growing import Stirred
from traceability.presence.moments import FUTURE, when_of
from traceability.whereabouts import tables
from traceability.whereabouts.almanac import Almanac, Name
from traceability.whereabouts.arrivals import Rows
from traceability.whereabouts.rows import Dates, Place

CHUNK = 400


@dataclass(frozen=True, slots=True)
class Told:
    """One record: where it is in the ledger, what it says, when that was."""

    place: Place
    line: Line
    dated: Dated
    at_ms: int | None = None
    """When it arrived, of those that are new."""

    @property
    def dates(self) -> Dates:
        """Best estimate, and between which moments; as signs keep it."""
        when = when_of(self.dated)
        return (None, None, None) if when is None else (when.best_ms, when.earliest_ms, when.latest_ms)


@dataclass(slots=True)
class Lines:
    """Reads lines in one transaction; what dates them is in the almanac, or read once for each gateway."""

    connection: Connection
    almanac: Almanac = field(default_factory=Almanac)

    def new(self, since: int, limit: int, missing: Sequence[Rows] = ()) -> tuple[list[int], list[Told]]:
        """Records behind a row of the ledger that are no sign yet, at most so many, and all such among the rows that
        were missing; and in which rows they are, in order.
        """
        behind = _FOUND.where(_R.rowid > since).order_by(_R.rowid).limit(limit)
        rows = [*ask(self.connection, _new_among, missing), *self.connection.execute(behind)]
        lines = [kept_line(raw) for _, _, _, raw, _ in rows]
        readings = [clocks.reading_of(line) for line in lines]
        self.almanac.learn(self.connection, zip(lines, readings, strict=True))
        told = [
            self._told((stream, seq), line, reading, at_ms)
            for (_, stream, seq, _, at_ms), line, reading in zip(rows, lines, readings, strict=True)
        ]
        return [row[0] for row in rows], told

    def there(self, since: int, limit: int) -> list[int]:
        """Rows of the ledger behind one, at most so many, in order."""
        row = ledger.records.c.rowid
        return list(self.connection.scalars(select(row).where(row > since).order_by(row).limit(limit)))

    def waiting(self, since: int) -> int:
        """How many records behind a row of the ledger are no sign yet."""
        r = ledger.records.c
        return self.connection.scalar(select(func.count()).where(r.rowid > since, _NEW)) or 0

    def any(self, since: int, missing: Sequence[Rows] = ()) -> bool:
        """Whether there are any, there or among the rows that were missing."""
        r = ledger.records.c
        behind = select(exists(select(r.seq).where(r.rowid > since, _NEW)))
        return bool(self.connection.scalar(behind) or ask(self.connection, _new_among, missing))

    def at(self, places: Iterable[Place]) -> Iterator[Told]:
        """Those of them that are there and have not expired."""
        for stream, seq, raw in ask(self.connection, _lines_at, sorted(set(places))):
            line = kept_line(raw)
            yield self._told((stream, seq), line, clocks.reading_of(line))

    def in_doubt(self, anchored: Iterable[Name]) -> list[Told]:
        """Records whose clocks were in doubt, signs already, that are dated otherwise now than their signs say.

        `anchored`: gateways with a new anchor; of those that were not looked at before everything is.
        """
        changed: list[Told] = []
        told_anew = set(anchored)
        for name, story in sorted(self.almanac.stories.items()):
            stirred = story.chronicle.stirred()
            held: dict[Place, Dates] = {}
            if not story.is_checked and name in told_anew:
                held, story.is_checked = self._held_dates(name), True
            elif story.is_checked:
                held = self._stirred_dates(name, stirred, story.waiting(stirred))
            changed += (told for told in self.at(held) if held[told.place] != told.dates)
        return changed

    def dated_otherwise(self, told: Iterable[Told]) -> list[Told]:
        """Those of them, signs already, whose signs say another time."""
        of = {each.place: each for each in told}
        places = sorted(of)
        held = self._dates(places)
        return [of[place] for place in places if held.get(place, of[place].dates) != of[place].dates]

    def taken(self, names: Iterable[str]) -> Iterator[Told]:
        """Records by their ids: those of them that are signs already. What is new has its own turn."""
        return self.at(self._dates(self._places_of(names)))

    def _places_of(self, names: Iterable[str]) -> list[Place]:
        s = ledger.streams.c
        streams = {
            f"{site}/{gateway}/{epoch}": stream
            for stream, site, gateway, epoch in self.connection.execute(select(s.id, s.site, s.gateway, s.epoch))
        }
        parts = (name.rpartition("/") for name in names)
        return [(streams[stream], int(seq)) for stream, _, seq in parts if stream in streams and seq.isdecimal()]

    def _told(self, place: Place, line: Line, reading: Reading, at_ms: int | None = None) -> Told:
        story = self.almanac.story(self.connection, (line.site, line.gateway))
        return Told(place, line, story.date(place, reading), at_ms)

    def _stirred_dates(self, name: Name, stirred: Stirred, waiting: Iterable[Place]) -> dict[Place, Dates]:
        """Of those that may be dated otherwise."""
        reaches = [(*name, boot, *reach) for boot, reach in sorted(stirred.ranges.items())]
        places = [(row[0], row[1]) for row in ask(self.connection, _doubts_within, reaches)]
        return self._dates({*places, *waiting})

    def _held_dates(self, name: Name) -> dict[Place, Dates]:
        """Of all records of a gateway whose own clock was in doubt."""
        places = [(row[0], row[1]) for row in ask(self.connection, _doubts_of, [name])]
        return self._dates(places)

    def _dates(self, places: Iterable[Place]) -> dict[Place, Dates]:
        """Of those of them that are signs."""
        rows = ask(self.connection, _dates_at, sorted(places))
        return {(stream, seq): (best, first, last) for stream, seq, best, first, last in rows}


def kept_line(raw: bytes) -> Line:
    """A line of the ledger, all of which were examined when they were taken."""
    try:
        event = from_json(raw)
    except ValueError:
        return read_line(bytes(raw))
    data = event["data"]
    _, site, gateway, *_ = event["source"].split("/")
    return Line(site, gateway, data["epoch"], data["seq"], data["prev"], event["type"], event["time"], raw, data)


_R, _S = ledger.records.c, tables.signs.c
_NEW = and_(_R.line != b"", ~exists().where(_S.stream == _R.stream, _S.seq == _R.seq))
"""A record that is no sign yet, and has not expired."""
_FOUND = select(_R.rowid, _R.stream, _R.seq, _R.line, _R.at_ms).where(_NEW)

# --- statements over many rows, made once for each engine

PLACE = (column("stream", BIG), column("seq", BIG))
NAME = (column("site", Text), column("gateway", Text))
REACH = (*NAME, column("boot", Text), column("first", BIG), column("last", BIG))


@cache
def _new_among(dialect: str) -> Select[Any]:
    """Records that are no sign yet, in rows from one to another."""
    among = given(dialect, column("first", BIG), column("last", BIG))
    within = _R.rowid.between(among.c.first, among.c.last)
    return _FOUND.select_from(among.join(ledger.records, within)).order_by(_R.rowid)


@cache
def _lines_at(dialect: str) -> Select[Any]:
    """Lines that have not expired, by their places."""
    at, r = given(dialect, *PLACE), ledger.records.c
    here = and_(r.stream == at.c.stream, r.seq == at.c.seq)
    return select(r.stream, r.seq, r.line).select_from(at.join(ledger.records, here)).where(r.line != b"")


@cache
def _dates_at(dialect: str) -> Select[Any]:
    """What signs say of their times now, by their places."""
    at, g = given(dialect, *PLACE), tables.signs.c
    here = and_(g.stream == at.c.stream, g.seq == at.c.seq, g.known_to == FUTURE)
    words = (g.stream, g.seq, g.best_ms, g.earliest_ms, g.latest_ms)
    return select(*words).select_from(at.join(tables.signs, here))


@cache
def _doubts_of(dialect: str) -> Select[Any]:
    """The places of records whose own clock was in doubt, by site and gateway."""
    return _doubts(given(dialect, *NAME))


@cache
def _doubts_within(dialect: str) -> Select[Any]:
    """The same by site, gateway, boot and from which moment of it to which."""
    reach, d = given(dialect, *REACH), ledger.doubts.c
    within = and_(d.boot == reach.c.boot, d.boot_ns.between(reach.c.first, reach.c.last))
    return _doubts(reach).where(within)


def _doubts(of: FromClause) -> Select[Any]:
    d, s = ledger.doubts.c, ledger.streams.c
    streams = and_(s.site == of.c.site, s.gateway == of.c.gateway)
    found = of.join(ledger.streams, streams).join(ledger.doubts, d.stream == s.id)
    return select(d.stream, d.seq).select_from(found)
