"""Coverage out of the tables: what `presence.watch` needs of a window, and no record more.

Of each journal the records are taken from the last one before the window to the first one behind it, as runs of
numbers without a hole (`runs`). Of the signs only those are read that tell more than that the gateway lived, one for
each lane and device, and those behind or before one that tells of a silence.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import zip_longest
from typing import Any

from sqlalchemy import ColumnElement, and_, or_, select

from traceability.database import Connection
from traceability.database import tables as ledger
from traceability.presence.coverage import Beat, Covered, Sign
from traceability.presence.moments import FUTURE, MINUTE_MS, Span
from traceability.presence.watch import SILENT, STARTED, Run, Watch, Watches
from traceability.whereabouts import tables
from traceability.whereabouts.rows import sign_of
from traceability.whereabouts.runs import runs_of

DOWN, FAULT, LOST, SENSED = "device.down", "device.fault", "records.lost", "passage.sensed"
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
    for row in streams:
        stream: Stream = (row[0], row[1], row[2], row[3])
        own = and_(G.stream == stream[0], known)
        signs = [*_telling(connection, stream, own, window), *_naming(connection, stream, own, known_at_ms)]
        again = _heard_again(connection, stream, own, signs, window)
        sensed = _last_sensed(connection, stream, own, signs)
        for sign in (*signs, *again, *sensed):
            watches.add(sign)
        found = runs_of(connection, stream[0], stream[3], own, window, known_at_ms)
        runs.setdefault((stream[1], stream[2]), []).extend(found)
    for place, of_it in runs.items():
        watches.gateways.setdefault(place, Watch()).runs = of_it
        for beat in _beats(connection, place, sorted(of_it), known_at_ms):
            watches.add(beat)
    return watches.coverage(site, window)


def _telling(connection: Connection, stream: Stream, own: ColumnElement[bool], window: Span) -> Iterator[Sign]:
    of_it = or_(G.best_ms < window.end_ms, G.kind == LOST)
    for row in connection.execute(select(*WORDS).where(own, G.body.is_not(None), of_it)):
        yield _sign(stream, row)


def _naming(connection: Connection, stream: Stream, own: ColumnElement[bool], known_at_ms: int) -> Iterator[Sign]:
    """One sign for each lane and what belongs to it."""
    c = tables.named.c
    named = select(c.seq).where(c.stream == stream[0], c.known_from <= known_at_ms)
    for row in connection.execute(select(*WORDS).where(own, G.seq.in_(named), G.best_ms.is_not(None))):
        yield _sign(stream, row)


def _heard_again(
    connection: Connection, stream: Stream, own: ColumnElement[bool], signs: list[Sign], window: Span
) -> Iterator[Sign]:
    """The first word of each device behind each time it was down; usually that it is up, soon."""
    order = [sign for sign in sorted(signs, key=_order) if sign.kind in {STARTED, DOWN}]
    devices = sorted({sign.device for sign in signs if sign.device is not None})
    waiting: dict[Sign, list[str]] = {}
    for device in devices:
        downs = [sign for sign in order if sign.kind == STARTED or sign.device == device]
        before = [sign for sign in downs if sign.at_ms < window.begin_ms]
        for down in (*before[-1:], *downs[len(before) :]):
            waiting.setdefault(down, []).append(device)
    for down, of_it in waiting.items():
        later = and_(G.best_ms >= down.at_ms, or_(G.best_ms > down.at_ms, G.seq > down.seq))
        query = select(*WORDS).where(own, G.live, G.kind != DOWN, later).order_by(G.best_ms, G.seq)
        soon = _heard_soon(signs, down)
        together = [device for device in of_it if device in soon]
        if together:
            bounded = query.where(G.device.in_(together), G.best_ms <= max(soon[device] for device in together))
            first: dict[str, Any] = {}
            for row in connection.execute(bounded):
                first.setdefault(row.device, row)
            yield from (_sign(stream, row) for row in first.values())
        for device in of_it:
            if device not in soon:
                for row in connection.execute(query.where(G.device == device).limit(1)):
                    yield _sign(stream, row)


def _heard_soon(signs: Iterable[Sign], down: Sign) -> dict[str, int]:
    """When devices spoke within a minute behind it, as far as the signs at hand say: they did not speak later."""
    soon: dict[str, int] = {}
    for sign in signs:
        is_word = sign.device is not None and sign.live and sign.kind != DOWN and _order(sign) > _order(down)
        if is_word and sign.device is not None and sign.at_ms <= down.at_ms + MINUTE_MS:
            soon[sign.device] = min(sign.at_ms, soon.get(sign.device, sign.at_ms))
    return soon


def _order(sign: Sign) -> tuple[int, int]:
    return sign.at_ms, sign.seq


def _last_sensed(
    connection: Connection, stream: Stream, own: ColumnElement[bool], signs: Iterable[Sign]
) -> Iterator[Sign]:
    """Of each sensor that was found silent the last passage before that."""
    for sign in signs:
        if sign.kind == FAULT and (sign.reason or "").startswith(SILENT):
            before = and_(G.best_ms <= sign.at_ms, or_(G.best_ms < sign.at_ms, G.seq < sign.seq))
            query = select(*WORDS).where(own, G.kind == SENSED, G.lane == sign.lane, G.live, before)
            for row in connection.execute(query.order_by(G.best_ms.desc(), G.seq.desc()).limit(1)):
                yield _sign(stream, row)


def _sign(stream: Stream, row: Any) -> Sign:
    body, seq, known_ms, at_ms, kind, live, lane, device, portal = row
    if body is not None:
        return sign_of(body)
    _, site, gateway, epoch = stream
    name = f"{site}/{gateway}/{epoch}/{seq}"
    return Sign(name, known_ms, at_ms, site, gateway, epoch, seq, kind, bool(live), lane, device, portal)


def _beats(connection: Connection, place: tuple[str, str], runs: Sequence[Run], known_at_ms: int) -> Iterator[Beat]:
    """Of each run the last heartbeat behind it that names its last record as the newest; of its epoch the newest."""
    b = tables.beats.c
    own = and_(b.site == place[0], b.gateway == place[1], b.at_ms <= known_at_ms)
    for run, after in zip_longest(runs, runs[1:]):
        behind = and_(b.at_ms >= run.end_ms, b.epoch == run.epoch, b.newest == run.last, b.online)
        before_ms = FUTURE if after is None else after.begin_ms
        query = select(b.at_ms, b.online, b.epoch, b.newest).where(own, behind, b.at_ms <= before_ms)
        for row in connection.execute(query.order_by(b.at_ms.desc()).limit(1)):
            yield _beat(place, row)
        if after is not None and after.epoch != run.epoch:
            query = select(b.at_ms, b.online, b.epoch, b.newest).where(own, b.epoch == run.epoch, b.newest > run.last)
            for row in connection.execute(query.limit(1)):
                yield _beat(place, row)


def _beat(place: tuple[str, str], row: Any) -> Beat:
    at_ms, online, epoch, newest = row
    return Beat(*place, at_ms, at_ms, bool(online), epoch, newest)
