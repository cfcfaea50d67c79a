"""Who was with whom: how long two subjects shared a zone, at least, likely, at most; and the same lane in a minute.

Each of the three is the time their stays have in common in that extent (`sure`, `likely`, `possible`), cut to the
window; no moment is counted twice, however many stays in doubt overlap in it. So sure ≤ likely ≤ possible always.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

from traceability.presence.answers import Scope, elsewhere, rests_on, scope_of
from traceability.presence.atlas import Atlas
from traceability.presence.coverage import Covered
from traceability.presence.moments import FUTURE, HOUR_MS, MINUTE_MS, Level, Span, covered_ms, merged
from traceability.presence.stays import AGED_MS, Stay
from traceability.presence.trajectory import way_of
from traceability.presence.view import Place, View

Near = Literal["zone", "building", "site"]
Band = Literal["none", "short", "medium", "long"]
BANDS: tuple[tuple[int, Band], ...] = ((0, "none"), (15 * MINUTE_MS, "short"), (4 * HOUR_MS, "medium"))
BRUSH_MS = MINUTE_MS
WIDEST: tuple[Level, ...] = ("possible", "likely", "sure")

Pair = tuple[int, int]
"""Begin and end, unix ms; the one is before the other."""
Together = tuple[list[Pair], list[Pair], list[Pair]]
"""By WIDEST."""


@dataclass(frozen=True, slots=True)
class Rules:
    """What makes a contact: how near (`near`), from how long on, and how long an open stay is likely to go on."""

    near: Near = "zone"
    threshold_ms: int = 0
    brush_ms: int = BRUSH_MS
    aged_ms: int = AGED_MS


@dataclass(frozen=True, slots=True)
class Shared:
    """Time in one zone. Near a building or site: the zone of the subject asked about."""

    site: str
    zone: str
    sure_ms: int
    likely_ms: int
    possible_ms: int


@dataclass(frozen=True, slots=True)
class Brush:
    """Both went through one lane within a minute."""

    site: str
    lane: str
    at_ms: int
    other_ms: int


@dataclass(frozen=True, slots=True)
class Contact:
    """One other subject. `band` by the likely time: up to 15 min, up to 4 h, longer; `band_possible` by the most.

    `first_ms`: the first moment they can have been together, `first_likely_ms`: they likely were (None: never).
    """

    subject: str
    sure_ms: int
    likely_ms: int
    possible_ms: int
    band: Band
    band_possible: Band
    first_ms: int
    first_likely_ms: int | None
    zones: tuple[Shared, ...]
    brushes: tuple[Brush, ...]


@dataclass(frozen=True, slots=True)
class Contacts:
    """`contacts`: likely for the threshold or longer, the longest first; `possible`: it cannot be excluded.

    Whom the subject may have met besides: `unknown` is when nobody knows where it was, `elsewhere` when nobody would
    have seen it at a site that is not in the scope.
    """

    scope: Scope
    subject: str
    window: Span
    contacts: tuple[Contact, ...]
    possible: tuple[Contact, ...]
    unknown: tuple[Span, ...]
    elsewhere: tuple[Covered, ...]


@dataclass(frozen=True, slots=True)
class Bounds:
    """Of whom is asked: `until_ms`: from when on somebody met nobody; `settled`: of whom no more need be known.
    `likely_ms`: what was before that moment is no more than possible.
    """

    until_ms: Mapping[str, int] = field(default_factory=dict)
    settled: Callable[[str], bool] = lambda _: False
    likely_ms: int | None = None


def contacts(
    view: View, subject: str, window: Span, rules: Rules | None = None, bounds: Bounds | None = None
) -> Contacts:
    """Everybody who can have been with a subject in a window."""
    rules, bounds = rules or Rules(), bounds or Bounds()
    way = way_of(view, subject, window, rules.aged_ms)
    likely, possible, beside = met(view, subject, way.stays, window, rules, bounds)
    return Contacts(
        scope_of(view, way.sites, rests_on(window, [*way.stays, *beside]), window.end_ms),
        subject,
        window,
        tuple(likely),
        tuple(possible),
        tuple(merged(leg.span for leg in way.legs if leg.kind == "unknown")),
        elsewhere(view, way.sites, way.away),
    )


def met(
    view: View, subject: str, mine: Sequence[Stay], window: Span, rules: Rules, bounds: Bounds
) -> tuple[list[Contact], list[Contact], list[Stay]]:
    """Whom the subject of these stays met likely, and possibly, the longest first; and their stays that reach out of
    the window.
    """
    since_ms = window.begin_ms if bounds.likely_ms is None else bounds.likely_ms
    beside: list[Stay] = []
    shared: dict[str, dict[Place, Together]] = {}
    asked = [(_near(view.atlas, stay, rules.near), stay.extent("possible").cut(window)) for stay in mine]
    for stay, others in zip(mine, view.in_zones_each(asked), strict=True):
        place, reaches = Place(stay.site, stay.zone), _reaches(stay, window, since_ms, rules.aged_ms)
        for other in others:
            if other.subject != subject and not bounds.settled(other.subject):
                common = _common(reaches, other, rules.aged_ms, bounds.until_ms.get(other.subject, FUTURE))
                if common:
                    if _reaches_out(other, window):
                        beside.append(other)
                    of_place = shared.setdefault(other.subject, {}).setdefault(place, ([], [], []))
                    for spans, pair in zip(of_place, common, strict=False):
                        spans.append(pair)
    brushes = _brushes(view, subject, window, rules.brush_ms, bounds)
    found = [
        _contact(other, shared.get(other, {}), brushes.get(other, [])) for other in sorted(shared.keys() | brushes)
    ]
    found.sort(key=lambda each: (-each.likely_ms, -each.possible_ms, each.subject))
    least_ms = max(1, rules.threshold_ms)
    likely, possible = [], []
    for each in found:
        if each.likely_ms >= least_ms or any(_moment(brush) >= since_ms for brush in each.brushes):
            likely.append(each)
        elif each.possible_ms >= least_ms or each.brushes:
            possible.append(each)
    return likely, possible, beside


def _moment(brush: Brush) -> int:
    return max(brush.at_ms, brush.other_ms)


def _reaches_out(stay: Stay, window: Span) -> bool:
    is_over = stay.end is None or stay.end.when.best_ms > window.end_ms
    return is_over or stay.start.when.best_ms < window.begin_ms


def band_of(ms: int) -> Band:
    """The band of a time together."""
    return next((band for most_ms, band in BANDS if ms <= most_ms), "long")


def _near(atlas: Atlas, stay: Stay, near: Near) -> set[Place]:
    """The zones that count as together with the one of a stay."""
    here = {Place(stay.site, stay.zone)}
    if near == "zone":
        return here
    now = atlas.at(stay.start.when.best_ms)
    building = now.zone(stay.site, stay.zone).building
    same = (
        zone
        for zone in now.zones.values()
        if zone.site == stay.site and (near == "site" or (building is not None and zone.building == building))
    )
    return here | {Place(zone.site, zone.id) for zone in same}


def _reaches(stay: Stay, window: Span, likely_ms: int, aged_ms: int) -> list[Pair]:
    """Of a stay within the window, by WIDEST; more than possible only from `likely_ms` on."""
    reaches = zip(
        (window.begin_ms, likely_ms, likely_ms), (stay.reach(level, aged_ms) for level in WIDEST), strict=True
    )
    return [(max(begin, since_ms), min(end, window.end_ms)) for since_ms, (begin, end) in reaches]


def _common(reaches: Sequence[Pair], other: Stay, aged_ms: int, until_ms: int) -> list[Pair]:
    """What another stay has until then in common with these, by WIDEST; where a wider one has nothing, no narrower
    one has.
    """
    found: list[Pair] = []
    for (begin, end), level in zip(reaches, WIDEST, strict=True):
        first, last = other.reach(level, aged_ms)
        first, last = max(first, begin), min(last, end, until_ms)
        if first >= last:
            break
        found.append((first, last))
    return found


def _contact(subject: str, zones: Mapping[Place, Together], brushes: Sequence[Brush]) -> Contact:
    possible, likely, sure = ([pair for each in zones.values() for pair in each[at]] for at in range(len(WIDEST)))
    likely_ms, possible_ms = covered_ms(likely), covered_ms(possible)
    begins = [begin_ms for begin_ms, _ in possible]
    begins += map(_moment, brushes)
    likely_begins = [*(begin_ms for begin_ms, _ in likely), *map(_moment, brushes)]
    return Contact(
        subject,
        covered_ms(sure),
        likely_ms,
        possible_ms,
        band_of(likely_ms),
        band_of(possible_ms),
        min(begins, default=0),
        min(likely_begins, default=None),
        tuple(
            Shared(place.site, place.zone, *(covered_ms(pairs) for pairs in reversed(zones[place])))
            for place in sorted(zones)
        ),
        tuple(brushes),
    )


def _brushes(view: View, subject: str, window: Span, brush_ms: int, bounds: Bounds) -> dict[str, list[Brush]]:
    """Others at the same lane at nearly the same time, moving or not."""
    found: dict[str, list[Brush]] = {}
    mine = [(step, step.lane) for step in view.steps_of(subject, window) if step.lane is not None]
    asked = [
        (step.site, lane, Span(step.when.best_ms - brush_ms, step.when.best_ms + brush_ms + 1)) for step, lane in mine
    ]
    for (step, lane), others in zip(mine, view.passing(asked), strict=True):
        for other in others:
            is_asked = other.subject != subject and not bounds.settled(other.subject)
            if is_asked and window.holds(other.at_ms) and other.at_ms < bounds.until_ms.get(other.subject, FUTURE):
                brush = Brush(step.site, lane, step.when.best_ms, other.at_ms)
                found.setdefault(other.subject, []).append(brush)
    return found
