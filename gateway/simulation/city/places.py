"""The map of a city as an operator would write it (TOML): sites, zones, lanes, positions by date."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime

from gateway.simulation.city.layout import LINES, TRENCH, LanePlan, Layout
from gateway.simulation.city.settings import YARD


def draw_map(layout: Layout) -> str:
    """One version, in force from before the first day."""
    return "\n".join(_map(layout)) + "\n"


def _map(layout: Layout) -> Iterator[str]:
    yield f"from = {_time(layout.settings.midnight_ms(-60))}"
    yield 'organisation = "city"'
    head_count = max(1, layout.settings.people // layout.settings.sites)
    for site, zones in layout.zones.items():
        yield from ("", "[[sites]]", f'id = "{site}"', "zones = [")
        yield f'  {{ id = "{YARD}", capacity = {4 * head_count}, area_m2 = {20.0 * head_count} }},'
        for zone in zones[1:]:
            room = f'within = "{YARD}", capacity = {head_count}, area_m2 = {8.0 * head_count}'
            yield f'  {{ id = "{zone}", building = "{zone}", {room} }},'
        yield from (f'  {{ id = "{TRENCH}" }},', "]", "lanes = [")
        yield from (_lane(lane) for lane in layout.lanes if lane.site == site)
        yield "]"
    yield from ("", "[[sites]]", f'id = "{LINES}"', f'zones = [{{ id = "{TRENCH}" }}]', "lanes = [")
    yield from (_lane(lane) for lane in layout.lanes if lane.site == LINES)
    yield "]"


def _lane(lane: LanePlan) -> str:
    rules = lane.rules
    readers = "both" if len(lane.sides) == 2 else lane.sides[0]
    ends = f'from_zone = "{rules.from_zone}", to_zone = "{rules.to_zone}"'
    words = f'id = "{rules.id}", portal = "{rules.portal}", {ends}, readers = "{readers}", sensor = "{rules.sensor}"'
    stands = [
        f'{{ from = {_time(each.from_ms)}, to = {_time(each.to_ms)}, site = "{each.site}", {ends} }}'
        for each in lane.positions
    ]
    return f"  {{ {words}, positions = [{', '.join(stands)}] }}," if stands else f"  {{ {words} }},"


def _time(at_ms: int) -> str:
    return datetime.fromtimestamp(at_ms // 1000, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
