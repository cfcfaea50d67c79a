"""Pair the reads and passes of a lane anew, out of the ledger, and say where the punches would be others."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from sqlalchemy import select

from traceability import clocks
from traceability.anchors import NS_PER_MS
from traceability.database import Connection
from traceability.database import tables as ledger
from traceability.presence.answers import scope_of
from traceability.presence.facts import PERSONAL, Punch
from traceability.presence.moments import MINUTE_MS, Span
from traceability.presence.pairing import pair
from traceability.presence.reading import evidence_of, fact_of, kind_of
from traceability.presence.readings import Passing, Reading, Rules
from traceability.presence.trial import Named, Trial, compare, moved, outcomes
from traceability.whereabouts import tables
from traceability.whereabouts.lines import Told
from traceability.whereabouts.past import Then
from traceability.whereabouts.view import TableView

MARGIN_MS = 10 * MINUTE_MS
"""So much before and behind a window is looked at: longer than any read waits for its passage."""
DOWN, UP = "device.down", "device.up"
KINDS = ("credential.read", "passage.sensed", "punch", DOWN, UP)


@dataclass(frozen=True, slots=True)
class Wish:
    """Parameters to try; None: as it was, as far as the records tell (`Rules` has what they do not)."""

    pass_timeout_ms: float | None = None
    reorder_ms: float | None = None
    controlled: bool | None = None
    has_sensor: bool | None = None


def trial(connection: Connection, view: TableView, site: str, lane: str, wish: Wish, window: Span) -> Trial:
    """One lane, paired anew. The view is one of this connection."""
    around = Span(window.begin_ms - MARGIN_MS, window.end_ms + MARGIN_MS)
    told = list(_told(connection, view.known_at_ms, site, lane, around))
    facts = [fact for each in told if (fact := evidence_of(each.line, each.dated, view.known_at_ms)) is not None]
    concluded = (fact_of(each.line, each.dated, view.known_at_ms) for each in told)
    punches = [punch for punch in concluded if isinstance(punch, Punch)]
    rules = _rules(wish, facts, punches)
    sensors = {fact.device for fact in facts if isinstance(fact, Passing)}
    until_ms = dict(_heard(connection, view.known_at_ms, site, around))
    anew = pair(facts, rules, list(_blind(told, sensors)), until_ms)
    was, would_be = ([_named(view, punch) for punch in side] for side in (punches, anew))
    differences = compare(was, would_be, window)
    return Trial(
        scope_of(view, [site], window, window.end_ms),
        site,
        lane,
        window,
        rules,
        sum(isinstance(fact, Reading) and window.holds(fact.when.best_ms) for fact in facts),
        sum(isinstance(fact, Passing) and window.holds(fact.when.best_ms) for fact in facts),
        outcomes(was, window),
        outcomes(would_be, window),
        differences,
        moved(differences, [*was, *would_be]),
    )


def _told(connection: Connection, known_ms: int, site: str, lane: str, around: Span) -> Iterator[Told]:
    """What the records of a lane say that pairing rests on, and its punches, by their numbers."""
    g, s = tables.signs.c, ledger.streams.c
    query = (
        select(g.stream, g.seq)
        .join(ledger.streams, s.id == g.stream)
        .where(s.site == site, g.lane == lane, g.kind.in_(KINDS), g.known_from <= known_ms, g.known_to > known_ms)
        .where(g.best_ms >= around.begin_ms, g.best_ms < around.end_ms)
    )
    places = [(stream, seq) for stream, seq in connection.execute(query)]
    return iter(sorted(Then(connection, known_ms=known_ms).at(places), key=lambda each: each.place))


def _heard(connection: Connection, known_ms: int, site: str, around: Span) -> Iterator[tuple[str, float]]:
    """Of each gateway's life in that time, up to which tick all is known: that of its last record."""
    g, s = tables.signs.c, ledger.streams.c
    known = (g.known_from <= known_ms, g.known_to > known_ms, g.best_ms < around.end_ms)
    for stream in connection.scalars(select(s.id).where(s.site == site)).all():
        last = select(g.stream, g.seq).where(g.stream == stream, *known).order_by(g.best_ms.desc(), g.seq.desc())
        places = [(stream, seq) for stream, seq in connection.execute(last.limit(1))]
        for each in Then(connection, known_ms=known_ms).at(places):
            yield _tick(each)


def _blind(told: Iterable[Told], sensors: set[str | None]) -> Iterator[tuple[str, Span]]:
    """When a device that tells of passes was down, as ticks of a life."""
    down: dict[tuple[str, str], float] = {}
    for each in told:
        kind, device = kind_of(each.line), each.line.data.get("device")
        if kind not in {DOWN, UP} or not isinstance(device, str) or device not in sensors:
            continue
        life, tick_ms = _tick(each)
        if kind == DOWN:
            down.setdefault((life, device), tick_ms)
        elif (begin_ms := down.pop((life, device), None)) is not None:
            yield life, Span(int(begin_ms), int(tick_ms))
    for (life, _), begin_ms in down.items():
        yield life, Span(int(begin_ms), 2**53)


def _tick(told: Told) -> tuple[str, float]:
    clock = clocks.reading_of(told.line)
    return f"{told.line.epoch}/{clock.boot}", clock.boot_ns / NS_PER_MS


def _rules(wish: Wish, facts: Sequence[Reading | Passing], punches: Sequence[Punch]) -> Rules:
    """Zones by the punches; a sensor where one spoke; free where somebody went through without a name and nobody was
    told to have forced his way.
    """
    inward = next((punch for punch in punches if punch.direction == "in" and punch.from_zone and punch.to_zone), None)
    outward = next((punch for punch in punches if punch.direction == "out" and punch.from_zone), None)
    ends = ("outside", "inside")
    if inward is not None:
        ends = (str(inward.from_zone), str(inward.to_zone))
    elif outward is not None:
        ends = (str(outward.to_zone), str(outward.from_zone))
    told = {punch.outcome for punch in punches}
    controlled = not ("anonymous" in told and not told & {"forced", "tailgate"})
    sensed = any(isinstance(fact, Passing) for fact in facts)
    usual = Rules(*ends)
    return Rules(
        *ends,
        controlled if wish.controlled is None else wish.controlled,
        sensed if wish.has_sensor is None else wish.has_sensor,
        usual.pass_timeout_ms if wish.pass_timeout_ms is None else wish.pass_timeout_ms,
        usual.reorder_ms if wish.reorder_ms is None else wish.reorder_ms,
    )


def _named(view: TableView, punch: Punch) -> Named:
    if punch.token is None or punch.kind not in PERSONAL:
        return punch, None
    return punch, view.bindings.subject_of(punch.token, punch.when.best_ms)
