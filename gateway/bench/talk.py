"""One driver on one open port, in the foreground: bytes in, events out, questions written. No daemon, no loop."""

from __future__ import annotations

import select
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from drivers.contract import START, Command, Driver
from drivers.events import Event
from gateway.errors import Transient
from gateway.port.serial_port import OpenPort, PortSettings

TICK_S = 0.1


class DeviceGone(Transient):
    """The line has ended under us. Example: somebody pulled the cable."""


@dataclass(frozen=True, slots=True)
class Heard:
    """One step: `at` monotonic seconds, what the device sent, what was sent to it before, what it means."""

    at: float
    received: bytes
    sent: bytes
    events: tuple[Event, ...]


def talk(port: OpenPort, driver: Driver, *, ask: bool, until: float | None, units: int = 1) -> Iterator[Heard]:
    """Steps until the monotonic time `until`; `ask`: the driver may write, to `units` devices. DeviceGone: it is.

    Steps in which nothing happened are told too, about every TICK_S, so that the caller can look at the clock.
    """
    for unit in range(units if ask else 0):
        driver.send(Command(START, unit=unit), time.monotonic())
    unsent = b""
    while True:
        now = time.monotonic()
        if events := driver.poll(now):
            yield Heard(now, b"", b"", tuple(events))  # who stops here asks no further question
        unsent += b"".join(driver.commands()) if ask else b""
        sent, unsent = _write(port, unsent)
        if sent:
            yield Heard(now, b"", sent, ())
        if until is not None and now >= until:
            return
        data = _read(port, _patience(driver, now, until, bool(unsent)))
        now = time.monotonic()
        yield Heard(now, data, b"", tuple(driver.feed(data, now)) if data else ())


def port_url(port: str) -> str:
    """A pyserial URL as it is, a path from the root on: only such a port is opened exclusively."""
    return port if "://" in port else str(Path(port).absolute())


def drop_waiting(port: OpenPort) -> int:
    """Read away what was received at another speed; the number of bytes."""
    dropped = 0
    while port.descriptor is not None and _readable(port, 0.0) and (data := port.read()):
        dropped += len(data)
    return dropped


def open_port(url: str, baud: int) -> OpenPort:
    """The port as the daemon opens it: exclusive. Transient says why not, and what mends it."""
    return OpenPort(PortSettings(url, baud))


def _patience(driver: Driver, now: float, until: float | None, is_writing: bool) -> float:
    """Seconds until something has to be done without bytes from the device."""
    times = [now + TICK_S, *(time for time in (driver.next_poll(), until) if time is not None)]
    return 0.01 if is_writing else max(0.0, min(times) - now)


def _read(port: OpenPort, patience_s: float) -> bytes:
    if port.descriptor is not None and not _readable(port, patience_s):
        return b""
    data = port.read()
    if data == b"":
        raise DeviceGone("the device is gone", remedy="plug it in again")
    return data or b""


def _readable(port: OpenPort, patience_s: float) -> bool:
    assert port.descriptor is not None
    return bool(select.select([port.descriptor], [], [], patience_s)[0])


def _write(port: OpenPort, data: bytes) -> tuple[bytes, bytes]:
    """What was taken, and the rest."""
    if not data:
        return b"", b""
    try:
        taken = port.write(data)
    except OSError as error:
        raise DeviceGone(f"the device is gone: {error}", remedy="plug it in again") from error
    return data[:taken], data[taken:]
