"""The serial ports of this machine, each under a name that still means it tomorrow."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from gateway.port import PortInfo, list_ports

SOCKETS = (Path("/dev/punchgate"), Path("/dev/serial/by-path"))
"""Where udev names the socket an adapter is plugged into, the better name first."""


@dataclass(frozen=True, slots=True)
class Found:
    """A port. `name` goes into the configuration; `lasting`: it means the same one after a replug or restart."""

    name: str
    device: str
    lasting: bool
    what: str
    held_by: str | None


def found_ports() -> list[Found]:
    """What is plugged in now."""
    return named(list_ports(), {folder: _links(folder) for folder in SOCKETS})


def named(ports: Sequence[PortInfo], links: dict[Path, dict[str, str]]) -> list[Found]:
    """Choose the names: by-id for an adapter with a serial number of its own, else the socket's, else what there is.

    `links`: of each folder the device that each link leads to, and the link.
    """
    serials = Counter((port.vendor, port.description, port.serial_number) for port in ports)
    chosen = []
    for port in ports:
        own = bool(port.serial_number) and serials[port.vendor, port.description, port.serial_number] == 1
        sockets = [links[folder][port.path] for folder in SOCKETS if port.path in links.get(folder, {})]
        names = [port.stable, *sockets] if own else [*sockets, port.stable]
        name = next((each for each in names if each), None)
        lasting = name is not None and (own or bool(sockets))
        said = [port.description, port.vendor, port.serial_number and f"serial number {port.serial_number}"]
        what = ", ".join(dict.fromkeys(each for each in said if each and each != "n/a"))
        chosen.append(Found(name or port.path, port.path, lasting or _built_in(port), what, port.held_by))
    return chosen


def better_name(url: str, ports: Sequence[Found]) -> str | None:
    """A name that means the same port tomorrow, for a path that may not; None: there is none, or it is not needed."""
    path = os.path.realpath(url)
    of = next((port for port in ports if port.device == path and port.lasting), None)
    return of.name if of is not None and url == of.device != of.name else None


def _built_in(port: PortInfo) -> bool:
    """Whether it is soldered on: such a port keeps its number."""
    return not port.path.startswith(("/dev/ttyUSB", "/dev/ttyACM"))


def _links(folder: Path) -> dict[str, str]:
    if not folder.is_dir():
        return {}
    return {str(link.resolve()): str(link) for link in sorted(folder.iterdir(), reverse=True)}
