"""Words a device's table shares with its driver: options, directions and inputs."""

from __future__ import annotations

from collections.abc import Iterator

from config.driverfacts import REFUSALS, DriverFacts
from config.findings import HIDDEN, Loc, Problem, choose, is_secret, masked
from config.views import DeviceView

PASSES = {"pass_in": "in", "pass_out": "out"}


def passages(device: DeviceView, facts: DriverFacts) -> set[str]:
    """The ways (in, out) this device can report a passage in, as it is configured."""
    ways = {PASSES[meaning] for meaning in device.inputs.values() if meaning in PASSES}
    if "passage" in facts.emits:
        ways |= {way for way in device.directions.values() if way in ("in", "out")}
    return ways


def word_problems(device: DeviceView, facts: DriverFacts) -> Iterator[Problem]:
    """Options, directions and inputs that are not the driver's."""
    yield from _options(device, facts)
    yield from _directions(device, facts)
    for name in device.inputs:
        if name not in facts.inputs:
            yield Problem(
                (*device.loc, "inputs", name), f"is not an input of {facts.name}", choose(name, facts.inputs)
            )


def _options(device: DeviceView, facts: DriverFacts) -> Iterator[Problem]:
    loc = (*device.loc, "options")
    unknown = [name for name in device.options if facts.options is not None and name not in facts.options]
    for name in unknown:
        yield Problem((*loc, name), f"is not an option of {facts.name}", choose(name, facts.options or ()))
    known = {name: value for name, value in device.options.items() if name not in unknown}
    try:
        facts.check_options(known)
    except REFUSALS as why:
        yield _refused_option(loc, known, str(why))


def _refused_option(loc: Loc, options: dict[str, object], why: str) -> Problem:
    """Point at the option the driver's message names; take secret values out of the message."""
    for name, value in options.items():
        if is_secret((name,)) and str(value):
            why = why.replace(repr(value), HIDDEN).replace(str(value), HIDDEN)
    why = why.removeprefix("options.")
    named = [name for name in options if name in why]
    name = max(named, key=len, default="")
    said = masked(why.removeprefix(f"{name}:")).strip()[:300]
    return Problem((*loc, name) if name else loc, f"is refused by the driver: {said}")


def _directions(device: DeviceView, facts: DriverFacts) -> Iterator[Problem]:
    said: dict[str, str] = {}
    for word in device.directions:
        loc = (*device.loc, "directions", word)
        if word not in facts.directions and word not in facts.aliases:
            known = (*facts.directions, *facts.aliases)
            yield Problem(loc, f"is not a direction of {facts.name}", choose(word, known))
            continue
        meant = facts.aliases.get(word, word)
        if meant in said:
            yield Problem(loc, f'says again what "{said[meant]}" says', "keep one of them")
        said.setdefault(meant, word)
