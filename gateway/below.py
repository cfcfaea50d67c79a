"""Builds the way down: which room takes what the centre sends, and what each may do."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

from config import Settings
from gateway import assembly
from gateway.check import findings
from gateway.clock import Clock
from gateway.control import Deeds, Desk, Once, Remote
from gateway.directory import Directory, Shelf
from gateway.downlink import Downlink, Replies
from gateway.status.report import Report
from gateway.uplink import Uplink

Reload = Callable[[], Awaitable[dict[str, Any]]]


def downlink(
    settings: Settings, path: Path, clock: Clock, uplink: Uplink, desk: Desk, report: Report, reload: Reload
) -> Downlink:
    """`path` is the configuration's, `reload` takes it over anew."""
    replies = Replies(uplink.reply)
    deeds = Deeds(desk, report.describe, reload, lambda: findings(path))
    state_dir = settings.gateway.state_dir
    address = f"{settings.gateway.site}/{settings.gateway.id}"
    remote = Remote(address, clock, Once(state_dir), deeds.carry_out, replies.add)
    made = Downlink(remote, Directory(address, Shelf(state_dir), clock.mono), replies)
    uplink.came_down = made.take
    made.believe(assembly.centre_key(settings))
    return made
