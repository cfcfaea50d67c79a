"""The map as an operator writes it: one TOML file for each version, checked as a whole before it is believed.

    from = 2026-11-01T00:00:00+08:00
    organisation = "acme"

    [[sites]]
    id = "hq"
    kind = "work"
    zones = [
      { id = "lobby", building = "a", capacity = 80, area_m2 = 120.0 },
      { id = "office", building = "a", within = "lobby" },
    ]
    lanes = [{ id = "lobby-1", portal = "lobby", from_zone = "outside", to_zone = "lobby", readers = "both" }]

    [[travel]]
    between = ["hq", "dorm"]
    minutes = 20

Every fault is told, with the key path and, for a name that does not exist, the nearest that does.
"""

from __future__ import annotations

import tomllib
from collections import Counter
from collections.abc import Iterable, Iterator
from datetime import datetime
from difflib import get_close_matches
from typing import Annotated, Any, Literal

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, ValidationError

from gateway.errors import Misconfigured
from traceability.presence.atlas import Lane, Map, Position, Zone
from traceability.presence.facts import OUTSIDE
from traceability.presence.moments import FUTURE, MINUTE_MS, Span
from traceability.presence.travel import Travel

Name = Annotated[str, Field(pattern=r"^[a-z0-9-]{1,32}$")]


class Strict(BaseModel):
    """Unknown keys are mistakes."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class ZoneText(Strict):
    id: Name
    building: Name | None = None
    within: Name | None = None
    capacity: int | None = Field(default=None, ge=1)
    area_m2: float | None = Field(default=None, gt=0)


class PositionText(Strict):
    begin: AwareDatetime = Field(alias="from")
    end: AwareDatetime | None = Field(default=None, alias="to")
    site: Name | None = None
    from_zone: Name
    to_zone: Name


class LaneText(Strict):
    id: Name
    portal: Name
    from_zone: Name
    to_zone: Name
    readers: Literal["both", "in", "out", "none"] = "both"
    sensor: Literal["none", "one", "per_direction"] = "none"
    positions: tuple[PositionText, ...] = ()


class SiteText(Strict):
    id: Name
    kind: Name = "work"
    zones: tuple[ZoneText, ...] = ()
    lanes: tuple[LaneText, ...] = ()


class TravelText(Strict):
    between: tuple[Name, Name]
    minutes: float = Field(ge=0)


class MapText(Strict):
    begin: AwareDatetime = Field(alias="from")
    organisation: str
    sites: tuple[SiteText, ...] = Field(min_length=1)
    travel: tuple[TravelText, ...] = ()
    travel_default_minutes: float = Field(default=1.0, ge=0)


def read_map(text: str, known_ms: int) -> Map:
    """One version of the map. Raises Misconfigured with everything that is wrong, a line each."""
    told = _parse(text)
    faults = list(_faults(told))
    if faults:
        raise Misconfigured("map: " + "\n".join(faults))
    return Map(
        from_ms=_ms(told.begin),
        known_ms=known_ms,
        organisation=told.organisation,
        sites={site.id: site.kind for site in told.sites},
        zones={(site.id, zone.id): _zone(site.id, zone) for site in told.sites for zone in site.zones},
        lanes={(site.id, lane.id): _lane(site.id, lane) for site in told.sites for lane in site.lanes},
        travel=Travel(
            round(told.travel_default_minutes * MINUTE_MS),
            {each.between: round(each.minutes * MINUTE_MS) for each in told.travel},
        ),
    )


def _parse(text: str) -> MapText:
    try:
        return MapText.model_validate(tomllib.loads(text))
    except tomllib.TOMLDecodeError as error:
        raise Misconfigured(f"map: not TOML: {error}") from error
    except ValidationError as error:
        faults = [f"{_path(fault['loc'])}: {fault['msg']}" for fault in error.errors(include_url=False)]
        raise Misconfigured("map: " + "\n".join(faults)) from error


def _path(loc: Iterable[Any]) -> str:
    return ".".join(str(part) for part in loc) or "file"


def _faults(told: MapText) -> Iterator[str]:
    """What the shape alone does not show: names that are not there or twice, circles, spans that end early."""
    sites = [site.id for site in told.sites]
    yield from _twice("sites", sites)
    zones = {site.id: [zone.id for zone in site.zones] for site in told.sites}
    for number, site in enumerate(told.sites):
        here = f"sites.{number}"
        yield from _twice(f"{here}.zones", zones[site.id])
        yield from _twice(f"{here}.lanes", [lane.id for lane in site.lanes])
        yield from _zone_faults(here, site)
        for at, lane in enumerate(site.lanes):
            yield from _lane_faults(f"{here}.lanes.{at}", lane, site.id, zones)
    for number, each in enumerate(told.travel):
        for site_id in each.between:
            yield from _unknown(f"travel.{number}.between", "site", site_id, sites)


def _zone_faults(here: str, site: SiteText) -> Iterator[str]:
    known = [zone.id for zone in site.zones]
    parents = {zone.id: zone.within for zone in site.zones}
    for at, zone in enumerate(site.zones):
        if zone.id == OUTSIDE:
            yield f"{here}.zones.{at}.id: {OUTSIDE!r} is the zone around all sites and belongs to none"
        if zone.within is not None:
            yield from _unknown(f"{here}.zones.{at}.within", "zone", zone.within, known)
        if _is_in_itself(zone.id, parents):
            yield f"{here}.zones.{at}.within: {zone.id!r} lies within itself"


def _is_in_itself(zone: str, parents: dict[str, str | None]) -> bool:
    seen: set[str] = set()
    at = parents.get(zone)
    while at is not None and at not in seen:
        if at == zone:
            return True
        seen.add(at)
        at = parents.get(at)
    return False


def _lane_faults(here: str, lane: LaneText, site: str, zones: dict[str, list[str]]) -> Iterator[str]:
    yield from _ends(here, lane.from_zone, lane.to_zone, zones[site])
    spans: list[Span] = []
    for number, position in enumerate(lane.positions):
        at = f"{here}.positions.{number}"
        place = position.site or site
        yield from _unknown(f"{at}.site", "site", place, list(zones))
        yield from _ends(at, position.from_zone, position.to_zone, zones.get(place, []))
        span = _span(position)
        if span.end_ms <= span.begin_ms:
            yield f"{at}: it ends before it begins"
        elif any(span.cut(other).length_ms for other in spans):
            yield f"{at}: it stands in two places at once"
        spans.append(span)


def _ends(here: str, from_zone: str, to_zone: str, known: list[str]) -> Iterator[str]:
    yield from _unknown(f"{here}.from_zone", "zone", from_zone, [OUTSIDE, *known])
    yield from _unknown(f"{here}.to_zone", "zone", to_zone, [OUTSIDE, *known])
    if from_zone == to_zone:
        yield f"{here}: from_zone and to_zone are both {to_zone!r}"


def _unknown(here: str, what: str, name: str, known: list[str]) -> Iterator[str]:
    if name not in known:
        near = get_close_matches(name, known, 1)
        yield f"{here}: there is no {what} {name!r}" + (f"; did you mean {near[0]!r}?" if near else "")


def _twice(here: str, names: list[str]) -> Iterator[str]:
    yield from (f"{here}: {name!r} is there {count} times" for name, count in Counter(names).items() if count > 1)


def _zone(site: str, zone: ZoneText) -> Zone:
    return Zone(site, zone.id, zone.building, zone.within, zone.capacity, zone.area_m2)


def _lane(site: str, lane: LaneText) -> Lane:
    positions = tuple(
        Position(_span(each), each.site or site, each.from_zone, each.to_zone) for each in lane.positions
    )
    return Lane(site, lane.id, lane.portal, lane.from_zone, lane.to_zone, lane.readers, lane.sensor, positions)


def _span(position: PositionText) -> Span:
    return Span(_ms(position.begin), FUTURE if position.end is None else _ms(position.end))


def _ms(moment: datetime) -> int:
    return round(moment.timestamp() * 1000)
