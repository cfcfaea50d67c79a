"""The configuration to paste for a device that was recognised: a `[[ports]]` block with the device in it.

What only the site can know, the lane, the side and the directions, stands there as an example; `punchgate check` says
what does not fit.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path

from drivers import registry
from drivers.contract import DriverSpec
from gateway.port import PortInfo, list_ports

LANE = "lobby-1"
UNPLUGGED = "/dev/serial/by-id/usb-YOUR-ADAPTER"


def stable_name(url: str) -> str:
    """The name of a port that survives replugging, if it has one; else the one that was given."""
    return _stable(url, list_ports()) if url.startswith("/") else url


def _stable(url: str, ports: Sequence[PortInfo]) -> str:
    if url.startswith("/dev/serial/by-"):
        return url
    device = str(Path(url).resolve())
    return next((port.stable for port in ports if port.stable and port.path == device), url)


def snippet(spec: DriverSpec, options: Mapping[str, object], url: str, baud: int | None) -> str:
    """TOML that the configuration takes as soon as its lane is there."""
    lines = ["[[ports]]", f"url = {_toml(url)}"]
    lines += [f"baud = {baud or spec.baud}"] if _has_speed(url) else []
    lines += [
        "",
        "  [[ports.devices]]",
        f'  id = "{spec.name.replace("_", "-")}-1"',
        f"  driver = {_toml(spec.name)}",
    ]
    lines += [f'  lane = "{LANE}"                 # the id of one of your [[lanes]]']
    made = registry.make_options(spec, options)
    lines += _meaning(spec, made)
    lines += [f"  options = {_toml({key: getattr(made, key) for key in options})}"] if options else []
    return "\n".join(lines) + "\n"


def _meaning(spec: DriverSpec, made: object) -> list[str]:
    """What the site makes of what the device says."""
    emits = spec.emits_with(made)
    words = spec.directions_with(made)
    lines = (
        ['  side = "in"                      # or "out", "both": where the reader stands']
        if "credential" in emits
        else []
    )
    needs_sensor = f'  # lane {LANE} needs sensor = "per_direction" (or "one")'
    if "passage" in emits:
        ways = dict(zip(words, ("in", "out"), strict=False))
        lines += [f"  directions = {_toml(ways)}{needs_sensor}"]
    elif "input" in emits:
        ways = dict(zip(spec.inputs, ("pass_in", "pass_out"), strict=False))
        lines += [f"  inputs = {_toml(ways)}{needs_sensor}"]
    return lines


def _has_speed(url: str) -> bool:
    return not url.startswith("socket://")


def _toml(value: object) -> str:
    """A value as TOML on one line; JSON's texts are TOML's."""
    if isinstance(value, Mapping):
        return "{ " + ", ".join(f"{_key(key)} = {_toml(each)}" for key, each in value.items()) + " }"
    if isinstance(value, (list, tuple)):
        return "[" + ", ".join(map(_toml, value)) + "]"
    return json.dumps(value, ensure_ascii=False)


def _key(key: object) -> str:
    text = str(key)
    return text if text.isascii() and text.replace("-", "").replace("_", "").isalnum() else json.dumps(text)
