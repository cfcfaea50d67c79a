"""Where one subject was, in order: stays, the time outside, and the time of which nothing is known."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Literal

from traceability.presence.answers import LOOKBACK_MS, Scope, elsewhere, rests_on, scope_of, scope_of_all
from traceability.presence.coverage import Covered
from traceability.presence.facts import OUTSIDE
from traceability.presence.moments import DAY_MS, Span
from traceability.presence.stays import AGED_MS, Flag, Stay
from traceability.presence.view import View

KNOWN_MS = 31 * DAY_MS
"""Of whom nothing is known for so long before a window, of him it is not known where he was when it began."""


@dataclass(frozen=True, slots=True)
class Leg:
    """A part of the way. `span` is likely, `sure` and `possible` are null but for stays; `records` are at the ends.

    `stay`: in a zone; `possible`: perhaps in a zone; `outside`: it went out and came in again; `unknown`: neither.
    """

    kind: Literal["stay", "possible", "outside", "unknown"]
    site: str | None
    zone: str | None
    span: Span
    sure: Span | None = None
    possible: Span | None = None
    is_open: bool = False
    flags: tuple[Flag, ...] = ()
    records: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Sighting:
    """A punch that moved nobody: it was there, on that side if `zone` is known."""

    at_ms: int
    site: str
    lane: str | None
    zone: str | None
    outcome: str | None
    record: str


@dataclass(frozen=True, slots=True)
class Trajectory:
    """The way of one subject in a window; `dwell_ms` by (site, zone), likely. `elsewhere`: when nobody would have
    seen it at a site that is not in the scope, while it is taken to have been outside.
    """

    scope: Scope
    subject: str
    legs: tuple[Leg, ...]
    elsewhere: tuple[Covered, ...]
    sightings: tuple[Sighting, ...]
    dwell_ms: tuple[tuple[str, str, int], ...]


@dataclass(frozen=True, slots=True)
class Impossible:
    """Two moves nobody can have made: at most `apart_ms` lie between them, at least `needed_ms` are needed."""

    subject: str
    before: str
    after: str
    from_site: str
    to_site: str
    apart_ms: int
    needed_ms: int


@dataclass(frozen=True, slots=True)
class ImpossibleMoves:
    """What cards did that people cannot: one was lent, copied or bound to the wrong person, or a clock is wrong."""

    scope: Scope
    moves: tuple[Impossible, ...]


def trajectory(view: View, subject: str, window: Span, aged_ms: int = AGED_MS) -> Trajectory:
    """Where a subject was; stays are cut to the window, and no moment of it is without a leg."""
    way = way_of(view, subject, window, aged_ms)
    dwell: dict[tuple[str, str], int] = {}
    for leg in way.legs:
        if leg.kind == "stay" and leg.site is not None and leg.zone is not None:
            dwell[leg.site, leg.zone] = dwell.get((leg.site, leg.zone), 0) + leg.span.length_ms
    steps = view.steps_of(subject, window)
    return Trajectory(
        scope_of(view, way.sites, way.rests, window.end_ms),
        subject,
        way.legs,
        elsewhere(view, way.sites, way.away),
        tuple(
            Sighting(step.when.best_ms, step.site, step.lane, step.from_zone, step.outcome, step.id)
            for step in steps
            if step.role != "moved"
        ),
        tuple((site, zone, ms) for (site, zone), ms in sorted(dwell.items())),
    )


def impossible_moves(view: View, subjects: Sequence[str], window: Span) -> ImpossibleMoves:
    """Moves of these subjects in a window that contradict each other, or the move before it. One site is not far from
    itself.
    """
    found: list[Impossible] = []
    for subject in sorted(set(subjects)):
        around = Span(window.begin_ms - LOOKBACK_MS, window.end_ms)
        moves = [step for step in view.steps_of(subject, around) if step.role == "moved"]
        for before, after in pairwise(moves):
            if not window.holds(after.when.best_ms):
                continue
            travel = view.atlas.at(before.when.best_ms).travel
            if travel.contradicts(before, after):
                apart_ms = after.when.last_ms - before.when.first_ms
                needed_ms = travel.needed_ms(before.site, after.site)
                found.append(Impossible(subject, before.id, after.id, before.site, after.site, apart_ms, needed_ms))
    return ImpossibleMoves(scope_of_all(view, window, window.end_ms), tuple(found))


def outside_between(before: Stay | None, after: Stay | None) -> bool:
    """Whether somebody was seen going out, and coming in again if there is a stay afterwards."""
    if before is None or before.end is None or before.end.how == "unknown" or before.end.zone != OUTSIDE:
        return False
    return after is None or (after.start.how != "unknown" and after.start.zone in {OUTSIDE, None})


@dataclass(frozen=True, slots=True)
class Way:
    """The stays of a subject that meet a window, and its way through it. `rests`: the time it rests on, see
    `rests_on`; `away`: when the subject is taken to be on no site, since it went out, or nobody knows where it was.
    """

    stays: tuple[Stay, ...]
    legs: tuple[Leg, ...]
    rests: Span
    away: tuple[Span, ...]

    @property
    def sites(self) -> frozenset[str]:
        return frozenset(stay.site for stay in self.stays)


def way_of(view: View, subject: str, window: Span, aged_ms: int = AGED_MS) -> Way:
    """The way of a subject through a window."""
    stays = view.of_subject(subject, window)
    likely = [stay for stay in stays if stay.is_likely]
    before = [stay for stay in likely if stay.start.when.best_ms < window.begin_ms]
    if not before:
        earlier = view.of_subject(subject, Span(window.begin_ms - KNOWN_MS, window.begin_ms))
        before = [stay for stay in earlier if stay.is_likely and stay.start.when.best_ms < window.begin_ms]
    way = [*before, *(stay for stay in likely if stay.start.when.best_ms >= window.begin_ms)]
    around = Span(window.begin_ms - LOOKBACK_MS, window.end_ms)
    between = [gap for pair in _neighbours(way, aged_ms) for gap in _between(*pair, around, aged_ms)]
    gaps = [(gap, replace(gap, span=gap.span.cut(window))) for gap in between if gap.span.cut(window).length_ms]
    legs = [*(cut for _, cut in gaps), *(_leg(stay, window, aged_ms) for stay in stays)]
    away = (gap.span if gap.kind == "outside" else cut.span for gap, cut in gaps)
    return Way(tuple(stays), tuple(sorted(legs, key=lambda leg: leg.span)), rests_on(window, stays), tuple(away))


def _neighbours(way: Sequence[Stay], aged_ms: int) -> Iterator[tuple[Stay | None, Stay | None]]:
    """Each stay, and None behind all, with the one of those before it that lasted longest."""
    last: Stay | None = None
    for stay in way:
        yield last, stay
        if last is None or last.reach("likely", aged_ms)[1] <= stay.reach("likely", aged_ms)[1]:
            last = stay
    yield last, None


def _leg(stay: Stay, window: Span, aged_ms: int) -> Leg:
    return Leg(
        "stay" if stay.is_likely else "possible",
        stay.site,
        stay.zone,
        stay.extent("likely", aged_ms).cut(window),
        stay.extent("sure").cut(window),
        stay.extent("possible").cut(window),
        stay.end is None,
        stay.flags,
        (*stay.start.ids, *(() if stay.end is None else stay.end.ids)),
    )


def _between(former: Stay | None, stay: Stay | None, window: Span, aged_ms: int) -> Iterator[Leg]:
    """The time between two stays; also before the first there ever was (`former` None), and behind the last."""
    begin_ms = window.begin_ms if former is None else former.extent("likely", aged_ms).end_ms
    span = Span(begin_ms, window.end_ms if stay is None else stay.start.when.best_ms).cut(window)
    if span.length_ms:
        kind: Literal["outside", "unknown"] = "outside" if outside_between(former, stay) else "unknown"
        yield Leg(kind, None, OUTSIDE if kind == "outside" else None, span)
