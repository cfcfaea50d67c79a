"""Coverage out of the tables: what `presence.watch` needs of a window, and no record more.

Of each journal the records are taken from the last one before the window to the first one behind it, as runs of
numbers without a hole, counted by the database. Of the signs only those are read that tell more than that the gateway
lived, and one for each lane and device.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from sqlalchemy import ColumnElement, and_, case, func, or_, select

from traceability.database import Connection
from traceability.database import tables as ledger
from traceability.presence.coverage import Beat, Covered, Sign
from traceability.presence.moments import Span
from traceability.presence.watch import STARTED, STOPPED, Run, Watch, Watches
from traceability.whereabouts import tables
from traceability.whereabouts.rows import sign_of

DOWN, LOST = "device.down", "records.lost"
G = tables.signs.c
WORDS = (G.body, G.seq, G.known_from, G.best_ms, G.kind, G.live, G.lane, G.device, G.portal)


Stream = tuple[int, str, str, str]
"""Number, site, gateway, epoch."""


def coverage_of(connection: Connection, site: str, window: Span, known_at_ms: int) -> list[Covered]:
    """Of all lanes of a site, as known then, by (lane, begin)."""
    watches = Watches()
    known = and_(G.known_from <= known_at_ms, G.known_to > known_at_ms)
    s = ledger.streams.c
    streams = connection.execute(select(s.id, s.site, s.gateway, s.epoch).where(s.site == site).order_by(s.id)).all()
    runs: dict[tuple[str, str], list[Run]] = {}
    for stream in streams:
        place = (stream[1], stream[2])
        own = and_(G.stream == stream[0], known)
        signs = list(_signs(connection, stream, own, window))
        for sign in (*signs, *_heard_again(connection, stream, own, signs, window)):
            watches.add(sign)
        runs.setdefault(place, []).extend(_runs(connection, stream, own, window))
    for place, found in runs.items():
        watches.gateways.setdefault(place, Watch()).runs = found
        for beat in _beats(connection, place, window, known_at_ms):
            watches.add(beat)
    return watches.coverage(site, window)


def _signs(connection: Connection, stream: Stream, own: ColumnElement[bool], window: Span) -> Iterator[Sign]:
    of_it = or_(G.best_ms < window.end_ms, G.kind == LOST)
    telling = select(*WORDS).where(own, G.body.is_not(None), of_it)
    first = select(func.min(G.seq)).where(own, G.best_ms.is_not(None)).group_by(G.lane, G.device, G.portal)
    named = select(*WORDS).where(own, G.seq.in_(first), G.body.is_(None), G.lane.is_not(None))
    for row in (*connection.execute(telling), *connection.execute(named)):
        yield _sign(stream, row)


def _heard_again(
    connection: Connection, stream: Stream, own: ColumnElement[bool], signs: list[Sign], window: Span
) -> Iterator[Sign]:
    """The first word of each device behind each time it was down; usually that it is up."""
    order = [sign for sign in sorted(signs, key=lambda each: (each.at_ms, each.seq)) if sign.kind in {STARTED, DOWN}]
    for device in sorted({sign.device for sign in signs if sign.device is not None}):
        downs = [sign for sign in order if sign.kind == STARTED or sign.device == device]
        before = [sign for sign in downs if sign.at_ms < window.begin_ms]
        for down in (*before[-1:], *downs[len(before) :]):
            later = or_(G.best_ms > down.at_ms, and_(G.best_ms == down.at_ms, G.seq > down.seq))
            query = select(*WORDS).where(own, G.device == device, G.live, G.kind != DOWN, later)
            for row in connection.execute(query.order_by(G.best_ms, G.seq).limit(1)):
                yield _sign(stream, row)


def _sign(stream: Stream, row: Any) -> Sign:
    body, seq, known_ms, at_ms, kind, live, lane, device, portal = row
    if body is not None:
        return sign_of(body)
    _, site, gateway, epoch = stream
    name = f"{site}/{gateway}/{epoch}/{seq}"
    return Sign(name, known_ms, at_ms, site, gateway, epoch, seq, kind, bool(live), lane, device, portal)


def _runs(connection: Connection, stream: Stream, own: ColumnElement[bool], window: Span) -> Iterator[Run]:
    first, last = _reach(connection, own, window)
    if first is None or last is None:
        return
    row = (
        select(
            G.seq,
            G.kind,
            G.best_ms,
            case((G.live, G.best_ms)).label("live_ms"),
            (G.seq - func.row_number().over(order_by=G.seq)).label("island"),
            func.sum(case((G.kind == STARTED, 1), else_=0)).over(order_by=G.seq).label("life"),
        )
        .where(own, G.seq >= first, G.seq <= last)
        .subquery()
        .c
    )
    begin_ms = func.coalesce(func.min(row.live_ms), func.min(row.best_ms))
    end_ms = func.coalesce(func.max(row.live_ms), func.max(row.best_ms))
    started = func.max(case((row.kind == STARTED, 1), else_=0))
    stopped = func.max(case((row.kind == STOPPED, row.seq), else_=0))
    query = select(begin_ms, end_ms, func.min(row.seq), func.max(row.seq), started, stopped).group_by(
        row.island, row.life
    )
    for begin, end, low, high, start, stop in connection.execute(query):
        if begin is not None:
            yield Run(begin, end, stream[3], low, high, bool(start), stop == high)


def _reach(connection: Connection, own: ColumnElement[bool], window: Span) -> tuple[int | None, int | None]:
    """The numbers from the last record before a window to the first one behind it."""
    before = select(G.seq).where(own, G.live, G.best_ms < window.begin_ms).order_by(G.best_ms.desc(), G.seq.desc())
    behind = select(G.seq).where(own, G.live, G.best_ms >= window.end_ms).order_by(G.best_ms, G.seq)
    first = connection.scalar(before.limit(1))
    last = connection.scalar(behind.limit(1))
    if first is None:
        first = connection.scalar(select(func.min(G.seq)).where(own))
    if last is None:
        last = connection.scalar(select(func.max(G.seq)).where(own))
    return first, last


def _beats(connection: Connection, place: tuple[str, str], window: Span, known_at_ms: int) -> Iterator[Beat]:
    b = tables.beats.c
    own = and_(b.site == place[0], b.gateway == place[1], b.at_ms <= known_at_ms)
    begin_ms = connection.scalar(select(func.max(b.at_ms)).where(own, b.at_ms < window.begin_ms))
    query = select(b.at_ms, b.online, b.epoch, b.newest).where(own, b.at_ms < window.end_ms).order_by(b.at_ms)
    for at_ms, online, epoch, newest in connection.execute(query.where(b.at_ms >= (begin_ms or 0))):
        yield Beat(*place, at_ms, at_ms, bool(online), epoch, newest)
