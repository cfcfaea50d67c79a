"""Who is on a site at a moment, and how many: people by name, and those without one as bounds."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from traceability.presence.answers import LOOKBACK_MS, Scope, moment, rests_on, scope_of, until
from traceability.presence.bindings import CARD
from traceability.presence.facts import Counted
from traceability.presence.moments import Span
from traceability.presence.stays import AGED_MS, Flag, Stay, Step
from traceability.presence.view import View

WHOLE_SITE = "*"
"""In an operator's count: all zones of the site."""


@dataclass(frozen=True, slots=True)
class Present:
    """One subject on the site. `is_open`: nobody saw it leave, up to now; `aged`: nobody has seen it for so long that
    it is no longer likely to be there.
    """

    subject: str
    kind: str | None
    employer: str | None
    unit: str | None
    zone: str
    since_ms: int
    seen_ms: int
    flags: tuple[Flag, ...]
    is_open: bool
    aged: bool
    count: int
    records: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Unnamed:
    """People without a name: passes in and out since `since_ms`, and how many can be inside, `low` to `high`.

    An unnamed pass out takes an unnamed person out while there is one. `low`: those who came in unnamed and whose
    name was read later are not without one; `known`: as many as that can be. `high`: some who went out unnamed were
    people with a name whose exit is missing.
    """

    since_ms: int
    base: int
    passed_in: int
    passed_out: int
    low: int
    high: int
    known: int


@dataclass(frozen=True, slots=True)
class Roster:
    """Each subject once: `present` by the best knowledge, `possible` where it cannot be excluded. Who came in without
    a name is in neither, but among the `unnamed`.
    """

    scope: Scope
    site: str
    present: tuple[Present, ...]
    possible: tuple[Present, ...]
    unnamed: Unnamed


@dataclass(frozen=True, slots=True)
class Headcount:
    """How many are on a site. `named` are likely, `named_possible` those likely and possible; counts by (name, n)."""

    scope: Scope
    site: str
    named: int
    named_possible: int
    by_kind: tuple[tuple[str, int], ...]
    by_employer: tuple[tuple[str, int], ...]
    by_zone: tuple[tuple[str, int], ...]
    unnamed: Unnamed
    total_low: int
    total_high: int


def roster(view: View, site: str, as_of_ms: int, aged_ms: int = AGED_MS) -> Roster:
    """Who is on the site; both lists by subject."""
    present, possible = _sorted_out(view, view.in_site(site, moment(as_of_ms)), as_of_ms, aged_ms)
    return Roster(
        scope_of(view, [site], rests_on(until(as_of_ms), present), as_of_ms),
        site,
        tuple(_present(view, stay, as_of_ms, aged_ms) for stay in present),
        tuple(_present(view, stay, as_of_ms, aged_ms) for stay in possible),
        unnamed_in(view, site, None, as_of_ms, LOOKBACK_MS, _doubtful(present, possible)),
    )


def headcount(
    view: View, site: str, as_of_ms: int, back_ms: int = LOOKBACK_MS, zone: str | None = None, aged_ms: int = AGED_MS
) -> Headcount:
    """How many are on the site, or in one zone and what lies within it. `back_ms`: since when unnamed passes count,
    unless an operator has counted later."""
    zones = None if zone is None else view.atlas.at(as_of_ms).under(site, zone)
    stays = [stay for stay in view.in_site(site, moment(as_of_ms)) if zones is None or stay.zone in zones]
    present, possible = _sorted_out(view, stays, as_of_ms, aged_ms)
    everybody = [_present(view, stay, as_of_ms, aged_ms) for stay in present]
    named = sum(stay.count for stay in present)
    unnamed = unnamed_in(view, site, zones, as_of_ms, back_ms, _doubtful(present, possible))
    named_possible = named + sum(stay.count for stay in possible)
    return Headcount(
        scope_of(view, [site], rests_on(until(as_of_ms, back_ms), present), as_of_ms),
        site,
        named,
        named_possible,
        _by((each.kind or "unresolved", each.count) for each in everybody),
        _by((each.employer or "unknown", each.count) for each in everybody),
        _by((each.zone, each.count) for each in everybody),
        unnamed,
        max(0, named + unnamed.base + unnamed.passed_in - unnamed.passed_out - unnamed.known),
        named_possible + unnamed.high,
    )


def unnamed_in(
    view: View, site: str, zones: frozenset[str] | None, as_of_ms: int, back_ms: int, doubtful: int
) -> Unnamed:
    """People without a name in these zones, all of the site if None. `doubtful`: people whose exit may be missing."""
    since_ms, base = _base(view, site, zones, until(as_of_ms, back_ms))
    low, came, went = base, 0, 0
    window = Span(since_ms, as_of_ms + 1)
    for step in view.flows(site, window):
        crossing = crosses(step, zones)
        if crossing > 0:
            came += step.count
        elif crossing < 0:
            went += step.count
        low = max(0, low + crossing * step.count)
    known = sum(stay.count for stay in view.unentered(site, window) if _within(stay.zone, zones)) if low else 0
    return Unnamed(since_ms, base, came, went, max(0, low - known), low + min(went, doubtful), min(low, known))


def _doubtful(present: Sequence[Stay], possible: Sequence[Stay]) -> int:
    """How many people's exit may be missing."""
    return sum(stay.count for stay in (*possible, *(stay for stay in present if stay.end is None or stay.flags)))


def crosses(step: Step, zones: frozenset[str] | None) -> int:
    """1: into the zones, -1: out of them, 0: neither. None: all zones of the site."""
    into, out = _within(step.to_zone, zones), _within(step.from_zone, zones)
    return int(into) - int(out)


def _within(zone: str | None, zones: frozenset[str] | None) -> bool:
    return zone is not None and zone != "outside" if zones is None else zone in zones


def _base(view: View, site: str, zones: frozenset[str] | None, window: Span) -> tuple[int, int]:
    """The last time an operator counted exactly what is asked for, and the count."""
    for counted in reversed(view.counted(site, window)):
        if is_count_of(counted, view, zones):
            return counted.when.best_ms, counted.count
    return window.begin_ms, 0


def is_count_of(counted: Counted, view: View, zones: frozenset[str] | None) -> bool:
    """Whether an operator counted these zones, all of them; None: all of the site."""
    if counted.zone == WHOLE_SITE or zones is None:
        return counted.zone == WHOLE_SITE and zones is None
    return view.atlas.at(counted.when.best_ms).under(counted.site, counted.zone) == zones


def _sorted_out(view: View, stays: Sequence[Stay], as_of_ms: int, aged_ms: int) -> tuple[list[Stay], list[Stay]]:
    """One stay of each subject: those that are likely, and of the other subjects the one that began last. A card that
    came in and has become somebody's since is no longer a subject of its own once he was seen.
    """
    likely: dict[str, Stay] = {}
    possible: dict[str, Stay] = {}
    for stay in stays:
        begin_ms, end_ms = stay.reach("likely", aged_ms)
        if begin_ms <= as_of_ms < end_ms and not _is_somebodys(view, stay, as_of_ms):
            likely[stay.subject] = stay
        elif stay.extent("possible").holds(as_of_ms):
            possible[stay.subject] = stay
    left = sorted(possible.keys() - likely.keys())
    return [likely[subject] for subject in sorted(likely)], [possible[subject] for subject in left]


def _is_somebodys(view: View, stay: Stay, at_ms: int) -> bool:
    """Whether it is the stay of a card that is a person's by now, of whom something was seen since."""
    subject = stay.subject
    if not subject.startswith(CARD) or (owner := view.owner(subject.removeprefix(CARD), at_ms)) == subject:
        return False
    return bool(view.of_subject(owner, Span(stay.start.when.best_ms, at_ms + 1)))


def _present(view: View, stay: Stay, as_of_ms: int, aged_ms: int) -> Present:
    person = view.person(stay.subject)
    return Present(
        stay.subject,
        None if person is None else person.kind,
        None if person is None else person.employer,
        None if person is None else person.unit,
        stay.zone,
        stay.start.when.best_ms,
        stay.seen.best_ms,
        stay.flags,
        stay.end is None,
        stay.end is None and stay.seen.best_ms + aged_ms <= as_of_ms,
        stay.count,
        stay.start.ids,
    )


def _by(counted: Iterable[tuple[str, int]]) -> tuple[tuple[str, int], ...]:
    counts: Counter[str] = Counter()
    for name, count in counted:
        counts[name] += count
    return tuple(sorted(counts.items()))
