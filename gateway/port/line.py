"""One port, one owner: opens it, keeps it open through unplugging, feeds its driver, passes on what that says.

The task lives as long as the daemon. A port that is missing or taken is tried again; other ports never notice. How
an open port is read, and how what had waited in it is dated, is the business of its tap.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from pathlib import Path

from drivers.events import DeviceChange, Event
from gateway.blocking import blocking
from gateway.clock import Clock, Moment, Wait
from gateway.errors import Transient
from gateway.port.health import Health
from gateway.port.rules import LineListener, LineRules
from gateway.port.serial_port import OpenPort, explain
from gateway.port.talk import Talk
from gateway.port.tap import Attention, Gap, Tap
from gateway.port.threaded import ThreadedTap

RETRY_FIRST_S = 0.2
RETRY_MAX_S = 1.0
UNANSWERED = "has not answered yet"


class Line:
    """See the module. `unwatched` tells for how long before a moment nobody had listened to some of the devices,
    `attention` whether we looked; whoever finds that the process stood still pauses the line first.
    """

    def __init__(
        self,
        rules: LineRules,
        clock: Clock,
        listener: LineListener,
        unwatched: Callable[[Sequence[str], Moment], Wait],
        attention: Attention,
    ) -> None:
        self.rules = rules
        self.health = {
            device: Health(device, rules.spec.name, rules.port.url, since_ms=clock.unix_ms())
            for device in rules.devices
        }
        self.foreign_frames = 0
        self._clock = clock
        self._listener = listener
        self._gap: Gap = lambda moment: unwatched(rules.devices, moment)
        self._fed_at = 0.0
        self._attention = attention
        self._driver = rules.spec.new(*rules.options)
        self.talk = Talk(
            self._driver,
            rules.devices,
            lambda device, moment: unwatched((device,), moment).longer(rules.unnoticed_ms(device)),
        )
        self._port: OpenPort | None = None
        self._tap: Tap | ThreadedTap | None = None
        self._gone: asyncio.Future[str] | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._unsent = b""
        self._paused: str | None = None
        self._is_up = False

    async def run(self) -> None:
        """Listen until cancelled."""
        while True:
            port = await self._open()
            reason = "stopped"
            try:
                reason = await self._listen(port)
            finally:
                self._leave()
                await blocking(port.close)
            self._down(reason)

    @property
    def is_open(self) -> bool:
        """Whether the port is ours now."""
        return self._port is not None

    @property
    def present(self) -> list[str]:
        """The devices that are there: those of an open port, of those that are asked the ones that answer."""
        return [device for device, health in self.health.items() if health.status == "up"]

    def show(self, device: str, state: str) -> None:
        """Let a device show its person what became of the card, if it can."""
        if self._port is not None:
            self.talk.show(device, state, self._now_s())
            self._write()
            self._set_timer()

    def pause(self, reason: str, since: Moment | None = None) -> None:
        """Leave bytes in the kernel: the journal cannot take more now, or nobody has looked `since` then."""
        if self._paused is not None:
            return
        self._paused = reason
        if self._tap is not None:
            self._tap.shut(since)

    def resume(self) -> None:
        """Read again, first what has waited meanwhile."""
        self._paused = None
        if self._tap is not None:
            self._tap.open()

    def take(self, data: bytes, moment: Moment, *, resumed: bool) -> bool:
        """See TapOwner."""
        self._listener.overheard(self, "rx", data, moment)
        made_records = self._pass_on(self._feed(data, moment, resumed=resumed), moment)
        self._write()
        self._set_timer()
        return made_records

    def when_durable(self, then: Callable[[], None]) -> None:
        """See TapOwner."""
        self._listener.when_durable(then)

    @property
    def mid_frame(self) -> bool:
        """See TapOwner. A driver from before `is_mid_frame` tells it by wanting to be polled, if it does not ask."""
        if hasattr(self._driver, "is_mid_frame"):
            return self._driver.is_mid_frame()
        asks = any(map(self.rules.is_asked, self.rules.devices))
        return not asks and self._driver.next_poll() is not None

    def nothing_waited(self) -> None:
        """See TapOwner."""
        self._set_timer()

    def watched(self) -> None:
        """See TapOwner: the first time after an opening the port is up."""
        self._set_timer()
        if self._is_up:
            self._listener.port_read(self, self._clock.now())
            return
        self._is_up = True
        moment = self._clock.now()
        for health in self.health.values():
            health.status, health.since_ms, health.reason = "up", moment.time_ms, None
            if self.rules.is_asked(health.device):
                health.status, health.reason = "down", UNANSWERED
        self.talk.begin(moment)
        self._listener.port_up(self, moment)
        self._write()
        self._set_timer()

    def unread(self, since: Moment) -> None:
        """See TapOwner."""
        self._listener.port_unread(self, since, self._paused or "the disk is slow")

    def gone(self, reason: str) -> None:
        """See TapOwner."""
        if self._gone is not None and not self._gone.done():
            self._gone.set_result(reason)

    async def _open(self) -> OpenPort:
        delay = RETRY_FIRST_S
        while True:
            try:
                self._must_exist()
                return await blocking(lambda: OpenPort(self.rules.port), lambda port: port.close())
            except Transient as trouble:
                self._down(str(trouble))
            await self._clock.sleep(delay)
            delay = min(RETRY_MAX_S, delay * 2)

    def _must_exist(self) -> None:
        url = self.rules.port.url
        if url.startswith("/"):
            try:
                Path(url).stat()
            except OSError as error:
                raise explain(url, error) from error

    async def _listen(self, port: OpenPort) -> str:
        self._fed_at = self._now_s()
        self._port, self._gone = port, asyncio.get_running_loop().create_future()
        self._driver.reset()
        kind = Tap if port.descriptor is not None else ThreadedTap
        self._tap = kind(port, self.rules.port.baud, self._clock, self, self._gap, self._attention)
        if self._paused is None:
            self._tap.open()
        return await self._gone

    def _feed(self, data: bytes, moment: Moment, *, resumed: bool) -> list[Event]:
        """While nobody read, no time has run for a frame that was begun before: its rest follows on its heels."""
        events: list[Event] = []
        while resumed and data and not events and self.mid_frame:
            events = list(self._driver.feed(data[:1], self._fed_at))
            data = data[1:]
        self._fed_at = moment.boot_s
        return [*events, *self._driver.feed(data, moment.boot_s)] if data else events

    def _poll(self) -> None:
        if self._tap is None or self._attention.was_still() or not self._tap.is_reading:
            return  # what it waits for may wait for us: `take` sets the timer again
        moment = self._clock.now()
        self._pass_on(self._driver.poll(moment.boot_s), moment)
        self._write()
        self._set_timer()

    def _pass_on(self, events: Sequence[Event], moment: Moment) -> bool:
        """Hand events to the listener by device and moment, in their order; whether they made records."""
        run: list[Event] = []
        made_records = False
        owner = ("", moment)
        for event in events:
            device = self._device(event)
            if device is None:
                self.foreign_frames += 1
                continue
            self.health[device].count(event, moment.time_ms)
            self.talk.heard(device, event)
            if isinstance(event, DeviceChange):
                self.health[device].change(event, moment.time_ms)
            source = (device, self.talk.dated(device, event, moment))
            if run and source != owner:
                made_records |= self._listener.heard(owner[0], run, owner[1])
                run = []
            owner = source
            run.append(event)
        if run:
            made_records |= self._listener.heard(owner[0], run, owner[1])
        return made_records

    def _device(self, event: Event) -> str | None:
        known = event.unit is not None and 0 <= event.unit < len(self.rules.devices)
        return self.rules.devices[event.unit or 0] if known else None

    def _write(self) -> None:
        self._unsent += b"".join(self._driver.commands())
        if not self._unsent or self._port is None:
            return
        try:
            taken = self._port.write(self._unsent)
            self._listener.overheard(self, "tx", self._unsent[:taken], self._clock.now())
            self._unsent = self._unsent[taken:]
        except OSError as error:
            self.gone(str(error))

    def _set_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        due = self._driver.next_poll()
        if due is not None and self._port is not None:
            delay = max(0.0, due - self._now_s())
            self._timer = asyncio.get_running_loop().call_later(delay, self._poll)

    def _now_s(self) -> float:
        return self._clock.boot_ns() / 1e9

    def _leave(self) -> None:
        if self._tap is not None:
            self._gap = self._tap.close()
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        self._pass_on(self._driver.close(), self._clock.now())
        self._port, self._tap, self._unsent, self._is_up = None, None, b"", False

    def _down(self, reason: str) -> None:
        known = all(health.status == "down" and health.reason == reason for health in self.health.values())
        if known:
            return
        moment = self._clock.now()
        for health in self.health.values():
            if health.status == "up":
                health.since_ms = moment.time_ms
            health.status, health.reason = "down", reason
        self._listener.port_down(self, moment, reason)
