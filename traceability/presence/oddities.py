"""What cannot be right: in after in, out after out, never out; each with the likely cause, and the evidence for it.

Causes, the first that has evidence counts:

    card_passed_back    the same card again at the same lane in the same direction, within a minute
    blind               a lane of the zone was not watched, or what it said is lost or still to come
    unnamed_pass        somebody without a name passed the right way at a lane of the zone: a tailgater perhaps
    ambiguous_read      the card was read there and it could not be known whether it went through
    one_sided           a lane of the zone has no reader on that side
    unknown             none of them: a door that is not a lane, a fire exit, a lift
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from traceability.presence.answers import Scope, scope_of
from traceability.presence.moments import MINUTE_MS, Span
from traceability.presence.stays import AGED_MS, Stay
from traceability.presence.view import View

Kind = Literal["no_exit", "no_entry", "never_out"]
Cause = Literal["card_passed_back", "blind", "unnamed_pass", "ambiguous_read", "one_sided", "unknown"]
BACK_MS = MINUTE_MS


@dataclass(frozen=True, slots=True)
class Oddity:
    """One stay with an end nobody saw, the span in which it must have been, and why it may have been missed.

    `never_out`: open, and not seen for so long that it is no longer likely. `evidence`: records or lanes.
    """

    kind: Kind
    subject: str
    site: str
    zone: str
    missed: Span
    cause: Cause
    evidence: tuple[str, ...]
    records: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Oddities:
    """By subject and time."""

    scope: Scope
    site: str
    oddities: tuple[Oddity, ...]


def oddities(view: View, site: str, window: Span, aged_ms: int = AGED_MS) -> Oddities:
    """The oddities of a site whose missing moment may lie in a window; open stays as of its end."""
    found = [
        oddity
        for stay in view.in_site(site, window)
        for oddity in _of(view, stay, window, aged_ms)
        if oddity.missed.meets(window)
    ]
    return Oddities(scope_of(view, [site], window, window.end_ms), site, tuple(found))


def _of(view: View, stay: Stay, window: Span, aged_ms: int) -> Iterator[Oddity]:
    if "no_entry" in stay.flags and stay.end is not None:
        missed = Span(max(stay.start.when.first_ms, window.begin_ms), stay.end.when.last_ms)
        yield _oddity(view, "no_entry", stay, missed)
    if "no_exit" in stay.flags and stay.end is not None:
        yield _oddity(view, "no_exit", stay, Span(stay.end.when.first_ms, stay.end.when.last_ms))
    if stay.end is None and stay.is_likely and stay.seen.best_ms + aged_ms < window.end_ms:
        yield _oddity(view, "never_out", stay, Span(stay.seen.first_ms, window.end_ms))


def _oddity(view: View, kind: Kind, stay: Stay, missed: Span) -> Oddity:
    records = (*stay.start.ids, *(() if stay.end is None else stay.end.ids))
    for cause, evidence in _causes(view, kind, stay, missed):
        if evidence:
            return Oddity(kind, stay.subject, stay.site, stay.zone, missed, cause, tuple(evidence), records)
    return Oddity(kind, stay.subject, stay.site, stay.zone, missed, "unknown", (), records)


def _causes(view: View, kind: Kind, stay: Stay, missed: Span) -> Iterator[tuple[Cause, list[str]]]:
    yield "card_passed_back", _passed_back(stay) if kind == "no_exit" else []
    lanes = {lane.id: lane for lane in view.atlas.at(missed.begin_ms).lanes_of(stay.site, stay.zone)}
    blind = {
        each.lane
        for each in view.coverage(stay.site, missed)
        if each.state != "observed" and (not lanes or each.lane in lanes)
    }
    yield "blind", sorted(blind)
    leaving = kind != "no_entry"
    yield (
        "unnamed_pass",
        [
            step.id
            for step in view.flows(stay.site, missed)
            if (step.from_zone if leaving else step.to_zone) == stay.zone
        ],
    )
    yield (
        "ambiguous_read",
        [
            step.id
            for step in view.steps_of(stay.subject, missed)
            if step.outcome == "ambiguous" and step.site == stay.site
        ],
    )
    yield (
        "one_sided",
        [lane.id for lane in lanes.values() if not _has_reader(lane.readers, lane.to_zone, stay.zone, leaving)],
    )


def _passed_back(stay: Stay) -> list[str]:
    """The record of the same lane in the same direction, if it came within a minute."""
    if stay.end is None or stay.start.lane is None or stay.end.lane != stay.start.lane:
        return []
    apart_ms = stay.end.when.last_ms - stay.start.when.first_ms
    return list(stay.end.ids) if apart_ms <= BACK_MS else []


def _has_reader(readers: str, to_zone: str, zone: str, leaving: bool) -> bool:
    """Whether who leaves (or enters) the zone by a lane meets a reader; `in`: on the side of who goes in."""
    inward = (to_zone == zone) != leaving
    return readers in {"both", "in" if inward else "out"}
