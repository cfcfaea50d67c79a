"""Record lines with when they happened: of those that are new, and of any by name."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from sqlalchemy import ColumnElement, and_, exists, func, select, tuple_

from gateway.wire import Line, read_line
from traceability import clocks, times
from traceability.database import Connection
from traceability.database import tables as ledger
from traceability.dating import Chronicle, Dated
from traceability.presence.moments import FUTURE, when_of
from traceability.whereabouts import tables
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
    """Reads lines in one transaction; what dates them is read once for each gateway."""

    connection: Connection
    _chronicles: dict[tuple[str, str], Chronicle] = field(default_factory=dict)

    def new(self, upto: int, limit: int) -> tuple[int, list[Told]]:
        """Records behind a row of the ledger that are no sign yet, at most so many; and the last row looked at."""
        r = ledger.records.c
        query = select(r.rowid, r.stream, r.seq, r.line, r.at_ms).where(_new(upto)).order_by(r.rowid).limit(limit)
        rows = self.connection.execute(query).all()
        told = [self._told((row[1], row[2]), row[3], row[4]) for row in rows]
        return max((row[0] for row in rows), default=upto), told

    def waiting(self, upto: int) -> int:
        """How many of those there are."""
        return self.connection.scalar(select(func.count()).select_from(ledger.records).where(_new(upto))) or 0

    def any(self, upto: int) -> bool:
        """Whether there are any."""
        return bool(self.connection.scalar(select(exists(select(ledger.records.c.seq).where(_new(upto))))))

    def at(self, places: Iterable[Place]) -> Iterator[Told]:
        """Those of them that are there and have not expired."""
        r = ledger.records.c
        wanted = sorted(set(places))
        for begin in range(0, len(wanted), CHUNK):
            chunk = wanted[begin : begin + CHUNK]
            query = select(r.stream, r.seq, r.line).where(tuple_(r.stream, r.seq).in_(chunk), r.line != b"")
            for stream, seq, line in self.connection.execute(query):
                yield self._told((stream, seq), line)

    def in_doubt(self, gateways: Iterable[tuple[str, str]]) -> list[Told]:
        """Records of these gateways, signs already, that are dated otherwise now than their signs say."""
        changed: list[Told] = []
        for site, gateway in sorted(set(gateways)):
            held = self._held_dates(site, gateway)
            changed += (told for told in self.at(held) if held[told.place] != told.dates)
        return changed

    def dated_otherwise(self, told: Iterable[Told]) -> list[Told]:
        """Those of them, signs already, whose signs say another time."""
        of = {each.place: each for each in told}
        g, places, held = tables.signs.c, sorted(of), dict[Place, Dates]()
        for begin in range(0, len(places), CHUNK):
            chunk = tuple_(g.stream, g.seq).in_(places[begin : begin + CHUNK])
            query = select(g.stream, g.seq, g.best_ms, g.earliest_ms, g.latest_ms).where(chunk, g.known_to == FUTURE)
            for stream, seq, best, first, last in self.connection.execute(query):
                held[stream, seq] = (best, first, last)
        return [of[place] for place in places if held.get(place, of[place].dates) != of[place].dates]

    def taken(self, names: Iterable[str]) -> Iterator[Told]:
        """Records by their ids: those of them that are signs already. What is new has its own turn."""
        places = sorted(self._places_of(names))
        g, signs = tables.signs.c, set[Place]()
        for begin in range(0, len(places), CHUNK):
            chunk = tuple_(g.stream, g.seq).in_(places[begin : begin + CHUNK])
            rows = self.connection.execute(select(g.stream, g.seq).where(chunk, g.known_to == FUTURE))
            signs |= {(stream, seq) for stream, seq in rows}
        return self.at(signs)

    def _places_of(self, names: Iterable[str]) -> list[Place]:
        s = ledger.streams.c
        streams = {
            f"{site}/{gateway}/{epoch}": stream
            for stream, site, gateway, epoch in self.connection.execute(select(s.id, s.site, s.gateway, s.epoch))
        }
        parts = (name.rpartition("/") for name in names)
        return [(streams[stream], int(seq)) for stream, _, seq in parts if stream in streams and seq.isdecimal()]

    def _told(self, place: Place, raw: bytes, at_ms: int | None = None) -> Told:
        line = read_line(bytes(raw))
        return Told(place, line, self._chronicle(line.site, line.gateway).date(clocks.reading_of(line)), at_ms)

    def _chronicle(self, site: str, gateway: str) -> Chronicle:
        name = (site, gateway)
        if name not in self._chronicles:
            self._chronicles[name] = times.chronicle_of(self.connection, *name)
        return self._chronicles[name]

    def _held_dates(self, site: str, gateway: str) -> dict[Place, Dates]:
        """Of those records of a gateway whose own clock was in doubt."""
        g, d, s = tables.signs.c, ledger.doubts.c, ledger.streams.c
        query = (
            select(g.stream, g.seq, g.best_ms, g.earliest_ms, g.latest_ms)
            .join(ledger.doubts, and_(d.stream == g.stream, d.seq == g.seq))
            .join(ledger.streams, s.id == d.stream)
            .where(s.site == site, s.gateway == gateway, g.known_to == FUTURE)
        )
        rows = self.connection.execute(query)
        return {(stream, seq): (best, first, last) for stream, seq, best, first, last in rows}


def _new(upto: int) -> ColumnElement[bool]:
    """Records behind a row of the ledger that are no sign yet, and have not expired."""
    r, s = ledger.records.c, tables.signs.c
    known = exists().where(s.stream == r.stream, s.seq == r.seq)
    return and_(r.rowid > upto, r.line != b"", ~known)
