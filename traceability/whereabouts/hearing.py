"""The signs that coverage is made of, out of the tables: a few of each journal, of all journals at once."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from functools import cache
from typing import Any

from sqlalchemy import ColumnElement, FromClause, Text, and_, bindparam, column, func, or_, select

from traceability.database import Connection
from traceability.database.portable import ask, given
from traceability.database.tables import BIG
from traceability.presence.coverage import Sign
from traceability.presence.moments import MINUTE_MS, Span
from traceability.presence.watch import SILENT, STARTED
from traceability.whereabouts import tables
from traceability.whereabouts.rows import sign_of
from traceability.whereabouts.runs import KNOWN

DOWN, FAULT, LOST, SENSED = "device.down", "device.fault", "records.lost", "passage.sensed"
END: ColumnElement[int] = bindparam("end_ms", type_=BIG)
G = tables.signs.c
WORDS = (G.stream, G.body, G.seq, G.known_from, G.best_ms, G.kind, G.live, G.lane, G.device, G.portal)

Stream = tuple[int, str, str, str]
"""Number, site, gateway, epoch."""
Order = tuple[int, int]


def signs_of(connection: Connection, streams: Mapping[int, Stream], window: Span, known_at_ms: int) -> Iterator[Sign]:
    """Of these streams, by their numbers, what a window needs; some of it may come twice."""
    words = {"known_ms": known_at_ms, "end_ms": window.end_ms}
    every = [(stream,) for stream in streams]
    named, telling = (
        {(row[0], row[1]) for row in ask(connection, maker, every, **words)} for maker in (_naming, _telling)
    )
    of_stream: dict[int, list[Sign]] = {stream: [] for stream in streams}
    for row in ask(connection, _those, sorted(named | telling), **words):
        sign = _sign(streams, row)
        if sign.at_ms < window.end_ms or sign.kind == LOST or (row.stream, row.seq) in named:
            of_stream[row.stream].append(sign)
    soon, late, silent = [], [], []
    for stream, signs in of_stream.items():
        for down, devices in _waiting(signs, window).items():
            heard = _heard_soon(signs, down)
            until_ms = max((heard[device] for device in devices if device in heard), default=None)
            if until_ms is not None:
                soon.append((stream, *_order(down), until_ms))
            late += [(stream, *_order(down), device) for device in devices if device not in heard]
        faults = (sign for sign in signs if sign.kind == FAULT and (sign.reason or "").startswith(SILENT))
        silent += [(stream, *_order(sign), sign.lane) for sign in faults if sign.lane is not None]
        yield from signs
    for row in ask(connection, _soon, soon, **words):
        yield _sign(streams, row)
    found = [*ask(connection, _late, late, **words), *ask(connection, _last_sensed, silent, **words)]
    for row in ask(connection, _those, sorted({(row[0], row[1]) for row in found if row[1] is not None}), **words):
        yield _sign(streams, row)


def _waiting(signs: Iterable[Sign], window: Span) -> dict[Sign, list[str]]:
    """Behind which signs of a stream, of the window and before it, the next word of which devices matters."""
    order = [sign for sign in sorted(signs, key=_order) if sign.kind in {STARTED, DOWN}]
    devices = sorted({sign.device for sign in signs if sign.device is not None})
    waiting: dict[Sign, list[str]] = {}
    for device in devices:
        downs = [sign for sign in order if sign.kind == STARTED or sign.device == device]
        before = [sign for sign in downs if sign.at_ms < window.begin_ms]
        for down in (*before[-1:], *downs[len(before) :]):
            waiting.setdefault(down, []).append(device)
    return waiting


def _heard_soon(signs: Iterable[Sign], down: Sign) -> dict[str, int]:
    """When devices spoke within a minute behind it, as far as the signs at hand say: they did not speak later."""
    soon: dict[str, int] = {}
    for sign in signs:
        is_word = sign.device is not None and sign.live and sign.kind != DOWN and _order(sign) > _order(down)
        if is_word and sign.device is not None and sign.at_ms <= down.at_ms + MINUTE_MS:
            soon[sign.device] = min(sign.at_ms, soon.get(sign.device, sign.at_ms))
    return soon


def _order(sign: Sign) -> Order:
    return sign.at_ms, sign.seq


def _sign(streams: Mapping[int, Stream], row: Any) -> Sign:
    number, body, seq, known_ms, at_ms, kind, live, lane, device, portal = row
    if body is not None:
        return sign_of(body)
    _, site, gateway, epoch = streams[number]
    name = f"{site}/{gateway}/{epoch}/{seq}"
    return Sign(name, known_ms, at_ms, site, gateway, epoch, seq, kind, bool(live), lane, device, portal)


# --- what is asked


def _known(asked: FromClause) -> ColumnElement[bool]:
    return and_(G.stream == asked.c.of, G.known_from <= KNOWN, G.known_to > KNOWN)


@cache
def _telling(dialect: str) -> Any:
    """Where the signs are that tell more than that the gateway lived."""
    asked = given(dialect, column("of", BIG))
    tell = and_(_known(asked), G.body.is_not(None))
    return select(G.stream, G.seq).select_from(asked.join(tables.signs, tell))


@cache
def _naming(dialect: str) -> Any:
    """Where there is one sign for each lane and what belongs to it."""
    asked, c = given(dialect, column("of", BIG)), tables.named.c
    return select(c.stream, c.seq).select_from(
        asked.join(tables.named, and_(c.stream == asked.c.of, c.known_from <= KNOWN))
    )


def _behind(asked: FromClause) -> ColumnElement[bool]:
    """Words of devices behind a sign."""
    a = asked.c
    later = and_(G.best_ms >= a.at_ms, or_(G.best_ms > a.at_ms, G.seq > a.number))
    return and_(_known(asked), G.live, G.kind != DOWN, later)


def _after(dialect: str, further: Any) -> FromClause:
    return given(dialect, column("of", BIG), column("at_ms", BIG), column("number", BIG), further)


@cache
def _soon(dialect: str) -> Any:
    """What devices said behind a sign up to a moment; but for what is at hand, since it tells more."""
    asked = _after(dialect, column("until_ms", BIG))
    further = and_(G.body.is_(None), G.device.is_not(None), G.best_ms <= asked.c.until_ms)
    return select(*WORDS).select_from(asked.join(tables.signs, and_(_behind(asked), further)))


@cache
def _late(dialect: str) -> Any:
    """The first word of a device behind a sign, as far as the window reaches; its stream and number."""
    asked = _after(dialect, column("who", Text))
    word = and_(_behind(asked), G.device == asked.c.who, G.best_ms < END)
    return select(asked.c.of, _nearest(asked, word, G.best_ms, func.min(G.seq)))


@cache
def _last_sensed(dialect: str) -> Any:
    """The last passage at a lane before a sign that found its sensor silent."""
    asked = _after(dialect, column("way", Text))
    a = asked.c
    before = and_(G.best_ms <= a.at_ms, or_(G.best_ms < a.at_ms, G.seq < a.number))
    own = and_(_known(asked), G.kind == SENSED, G.lane == a.way, G.live, before)
    return select(a.of, _nearest(asked, own, G.best_ms.desc(), func.max(G.seq)))


def _nearest(asked: FromClause, which: ColumnElement[bool], order: ColumnElement[int], seq: Any) -> Any:
    """The number of the first one in that order of time, and of those of one moment. The moment by itself, by the
    order of the index: a server that has anything to sort reads all of them.
    """
    first_ms = select(G.best_ms).where(which).order_by(order).limit(1).correlate(asked).scalar_subquery()
    return select(seq).where(which, G.best_ms == first_ms).correlate(asked).scalar_subquery()


@cache
def _those(dialect: str) -> Any:
    asked = given(dialect, column("of", BIG), column("number", BIG))
    own = and_(_known(asked), G.seq == asked.c.number, G.best_ms.is_not(None))
    return select(*WORDS).select_from(asked.join(tables.signs, own))
