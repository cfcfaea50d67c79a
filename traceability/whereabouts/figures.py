"""What came of each gateway of a site in a window: how much, how late, how often again, how sure of time and people.

Counted are records by when they happened, as known at the view's moment; only what came again or contradicts is
counted by when it came, and up to a minute before that moment, because on a server nobody sees the last minute whole.
A line that was refused is not here, so its number is missing; `centre coverage` tells why.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

from sqlalchemy import ColumnElement, Table, Text, and_, case, cast, func, literal, select

from traceability.database import Connection
from traceability.database import tables as ledger
from traceability.presence.answers import Scope, scope_of
from traceability.presence.facts import MOVES_COUNT, MOVES_PERSON
from traceability.presence.moments import DAY_MS, HOUR_MS, MINUTE_MS, Span
from traceability.spans import without
from traceability.whereabouts import tables
from traceability.whereabouts.arrivals import IN_FLIGHT_MS
from traceability.whereabouts.view import TableView

LATE_MS: tuple[int, ...] = (1000, 5000, MINUTE_MS, HOUR_MS, DAY_MS, 7 * DAY_MS)
MAX_HOLES = 100


@dataclass(frozen=True, slots=True)
class Late:
    """How many records came so late after they happened, and not sooner; None: later than all others."""

    within_ms: int | None
    records: int


@dataclass(frozen=True, slots=True)
class Hole:
    """Numbers of an epoch that are not here, both ends included."""

    epoch: str
    first: int
    last: int


@dataclass(frozen=True, slots=True)
class GatewayFigures:
    """Of one gateway. `missing` and `lost` are numbers between the first and the last record of the window, `lost`
    those that were declared so; `holes` the first MAX_HOLES. Shares are null where there is nothing to share.

    `doubtful_clock`: records whose own clock was no good, `undated` those of them that came in the window and nobody
    can date. `assumed`: of who went through, taken to have done so; `tailgated`: of all passes, behind somebody else.
    """

    gateway: str
    received: int
    punches: int
    missing: int
    lost: int
    holes: tuple[Hole, ...]
    repeated: int
    contradicting: int
    late: tuple[Late, ...]
    doubtful_clock: float | None
    undated: int
    outcomes: tuple[tuple[str, int], ...]
    assumed: float | None
    tailgated: float | None


@dataclass(frozen=True, slots=True)
class Figures:
    """By gateway."""

    scope: Scope
    site: str
    window: Span
    gateways: tuple[GatewayFigures, ...]


@dataclass(frozen=True, slots=True)
class _Stream:
    number: int
    site: str
    gateway: str
    epoch: str


def figures(connection: Connection, view: TableView, site: str, window: Span) -> Figures:
    """Of all gateways of a site. The view is one of this connection."""
    s = ledger.streams.c
    query = select(s.id, s.site, s.gateway, s.epoch).where(s.site == site).order_by(s.gateway, s.epoch)
    of: dict[str, list[_Stream]] = {}
    for row in connection.execute(query):
        of.setdefault(row.gateway, []).append(_Stream(*row))
    told = [_Counting(connection, view.known_at_ms, window, streams).figures() for streams in of.values()]
    return Figures(scope_of(view, [site], window, window.end_ms), site, window, tuple(told))


@dataclass(frozen=True, slots=True)
class _Counting:
    connection: Connection
    known_at_ms: int
    window: Span
    streams: Sequence[_Stream]

    def figures(self) -> GatewayFigures:
        late: Counter[int] = Counter()
        outcomes: Counter[str] = Counter()
        kinds: Counter[str] = Counter()
        holes: list[Hole] = []
        doubtful = lost = 0
        for stream in self.streams:
            late.update(self._late(stream))
            kinds.update(self._kinds(stream))
            outcomes.update(self._outcomes(stream))
            doubtful += self._doubtful(stream)
            gone, open_ = self._gaps(stream)
            lost += gone
            holes += open_
        received = kinds.total()
        through = sum(outcomes[each] for each in MOVES_PERSON)
        passes = through + sum(outcomes[each] for each in MOVES_COUNT)
        return GatewayFigures(
            self.streams[0].gateway,
            received,
            kinds["punch"],
            sum(hole.last - hole.first + 1 for hole in holes),
            lost,
            tuple(holes[:MAX_HOLES]),
            self._arrived(ledger.repeats, func.sum(ledger.repeats.c["count"])),
            self._arrived(ledger.conflicts, func.count()),
            tuple(Late(limit, late[number]) for number, limit in enumerate((*LATE_MS, None))),
            _share(doubtful, received),
            self._undated(),
            tuple(sorted(outcomes.items())),
            _share(outcomes["assumed"], through),
            _share(outcomes["tailgate"], passes),
        )

    def _known(self, stream: _Stream) -> ColumnElement[bool]:
        return and_(_SIGN.stream == stream.number, *self._known_then())

    def _known_then(self) -> tuple[ColumnElement[bool], ColumnElement[bool]]:
        return _SIGN.known_from <= self.known_at_ms, _SIGN.known_to > self.known_at_ms

    def _then(self, stream: _Stream) -> ColumnElement[bool]:
        begin_ms, end_ms = self.window.begin_ms, self.window.end_ms
        return and_(self._known(stream), _SIGN.best_ms >= begin_ms, _SIGN.best_ms < end_ms)

    def _kinds(self, stream: _Stream) -> dict[str, int]:
        query = select(_SIGN.kind, func.count()).where(self._then(stream)).group_by(_SIGN.kind)
        return dict(map(tuple, self.connection.execute(query)))

    def _late(self, stream: _Stream) -> dict[int, int]:
        """By number of the class."""
        r = ledger.records.c
        waited_ms = r.at_ms - _SIGN.best_ms
        classes = case(*((waited_ms <= limit, number) for number, limit in enumerate(LATE_MS)), else_=len(LATE_MS))
        both = tables.signs.join(ledger.records, and_(r.stream == _SIGN.stream, r.seq == _SIGN.seq))
        rows = select(classes.label("late")).select_from(both).where(self._then(stream)).subquery()
        query = select(rows.c.late, func.count()).group_by(rows.c.late)
        return dict(map(tuple, self.connection.execute(query)))

    def _doubtful(self, stream: _Stream) -> int:
        d = ledger.doubts.c
        both = tables.signs.join(ledger.doubts, and_(d.stream == _SIGN.stream, d.seq == _SIGN.seq))
        return self.connection.scalar(select(func.count()).select_from(both).where(self._then(stream))) or 0

    def _outcomes(self, stream: _Stream) -> Counter[str]:
        """Each punch once; not what was declared wrong."""
        t = tables.steps.c
        name = literal(f"{stream.site}/{stream.gateway}/{stream.epoch}/") + cast(_SIGN.seq, Text)
        known = (t.known_from <= self.known_at_ms, t.known_to > self.known_at_ms, t.role != "void")
        query = (
            select(t.name, t.body)
            .select_from(tables.signs.join(tables.steps, t.name == name))
            .where(self._then(stream), _SIGN.kind == "punch", *known)
        )
        told = {name: json.loads(body)["outcome"] for name, body in self.connection.execute(query)}
        return Counter(outcome for outcome in told.values() if outcome is not None)

    def _gaps(self, stream: _Stream) -> tuple[int, list[Hole]]:
        """How many numbers were declared lost, and the holes that are left."""
        reach = select(func.min(_SIGN.seq), func.max(_SIGN.seq)).where(self._then(stream))
        first, last = self.connection.execute(reach).one()
        if first is None:
            return 0, []
        island = (_SIGN.seq - func.row_number().over(order_by=_SIGN.seq)).label("island")
        rows = select(_SIGN.seq, island).where(self._known(stream), _SIGN.seq.between(first, last)).subquery().c
        query = select(func.min(rows.seq), func.max(rows.seq)).group_by(rows.island).order_by(func.min(rows.seq))
        islands = [(low, high) for low, high in self.connection.execute(query)]
        holes = list(_between(islands))
        left = list(without(holes, self._declared(stream)))
        whole, open_ = (sum(high - low + 1 for low, high in each) for each in (holes, left))
        return whole - open_, [Hole(stream.epoch, *each) for each in left]

    def _declared(self, stream: _Stream) -> list[tuple[int, int]]:
        """Numbers that records known by then declared lost."""
        c = ledger.losses.c
        said = and_(_SIGN.stream == c.declared_by, _SIGN.seq == c.declared_seq)
        query = (
            select(c.first, c.last)
            .select_from(ledger.losses.join(tables.signs, said))
            .where(c.stream == stream.number, c.first.is_not(None), c.last.is_not(None), *self._known_then())
            .order_by(c.first, c.last)
        )
        return [(first, last) for first, last in self.connection.execute(query)]

    def _arrived(self, table: Table, what: ColumnElement[int]) -> int:
        c = table.c
        end_ms = min(self.window.end_ms, self.known_at_ms - IN_FLIGHT_MS)
        query = select(what).where(
            c.stream.in_([each.number for each in self.streams]), c.at_ms >= self.window.begin_ms, c.at_ms < end_ms
        )
        return int(self.connection.scalar(query.select_from(table)) or 0)

    def _undated(self) -> int:
        r = ledger.records.c
        both = tables.signs.join(ledger.records, and_(r.stream == _SIGN.stream, r.seq == _SIGN.seq))
        came = and_(r.at_ms >= self.window.begin_ms, r.at_ms < self.window.end_ms)
        of = _SIGN.stream.in_([each.number for each in self.streams])
        query = select(func.count()).select_from(both).where(of, _SIGN.best_ms.is_(None), came, *self._known_then())
        return self.connection.scalar(query) or 0


def _between(islands: Sequence[tuple[int, int]]) -> Iterator[tuple[int, int]]:
    for (_, before), (behind, _) in pairwise(islands):
        yield before + 1, behind - 1


def _share(part: int, whole: int) -> float | None:
    return round(part / whole, 6) if whole else None


_SIGN = tables.signs.c
