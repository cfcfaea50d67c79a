"""What the box itself gives: the time, room on the disk, and for how many days that lasts without a network."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

from gateway.check.case import Case
from gateway.check.finding import Finding
from gateway.journal.ladder import Room, free_bytes
from gateway.status.report import LEAST_BYTES_A_DAY, MIB, journal_bytes

FEW_DAYS = 7.0
NO_DAY = 1.0
DAY_MS = 86_400_000

CLOCKS = {
    "holdover": "it was set by the network and runs on its own now; it drifts by some seconds a day",
    "restored": "it comes from the hardware clock or the last shutdown; punches may be dated seconds to hours off",
    "unset": "it stands before 2025: punches get no usable date, and no certificate can be checked",
}
GIVEN_UP = {
    "filling": "from 85 % on diagnostics are left out, from 95 % on devices with a memory are not read",
    "sparing": "diagnostics are left out; from 95 % on devices with a memory are not read",
    "critical": "diagnostics are left out, devices with a memory are not read; next the emergency ring fills",
}
SYNC = (
    "let systemd-timesyncd or chrony reach a time server: timedatectl set-ntp true; with chrony, the "
    "hardened unit needs systemd/adjtimex.conf to see it"
)


def clock(case: Case) -> Iterator[Finding]:
    """Is the wall clock synchronised? The daemon knows whether it ever was."""
    quality = case.clock.quality()
    state, source = quality.state, quality.source
    if case.daemon is not None:
        state, source = case.daemon["clock"]["state"], case.daemon["clock"]["source"]
    if state == "synced":
        yield Finding("ok", f"clock: synchronised ({source})")
    else:
        yield Finding("finding" if state == "unset" else "warning", f"clock: {state} ({source})", CLOCKS[state], SYNC)


def disk(case: Case) -> Iterator[Finding]:
    """May the state directory be written, and does the disk hold what the journal may become?"""
    state_dir = case.settings.gateway.state_dir
    place = _existing(state_dir)
    if case.daemon is None and not os.access(place, os.W_OK | os.X_OK):
        yield Finding(
            "finding",
            f"gateway.state_dir: {place} cannot be written by this user",
            "the daemon keeps its journal there; as another user this examination cannot see it either",
            "run it as the daemon's user, or give that user the folder",
        )
        return
    free, wanted = shutil.disk_usage(place).free, _still_to_come(case)
    figures = f"{free // MIB} MiB free, the journal may take {wanted // MIB} MiB more"
    if free >= wanted:
        yield Finding("ok", f"disk: {figures}")
        return
    yield Finding(
        "warning",
        f"disk: {figures}",
        "a disk that is full before journal.max_mb is reached stops capture instead of making room",
        "free space, or lower journal.max_mb",
    )


def autonomy(case: Case) -> Iterator[Finding]:
    """For how many days of outage there is room."""
    days = _days(case) if case.daemon is None else float(case.daemon["autonomy_days"])
    yield from _fullness(case)
    if days >= FEW_DAYS:
        yield Finding("ok", f"autonomy: room for {days:g} days without a network")
        return
    yield Finding(
        "finding" if days < NO_DAY else "warning",
        f"autonomy: room for only {days:g} days without a network",
        "after that the emergency ring takes some thousand records, and then new ones are refused",
        "raise journal.max_mb, or free space on the disk",
    )


def _days(case: Case) -> float:
    """As the daemon would say it, from the traffic of the records that are held."""
    a_day = float(LEAST_BYTES_A_DAY)
    if case.past is not None and case.past.span_ms >= DAY_MS:
        a_day = max(a_day, case.past.used_bytes * DAY_MS / case.past.span_ms)
    return round(_room(case).left / a_day, 1)


def _fullness(case: Case) -> Iterator[Finding]:
    """By the same measure as the daemon's."""
    room = _room(case)
    level = room.level() if case.daemon is None else case.daemon["journal"]["level"]
    if level != "ok":
        yield Finding(
            "warning" if level == "filling" else "finding",
            f"journal: {room.percent} % full",
            GIVEN_UP[level],
            "mend the network, raise journal.max_mb" if room.limit == "max_mb" else "free space on the disk",
        )


def _room(case: Case) -> Room:
    past = case.past
    free = free_bytes(_existing(case.settings.gateway.state_dir, os.path.exists))
    max_bytes = case.settings.journal.max_mb * MIB
    return Room(0, free, max_bytes) if past is None else Room(past.used_bytes, past.free_bytes + free, max_bytes)


def _still_to_come(case: Case) -> int:
    allowed = case.settings.journal.max_mb * MIB
    return max(0, allowed - journal_bytes(case.settings.gateway.state_dir))


def _existing(folder: Path, is_there: Callable[[Path], bool] = os.path.lexists) -> Path:
    """The folder, or the nearest one above it that is there: `punchgate run` makes the rest, but no link's end."""
    while not is_there(folder) and folder != folder.parent:
        folder = folder.parent
    return folder
