"""What questions ask of: the selections that an in-memory presence and one in tables both offer.

A view is bound to one moment of knowledge; whoever keeps stays in tables selects by zone and time there, so that
ten million stays cost an index. All lists are in a fixed order, so that answers are the same to the byte.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from traceability.presence.atlas import Atlas
from traceability.presence.bindings import Person
from traceability.presence.coverage import Covered
from traceability.presence.facts import Counted, Unplaced
from traceability.presence.moments import Span
from traceability.presence.stays import Stay, Step


@dataclass(frozen=True, slots=True, order=True)
class Place:
    """A zone of a site. Zones are named within their site."""

    site: str
    zone: str


@dataclass(frozen=True, slots=True)
class Passing:
    """Somebody at a lane, moving or not; `at_ms`: the best time."""

    subject: str
    at_ms: int


class View(Protocol):
    """All that is known at `known_at_ms` (None: all that has arrived). Windows select by the *possible* extent."""

    @property
    def known_at_ms(self) -> int | None: ...

    @property
    def atlas(self) -> Atlas: ...

    def sites(self) -> Sequence[str]:
        """All sites of which records have come, by name; also since `known_at_ms`: of those nothing is covered."""

    def person(self, subject: str) -> Person | None:
        """None for an unresolved card, and for a person of whom nothing is told."""

    def owner(self, token: str, at_ms: int) -> str:
        """The subject that a card is at a moment: a person, or the card itself."""

    def of_subject(self, subject: str, window: Span) -> Sequence[Stay]:
        """Stays of one subject, by (likely beginning, id)."""

    def in_zones(self, places: Collection[Place], window: Span) -> Sequence[Stay]:
        """Stays of everybody in any of these zones, by (subject, likely beginning, id)."""

    def in_zones_each(self, asked: Sequence[tuple[Collection[Place], Span]]) -> Sequence[Sequence[Stay]]:
        """As `in_zones`, of many at once, in their order."""

    def in_site(self, site: str, window: Span) -> Sequence[Stay]:
        """Stays of everybody in any zone of a site, likewise."""

    def unentered(self, site: str, window: Span) -> Sequence[Stay]:
        """Stays in any zone of a site that nobody saw begin (`no_entry`), likewise."""

    def steps_of(self, subject: str, window: Span) -> Sequence[Step]:
        """Movements and sightings of one subject (not what was declared wrong), by best time."""

    def passing(self, asked: Sequence[tuple[str, str, Span]]) -> Sequence[Sequence[Passing]]:
        """Of each site, lane and window who was at the lane (not what was declared wrong), by best time."""

    def flows(self, site: str, window: Span) -> Sequence[Step]:
        """Punches that move counts of a site, as steps of nobody (not what was declared wrong), by best time."""

    def counted(self, site: str, window: Span) -> Sequence[Counted]:
        """Counts an operator made, by best time."""

    def subjects(self, window: Span) -> Sequence[str]:
        """All who have a stay then, or are in a step."""

    def unplaced(self) -> Sequence[Unplaced]:
        """Records that move nobody because of what is wrong with them."""

    def coverage(self, site: str, window: Span) -> Sequence[Covered]:
        """What was watched, by (lane, begin), without a gap over the whole window."""

    def coverages(self, sites: Collection[str], window: Span) -> Mapping[str, Sequence[Covered]]:
        """The same of several sites."""
