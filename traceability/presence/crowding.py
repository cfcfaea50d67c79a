"""How full a place is and was: density, peaks with capacity alarms, gatherings.

Counted are likely stays, and people without a name where they pass. A zone holds what lies within it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import accumulate, groupby
from operator import itemgetter

from traceability.presence.answers import LOOKBACK_MS, Scope, rests_on, scope_of
from traceability.presence.atlas import is_inside
from traceability.presence.moments import Span
from traceability.presence.roster import crosses, headcount, is_count_of
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
    """The fullest moment of a window, and the spans above the capacity of their time; `capacity`: at its end."""

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
    """The peak of a zone in a window, and where it was above its capacity, by the maps of their time."""
    levels, stays = _levels(view, site, zone, window, back_ms)
    top = max(levels, key=lambda level: (level.people, -level.span.begin_ms))
    capacities = [(part, chart.zone(site, zone).capacity) for part, chart in view.atlas.over(window)]

    def is_over(level: Level) -> bool:
        most = next(most for part, most in capacities if part.holds(level.span.begin_ms))
        return most is not None and level.people > most

    return Peaks(
        scope_of(view, [site], rests_on(window, stays), window.end_ms),
        site,
        zone,
        capacities[-1][1],
        top.people,
        top.span.begin_ms,
        tuple(_crowd(view, site, zone, run) for run in _runs(levels, is_over)),
    )


def gatherings(
    view: View, site: str, more_than: int, for_ms: int, window: Span, back_ms: int = LOOKBACK_MS
) -> Gatherings:
    """Zones of a site in which more than so many people were together for that long, or longer."""
    everybody = view.in_site(site, window)
    entered = {step.to_zone for step in view.flows(site, Span(window.begin_ms - back_ms, window.end_ms))}
    inmost = {stay.zone for stay in everybody} | {zone for zone in entered if is_inside(zone) and zone is not None}
    maps = [chart for _, chart in view.atlas.over(window)]
    zones = {zone for inner in inmost for chart in maps for zone in chart.chain(site, inner)}
    found = [
        (zone, _crowd(view, site, zone, run))
        for zone in sorted(zones)
        for run in _runs(_levels(view, site, zone, window, back_ms)[0], lambda level: level.people > more_than)
        if run.span.length_ms >= for_ms
    ]
    return Gatherings(scope_of(view, [site], rests_on(window, everybody), window.end_ms), site, tuple(found))


def _levels(view: View, site: str, zone: str, window: Span, back_ms: int) -> tuple[list[Level], list[Stay]]:
    """How many people were in a zone and in what lies within it by the maps of their time, as spans over the whole
    window; and the stays that were counted.
    """
    changes: dict[int, int] = {}
    counted: list[Stay] = []

    def change(at_ms: int, by: int) -> None:
        changes[at_ms] = changes.get(at_ms, 0) + by

    for part, chart in view.atlas.over(window):
        zones = chart.under(site, zone)
        change(part.begin_ms, 0)
        for stay in view.in_zones({Place(site, each) for each in zones}, part):
            span = stay.extent("likely", AGED_MS).cut(part)
            counted.append(stay)
            if span.length_ms:
                change(span.begin_ms, stay.count)
                change(span.end_ms, -stay.count)
        unnamed = 0
        for at_ms, by in _unnamed(view, site, zones, part, back_ms):
            change(at_ms, by)
            unnamed += by
        change(part.end_ms, -unnamed)
    times = sorted(at_ms for at_ms in changes if at_ms < window.end_ms)
    people = accumulate(changes[at_ms] for at_ms in times)
    spans = map(Span, times, [*times[1:], window.end_ms])
    return [Level(span, number) for span, number in zip(spans, people, strict=True)], counted


def _unnamed(view: View, site: str, zones: frozenset[str], window: Span, back_ms: int) -> Iterator[tuple[int, int]]:
    """When the least number of people without a name changed, and by how much."""
    around, people = Span(window.begin_ms - back_ms, window.end_ms), 0
    told = [(step.when.best_ms, 1, crosses(step, zones) * step.count) for step in view.flows(site, around)]
    told += [(it.when.best_ms, 0, it.count) for it in view.counted(site, around) if is_count_of(it, view, zones)]
    for at_ms, is_passing, number in sorted(told, key=itemgetter(0, 1)):
        now = max(0, people + number) if is_passing else number
        if now != people:
            yield max(window.begin_ms, at_ms), now - people
        people = now


def _runs(levels: Sequence[Level], is_over: Callable[[Level], bool]) -> Iterator[Level]:
    """Neighbouring spans that are over a limit, as one with the most people there were."""
    for over, together in groupby(levels, is_over):
        run = list(together)
        if over:
            yield Level(Span(run[0].span.begin_ms, run[-1].span.end_ms), max(level.people for level in run))


def _crowd(view: View, site: str, zone: str, run: Level) -> Crowd:
    there = {
        stay.subject
        for part, chart in view.atlas.over(run.span)
        for stay in view.in_zones({Place(site, each) for each in chart.under(site, zone)}, part)
        if stay.extent("likely", AGED_MS).cut(part).length_ms
    }
    return Crowd(run.span, run.people, tuple(sorted(there)))
