"""One port, one owner: opens it, keeps it open through unplugging, feeds its driver, passes on what that says.

The task lives as long as the daemon. A port that is missing or taken is tried again; other ports never notice. What
had been waiting in the kernel when the port was opened is read first and marked: it was not seen when it happened,
only that it happened since the port was last watched.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from drivers.contract import DriverSpec
from drivers.events import Event
from gateway.blocking import blocking
from gateway.clock import Clock, Moment
from gateway.errors import Transient
from gateway.port.health import Health
from gateway.port.serial_port import OpenPort, PortSettings

RETRY_FIRST_S = 0.2
RETRY_MAX_S = 1.0
KERNEL_BYTES_MAX = 1024 * 1024
PAUSE_POLL_S = 0.05


@dataclass(frozen=True, slots=True)
class LineRules:
    """A line and what is on it: one device, or several in the order of the configuration on a bus."""

    port: PortSettings
    spec: DriverSpec
    devices: tuple[str, ...]
    options: tuple[Any, ...]


class LineListener(Protocol):
    """Who is told; all calls come on the loop."""

    def heard(self, device: str, events: Sequence[Event], moment: Moment) -> None:
        """Events of one device, in order, from bytes that had all arrived at `moment`."""

    def port_up(self, line: Line, moment: Moment) -> None:
        """The port is open and watched from now on."""

    def port_down(self, line: Line, moment: Moment, reason: str) -> None:
        """The port is gone, or cannot be opened; said once per reason."""


class Line:
    """See the module. `unwatched_ms` tells how long before the first opening nobody had watched, `was_still`
    whether the process has just stood still; whoever says so pauses the line first.
    """

    def __init__(
        self,
        rules: LineRules,
        clock: Clock,
        listener: LineListener,
        unwatched_ms: Callable[[Moment], int],
        was_still: Callable[[], bool] = lambda: False,
    ) -> None:
        self.rules = rules
        self.health = {
            device: Health(device, rules.spec.name, rules.port.url, since_ms=clock.unix_ms())
            for device in rules.devices
        }
        self.foreign_frames = 0
        self._clock = clock
        self._listener = listener
        self._unwatched_ms = unwatched_ms
        self._was_still = was_still
        self._watched_until: Moment | None = None
        self._driver = rules.spec.new(*rules.options)
        self._port: OpenPort | None = None
        self._gone: asyncio.Future[str] | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._unsent = b""
        self._paused = False

    async def run(self) -> None:
        """Listen until cancelled."""
        while True:
            port = await self._open()
            reason = "stopped"
            try:
                reason = await self._listen(port)
            finally:
                self._leave(port)
                await blocking(port.close)
            self._down(reason)

    @property
    def is_open(self) -> bool:
        """Whether the port is ours now."""
        return self._port is not None

    def pause(self, since: Moment | None = None) -> None:
        """Leave bytes in the kernel: the journal cannot take more now, or nobody has looked `since` then."""
        if self._paused:
            return
        self._paused = True
        if self._port is not None:
            self._watched_until = since or self._clock.now()
            self._stop_reading(self._port)

    def resume(self) -> None:
        """Read again, first what has waited meanwhile."""
        if not self._paused:
            return
        self._paused = False
        if self._port is not None:
            self._start_reading(self._port)

    async def _open(self) -> OpenPort:
        delay = RETRY_FIRST_S
        while True:
            try:
                self._must_exist()
                return await blocking(lambda: OpenPort(self.rules.port))
            except Transient as trouble:
                self._down(str(trouble))
            await self._clock.sleep(delay)
            delay = min(RETRY_MAX_S, delay * 2)

    def _must_exist(self) -> None:
        url = self.rules.port.url
        if url.startswith("/") and not Path(url).exists():
            raise Transient(
                f"{url}: not there", remedy="plug the device in; `punchgate ports` lists what is connected"
            )

    async def _listen(self, port: OpenPort) -> str:
        loop = asyncio.get_running_loop()
        self._port, self._gone = port, loop.create_future()
        self._driver.reset()
        if not self._paused:
            self._start_reading(port)
        self._up()
        if port.descriptor is None:
            return await self._listen_in_thread(port)
        return await self._gone

    def _start_reading(self, port: OpenPort) -> None:
        """Read what the kernel kept for us, before the port counts as watched; then whatever comes."""
        if port.descriptor is None:
            return
        gap_ms, left = self._gap_ms(self._clock.now()), KERNEL_BYTES_MAX
        while left > 0 and not self._paused and (data := port.read()):
            self._feed(data, self._clock.now().waiting_since(gap_ms))
            left -= len(data)
        if not self._paused and self._port is port:
            asyncio.get_running_loop().add_reader(port.descriptor, self._readable, port)
            self._set_timer()

    def _stop_reading(self, port: OpenPort) -> None:
        if port.descriptor is not None:
            asyncio.get_running_loop().remove_reader(port.descriptor)

    def _gap_ms(self, moment: Moment) -> int:
        if self._watched_until is None:
            return self._unwatched_ms(moment)
        return round((moment.mono - self._watched_until.mono) * 1000)

    async def _listen_in_thread(self, port: OpenPort) -> str:
        while True:
            paused = self._paused
            while self._paused:
                await self._clock.sleep(PAUSE_POLL_S)
            data = await blocking(port.read)
            if data == b"":
                return "connection lost"
            if data:
                moment = self._clock.now()
                self._feed(data, moment.waiting_since(self._gap_ms(moment)) if paused else moment)
            else:
                self._poll()

    def _readable(self, port: OpenPort) -> None:
        if self._was_still() and self._paused:
            return  # what is there may be as old as that: `resume` reads it
        data = port.read()
        if data:
            self._feed(data, self._clock.now())
            self._set_timer()
        elif data == b"":
            self._lose("unplugged or hung up")

    def _feed(self, data: bytes, moment: Moment) -> None:
        self._pass_on(self._driver.feed(data, moment.mono), moment)
        self._write()

    def _poll(self) -> None:
        moment = self._clock.now()
        self._pass_on(self._driver.poll(moment.mono), moment)
        self._write()
        self._set_timer()

    def _pass_on(self, events: Sequence[Event], moment: Moment) -> None:
        """Hand events to the listener, device by device, without changing their order."""
        run: list[Event] = []
        owner: str | None = None
        for event in events:
            device = self._device(event)
            if device is None:
                self.foreign_frames += 1
                continue
            self.health[device].count(event, moment.time_ms)
            if device != owner and owner is not None:
                self._listener.heard(owner, run, moment)
                run = []
            owner = device
            run.append(event)
        if owner is not None:
            self._listener.heard(owner, run, moment)

    def _device(self, event: Event) -> str | None:
        known = event.unit is not None and 0 <= event.unit < len(self.rules.devices)
        return self.rules.devices[event.unit or 0] if known else None

    def _write(self) -> None:
        self._unsent += b"".join(self._driver.commands())
        if not self._unsent or self._port is None:
            return
        try:
            self._unsent = self._unsent[self._port.write(self._unsent) :]
        except OSError as error:
            self._lose(str(error))

    def _set_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        due = self._driver.next_poll()
        if due is not None and self._port is not None:
            delay = max(0.0, due - self._clock.mono())
            self._timer = asyncio.get_running_loop().call_later(delay, self._poll)

    def _lose(self, reason: str) -> None:
        if self._gone is not None and not self._gone.done():
            self._gone.set_result(reason)
        if self._port is not None:
            self._stop_reading(self._port)

    def _leave(self, port: OpenPort) -> None:
        self._stop_reading(port)
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        moment = self._clock.now()
        if not self._paused:
            self._watched_until = moment
        self._pass_on(self._driver.close(), moment)
        self._port, self._unsent = None, b""

    def _up(self) -> None:
        moment = self._clock.now()
        for health in self.health.values():
            health.status, health.since_ms, health.reason = "up", moment.time_ms, None
        self._listener.port_up(self, moment)

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
