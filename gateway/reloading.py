"""SIGHUP, or the centre's wish: take the configuration over as it is now, all of it or nothing.

Ports and lanes that are the same as before do not notice. What cannot be changed under way is named and waits for a
restart; a file that is wrong is refused as a whole, and `status`, `state` and log say why until it is mended.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Protocol

import structlog

from config import Settings
from gateway import assembly
from gateway.blocking import blocking
from gateway.capture import Capture
from gateway.clock import Clock, Moment
from gateway.downlink import Downlink
from gateway.errors import PunchgateError
from gateway.lines import Change, Lines
from gateway.log import configure
from gateway.passage import Passage
from gateway.pausing import Pausing
from gateway.records import Draft, Item, Notice
from gateway.status import notify
from gateway.uplink import Uplink

log = structlog.get_logger()


class Running(Protocol):
    """The parts of the daemon that go on under other settings."""

    clock: Clock
    uplink: Uplink
    downlink: Downlink
    lines: Lines
    capture: Capture
    passage: Passage
    pausing: Pausing
    settings: Settings

    def append(self, items: Sequence[Item]) -> None:
        """Make these records."""


class Reloading:
    """One at a time. `warnings` are what the settings in force, or the refused file, give to mend; `gone` are the ids
    of devices that this run has had and has no more.
    """

    def __init__(self, path: Path, gateway: Running, ended: Callable[[asyncio.Task[None]], None]) -> None:
        """`ended` is told when a task ends that SIGHUP has begun."""
        self.warnings = assembly.warnings(gateway.settings)
        self.gone: set[str] = set()
        self._path = path
        self._gateway = gateway
        self._ended = ended
        self._one = asyncio.Lock()
        self._task: asyncio.Task[None] | None = None
        self._again = False

    def on_hup(self) -> None:
        """Soon, and once more if it comes while the file is being read."""
        if self._task is not None and not self._task.done():
            self._again = True
            return
        self._task = asyncio.create_task(self._quietly())
        self._task.add_done_callback(self._ended)

    def close(self) -> None:
        """Read nothing again."""
        if self._task is not None:
            self._task.cancel()

    async def read_again(self) -> dict[str, Any]:
        """Returns what `config.applied` says. Raises PunchgateError, and all stays as it was."""
        async with self._one:
            try:
                fresh, layout = await blocking(self._read)
                change = self._gateway.lines.plan(layout.lines)
            except PunchgateError as error:
                refused = f"the configuration was not taken over, the one before goes on: {error}"
                self.warnings = [refused, *assembly.warnings(self._gateway.settings)]
                log.error("config.unchanged", reason=str(error))
                notify("STATUS=configuration refused; see punchgate status")
                self._gateway.uplink.say_state()
                raise
            return await self._take_over(fresh, layout, change)

    def _read(self) -> tuple[Settings, assembly.Layout]:
        """On a thread: many ports take their time, and the running ones must not wait for it."""
        fresh = assembly.read_settings(self._path)
        return fresh, assembly.layout(fresh)

    async def _quietly(self) -> None:
        self._again = True
        while self._again:
            self._again = False
            with contextlib.suppress(PunchgateError):
                await self.read_again()

    async def _take_over(self, fresh: Settings, layout: assembly.Layout, change: Change) -> dict[str, Any]:
        gateway = self._gateway
        fixed = assembly.fixed_parts(gateway.settings, fresh)
        settings = assembly.adopt(gateway.settings, fresh)
        await gateway.lines.end(change.end)
        gateway.settings = settings
        self.warnings = assembly.warnings(settings)
        moment = gateway.clock.now()
        self._change_places(layout, change, moment)
        configure(settings.log.level, settings.log.format)
        gateway.downlink.believe(key := assembly.centre_key(settings))
        gateway.uplink.reconfigure(assembly.link(settings), assembly.uplink_rules(settings), key)
        details: dict[str, Any] = {"config": assembly.fingerprint(settings), "restart_needed_for": fixed}
        log.info("config.applied", **details)
        gateway.append([Draft(Notice(kind="config.applied", details=details), moment)])
        notify(f"STATUS=listening on {len(gateway.lines.running)} ports")
        return details

    def _change_places(self, layout: assembly.Layout, change: Change, moment: Moment) -> None:
        gateway, places = self._gateway, layout.places
        for line in change.end:
            gateway.capture.port_ended(line, places, moment)
            self.gone |= set(line.rules.devices)
        self.gone -= places.keys()
        gateway.append(gateway.passage.change(layout.lanes, layout.devices, moment))
        gateway.capture.moved(places)
        gateway.pausing.joined(change.begin)
        gateway.lines.begin(change)
