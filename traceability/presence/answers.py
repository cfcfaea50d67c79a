"""What all answers share: about when, as known when, and what was watched of it. Answers are frozen and JSON-able."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import Any

from gateway.wire import compact
from traceability.presence.bindings import CARD
from traceability.presence.coverage import Covered, State
from traceability.presence.moments import DAY_MS, MINUTE_MS, Span, merged
from traceability.presence.stays import Stay
from traceability.presence.view import View

LOOKBACK_MS = DAY_MS
"""How far back an answer about one moment looks for what was not watched."""
FRESH_MS = 3 * MINUTE_MS // 2
"""A gateway says where it is every 30 s: three missed are a silence."""
ALL_LANES = "*"


@dataclass(frozen=True, slots=True)
class Scope:
    """What an answer rests on. `complete`: all lanes of all its sites were observed over `looked_at`, but for the
    end, of which a gateway that lives has not spoken yet (FRESH_MS). `gaps`: where they were not, that included.
    `looked_at` is what was asked for, and as much beside it as `rests_on` says.
    A read point on wheels is one of the site it stood at, under the name of its own site.

    `known_at_ms` None: all that has arrived.
    """

    as_of_ms: int
    known_at_ms: int | None
    sites: tuple[str, ...]
    looked_at: Span
    complete: bool
    gaps: tuple[Covered, ...]


def scope_of(view: View, sites: Iterable[str], looked_at: Span, as_of_ms: int) -> Scope:
    """The coverage of these sites. A site of which no lane is known is not complete, and neither is no site."""
    return _scope(view, tuple(sorted(set(sites))), {}, looked_at, as_of_ms)


def scope_of_all(view: View, looked_at: Span, as_of_ms: int, besides: Iterable[str] = ()) -> Scope:
    """The coverage of all sites of which a lane is known, and of these: for what may have happened anywhere."""
    asked = set(besides)
    watched = view.coverages({*view.sites(), *asked}, looked_at)
    names = tuple(site for site in sorted(watched) if watched[site] or site in asked)
    return _scope(view, names, watched, looked_at, as_of_ms)


def _scope(
    view: View, names: tuple[str, ...], known: Mapping[str, Sequence[Covered]], looked_at: Span, as_of_ms: int
) -> Scope:
    """`known`: the coverage of some sites, as far as it was asked for already."""
    standing = _on_wheels(view, set(names), looked_at)
    unknown = {*names, *(stood.owner for stood in standing)} - known.keys()
    watched = {**known, **view.coverages(sorted(unknown), looked_at)} if unknown else known
    gaps: list[Covered] = []
    complete = bool(names)
    for site in names:
        guests = [each for stood in standing if stood.site == site for each in stood.covered(watched[stood.owner])]
        covered = [*watched[site], *guests]
        gaps += (each for each in covered if each.state != "observed")
        complete = complete and bool(covered)
    complete = complete and all(_is_fresh(gap, looked_at) for gap in gaps)
    return Scope(as_of_ms, view.known_at_ms, names, looked_at, complete, tuple(gaps))


@dataclass(frozen=True, slots=True, order=True)
class _Stood:
    """When read points of a site, its `owner`, stood at another one; by lane."""

    site: str
    owner: str
    spans: Mapping[str, list[Span]] = field(compare=False, default_factory=dict)

    def covered(self, watched: Iterable[Covered]) -> Iterator[Covered]:
        """What was watched of the owner, as far as it was there."""
        for covered in watched:
            for span in self.spans.get(covered.lane, ()):
                if covered.span.cut(span).length_ms:
                    yield replace(covered, span=covered.span.cut(span))


def _on_wheels(view: View, sites: Collection[str], window: Span) -> list[_Stood]:
    """Read points of other sites, for as long as they stood at one of these."""
    stood: dict[tuple[str, str], dict[str, list[Span]]] = {}
    for part, chart in view.atlas.over(window):
        for lane in chart.lanes.values():
            for position in lane.positions:
                span = position.span.cut(part)
                if position.site in sites and position.site != lane.site and span.length_ms:
                    stood.setdefault((position.site, lane.site), {}).setdefault(lane.id, []).append(span)
    return sorted(_Stood(site, owner, spans) for (site, owner), spans in stood.items())


def elsewhere(view: View, sites: Iterable[str], spans: Sequence[Span]) -> tuple[Covered, ...]:
    """Where and when nobody would have seen a subject that is taken to be on no site in these spans: for all sites of
    which records have come but these, by site, all lanes of a site (`*`) together.
    """
    if not any(span.length_ms for span in spans):
        return ()
    window = Span(min(span.begin_ms for span in spans), max(span.end_ms for span in spans))
    others = set(view.sites()) - set(sites)
    watched = view.coverages(sorted(others), window)
    return tuple(gap for site in sorted(others) for gap in _unwatched(site, watched[site], spans))


def _unwatched(site: str, watched: Iterable[Covered], spans: Sequence[Span]) -> Iterator[Covered]:
    of_state: dict[State, list[Span]] = {}
    for covered in watched:
        if covered.state != "observed":
            of_state.setdefault(covered.state, []).extend(covered.span.cut(span) for span in spans)
    for state in sorted(of_state):
        yield from (Covered(site, ALL_LANES, span, state) for span in merged(of_state[state]))


def _is_fresh(gap: Covered, looked_at: Span) -> bool:
    """Whether it is but the time since the last heartbeat."""
    return gap.state == "pending" and gap.span.end_ms == looked_at.end_ms and gap.span.length_ms <= FRESH_MS


def until(as_of_ms: int, back_ms: int = LOOKBACK_MS) -> Span:
    """The time before a moment, the moment included."""
    return Span(as_of_ms - back_ms, as_of_ms + 1)


def rests_on(window: Span, stays: Iterable[Stay]) -> Span:
    """The window, and beside it the time since the stays that meet it likely began and until they ended, as far as
    LOOKBACK_MS: who went in before it and out behind it is taken to have been there since nobody saw otherwise.
    """
    begin_ms, end_ms = window.begin_ms, window.end_ms
    for stay in stays:
        if stay.is_likely:
            since_ms = stay.start.when.best_ms
            until_ms = window.end_ms if stay.end is None else stay.end.when.best_ms
            if since_ms < window.end_ms and window.begin_ms < until_ms:
                begin_ms, end_ms = min(begin_ms, since_ms), max(end_ms, until_ms)
    return Span(max(begin_ms, window.begin_ms - LOOKBACK_MS), min(end_ms, window.end_ms + LOOKBACK_MS))


def moment(at_ms: int) -> Span:
    """A moment as a span."""
    return Span(at_ms, at_ms + 1)


def as_dict(answer: Any) -> dict[str, Any]:
    """As programs get it; times are unix ms."""
    return asdict(answer)


def as_json(answer: Any) -> bytes:
    """The same answer is the same bytes."""
    return compact(as_dict(answer))


@dataclass(frozen=True, slots=True)
class Watched:
    """How long lanes were in one state of coverage: ms over all lanes, and which share of the time that is."""

    state: State
    lane_ms: int
    share: float


@dataclass(frozen=True, slots=True)
class Completeness:
    """What could not be seen: coverage by state, gaps, records that could not be placed, cards that are nobody's."""

    scope: Scope
    watched: tuple[Watched, ...]
    undated: tuple[str, ...]
    unreadable: tuple[str, ...]
    unresolved: tuple[str, ...]


def completeness(view: View, sites: Iterable[str], window: Span) -> Completeness:
    """How much of these sites was watched in a window, and what was not understood."""
    names = tuple(sorted(set(sites)))
    here = {stay.subject for site in names for stay in view.in_site(site, window)}
    spent: dict[State, int] = {}
    for site in names:
        for covered in view.coverage(site, window):
            spent[covered.state] = spent.get(covered.state, 0) + covered.span.length_ms
    whole = sum(spent.values()) or 1
    unplaced = [each for each in view.unplaced() if each.id.partition("/")[0] in names]
    return Completeness(
        scope_of(view, names, window, window.end_ms),
        tuple(Watched(state, spent[state], round(spent[state] / whole, 6)) for state in sorted(spent)),
        tuple(each.id for each in unplaced if each.why == "undated"),
        tuple(each.id for each in unplaced if each.why == "unreadable"),
        tuple(
            subject
            for subject in view.subjects(window)
            if subject.startswith(CARD)
            and (subject in here or any(step.site in names for step in view.steps_of(subject, window)))
        ),
    )
