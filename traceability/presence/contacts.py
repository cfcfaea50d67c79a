"""Who was with whom: how long two subjects shared a zone, at least, likely, at most; and the same lane in a minute.

Each of the three is the time their stays have in common in that extent (`sure`, `likely`, `possible`), cut to the
window; no moment is counted twice, however many stays in doubt overlap in it. So sure ≤ likely ≤ possible always.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from traceability.presence.answers import Scope, elsewhere, rests_on, scope_of
from traceability.presence.atlas import Atlas
from traceability.presence.coverage import Covered
from traceability.presence.moments import HOUR_MS, MINUTE_MS, Level, Span, covered_ms, merged
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
class SecondContact:
    """A contact of a contact, behind the first contact with `by`; `by` is the one met first."""

    subject: str
    by: str
    met_ms: int
    contact: Contact


@dataclass(frozen=True, slots=True)
class SecondDegree:
    """Whom the contacts met after they had met the subject, until they were isolated. `possible`: one of the two
    meetings, or both, or that they were in this order, is no more than possible.
    """

    scope: Scope
    subject: str
    first: Contacts
    second: tuple[SecondContact, ...]
    possible: tuple[SecondContact, ...]


def contacts(view: View, subject: str, window: Span, rules: Rules | None = None) -> Contacts:
    """Everybody who can have been with a subject in a window."""
    rules = rules or Rules()
    way = way_of(view, subject, window, rules.aged_ms)
    likely, possible, beside = _met(view, subject, way.stays, window, rules)
    return Contacts(
        scope_of(view, way.sites, rests_on(window, [*way.stays, *beside]), window.end_ms),
        subject,
        window,
        tuple(likely),
        tuple(possible),
        tuple(merged(leg.span for leg in way.legs if leg.kind == "unknown")),
        elsewhere(view, way.sites, way.away),
    )


def second_degree(
    view: View, subject: str, window: Span, isolated: Mapping[str, int] | None = None, rules: Rules | None = None
) -> SecondDegree:
    """Contacts of the contacts, in order of time. `isolated`: from when on somebody met nobody, unix ms."""
    until, rules = isolated or {}, rules or Rules()
    first = contacts(view, subject, _before(window, until.get(subject)), rules)
    likely = {each.subject for each in first.contacts}
    known = {subject, *likely}
    second: dict[str, SecondContact] = {}
    possible: dict[str, SecondContact] = {}
    sites = set(first.scope.sites)
    for link in sorted((*first.contacts, *first.possible), key=lambda each: (each.first_ms, each.subject)):
        later = _before(Span(link.first_ms, window.end_ms), until.get(link.subject))
        if not later.length_ms:
            continue
        stays = view.of_subject(link.subject, later)
        sites |= {stay.site for stay in stays}
        met = _met(view, link.subject, stays, later, rules, link.first_likely_ms)[:2]
        for found, others in zip((second if link.subject in likely else possible, possible), met, strict=False):
            for each in others:
                held = found.get(each.subject)
                if each.subject not in known and (held is None or each.first_ms < held.contact.first_ms):
                    found[each.subject] = SecondContact(each.subject, link.subject, link.first_ms, each)
    ordered = sorted(second.values(), key=_by_time)
    return SecondDegree(
        scope_of(view, sites, first.scope.looked_at, window.end_ms),
        subject,
        first,
        tuple(ordered),
        tuple(sorted((each for each in possible.values() if each.subject not in second), key=_by_time)),
    )


def _by_time(each: SecondContact) -> tuple[int, str]:
    return each.contact.first_ms, each.subject


def _met(
    view: View, subject: str, mine: Sequence[Stay], window: Span, rules: Rules, likely_ms: int | None = None
) -> tuple[list[Contact], list[Contact], list[Stay]]:
    """Whom the subject of these stays met likely, and possibly, the longest first; and their stays that reach out of
    the window. `likely_ms`: what was before that moment is no more than possible.
    """
    since_ms = window.begin_ms if likely_ms is None else likely_ms
    beside: list[Stay] = []
    shared: dict[str, dict[Place, Together]] = {}
    asked = [(_near(view.atlas, stay, rules.near), stay.extent("possible").cut(window)) for stay in mine]
    for stay, others in zip(mine, view.in_zones_each(asked), strict=True):
        place, reaches = Place(stay.site, stay.zone), _reaches(stay, window, since_ms, rules.aged_ms)
        for other in others:
            if other.subject != subject:
                common = _common(reaches, other, rules.aged_ms)
                if common:
                    if _reaches_out(other, window):
                        beside.append(other)
                    of_place = shared.setdefault(other.subject, {}).setdefault(place, ([], [], []))
                    for spans, pair in zip(of_place, common, strict=False):
                        spans.append(pair)
    brushes = _brushes(view, subject, window, rules.brush_ms)
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


def _common(reaches: Sequence[Pair], other: Stay, aged_ms: int) -> list[Pair]:
    """What another stay has in common with these, by WIDEST; where a wider one has nothing, no narrower one has."""
    found: list[Pair] = []
    for (begin, end), level in zip(reaches, WIDEST, strict=True):
        first, last = other.reach(level, aged_ms)
        first, last = max(first, begin), min(last, end)
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


def _brushes(view: View, subject: str, window: Span, brush_ms: int) -> dict[str, list[Brush]]:
    """Others at the same lane at nearly the same time, moving or not."""
    found: dict[str, list[Brush]] = {}
    mine = [(step, step.lane) for step in view.steps_of(subject, window) if step.lane is not None]
    asked = [
        (step.site, lane, Span(step.when.best_ms - brush_ms, step.when.best_ms + brush_ms + 1)) for step, lane in mine
    ]
    for (step, lane), others in zip(mine, view.passing(asked), strict=True):
        for other in others:
            if other.subject != subject and window.holds(other.at_ms):
                brush = Brush(step.site, lane, step.when.best_ms, other.at_ms)
                found.setdefault(other.subject, []).append(brush)
    return found


def _before(window: Span, at_ms: int | None) -> Span:
    return window if at_ms is None else Span(window.begin_ms, max(window.begin_ms, min(window.end_ms, at_ms)))
