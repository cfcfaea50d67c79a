"""Which places a subject was in and who was there, and who was in a place in a window."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from traceability.presence.answers import Scope, elsewhere, rests_on, scope_of
from traceability.presence.coverage import Covered
from traceability.presence.moments import LEVELS, Span, merged, total_ms
from traceability.presence.stays import AGED_MS, Flag, Stay
from traceability.presence.trajectory import way_of
from traceability.presence.view import Place, View


@dataclass(frozen=True, slots=True)
class Visitor:
    """A subject in a place: how long at least, likely and at most, ms; when first and last, at most."""

    subject: str
    kind: str | None
    employer: str | None
    unit: str | None
    sure_ms: int
    likely_ms: int
    possible_ms: int
    first_ms: int
    last_ms: int
    flags: tuple[Flag, ...]


@dataclass(frozen=True, slots=True)
class Visitors:
    """Everybody who was or may have been in a place; `visitors` likely, `possible` not more than possible."""

    scope: Scope
    site: str
    zones: tuple[str, ...]
    window: Span
    visitors: tuple[Visitor, ...]
    possible: tuple[Visitor, ...]


@dataclass(frozen=True, slots=True)
class Involved:
    """A place a subject was in, when (likely), and who else was or may have been there at those times."""

    site: str
    zone: str
    spans: tuple[Span, ...]
    likely_ms: int
    possible_ms: int
    others: tuple[str, ...]
    others_possible: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class PlacesInvolved:
    """All places of a subject, by site and zone. It may have been at others besides: `unknown` is when nobody knows
    where it was, `elsewhere` when nobody would have seen it at a site that is not in the scope.
    """

    scope: Scope
    subject: str
    window: Span
    places: tuple[Involved, ...]
    unknown: tuple[Span, ...]
    elsewhere: tuple[Covered, ...]


def visitors(view: View, site: str, zone: str | None, window: Span, aged_ms: int = AGED_MS) -> Visitors:
    """Who was on a site, or in one zone of it and what lies within that; by subject."""
    zones: set[str] = set()
    of: dict[str, list[tuple[Stay, Span]]] = {}
    stays: list[Stay] = []
    parts: list[tuple[Span, frozenset[str] | None]] = [(window, None)]
    if zone is not None:
        parts = [(part, chart.under(site, zone)) for part, chart in view.atlas.over(window)]
    for part, within in parts:
        here = view.in_site(site, part) if within is None else view.in_zones({Place(site, it) for it in within}, part)
        zones |= within or frozenset()
        stays += here
        for stay in here:
            of.setdefault(stay.subject, []).append((stay, part))
    found = [_visitor(view, subject, of[subject], window, aged_ms) for subject in sorted(of)]
    return Visitors(
        scope_of(view, [site], rests_on(window, stays), window.end_ms),
        site,
        tuple(sorted(zones)),
        window,
        tuple(each for each in found if each.likely_ms),
        tuple(each for each in found if each.possible_ms and not each.likely_ms),
    )


def places_of(view: View, subject: str, window: Span, aged_ms: int = AGED_MS) -> PlacesInvolved:
    """The places a subject was in, and who was there at the same time."""
    of: dict[Place, list[Stay]] = {}
    way = way_of(view, subject, window, aged_ms)
    for stay in way.stays:
        of.setdefault(Place(stay.site, stay.zone), []).append(stay)
    return PlacesInvolved(
        scope_of(view, way.sites, way.rests, window.end_ms),
        subject,
        window,
        tuple(_involved(view, subject, place, of[place], window, aged_ms) for place in sorted(of)),
        tuple(merged(leg.span for leg in way.legs if leg.kind == "unknown")),
        elsewhere(view, way.sites, way.away),
    )


def _visitor(view: View, subject: str, stays: Sequence[tuple[Stay, Span]], window: Span, aged_ms: int) -> Visitor:
    person = view.person(subject)
    extents = {level: [stay.extent(level, aged_ms).cut(part) for stay, part in stays] for level in LEVELS}
    possible = [span for span in extents["possible"] if span.length_ms] or [Span(window.begin_ms, window.begin_ms)]
    sure_ms, likely_ms, possible_ms = (total_ms(extents[level]) for level in LEVELS)
    return Visitor(
        subject,
        None if person is None else person.kind,
        None if person is None else person.employer,
        None if person is None else person.unit,
        sure_ms,
        likely_ms,
        possible_ms,
        min(span.begin_ms for span in possible),
        max(span.end_ms for span in possible),
        tuple(sorted({flag for stay, _ in stays for flag in stay.flags})),
    )


def _involved(view: View, subject: str, place: Place, stays: Sequence[Stay], window: Span, aged_ms: int) -> Involved:
    likely: set[str] = set()
    possible: set[str] = set()
    for stay in stays:
        mine = stay.extent("possible").cut(window)
        for other in view.in_zones({place}, mine):
            if other.subject == subject:
                continue
            common = stay.extent("likely", aged_ms).cut(window).cut(other.extent("likely", aged_ms))
            if common.length_ms:
                likely.add(other.subject)
            elif mine.cut(other.extent("possible")).length_ms:
                possible.add(other.subject)
    spans = tuple(merged(stay.extent("likely", aged_ms).cut(window) for stay in stays))
    return Involved(
        place.site,
        place.zone,
        spans,
        total_ms(spans),
        total_ms(stay.extent("possible").cut(window) for stay in stays),
        tuple(sorted(likely)),
        tuple(sorted(possible - likely)),
    )
