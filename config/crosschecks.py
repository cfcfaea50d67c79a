"""What no single value can tell: names that must agree, and lanes that could never work.

Every check yields problems of the merged tree. Those about what is *not* there (a lane nobody serves, a sensor
nobody reads) are `absences`: they are asked only when lanes and ports are well formed otherwise, for a misspelt
key would make them cry wolf.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Mapping

from config.broker import DEFAULT_PORTS, is_loopback, split
from config.driverfacts import REFUSALS, DriverFacts
from config.findings import Loc, Problem, choose, masked
from config.settings import Lane
from config.views import DeviceView, LaneView, PortView
from config.words import PASSES, passages, word_problems

Drivers = Mapping[str, DriverFacts]
Where = Callable[[Loc], str]


def presences(
    lanes: tuple[LaneView, ...], ports: tuple[PortView, ...], drivers: Drivers, where: Where
) -> Iterator[Problem]:
    """Names used twice, names that do not exist, words no driver knows. `where` tells where a place was written."""
    devices = [device for port in ports for device in port.devices]
    yield from _twice((((*lane.loc, "id"), lane.id) for lane in lanes), where)
    yield from _twice((((*port.loc, "url"), port.url) for port in ports), where)
    yield from _twice((((*device.loc, "id"), device.id) for device in devices), where)
    for port in ports:
        yield from _crowded(port, drivers)
    known = {lane.id: lane for lane in reversed(lanes) if lane.id}
    for device in devices:
        yield from _lane_of(device, known, drivers)
        yield from _driver_of(device, drivers)


def absences(lanes: tuple[LaneView, ...], ports: tuple[PortView, ...], drivers: Drivers) -> Iterator[Problem]:
    """Lanes without a device, and sensor lanes whose passages nobody reports, or too late."""
    devices = [device for port in ports for device in port.devices]
    for lane in lanes:
        serving = [device for device in devices if device.lane == lane.id]
        if not serving:
            yield Problem((*lane.loc, "id"), "is a lane that no device serves", f'give a device lane = "{lane.id}"')
        elif lane.sensor in ("one", "per_direction"):
            yield from _unsensed(lane, serving, drivers)
            yield from _late(lane, ports, drivers)


def broker_problems(table: Mapping[str, object], loc: Loc, tls_key: str) -> Iterator[Problem]:
    """Keys about the broker that need each other; `tls_key` is the name of the key that goes with cert_file."""
    parts = split(table.get("url"))
    plain = parts is not None and parts.scheme == "mqtt" and not is_loopback(parts.hostname or "")
    if plain and table.get("insecure") is not True:
        remedy = f"use mqtts:// (port {DEFAULT_PORTS['mqtts']}), or set insecure = true and know that all can be read"
        yield Problem((*loc, "url"), "mqtt:// leaves this machine without encryption", remedy)
    listens = ("listen_cert_file", "listen_key_file")
    pairs = (("password_file", "username"), ("cert_file", tls_key), (tls_key, "cert_file"), listens, listens[::-1])
    for key, needed in pairs:
        if key in table and needed not in table:
            yield Problem((*loc, key), f"is of no use without {needed}", f"set {needed} too")


def _twice(named: Iterable[tuple[Loc, str]], where: Where) -> Iterator[Problem]:
    first: dict[str, Loc] = {}
    for loc, name in named:
        if name and name in first:
            yield Problem(loc, f"is used already by {where(first[name])}", "give each its own")
        first.setdefault(name, loc)


def _crowded(port: PortView, drivers: Drivers) -> Iterator[Problem]:
    """Only a bus takes several devices, and only of one driver."""
    if not port.devices:
        return
    first = port.devices[0].driver
    facts = drivers.get(first)
    strangers = [device for device in port.devices if device.driver and first and device.driver != first]
    for device in strangers:
        yield Problem((*device.loc, "driver"), f'does not share a line with "{first}"', "give it a port of its own")
    if strangers or facts is None:
        return
    for device in port.devices[1:] if not facts.bus else ():
        yield Problem((*device.loc, "driver"), "is no bus: one device a line", "give each device a port of its own")
    if facts.bus and facts.check_line:
        try:
            facts.check_line([device.options for device in port.devices])
        except REFUSALS as why:
            if not any(list(word_problems(device, facts)) for device in port.devices):
                verdict = "do not go together" if len(port.devices) > 1 else "cannot be served"
                yield Problem((*port.loc, "devices"), f"{verdict}: {masked(str(why))[:300]}")


def _lane_of(device: DeviceView, lanes: Mapping[str, LaneView], drivers: Drivers) -> Iterator[Problem]:
    lane = lanes.get(device.lane)
    if lane is None:
        if device.lane:
            yield Problem((*device.loc, "lane"), "is not a lane", choose(device.lane, lanes))
        return
    facts = _facts(device, drivers)
    if lane.sensor != "none" or facts is None:
        return
    remedy = f'set sensor = "one" or "per_direction" on lane "{lane.id}", or take the device off it'
    if "passage" in facts.emits:
        yield Problem((*device.loc, "lane"), f'has sensor = "none", but {facts.name} reports passages', remedy)
    for name, meaning in device.inputs.items():
        if meaning in PASSES:
            at = (*device.loc, "inputs", name)
            yield Problem(at, f'reports passages, but lane "{lane.id}" has sensor = "none"', remedy)


def _facts(device: DeviceView, drivers: Drivers) -> DriverFacts | None:
    facts = drivers.get(device.driver)
    return facts.configured(device.options) if facts else None


def _driver_of(device: DeviceView, drivers: Drivers) -> Iterator[Problem]:
    facts = _facts(device, drivers)
    if facts is not None:
        yield from word_problems(device, facts)
    elif device.driver:
        yield Problem((*device.loc, "driver"), "is not a known driver", choose(device.driver, drivers))


def _unsensed(lane: LaneView, serving: list[DeviceView], drivers: Drivers) -> Iterator[Problem]:
    known = [(device, facts) for device in serving if (facts := _facts(device, drivers))]
    if len(known) < len(serving):
        return
    ways: set[str] = set().union(*(passages(device, facts) for device, facts in known))
    remedy = 'map them on the device: directions = { … = "in", … = "out" }, or inputs = { … = "pass_in" }'
    loc = (*lane.loc, "sensor")
    if not ways:
        yield Problem(loc, f'needs passages, but no device of lane "{lane.id}" maps any', remedy)
    elif lane.sensor == "per_direction" and len(ways) < 2:
        yield Problem(loc, f'needs both ways, but only "{ways.pop()}" is mapped on lane "{lane.id}"', remedy)


def _late(lane: LaneView, ports: tuple[PortView, ...], drivers: Drivers) -> Iterator[Problem]:
    """Sensors that are asked so rarely that passes could not be told apart: over half of what a read waits."""
    default: float = Lane.model_fields["pass_timeout_s"].default
    timeout_s = default if lane.pass_timeout_s is None else lane.pass_timeout_s
    for port in ports:
        line = [device.options for device in port.devices]
        for device in port.devices:
            facts = _facts(device, drivers)
            if device.lane != lane.id or facts is None or not passages(device, facts):
                continue
            late_s = facts.latency_s(device.options, line)
            if late_s > timeout_s / 2:
                yield _too_late(lane, device, late_s, timeout_s)


def _too_late(lane: LaneView, device: DeviceView, late_s: float, timeout_s: float) -> Problem:
    needed_s = math.ceil(round(20 * late_s, 6)) / 10
    mend = f'set pass_timeout_s = {needed_s} or more on lane "{lane.id}"'
    told = f"tells of a passage up to {late_s:.3g} s late"
    if "poll_s" in device.options:
        half = f'over half of the {timeout_s:g} s that a read waits for one on lane "{lane.id}"'
        return Problem((*device.loc, "options", "poll_s"), f"{told}, {half}", f"ask more often, or {mend}")
    half = f"over half of the {timeout_s:g} s that a read waits for one"
    return Problem((*lane.loc, "pass_timeout_s"), f'is too short: "{device.id}" {told}, {half}', mend)
