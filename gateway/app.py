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
import errno
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
from gateway.errors import EXIT_BUG, Misconfigured
from gateway.journal import Entry, Fullness, Journal, Level, Listeners, Opened, Trouble
from gateway.leftovers import lost, open_read
from gateway.lines import Lines
from gateway.log import Once
from gateway.passage import Passage
from gateway.pausing import Pausing
from gateway.port import Line, LineRules
from gateway.pulse import Pulse, WatchfulSelector
from gateway.records import Draft, Item, Notice
from gateway.reloading import Reloading
from gateway.spans import Range, Spans
from gateway.sparing import Sparing
from gateway.status import Monitor, StatusServer, Watchdog, notify, notify_copying
from gateway.status.report import Report
from gateway.timekeeping import Timekeeping
from gateway.unwatched import Unwatched
from gateway.uplink import Uplink
from gateway.uplink.presence import VERSION

STOP_S = 1.0
CROWDED = (errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM)

log = structlog.get_logger()


class Gateway:
    """One gateway from start to stop; implements what the stations call back."""

    def __init__(self, settings: Settings, path: Path, selector: WatchfulSelector) -> None:
        self.settings = settings
        self.clock = Clock()
        gateway = settings.gateway
        self.passage = Passage(
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
        self.capture = Capture(
            assembly.places(settings),
            self.passage,
            self.registry,
            self.clock,
            self.append,
            self.journal.when_durable,
            self.uplink.say_devices,
            feedback := Feedback(self.journal.when_taken, lambda: self.uplink.connected),
            monitor := Monitor(gateway.state_dir, self.passage.token),
        )
        self.lines = Lines(self._line, self._on_task_end)
        feedback.lines = self.lines.running
        self._monitor = monitor
        self.pausing = Pausing(self.lines.running, self.clock)
        self._sparing = Sparing(self.clock, self.journal.append, self._on_level)
        self._timekeeping = Timekeeping(self.clock, self._sparing.append)
        self._alarms: list[str] = []
        self._reloading = Reloading(path, self, self._on_task_end)
        self.report = Report(self.clock, self.uplink, self.lines.running, self)
        self._status = StatusServer(gateway.state_dir, self.report.describe)
        desk = Desk(self.journal, self.uplink, self.clock)
        self._control = ControlServer(gateway.state_dir, desk.answer)
        reload = self._reloading.read_again
        self.downlink = downlink(settings, path, self.clock, self.uplink, desk, self.report, reload)
        self._expired = Spans()
        self._tick: asyncio.TimerHandle | None = None
        self._exit_code = 0
        self._stop = asyncio.Event()
        self._once = Once(self.clock.mono)

    async def run(self) -> int:
        """Work until SIGTERM or SIGINT; returns the exit code."""
        loop = asyncio.get_running_loop()
        loop.set_exception_handler(self._on_bug)
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self._stop.set)
        loop.add_signal_handler(signal.SIGHUP, self._reloading.on_hup)
        listeners = Listeners(
            self._committed,
            self.pausing.on_trouble,
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
        lines = self.lines.plan(assembly.line_rules(self.settings))
        self.pausing.joined(lines.begin)
        self.lines.begin(lines)
        uplink = asyncio.create_task(self.uplink.run())
        below = asyncio.create_task(self.downlink.run())
        keeping = Keeping(self.settings.gateway.state_dir, self.clock, lambda: self.uplink.head.held.newest)
        kept = asyncio.create_task(keeping.run())
        for task in (uplink, below, kept):
            task.add_done_callback(self._on_task_end)
        ports = len(self.lines.running)
        log.info("gateway.ready", version=VERSION, epoch=self.uplink.settlement.epoch, ports=ports)
        notify(f"READY=1\nSTATUS=listening on {ports} ports")
        watchdog = Watchdog(self.journal.pulse, self.lines.tasks, [uplink])
        watchdog.start()
        await self._stop.wait()
        watchdog.close()
        self._pulse.close()
        self._reloading.close()
        below.cancel()
        kept.cancel()
        await self._shut_down(uplink)
        return self._exit_code

    def _stood_still(self, since: Moment) -> None:
        self.pausing.stood_still(since)

    @property
    def warnings(self) -> list[str]:
        """See UplinkListener."""
        settings = self._reloading.warnings
        return [*settings, *self._alarms, *self._sparing.warnings(), *self.uplink.inbox.warnings()]

    @property
    def fullness(self) -> Fullness:
        """See report.Watched."""
        return self.journal.fullness()

    @property
    def trouble(self) -> Trouble | None:
        """See report.Watched."""
        return self.pausing.trouble

    def devices(self) -> list[dict[str, Any]]:
        """See UplinkListener."""
        here = [health.as_dict() for line in self.lines.running for health in line.health.values()]
        return [*here, *({"device": device} for device in sorted(self._reloading.gone))]

    def pruned(self, epoch: str, ranges: Sequence[Range]) -> None:
        """See UplinkListener. What had expired may be asked for again by a centre that was restored."""
        moment = self.clock.now()
        for span in ranges:
            self.append([lost("expired", epoch, part, moment) for part in self._expired.within(*span)])
            self.append([lost("pruned", epoch, part, moment) for part in self._expired.gaps(*span)])

    def journal_is_a_copy(self) -> None:
        """See UplinkListener: close the story of this epoch and begin another one."""
        was = self.uplink.settlement.epoch
        alarm = f"the centre has more of epoch {was} than this journal: it was an old copy or is sent by two boxes"
        self._alarms.append(f"{alarm}; what was not settled is in journal-*.aside")
        self.append(self.passage.stop(self.clock.now()))
        self.journal.begin_epoch()

    def _begin(self, opened: Opened) -> None:
        moment = self.clock.now()
        if self.journal.found_damaged:
            log.error("journal.damaged", path=str(self.journal.path))
        if (former := self.journal.former) is not None:
            log.error("journal.former", of=former.name, path=str(former.path), unsettled=former.unsettled)
            self._alarms += filter(None, [former.alarm()])
        for warning in self._reloading.warnings:
            log.warning("config.warning", reason=warning)
        self._unwatched.begin(opened.last, list(assembly.places(self.settings)))
        self._expired = opened.expired.copy()
        self.lines.remember(opened.marks)
        self.uplink.begin(opened)
        details = {"version": VERSION, "config": assembly.fingerprint(self.settings)}
        self.append([Draft(Notice(kind="gateway.started", details=details), moment)])
        self._timekeeping.begin()
        self._on_left_open(opened.open_reads)

    def _on_left_open(self, entries: Sequence[Entry]) -> None:
        """Reads that an earlier run left open, found at the start or later in the emergency ring."""
        reads = [open_read(entry) for entry in entries]
        self.append(self.passage.recover(reads, self.clock.now()))

    def _on_expired(self, ranges: list[Range]) -> None:
        log.warning("records.expired", ranges=ranges[:3], count=sum(last - first + 1 for first, last in ranges))
        self._expired.update(ranges)
        self.uplink.expired(ranges)

    def _on_level(self, level: Level) -> None:
        self.pausing.on_level(level)
        self.uplink.say_state()

    def append(self, items: Sequence[Item]) -> None:
        """Make these records, and what they make necessary; pairing wakes up when it has to."""
        self._timekeeping.look()
        self._sparing.append(with_hits(items, self.downlink.directory))
        if self._tick is not None:
            self._tick.cancel()
            self._tick = None
        due = self.passage.deadline()
        if due is not None:
            delay = max(0.0, due - self.clock.mono())
            self._tick = asyncio.get_running_loop().call_later(delay, self._on_tick)

    def _on_tick(self) -> None:
        self.append(self.passage.tick(self.clock.now()))

    def _committed(self, entries: list[Entry]) -> None:
        self.report.written += sum(len(entry.line) for entry in entries)
        self.uplink.committed(entries, self.journal.oldest)

    def _on_epoch(self, opened: Opened) -> None:
        """What pairing still held open belongs to the epoch before; nothing may refer to its numbers any more."""
        log.error("journal.epoch", epoch=opened.epoch)
        self.passage.stop(self.clock.now())
        self._expired = opened.expired.copy()
        self.uplink.begin(opened)

    def _line(self, rules: LineRules) -> Line:
        return Line(rules, self.clock, self.capture, self._unwatched.wait, self._pulse)

    async def _shut_down(self, uplink: asyncio.Task[None]) -> None:
        notify("STOPPING=1")
        await self.lines.end(self.lines.running, STOP_S)
        moment = self.clock.now()
        reason = "bug" if self._exit_code else "signal"
        self._timekeeping.close()
        self.journal.append(self.passage.stop(moment))
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
        """Of the loop; a visitor that cannot be let in for want of descriptors waits, and is none."""
        error = context.get("exception") or RuntimeError(context["message"])
        if "socket" in context and isinstance(error, OSError) and error.errno in CROWDED:
            if times := self._once.due("crowded"):
                log.warning("socket.crowded", reason=str(error), times=times)
            return
        self._fail(error)

    def _fail(self, error: BaseException) -> None:
        if isinstance(error, Misconfigured):
            self._exit_code = error.exit_code
            log.error("gateway.bug", reason=str(error))
        else:
            self._exit_code = EXIT_BUG
            log.error("gateway.bug", exc_info=error)
        self._stop.set()
