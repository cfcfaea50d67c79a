"""The map: organisation, sites, buildings, the tree of zones, portals, lanes; in versions, each from a day on.

A punch is read with the map of its own day, whenever it arrives. A record carries zones of its own, those of its
gateway's configuration; they count unless the map moves the lane: a read point on wheels has positions by date.
`outside` is a zone, the one around all sites. A zone may lie `within` another one; who is in it is in both.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field

from traceability.presence.facts import OUTSIDE
from traceability.presence.moments import PAST, Span
from traceability.presence.travel import Travel

Name = tuple[str, str]
"""A zone or lane, named within its site."""


@dataclass(frozen=True, slots=True)
class Zone:
    """A place people can be in. `capacity`: people; `area_m2`: for the density."""

    site: str
    id: str
    building: str | None = None
    within: str | None = None
    capacity: int | None = None
    area_m2: float | None = None


@dataclass(frozen=True, slots=True)
class Position:
    """Where a read point on wheels stood, and between which zones it then was."""

    span: Span
    site: str
    from_zone: str
    to_zone: str


@dataclass(frozen=True, slots=True)
class Lane:
    """One physical passage. `readers`: on which sides (`in`, `out`, `both`, `none`); `sensor` as at the gateway."""

    site: str
    id: str
    portal: str
    from_zone: str
    to_zone: str
    readers: str = "both"
    sensor: str = "none"
    positions: tuple[Position, ...] = ()

    def zones_at(self, at_ms: int) -> tuple[str, str, str]:
        """Site, from and to of a movement in."""
        for position in self.positions:
            if position.span.holds(at_ms):
                return position.site, position.from_zone, position.to_zone
        return self.site, self.from_zone, self.to_zone


@dataclass(frozen=True, slots=True)
class Map:
    """One version: in force from `from_ms` until the next one; the centre has it since `known_ms`."""

    from_ms: int = PAST
    known_ms: int = PAST
    organisation: str = ""
    sites: Mapping[str, str] = field(default_factory=dict)
    """Kinds of the sites by their ids: work, home, …"""
    zones: Mapping[Name, Zone] = field(default_factory=dict)
    lanes: Mapping[Name, Lane] = field(default_factory=dict)
    travel: Travel = field(default_factory=Travel)

    def zone(self, site: str, zone: str) -> Zone:
        """A zone the map does not know has no tree, no capacity and no area."""
        return self.zones.get((site, zone)) or Zone(site, zone)

    def chain(self, site: str, zone: str) -> Iterator[str]:
        """The zone and those it lies within, inmost first."""
        seen: set[str] = set()
        at: str | None = zone
        while at is not None and at not in seen:
            yield at
            seen.add(at)
            at = self.zone(site, at).within

    def under(self, site: str, zone: str) -> frozenset[str]:
        """The zone and those that lie within it, however deep."""
        inner = {name for place, name in self.zones if place == site and zone in self.chain(site, name)}
        return frozenset({zone, *inner})

    def lanes_of(self, site: str, zone: str) -> list[Lane]:
        """The lanes of a zone, those that lead in and those that lead out."""
        found = [lane for lane in self.lanes.values() if lane.site == site and zone in {lane.from_zone, lane.to_zone}]
        return sorted(found, key=lambda lane: lane.id)

    def boundary(self, site: str, zone: str) -> list[tuple[Lane, bool]]:
        """The lanes between what lies under a zone and what does not; true: a movement in leads in."""
        inner = self.under(site, zone)
        lanes = sorted((lane for lane in self.lanes.values() if lane.site == site), key=lambda lane: lane.id)
        return [
            (lane, lane.to_zone in inner) for lane in lanes if (lane.from_zone in inner) != (lane.to_zone in inner)
        ]


NO_MAP = Map()


@dataclass(frozen=True, slots=True)
class Atlas:
    """All versions there are."""

    maps: tuple[Map, ...] = ()

    def at(self, at_ms: int) -> Map:
        """The version in force; of two for one day the later known. Before the first: none."""
        held = [each for each in self.maps if each.from_ms <= at_ms]
        return max(held, key=lambda each: (each.from_ms, each.known_ms), default=NO_MAP)

    def over(self, window: Span) -> list[tuple[Span, Map]]:
        """The versions in force in a window, each with its part of it; in order, the whole window."""
        cuts = {each.from_ms for each in self.maps if window.begin_ms < each.from_ms < window.end_ms}
        begins = [window.begin_ms, *sorted(cuts)]
        return [
            (Span(begin_ms, end_ms), self.at(begin_ms))
            for begin_ms, end_ms in zip(begins, [*begins[1:], window.end_ms], strict=True)
        ]

    def having(self, new: Map) -> Atlas:
        """With one more version; the same again changes nothing."""
        return self if new in self.maps else Atlas((*self.maps, new))

    def as_known_at(self, known_at_ms: int) -> Atlas:
        """What was known at that moment."""
        return Atlas(tuple(each for each in self.maps if each.known_ms <= known_at_ms))

    def placed(
        self, site: str, lane: str, direction: str, zones: tuple[str | None, str | None], at_ms: int
    ) -> tuple[str, str | None, str | None]:
        """Site, from and to of a punch: its own zones, or those of the place where the read point stood then."""
        known = self.at(at_ms).lanes.get((site, lane))
        if known is None or (not known.positions and None not in zones) or direction not in {"in", "out"}:
            return site, *zones
        place, outer, inner = known.zones_at(at_ms)
        return (place, outer, inner) if direction == "in" else (place, inner, outer)


def is_inside(zone: str | None) -> bool:
    """Whether it is a zone of a site."""
    return zone is not None and zone != OUTSIDE


def names_of(zones: Iterable[Zone]) -> dict[Name, Zone]:
    """By site and id."""
    return {(zone.site, zone.id): zone for zone in zones}
