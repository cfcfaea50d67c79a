"""Where everything is: sites, zones, lanes with their devices, gateways.

A site is a yard behind a gate, with buildings in it. Lanes differ: a sensor for each direction (the gate), one sensor
(the first building), none (the side gate, the second building), a reader on one side only (the third building, in a
city that is not calm). `edge-01` has the gates of a site, `edge-02` its buildings. A site of its own, `lines`, has
read points on wheels: they stand at another site every few days and lead into its trench.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Literal

from gateway.passage.rules import DeviceRules, LaneRules
from gateway.records import Side
from gateway.simulation.city.settings import DAY, HOUR, OUTSIDE, YARD, Settings

LINES, TRENCH = "lines", "trench"
Place = tuple[str, str]
"""Site and zone."""
Sensor = Literal["none", "one", "per_direction"]
BOTH: tuple[Side, ...] = ("in", "out")
MOVES_AT_MS = 4 * HOUR
"""By night, when no crew is out."""


@dataclass(frozen=True, slots=True)
class Position:
    """Where a read point on wheels stands, from and until when."""

    from_ms: int
    to_ms: int
    site: str


@dataclass(frozen=True, slots=True)
class LanePlan:
    """A lane as the simulation sees it. `sides`: where readers stand."""

    site: str
    gateway: str
    rules: LaneRules
    sides: tuple[Side, ...]
    positions: tuple[Position, ...] = ()

    @property
    def is_sensed(self) -> bool:
        return self.rules.sensor != "none"

    def reader(self, side: str) -> str:
        return f"{self.rules.id}-{side}"

    @property
    def arm(self) -> str:
        """The device that senses passes."""
        return f"{self.rules.id}-arm"

    def devices(self) -> list[DeviceRules]:
        """What the gateway is told of its devices."""
        lane = self.rules.id
        rules = [
            DeviceRules(self.reader(side), "em4100", lane, side, "native", frozenset({"credential"}))
            for side in self.sides
        ]
        if self.is_sensed:
            words = {"left": "in", "right": "out"}
            rules.append(DeviceRules(self.arm, "eb_turnstile", lane, "both", "native", frozenset({"passage"}), words))
        return rules

    def places_at(self, at_ms: int) -> tuple[Place, Place]:
        """From and to of a movement in."""
        site = next((each.site for each in self.positions if each.from_ms <= at_ms < each.to_ms), self.site)
        ends = (self.rules.from_zone, self.rules.to_zone)
        outer, inner = ((OUTSIDE, OUTSIDE) if zone == OUTSIDE else (site, zone) for zone in ends)
        return outer, inner


NOWHERE: Place = (OUTSIDE, OUTSIDE)


@dataclass(frozen=True)
class Layout:
    """All lanes. A gateway's lanes stand together; positions in `lanes` are names of lanes here."""

    settings: Settings
    lanes: tuple[LanePlan, ...]
    zones: dict[str, tuple[str, ...]]
    """By site, the yard first."""

    @property
    def sites(self) -> list[str]:
        return list(self.zones)

    @cached_property
    def gateways(self) -> dict[tuple[str, str], list[int]]:
        """Site and gateway, with the numbers of its lanes."""
        found: dict[tuple[str, str], list[int]] = {}
        for number, lane in enumerate(self.lanes):
            found.setdefault((lane.site, lane.gateway), []).append(number)
        return found

    @cached_property
    def between(self) -> dict[tuple[Place, Place], list[int]]:
        """The lanes that stand, from an outer to an inner place; read points on wheels are none of them."""
        found: dict[tuple[Place, Place], list[int]] = {}
        for number, lane in enumerate(self.lanes):
            if not lane.positions:
                found.setdefault(lane.places_at(0), []).append(number)
        return found

    @cached_property
    def wheels(self) -> list[int]:
        """The read points on wheels."""
        return [number for number, lane in enumerate(self.lanes) if lane.positions]


def lay_out(settings: Settings) -> Layout:
    """The city of these settings."""
    head_count = max(1, settings.people // settings.sites)
    names = [f"s{number:02}" for number in range(1, settings.sites + 1)]
    zones: dict[str, tuple[str, ...]] = {}
    lanes: list[LanePlan] = []
    for site in names:
        buildings = settings.random("layout", site).randint(2, 3)
        zones[site] = (YARD, *(f"b{number}" for number in range(1, buildings + 1)))
        lanes += _gates(site, 1 + head_count // 150)
        for number in range(1, buildings + 1):
            lanes += _building(site, number, 1 + head_count // 300, calm=settings.calm)
    lanes += _wheels(settings, names)
    return Layout(settings, tuple(lanes), zones)


def rules(
    lane: str, portal: str, ends: tuple[str, str], sensor: Sensor, mode: Literal["controlled", "free"]
) -> LaneRules:
    """A lane with the windows of the documentation."""
    return LaneRules(lane, portal, *ends, mode, sensor, pass_timeout_s=5.0, repeat_window_s=3.0, reorder_s=0.3)


def _gates(site: str, count: int) -> Iterator[LanePlan]:
    for number in range(1, count + 1):
        gate = rules(f"gate-{number}", "gate", (OUTSIDE, YARD), "per_direction", "controlled")
        yield LanePlan(site, "edge-01", gate, BOTH)
    yield LanePlan(site, "edge-01", rules("side-1", "side", (OUTSIDE, YARD), "none", "controlled"), BOTH)


def _building(site: str, number: int, count: int, *, calm: bool) -> Iterator[LanePlan]:
    kinds: tuple[Sensor, ...] = ("one", "none", "per_direction")
    one_sided = number == 3 and not calm
    for door in range(1, count + 1):
        ends = (YARD, f"b{number}")
        lane = rules(
            f"b{number}-{door}", f"b{number}", ends, kinds[number - 1], "free" if one_sided else "controlled"
        )
        yield LanePlan(site, "edge-02", lane, ("in",) if one_sided else BOTH)


def _wheels(settings: Settings, sites: list[str]) -> Iterator[LanePlan]:
    for number in range(1, 2 + settings.people // 400):
        rng = settings.random("wheels", number)
        positions, day = [], 0
        while day < settings.days:
            until = min(settings.days, day + rng.randint(2, 6))
            from_ms = settings.midnight_ms(day) + MOVES_AT_MS - (DAY if day == 0 else 0)
            to_ms = settings.midnight_ms(until) + MOVES_AT_MS + (DAY if until == settings.days else 0)
            positions.append(Position(from_ms, to_ms, rng.choice(sites)))
            day = until
        lane = rules(f"crew-{number:02}", "crew", (OUTSIDE, TRENCH), "none", "controlled")
        yield LanePlan(LINES, "edge-01", lane, BOTH, tuple(positions))
