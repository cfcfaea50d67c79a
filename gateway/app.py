"""The composition root: builds the stations and wires them in the order of a punch's journey.

    line ──heard──> passage ──drafts──> journal ──committed──> uplink ──> broker
      ▲                              ▲   │ ▲                     │
      └──────────── pausing ◄────────┼───┘ └────── settled ◄─────┘ receipt
                               timekeeping

Everything here runs on one event loop. A task or callback that fails of a bug ends the process with 70: systemd
starts it again, and the journal goes on where it was.
"""

from __future__ import annotations

import asyncio
import contextlib
import signal
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import structlog

from config import Settings
from gateway import assembly
from gateway.below import downlink
from gateway.capture import Capture, Feedback
from gateway.clock import Clock, Moment
from gateway.control import ControlServer, Desk
from gateway.directory import Keeping, Registry, with_hits
from gateway.errors import EXIT_BUG, Misconfigured, PunchgateError
from gateway.journal import Entry, Fullness, Journal, Level, Listeners, Opened, Trouble
from gateway.leftovers import lost, open_read
from gateway.log import configure
from gateway.passage import Passage
from gateway.pausing import Pausing
from gateway.port import Line
from gateway.pulse import Pulse, WatchfulSelector
from gateway.records import Draft, Item, Notice
from gateway.spans import Range, Spans
from gateway.sparing import Sparing
from gateway.status import Monitor, StatusServer, Watchdog, notify, notify_copying
from gateway.status.report import Report
from gateway.timekeeping import Timekeeping
from gateway.unwatched import Unwatched
from gateway.uplink import Uplink
from gateway.uplink.presence import VERSION

log = structlog.get_logger()


class Gateway:
    """One gateway from start to stop; implements what the stations call back."""

    def __init__(self, settings: Settings, path: Path, selector: WatchfulSelector) -> None:
        self.settings = settings
        self.clock = Clock()
        self._path = path
        gateway = settings.gateway
        self._passage = Passage(
            assembly.lane_rules(settings), assembly.device_rules(settings), assembly.privacy(settings)
        )
        names = (gateway.site, gateway.id, gateway.timezone)
        self.journal = Journal(gateway.state_dir, names, assembly.limits(settings), self.clock)
        self.uplink = Uplink(
            assembly.link(settings),
            assembly.topics(settings),
            assembly.uplink_rules(settings),
            self.journal,
            self.clock,
            self,
            assembly.centre_key(settings),
        )
        self.registry = Registry(gateway.state_dir)
        self._unwatched = Unwatched(self.registry)
        self._pulse = Pulse(self.clock, selector, self._stood_still)
        self._places = assembly.places(settings)
        capture = Capture(
            self._places,
            self._passage,
            self.registry,
            self.clock,
            self._append,
            self.journal.when_durable,
            self.uplink.say_devices,
            feedback := Feedback(self.journal.when_taken, lambda: self.uplink.connected),
            monitor := Monitor(gateway.state_dir, self._passage.token),
        )
        self.lines = [
            Line(rules, self.clock, capture, self._unwatched.wait, self._pulse)
            for rules in assembly.line_rules(settings)
        ]
        feedback.lines = self.lines
        self._monitor = monitor
        self._pausing = Pausing(self.lines, self.clock)
        self._sparing = Sparing(self.clock, self.journal.append, self._on_level)
        self._timekeeping = Timekeeping(self.clock, self._sparing.append)
        self._warnings = assembly.warnings(settings)
        self.report = Report(self.clock, self.uplink, self.lines, self)
        self._status = StatusServer(gateway.state_dir, self.report.describe)
        desk = Desk(self.journal, self.uplink, self.clock)
        self._control = ControlServer(gateway.state_dir, desk.answer)
        self.downlink = downlink(settings, path, self.clock, self.uplink, desk, self.report, self._read_again)
        self._expired = Spans()
        self._tick: asyncio.TimerHandle | None = None
        self._exit_code = 0
        self._stop = asyncio.Event()

    async def run(self) -> int:
        """Work until SIGTERM or SIGINT; returns the exit code."""
        loop = asyncio.get_running_loop()
        loop.set_exception_handler(self._on_bug)
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self._stop.set)
        loop.add_signal_handler(signal.SIGHUP, self._reload)
        listeners = Listeners(
            self._committed,
            self._pausing.on_trouble,
            self._on_epoch,
            self._sparing.on_level,
            self._on_left_open,
            self._on_expired,
            notify_copying,
        )
        self.downlink.begin()
        self._begin(self.journal.open(listeners))
        await self._status.start()
        await self._control.start()
        await self._monitor.start()
        self._timekeeping.watch()
        self._pulse.start()
        tasks = [asyncio.create_task(line.run()) for line in self.lines]
        uplink = asyncio.create_task(self.uplink.run())
        below = asyncio.create_task(self.downlink.run())
        keeping = Keeping(self.settings.gateway.state_dir, self.clock, lambda: self.uplink.head.held.newest)
        kept = asyncio.create_task(keeping.run())
        for task in (*tasks, uplink, below, kept):
            task.add_done_callback(self._on_task_end)
        log.info("gateway.ready", version=VERSION, epoch=self.uplink.settlement.epoch, ports=len(self.lines))
        notify(f"READY=1\nSTATUS=listening on {len(self.lines)} ports")
        watchdog = Watchdog(self.journal.pulse, [*tasks, uplink])
        watchdog.start()
        await self._stop.wait()
        watchdog.close()
        self._pulse.close()
        below.cancel()
        kept.cancel()
        await self._shut_down(tasks, uplink)
        return self._exit_code

    def _stood_still(self, since: Moment) -> None:
        self._pausing.stood_still(since)

    @property
    def warnings(self) -> list[str]:
        """See UplinkListener."""
        return [*self._warnings, *self._sparing.warnings(), *self.uplink.inbox.warnings()]

    @property
    def fullness(self) -> Fullness:
        """See report.Watched."""
        return self.journal.fullness()

    @property
    def trouble(self) -> Trouble | None:
        """See report.Watched."""
        return self._pausing.trouble

    def devices(self) -> list[dict[str, Any]]:
        """See UplinkListener."""
        return [health.as_dict() for line in self.lines for health in line.health.values()]

    def pruned(self, epoch: str, ranges: Sequence[Range]) -> None:
        """See UplinkListener. What had expired may be asked for again by a centre that was restored."""
        moment = self.clock.now()
        for span in ranges:
            self._append([lost("expired", epoch, part, moment) for part in self._expired.within(*span)])
            self._append([lost("pruned", epoch, part, moment) for part in self._expired.gaps(*span)])

    def journal_is_a_copy(self) -> None:
        """See UplinkListener: close the story of this epoch and begin another one."""
        was = self.uplink.settlement.epoch
        alarm = f"the centre has more of epoch {was} than this journal: it was an old copy or is sent by two boxes"
        self._warnings = [*self._warnings, f"{alarm}; what was not settled is in journal-*.aside"]
        self._append(self._passage.stop(self.clock.now()))
        self.journal.begin_epoch()

    def _begin(self, opened: Opened) -> None:
        moment = self.clock.now()
        if self.journal.found_damaged:
            log.error("journal.damaged", path=str(self.journal.path))
        for warning in self._warnings:
            log.warning("config.warning", reason=warning)
        self._unwatched.begin(opened.last, list(self._places))
        self._expired = opened.expired.copy()
        for line in self.lines:
            line.talk.remember(opened.marks)
        self.uplink.begin(opened)
        details = {"version": VERSION, "config": assembly.fingerprint(self.settings)}
        self._append([Draft(Notice(kind="gateway.started", details=details), moment)])
        self._timekeeping.begin()
        self._on_left_open(opened.open_reads)

    def _on_left_open(self, entries: Sequence[Entry]) -> None:
        """Reads that an earlier run left open, found at the start or later in the emergency ring."""
        reads = [open_read(entry) for entry in entries]
        self._append(self._passage.recover(reads, self.clock.now()))

    def _on_expired(self, ranges: list[Range]) -> None:
        log.warning("records.expired", ranges=ranges[:3], count=sum(last - first + 1 for first, last in ranges))
        self._expired.update(ranges)
        self.uplink.expired(ranges)

    def _on_level(self, level: Level) -> None:
        self._pausing.on_level(level)
        self.uplink.say_state()

    def _append(self, items: Sequence[Item]) -> None:
        self._timekeeping.look()
        self._sparing.append(with_hits(items, self.downlink.directory))
        if self._tick is not None:
            self._tick.cancel()
            self._tick = None
        due = self._passage.deadline()
        if due is not None:
            delay = max(0.0, due - self.clock.mono())
            self._tick = asyncio.get_running_loop().call_later(delay, self._on_tick)

    def _on_tick(self) -> None:
        self._append(self._passage.tick(self.clock.now()))

    def _committed(self, entries: list[Entry]) -> None:
        self.report.written += sum(len(entry.line) for entry in entries)
        self.uplink.committed(entries, self.journal.oldest)

    def _on_epoch(self, opened: Opened) -> None:
        """What pairing still held open belongs to the epoch before; nothing may refer to its numbers any more."""
        log.error("journal.epoch", epoch=opened.epoch)
        self._passage.stop(self.clock.now())
        self._expired = opened.expired.copy()
        self.uplink.begin(opened)

    def _reload(self) -> None:
        """SIGHUP."""
        with contextlib.suppress(PunchgateError):
            self._read_again()

    def _read_again(self) -> dict[str, Any]:
        """Take over what needs no new port or journal; say what does. Raises PunchgateError, and all stays."""
        try:
            fresh = assembly.read_settings(self._path)
        except PunchgateError as error:
            log.error("config.unchanged", reason=str(error))
            raise
        fixed = assembly.fixed_parts(self.settings, fresh)
        self.settings = assembly.adopt(self.settings, fresh)
        self._warnings = assembly.warnings(fresh)
        configure(fresh.log.level, fresh.log.format)
        self.downlink.believe(key := assembly.centre_key(self.settings))
        self.uplink.reconfigure(assembly.link(self.settings), assembly.uplink_rules(self.settings), key)
        details: dict[str, Any] = {"config": assembly.fingerprint(self.settings), "restart_needed_for": fixed}
        log.info("config.applied", **details)
        self._append([Draft(Notice(kind="config.applied", details=details), self.clock.now())])
        return details

    async def _shut_down(self, lines: list[asyncio.Task[None]], uplink: asyncio.Task[None]) -> None:
        notify("STOPPING=1")
        for task in lines:
            task.cancel()
        await asyncio.wait(lines, timeout=1.0)
        moment = self.clock.now()
        reason = "bug" if self._exit_code else "signal"
        self._timekeeping.close()
        self.journal.append(self._passage.stop(moment))
        self.journal.append([Draft(Notice(kind="gateway.stopped", reason=reason), moment)])
        await self.journal.flush()
        await self.uplink.close()
        uplink.cancel()
        await self._control.close()
        await self._monitor.close()
        await self._status.close()
        await self.journal.close()
        self.registry.close()
        self.downlink.directory.close()
        log.info("gateway.stopped", reason=reason)

    def _on_task_end(self, task: asyncio.Task[None]) -> None:
        if not task.cancelled() and (error := task.exception()) is not None:
            self._fail(error)

    def _on_bug(self, _: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        self._fail(context.get("exception") or RuntimeError(context["message"]))

    def _fail(self, error: BaseException) -> None:
        if isinstance(error, Misconfigured):
            self._exit_code = error.exit_code
            log.error("gateway.bug", reason=str(error))
        else:
            self._exit_code = EXIT_BUG
            log.error("gateway.bug", exc_info=error)
        self._stop.set()
