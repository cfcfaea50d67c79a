"""A bench for OSDP: readers in a process of their own behind a pty, and a pump that lets a driver talk to them."""

from __future__ import annotations

import os
import select
import subprocess
import sys
import time
import tty
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from drivers.contract import START, Command
from drivers.events import CardRead, DeviceChange, Event
from drivers.osdp import DRIVER, Options

KEY = bytes.fromhex("A1B2C3D4E5F60718293A4B5C6D7E8F90")
WRONG_KEY = bytes.fromhex("00112233445566778899AABBCCDDEEFF")
TICK_S = 0.004
Told = tuple[float, Event]


def key_file(folder: Path, key: bytes = KEY) -> str:
    """A file with a key that only we may read."""
    path = folder / f"{key.hex()[:8]}.key"
    path.write_text(key.hex() + "\n", encoding="ascii")
    path.chmod(0o600)
    return str(path)


class Bench:
    """The gateway's end of the bus. `told` are the events with the monotonic time at which they were told."""

    def __init__(self, options: Sequence[Options], descriptor: int, readers: subprocess.Popen[bytes]) -> None:
        self.driver = DRIVER.new(*options)
        self.told: list[Told] = []
        self.longest_call_s = 0.0
        self._descriptor = descriptor
        self._readers = readers
        for unit in range(len(options)):
            self.driver.send(Command(START, unit=unit), time.monotonic())

    def do(self, deed: str) -> float:
        """Somebody does it at the readers; when."""
        assert self._readers.stdin is not None
        at = time.monotonic()
        self._readers.stdin.write(deed.encode("ascii") + b"\n")
        self._readers.stdin.flush()
        return at

    def pump(self, seconds: float, until: Callable[[], bool] = lambda: False) -> bool:
        """Let the driver talk for that long, or until it is so; whether it is."""
        end = time.monotonic() + seconds
        while not until() and (now := time.monotonic()) < end:
            due = self.driver.next_poll()
            wait_s = max(0.0, min(end, end if due is None else due) - now)
            readable, _, _ = select.select([self._descriptor], [], [], wait_s)
            self._turn(os.read(self._descriptor, 4096) if readable else b"")
        return until()

    def _turn(self, data: bytes) -> None:
        at = time.monotonic()
        events = self.driver.feed(data, at) if data else []
        events += self.driver.poll(at)
        output = b"".join(self.driver.commands())
        now = time.monotonic()
        self.longest_call_s = max(self.longest_call_s, now - at)
        self.told += [(now, event) for event in events]
        while output:
            output = output[os.write(self._descriptor, output) :]

    def cards(self, unit: int) -> list[tuple[float, str]]:
        """What a reader has read."""
        return [(at, event.value) for at, event in self.told if isinstance(event, CardRead) and event.unit == unit]

    def changes(self, unit: int) -> list[tuple[float, str, str | None]]:
        """What is said of a reader itself."""
        return [
            (at, event.kind, event.reason)
            for at, event in self.told
            if isinstance(event, DeviceChange) and event.unit == unit
        ]

    def state(self, unit: int) -> str | None:
        """What is said of it last."""
        kinds = [kind for _, kind, _ in self.changes(unit) if kind in ("up", "down")]
        return kinds[-1] if kinds else None


@contextmanager
def bench(options: Sequence[Options], readers: Sequence[tuple[int, bytes | None]]) -> Iterator[Bench]:
    """`readers`: address and key of each, in a process of their own."""
    master, slave = os.openpty()
    tty.setraw(slave)
    arguments = [f"{address}={'' if key is None else key.hex()}" for address, key in readers]
    command = [sys.executable, str(Path(__file__)), str(slave), *arguments]
    process = subprocess.Popen(command, stdin=subprocess.PIPE, pass_fds=[slave])
    os.close(slave)
    try:
        yield Bench(options, master, process)
    finally:
        process.kill()
        process.communicate()
        os.close(master)


def play(descriptor: int, readers: Sequence[str]) -> None:
    """The readers' process: a bus at the far end of the pty, deeds on standard input."""
    from gateway.simulation.peers.osdp_reader import OsdpBus, OsdpReader

    parts = [reader.partition("=") for reader in readers]
    bus = OsdpBus([OsdpReader(int(address), bytes.fromhex(key) or None) for address, _, key in parts])
    os.set_blocking(0, False)
    deeds = b""
    while True:
        readable, _, _ = select.select([descriptor, 0], [], [], TICK_S)
        heard = os.read(descriptor, 4096) if descriptor in readable else b""
        if 0 in readable:
            chunk = os.read(0, 4096)
            if not chunk:
                return
            deeds += chunk
        *whole, deeds = deeds.split(b"\n")
        for deed in whole:
            bus.do(deed.decode("ascii"), time.monotonic())
        for sent in bus.hear(heard, time.monotonic()):
            os.write(descriptor, sent.data)


if __name__ == "__main__":
    play(int(sys.argv[1]), sys.argv[2:])
