"""Facts about the machine: kernel, system, memory, disk, clock, USB serial drivers. No host name, no user names."""

from __future__ import annotations

import os
import platform
import re
import shutil
import stat
import sys
from collections.abc import Iterable
from contextlib import suppress
from importlib.metadata import PackageNotFoundError, entry_points, version
from pathlib import Path
from typing import Any

from gateway.clock import Clock
from gateway.errors import Unavailable
from gateway.journal.schema import SCHEMA_VERSION, SQLITE_VERSION
from gateway.support.asking import ask_program
from gateway.uplink.presence import VERSION
from gateway.wire import timestamp

OURS = (
    "click", "cryptography", "libosdp", "paho-mqtt", "pydantic", "pydantic-core", "pydantic-settings", "pyserial",
    "rfc8785", "structlog", "tinydb", "tzdata",
)  # fmt: skip
SERIAL_MODULES = re.compile(
    r"^(usbserial|ftdi_sio|cp210x|ch341|pl2303|cdc_acm|8250\w*|mos\d+|qcserial|option)\b", re.M
)
UDEV = frozenset({
    "DEVNAME", "DEVLINKS", "SUBSYSTEM", "ID_BUS", "ID_VENDOR", "ID_VENDOR_ID", "ID_MODEL", "ID_MODEL_ID",
    "ID_REVISION", "ID_PATH", "ID_USB_DRIVER", "ID_USB_INTERFACE_NUM", "ID_SERIAL", "ID_SERIAL_SHORT",
    "ID_MM_DEVICE_IGNORE", "ID_MM_CANDIDATE", "TAGS",
})  # fmt: skip
UNIT = (
    "LoadState", "ActiveState", "SubState", "Result", "NRestarts", "ExecMainStatus", "ExecMainCode",
    "ActiveEnterTimestamp", "UnitFileState", "FragmentPath", "DropInPaths", "WatchdogUSec", "LimitCORE",
    "MemoryCurrent", "NeedDaemonReload",
)  # fmt: skip


def versions() -> dict[str, Any]:
    """Of ourselves, of what we are made of, and of drivers that came from elsewhere."""
    made_of = {}
    for name in OURS:
        with suppress(PackageNotFoundError):
            made_of[name] = version(name)
    return {
        "punchgate": VERSION,
        "journal_schema": SCHEMA_VERSION,
        "python": platform.python_version(),
        "implementation": platform.python_implementation(),
        "sqlite": SQLITE_VERSION,
        "packages": made_of,
        "driver_packages": sorted(_driver_packages()),
        "installed_in": sys.prefix,
    }


def machine(state_dir: Path | None, clock: Clock) -> dict[str, Any]:
    """Kernel, system, memory, load, clock; the disk below the state directory."""
    quality = clock.quality()
    facts: dict[str, Any] = {
        "kernel": platform.release(),
        "architecture": platform.machine(),
        "system": _pairs(Path("/etc/os-release"), "=", ("ID", "VERSION_ID", "PRETTY_NAME")),
        "model": _word(Path("/proc/device-tree/model")),
        "processors": os.cpu_count(),
        "memory": _pairs(Path("/proc/meminfo"), ":", ("MemTotal", "MemAvailable", "SwapTotal", "SwapFree")),
        "load": list(os.getloadavg()),
        "up_s": _up_s(),
        "time": timestamp(clock.unix_ms()),
        "clock": {"state": quality.state, "source": quality.source, "error_ms": quality.error_ms},
        "serial_modules": sorted(set(SERIAL_MODULES.findall(_text(Path("/proc/modules"))))),
        "core_pattern": _word(Path("/proc/sys/kernel/core_pattern")),
    }
    if state_dir is not None:
        facts["disk"] = _disk(state_dir)
    return facts


def udev(ports: Iterable[str]) -> dict[str, dict[str, str]]:
    """What udev knows of each port. Raises Unavailable."""
    found = {}
    for port in ports:
        out, _ = ask_program(["udevadm", "info", "-q", "property", "-n", port])
        pairs = (line.partition("=") for line in out.splitlines())
        found[port] = {key: value for key, _, value in pairs if key in UDEV}
    return found


def unit(name: str) -> dict[str, str]:
    """What systemd says of the unit. Raises Unavailable."""
    out, _ = ask_program(["systemctl", "show", name, "-p", ",".join(UNIT)])
    facts = {key: value for key, _, value in (line.partition("=") for line in out.splitlines())}
    if facts.get("LoadState") == "not-found":
        raise Unavailable(f"systemd knows no unit {name}")
    return facts


def folder(path: Path) -> list[dict[str, Any]]:
    """Names, sizes, modes and ages of the files in a folder, not their content; owners by number. Raises OSError."""
    rows = []
    for entry in sorted(path.iterdir()):
        with suppress(OSError):
            status = entry.lstat()
            rows.append(
                {
                    "name": entry.name,
                    "mode": stat.filemode(status.st_mode),
                    "owner": f"{status.st_uid}:{status.st_gid}",
                    "size": status.st_size,
                    "changed": timestamp(int(status.st_mtime * 1000)),
                }
            )
    return rows


def _driver_packages() -> set[str]:
    found = set()
    for point in entry_points(group="punchgate.drivers"):
        if point.dist is not None and point.dist.name != "punchgate":
            found.add(f"{point.dist.name} {point.dist.version}")
    return found


def _disk(state_dir: Path) -> dict[str, Any]:
    place = next((folder for folder in (state_dir, *state_dir.parents) if folder.exists()), Path("/"))
    usage, files = shutil.disk_usage(place), os.statvfs(place)
    mounts = [line.split() for line in _text(Path("/proc/mounts")).splitlines()]
    below = [mount for mount in mounts if len(mount) > 3 and place.is_relative_to(mount[1])]
    mount = max(below, key=lambda mount: len(mount[1]), default=None)
    facts = {"total": usage.total, "free": usage.free, "inodes_free": files.f_favail}
    return facts if mount is None else facts | {"filesystem": mount[2], "options": mount[3]}


def _pairs(path: Path, mark: str, keys: Iterable[str]) -> dict[str, str]:
    pairs = (line.partition(mark) for line in _text(path).splitlines())
    return {key: value.strip().strip('"') for key, _, value in pairs if key in keys}


def _word(path: Path) -> str:
    return _text(path).strip("\0\n ") or "unknown"


def _text(path: Path) -> str:
    try:
        return path.read_text(errors="replace")
    except OSError:
        return ""


def _up_s() -> int | None:
    try:
        return round(float(_text(Path("/proc/uptime")).split()[0]))
    except (ValueError, IndexError):
        return None
