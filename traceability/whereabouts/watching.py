"""Coverage out of the tables: what `presence.watch` needs of a window, and no record more, of many sites at once.

Of each journal the records are taken from the last one before the window to the first one behind it, as runs of
numbers without a hole (`runs`). Of the signs only those are read that tell more than that the gateway lived, one for
each lane and device, and those behind or before one that tells of a silence (`hearing`).
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from functools import cache
from itertools import zip_longest
from typing import Any

from sqlalchemy import Text, and_, column, select

from traceability.database import Connection
from traceability.database import tables as ledger
from traceability.database.portable import ask, given
from traceability.database.tables import BIG
from traceability.presence.coverage import Beat, Covered
from traceability.presence.moments import FUTURE, Span
from traceability.presence.watch import Run, Watch, Watches
from traceability.whereabouts import tables
from traceability.whereabouts.hearing import Stream, signs_of
from traceability.whereabouts.runs import KNOWN, runs_of

Place = tuple[str, str]
"""Site and gateway."""


def coverage_of(
    connection: Connection, sites: Collection[str], window: Span, known_at_ms: int
) -> dict[str, list[Covered]]:
    """By site, of all its lanes, as known then, by (lane, begin)."""
    rows = ask(connection, _streams, [(site,) for site in sorted(set(sites))])
    streams: dict[int, Stream] = {row[0]: (row[0], row[1], row[2], row[3]) for row in rows}
    watches = Watches()
    for sign in signs_of(connection, streams, window, known_at_ms):
        watches.add(sign)
    epochs = {stream: epoch for stream, _, _, epoch in streams.values()}
    runs: dict[Place, list[Run]] = {(site, gateway): [] for _, site, gateway, _ in streams.values()}
    for number, found in runs_of(connection, epochs, window, known_at_ms).items():
        runs[streams[number][1], streams[number][2]] += found
    for place, of_it in runs.items():
        watches.gateways.setdefault(place, Watch()).runs = sorted(of_it)
    for beat in _beats(connection, runs, known_at_ms):
        watches.add(beat)
    return {site: watches.coverage(site, window) for site in sites}


@cache
def _streams(dialect: str) -> Any:
    asked, s = given(dialect, column("of", Text)), ledger.streams.c
    here = asked.join(ledger.streams, s.site == asked.c.of)
    return select(s.id, s.site, s.gateway, s.epoch).select_from(here).order_by(s.id)


def _beats(connection: Connection, runs: Mapping[Place, Sequence[Run]], known_at_ms: int) -> Iterator[Beat]:
    """Of each run the last heartbeat behind it that names its last record as the newest; of its epoch the newest."""
    asked = [
        (*place, run.epoch, run.last, run.end_ms, FUTURE if after is None else after.begin_ms,
         FUTURE if after is None or after.epoch == run.epoch else run.last)
        for place, of_it in runs.items()
        for run, after in zip_longest(sorted(of_it), sorted(of_it)[1:])
    ]  # fmt: skip
    heard = {
        (site, gateway, at_ms)
        for site, gateway, *found in ask(connection, _heard, asked, known_ms=known_at_ms)
        for at_ms in found
        if at_ms is not None
    }
    for site, gateway, at_ms, online, epoch, newest in ask(connection, _those, sorted(heard)):
        yield Beat(site, gateway, at_ms, at_ms, bool(online), epoch, newest)


@cache
def _heard(dialect: str) -> Any:
    """Of each run the time of the last heartbeat that names its last record, and of one that names a later one."""
    names = ("last", "end_ms", "before_ms", "beyond")
    asked = given(dialect, column("place", Text), column("box", Text), column("journal", Text),
                  *(column(name, BIG) for name in names))  # fmt: skip
    a, b = asked.c, tables.beats.c
    own = and_(b.site == a.place, b.gateway == a.box, b.epoch == a.journal, b.at_ms <= KNOWN)
    behind = and_(own, b.newest == a.last, b.online, b.at_ms >= a.end_ms, b.at_ms <= a.before_ms)
    alive = select(b.at_ms).where(behind).order_by(b.at_ms.desc()).limit(1)
    later = select(b.at_ms).where(own, b.newest > a.beyond).order_by(b.newest).limit(1)
    return select(a.place, a.box, *(each.correlate(asked).scalar_subquery() for each in (alive, later)))


@cache
def _those(dialect: str) -> Any:
    asked = given(dialect, column("place", Text), column("box", Text), column("moment", BIG))
    a, b = asked.c, tables.beats.c
    key = and_(b.site == a.place, b.gateway == a.box, b.at_ms == a.moment)
    return select(b.site, b.gateway, b.at_ms, b.online, b.epoch, b.newest).select_from(asked.join(tables.beats, key))
