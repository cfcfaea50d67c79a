"""The merged tree as the cross checks see it: only the keys they compare, and nothing that can fail.

The checks run beside the models, not behind them, so that one misspelt key does not hide an unknown lane. A value
of the wrong type is the models' affair; here it is simply empty.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from config.findings import Loc


@dataclass(frozen=True, slots=True)
class LaneView:
    """A lane; `id` is "" where none can be read, `pass_timeout_s` None where no number stands."""

    loc: Loc
    id: str
    sensor: str
    pass_timeout_s: float | None = None


@dataclass(frozen=True, slots=True)
class DeviceView:
    """A device; texts are "" and mappings empty where nothing can be read."""

    loc: Loc
    id: str
    driver: str
    lane: str
    options: Mapping[str, object]
    directions: Mapping[str, str]
    inputs: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class PortView:
    """A port with its devices."""

    loc: Loc
    url: str
    devices: tuple[DeviceView, ...]


def lanes_of(tree: Mapping[str, object]) -> tuple[LaneView, ...]:
    """The lanes that are tables."""
    return tuple(
        LaneView(
            ("lanes", index),
            _text(lane, "id"),
            _text(lane, "sensor") or "none",
            _number(lane, "pass_timeout_s"),
        )
        for index, lane in _tables(tree, "lanes")
    )


def ports_of(tree: Mapping[str, object]) -> tuple[PortView, ...]:
    """The ports that are tables."""
    return tuple(
        PortView(("ports", index), _text(port, "url"), tuple(_devices(("ports", index), port)))
        for index, port in _tables(tree, "ports")
    )


def _devices(at: Loc, port: Mapping[str, object]) -> Iterator[DeviceView]:
    for index, device in _tables(port, "devices"):
        yield DeviceView(
            (*at, "devices", index),
            _text(device, "id"),
            _text(device, "driver"),
            _text(device, "lane"),
            _table(device, "options"),
            {word: way for word, way in _table(device, "directions").items() if isinstance(way, str)},
            {name: means for name, means in _table(device, "inputs").items() if isinstance(means, str)},
        )


def _tables(table: Mapping[str, object], key: str) -> list[tuple[int, dict[str, object]]]:
    items = table.get(key)
    return [(i, item) for i, item in enumerate(items) if isinstance(item, dict)] if isinstance(items, list) else []


def _table(table: Mapping[str, object], key: str) -> dict[str, object]:
    value = table.get(key)
    return value if isinstance(value, dict) else {}


def _text(table: Mapping[str, object], key: str) -> str:
    value = table.get(key)
    return value if isinstance(value, str) else ""


def _number(table: Mapping[str, object], key: str) -> float | None:
    value = table.get(key)
    return float(value) if isinstance(value, int | float) and not isinstance(value, bool) else None
