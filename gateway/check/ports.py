"""Are the ports there, may we use them, and does nobody else?

Where the running daemon has the port it knows best. Otherwise a device is looked at, not opened: opening would move
its modem lines and take bytes that the next daemon should find.
"""

from __future__ import annotations

import errno
import os
import re
import socket
import stat
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from urllib.parse import urlsplit

from config.settings import Port
from gateway.check.case import Case
from gateway.check.finding import Finding
from gateway.check.patience import ask_all
from gateway.port import holder
from gateway.port.serial_port import explain

NETWORK = frozenset({"socket", "rfc2217"})
REACH_S = 2.0
BAD_FRAMES_MIN = 10


def ports(case: Case) -> Iterator[Finding]:
    """Every port of the configuration."""
    remote = [port for port in case.settings.ports if _host(port) and not case.reports(port)]
    reached = ask_all([partial(_reach, port) for port in remote], REACH_S)
    troubles = {port.url: error for port, error in zip(remote, reached, strict=True) if error is not None}
    for port in case.settings.ports:
        if case.reports(port):
            yield from _as_the_daemon_says(port, case)
        elif port.url.startswith("/"):
            yield _device(port, case)
        elif port in remote:
            yield _lost(port, troubles[port.url]) if port.url in troubles else Finding("ok", f"{port.url}: answers")
        else:
            yield Finding(
                "note", f"{port.url}: cannot be looked at from outside", "only the daemon opens such an address"
            )


def _as_the_daemon_says(port: Port, case: Case) -> Iterator[Finding]:
    for report in case.reports(port):
        where = f"{port.url}: {report['device']}"
        bad = sum(report["bad_frames"].values())
        if report["status"] != "up":
            said, _, remedy = str(report["reason"] or "down").removeprefix(f"{port.url}: ").rpartition("; ")
            yield Finding("finding", f"{where} is down: {said or remedy}", _deaf(port), remedy if said else "")
        elif bad >= BAD_FRAMES_MIN and bad > report["frames"]:
            flaws = ", ".join(f"{count} {flaw}" for flaw, count in report["bad_frames"].items())
            yield Finding(
                "warning",
                f"{where} sends more bad frames than good ones ({flaws})",
                "what it says is not understood",
                "check baud and driver, then cable and shielding",
            )
        else:
            yield Finding("ok", f"{where} is up, {report['frames']} frames")


def _device(port: Port, case: Case) -> Finding:
    path = Path(port.url)
    try:
        if not stat.S_ISCHR(path.stat().st_mode):
            mend = "name a serial port; `punchgate ports` lists what is connected"
            return Finding("finding", f"{port.url}: is no device", _deaf(port), mend)
        if not os.access(path, os.R_OK | os.W_OK):
            raise PermissionError(errno.EACCES, "permission denied")
    except OSError as error:
        return _lost(port, error)
    owner = holder(port.url, behind=False)
    if owner is None or _is_ours(owner, case):
        return Finding("ok", f"{port.url}: is there" + (", held by the daemon" if owner else ""))
    return Finding(
        "finding", f"{port.url}: held by {owner}", _deaf(port), "stop the other program; a port has one owner"
    )


def _is_ours(owner: str, case: Case) -> bool:
    pid = re.search(r"\((\d+)\)$", owner)
    return case.daemon is not None and pid is not None and int(pid[1]) == case.daemon["pid"]


def _lost(port: Port, error: Exception) -> Finding:
    told = explain(port.url, error)
    return Finding("finding", told.message, _deaf(port), told.remedy)


def _deaf(port: Port) -> str:
    return f"nothing is heard from {', '.join(device.id for device in port.devices)}"


def _host(port: Port) -> tuple[str, int] | None:
    try:
        parts = urlsplit(port.url)
        host, number = parts.hostname, parts.port
    except ValueError:
        return None
    return (host, number) if parts.scheme in NETWORK and host and number else None


def _reach(port: Port) -> None:
    if address := _host(port):
        socket.create_connection(address, timeout=REACH_S).close()
