"""Ends of lines for ports under test: a pseudo-terminal that can be pulled, a TCP server, an RFC 2217 server."""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
import threading
import tty
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import serial
import serial.rfc2217

from drivers import registry
from drivers.contract import DriverSpec
from drivers.em4100 import DRIVER as EM4100
from drivers.events import CardRead, Event
from gateway.clock import Clock, Moment, Wait
from gateway.port import Line, LineRules, PortSettings, Way

UNWATCHED_MS = 123_000


class Pty:
    """A device on a pseudo-terminal under a stable name."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.plug()

    def plug(self) -> None:
        self._master, slave = os.openpty()
        tty.setraw(slave)
        self._slave: int | None = slave
        self.path.symlink_to(os.ttyname(slave))

    def write(self, data: bytes) -> None:
        os.write(self._master, data)

    def opened(self) -> None:
        """Let the port be the only one that has the line open, so that pulling it is a hang-up."""
        if self._slave is not None:
            os.close(self._slave)
            self._slave = None

    def unplug(self) -> None:
        self.path.unlink()
        self.opened()
        os.close(self._master)

    def close(self) -> None:
        with contextlib.suppress(OSError):
            self.unplug()


class Tcp:
    """A serial-device server for one client at a time."""

    def __init__(self, greeting: bytes = b"") -> None:
        self._server = socket.create_server(("127.0.0.1", 0))
        self.port = self._server.getsockname()[1]
        self.url = f"socket://127.0.0.1:{self.port}"
        self._greeting = greeting
        self.peer: socket.socket | None = None
        self.accepted = 0
        threading.Thread(target=self._accept, daemon=True).start()

    def write(self, data: bytes) -> None:
        assert self.peer is not None
        self.peer.sendall(data)

    def unplug(self) -> None:
        assert self.peer is not None
        self.peer.close()

    def close(self) -> None:
        self._server.close()
        if self.peer is not None:
            self.peer.close()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                peer, _ = self._server.accept()
                peer.sendall(self._greeting)
                self.peer = peer
                self.accepted += 1


class Rfc2217:
    """A serial-device server that negotiates; the device is what the test writes."""

    def __init__(self) -> None:
        self._server = socket.create_server(("127.0.0.1", 0))
        self.url = f"rfc2217://127.0.0.1:{self._server.getsockname()[1]}"
        self._peer: socket.socket | None = None
        self._manager: serial.rfc2217.PortManager | None = None
        threading.Thread(target=self._serve, daemon=True).start()

    def write(self, data: bytes) -> None:
        assert self._peer is not None
        assert self._manager is not None
        self._peer.sendall(b"".join(self._manager.escape(data)))

    def unplug(self) -> None:
        assert self._peer is not None
        self._peer.shutdown(socket.SHUT_RDWR)

    def close(self) -> None:
        self._server.close()

    def _serve(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                peer, _ = self._server.accept()
                self._peer = peer
                self._manager = serial.rfc2217.PortManager(serial.serial_for_url("loop://"), _Out(peer))
                with contextlib.suppress(OSError):
                    while data := peer.recv(1024):
                        list(self._manager.filter(data))


@dataclass
class _Out:
    peer: socket.socket

    def write(self, data: bytes) -> None:
        self.peer.sendall(data)


class Undisturbed:
    """We were always at work."""

    def was_still(self) -> bool:
        return False

    def late_ms(self) -> int:
        return 0


class Ear:
    """Takes down what a line says."""

    def __init__(self) -> None:
        self.events: list[tuple[str, Event, Moment]] = []
        self.changes: list[str] = []
        self.bytes: list[tuple[Way, bytes]] = []

    def heard(self, device: str, events: Sequence[Event], moment: Moment) -> bool:
        self.events += [(device, event, moment) for event in events]
        return any(isinstance(event, CardRead) for event in events)

    def when_durable(self, then: Callable[[], None]) -> None:
        asyncio.get_running_loop().call_soon(then)

    def overheard(self, line: Line, way: Way, data: bytes, moment: Moment) -> None:
        self.bytes.append((way, data))

    def port_unread(self, line: Line, since: Moment, reason: str) -> None:
        self.changes.append(reason)

    def port_read(self, line: Line, moment: Moment) -> None:
        self.changes.append("read")

    def port_up(self, line: Line, moment: Moment) -> None:
        self.changes.append("up")

    def port_down(self, line: Line, moment: Moment, reason: str) -> None:
        self.changes.append(reason)

    def cards(self) -> list[str]:
        return [event.value for _, event, _ in self.events if isinstance(event, CardRead)]

    def moments(self) -> list[Moment]:
        return [moment for _, event, moment in self.events if isinstance(event, CardRead)]


def frame(number: int) -> bytes:
    """What an ID-12LA sends for a card."""
    body = number.to_bytes(5, "big")
    check = 0
    for byte in body:
        check ^= byte
    return b"\x02" + body.hex().upper().encode() + f"{check:02X}".encode() + b"\r\n\x03"


def value(number: int) -> str:
    return f"{number:010X}"


class Sleepy(Clock):
    """The clocks of a machine that has been suspended for so long."""

    asleep_ns = 0

    def boot_ns(self) -> int:
        return super().boot_ns() + self.asleep_ns


def line_on(
    url: str,
    ear: Any,
    spec: DriverSpec = EM4100,
    devices: tuple[str, ...] = ("lane-1-in",),
    clock: Clock | None = None,
) -> Line:
    options = tuple(registry.make_options(spec, {}) for _ in devices)
    rules = LineRules(PortSettings(url), spec, devices, options)
    return Line(rules, clock or Clock(), ear, lambda *_: Wait(UNWATCHED_MS), Undisturbed())


def listen(line: Line, story: Callable[[], Awaitable[None]]) -> list[Any]:
    """Let a line run while the story happens; returns what went wrong on the loop."""
    bugs: list[Any] = []

    async def main() -> None:
        asyncio.get_running_loop().set_exception_handler(lambda _, context: bugs.append(context))
        task = asyncio.create_task(line.run())
        try:
            await story()
            if task.done():
                await task
        finally:
            task.cancel()
            await asyncio.wait([task])

    asyncio.run(main())
    return bugs


async def until(true: Callable[[], object], seconds: float = 60.0) -> None:
    """Wait for something to become true."""
    async with asyncio.timeout(seconds):
        while not true():
            await asyncio.sleep(0.005)
