"""Captures: recorded bytes with the events they mean. They are the drivers' tests, whoever wrote the driver.

A capture is `<model>_<scene>.hex`, hex digits with `#` comments, beside `<model>_<scene>.json`: the events that
`punchgate decode` prints for it, as a list, or as `{"options": {…}, "events": […]}`. A *fact* is an event other than
bad_frame and incomplete: noise and cuts may add refusals, but never add, change or swallow a fact.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from drivers.contract import Driver, DriverSpec
from drivers.events import BadFrame, Event, Incomplete
from drivers.registry import make_options

Said = list[dict[str, object]]


@dataclass(frozen=True, slots=True)
class Capture:
    """Bytes of a device and the events they mean."""

    name: str
    data: bytes
    events: Said
    options: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Subject:
    """A driver on trial: its own captures and those of other families."""

    spec: DriverSpec
    own: list[Capture]
    foreign: list[Capture] = field(default_factory=list)

    def driver(self, capture: Capture) -> Driver:
        """A fresh decoder with the capture's options."""
        return self.spec.new(make_options(self.spec, capture.options))


def load(folder: Path) -> list[Capture]:
    """All captures of a folder, by name."""
    return [_capture(path) for path in sorted(folder.glob("*.hex"))]


def load_all(root: Path, but: str) -> list[Capture]:
    """The captures of every folder under `root` except the one named `but`."""
    folders = sorted(path for path in root.iterdir() if path.is_dir() and path.name != but)
    return [capture for folder in folders for capture in load(folder)]


def _capture(path: Path) -> Capture:
    lines = path.read_text(encoding="utf-8").splitlines()
    data = bytes.fromhex("".join(line.partition("#")[0] for line in lines))
    told = json.loads(path.with_suffix(".json").read_text(encoding="utf-8"))
    told = told if isinstance(told, dict) else {"events": told}
    return Capture(f"{path.parent.name}/{path.stem}", data, told["events"], told.get("options", {}))


def said(events: Iterable[Event]) -> Said:
    """Events as `decode` prints them."""
    return [json.loads(json.dumps(event.as_dict())) for event in events]


def facts(events: Iterable[Event]) -> Said:
    """Without refusals and rests."""
    return said(event for event in events if not isinstance(event, (BadFrame, Incomplete)))
