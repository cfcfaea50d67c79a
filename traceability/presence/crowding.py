"""How full a place is and was: density, peaks with capacity alarms, gatherings.

Counted are likely stays, and people without a name where they pass. A zone holds what lies within it.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from traceability.presence.answers import LOOKBACK_MS, Scope, rests_on, scope_of
from traceability.presence.moments import Span
from traceability.presence.roster import crosses, headcount
from traceability.presence.stays import AGED_MS, Stay
from traceability.presence.view import Place, View


@dataclass(frozen=True, slots=True)
class Density:
    """How full a zone is: people at best, at least and at most; per square metre and of the capacity, if known."""

    scope: Scope
    site: str
    zone: str
    people: int
    low: int
    high: int
    per_m2: float | None
    of_capacity: float | None
    alarm: bool


@dataclass(frozen=True, slots=True)
class Crowd:
    """A span in which there were `people` at the most, and who of them has a name (likely)."""

    span: Span
    people: int
    subjects: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Peaks:
    """The fullest moment of a window, and the spans above the capacity."""

    scope: Scope
    site: str
    zone: str
    capacity: int | None
    peak: int
    peak_at_ms: int
    alarms: tuple[Crowd, ...]


@dataclass(frozen=True, slots=True)
class Gatherings:
    """Where more than so many people were together for so long; by zone and time."""

    scope: Scope
    site: str
    gatherings: tuple[tuple[str, Crowd], ...]


@dataclass(frozen=True, slots=True)
class Level:
    """So many people over a span."""

    span: Span
    people: int


def density(view: View, site: str, zone: str, as_of_ms: int, back_ms: int = LOOKBACK_MS) -> Density:
    """How full a zone is at a moment."""
    told = headcount(view, site, as_of_ms, back_ms, zone)
    about = view.atlas.at(as_of_ms).zone(site, zone)
    people = told.named + told.unnamed.low
    return Density(
        told.scope,
        site,
        zone,
        people,
        told.total_low,
        told.total_high,
        None if not about.area_m2 else round(people / about.area_m2, 4),
        None if not about.capacity else round(people / about.capacity, 4),
        about.capacity is not None and people > about.capacity,
    )


def peaks(view: View, site: str, zone: str, window: Span, back_ms: int = LOOKBACK_MS) -> Peaks:
    """The peak of a zone in a window, and where it was above its capacity."""
    capacity = view.atlas.at(window.begin_ms).zone(site, zone).capacity
    stays = _stays_in(view, site, zone, window)
    levels = list(_levels(view, site, zone, stays, window, back_ms))
    top = max(levels, key=lambda level: (level.people, -level.span.begin_ms))
    over = [] if capacity is None else list(_runs(levels, capacity))
    return Peaks(
        scope_of(view, [site], rests_on(window, stays), window.end_ms),
        site,
        zone,
        capacity,
        top.people,
        top.span.begin_ms,
        tuple(_crowd(view, site, zone, run) for run in over),
    )


def gatherings(
    view: View, site: str, more_than: int, for_ms: int, window: Span, back_ms: int = LOOKBACK_MS
) -> Gatherings:
    """Zones of a site in which more than so many people were together for that long, or longer."""
    everybody = view.in_site(site, window)
    zones = {stay.zone for stay in everybody}
    zones |= {zone for step in view.flows(site, window) for zone in (step.to_zone,) if zone not in {None, "outside"}}
    found = [
        (zone, _crowd(view, site, zone, run))
        for zone in sorted(zone for zone in zones if zone is not None)
        for run in _runs(
            list(_levels(view, site, zone, _stays_in(view, site, zone, window), window, back_ms)), more_than
        )
        if run.span.length_ms >= for_ms
    ]
    return Gatherings(scope_of(view, [site], rests_on(window, everybody), window.end_ms), site, tuple(found))


def _stays_in(view: View, site: str, zone: str, window: Span) -> Sequence[Stay]:
    """In a zone, and in what lies within it."""
    zones = view.atlas.at(window.begin_ms).under(site, zone)
    return view.in_zones({Place(site, each) for each in zones}, window)


def _levels(view: View, site: str, zone: str, stays: Sequence[Stay], window: Span, back_ms: int) -> Iterator[Level]:
    """How many people were in a zone, as spans over the whole window."""
    zones = view.atlas.at(window.begin_ms).under(site, zone)
    changes: dict[int, int] = {window.begin_ms: 0}
    for stay in stays:
        span = stay.extent("likely", AGED_MS).cut(window)
        if span.length_ms:
            changes[span.begin_ms] = changes.get(span.begin_ms, 0) + stay.count
            changes[span.end_ms] = changes.get(span.end_ms, 0) - stay.count
    for at_ms, change in _unnamed(view, site, zones, window, back_ms):
        changes[at_ms] = changes.get(at_ms, 0) + change
    people = 0
    times = sorted(at_ms for at_ms in changes if at_ms < window.end_ms)
    for at_ms, end_ms in zip(times, [*times[1:], window.end_ms], strict=True):
        people += changes[at_ms]
        yield Level(Span(at_ms, end_ms), people)


def _unnamed(view: View, site: str, zones: frozenset[str], window: Span, back_ms: int) -> Iterator[tuple[int, int]]:
    """When the least number of people without a name changed, and by how much."""
    people = 0
    for step in view.flows(site, Span(window.begin_ms - back_ms, window.end_ms)):
        now = max(0, people + crosses(step, zones) * step.count)
        if now != people:
            yield max(window.begin_ms, step.when.best_ms), now - people
        people = now


def _runs(levels: Sequence[Level], more_than: int) -> Iterator[Level]:
    """Neighbouring spans with more people than that, as one with the most there were."""
    run: Level | None = None
    for level in levels:
        if level.people > more_than:
            begin_ms = level.span.begin_ms if run is None else run.span.begin_ms
            most = level.people if run is None else max(run.people, level.people)
            run = Level(Span(begin_ms, level.span.end_ms), most)
        elif run is not None:
            yield run
            run = None
    if run is not None:
        yield run


def _crowd(view: View, site: str, zone: str, run: Level) -> Crowd:
    stays = _stays_in(view, site, zone, run.span)
    there = {stay.subject for stay in stays if stay.extent("likely", AGED_MS).cut(run.span).length_ms}
    return Crowd(run.span, run.people, tuple(sorted(there)))
