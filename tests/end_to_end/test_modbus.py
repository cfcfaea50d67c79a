"""A turnstile that somebody else wrote: pymodbus's server counts people, our driver says how many, and they agree.

By default 150 people pass at 30 a second; MODBUS_PASSES=1000 MODBUS_RATE=10 takes 100 s. There
are bytes of noise and flipped bits on the line, lost replies, wrong values in the registers, and one reset.
"""

from __future__ import annotations

import json
import os
import random
import select
import socket
import subprocess
import sys
import threading
import time
import tty
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from drivers.contract import START, Command
from drivers.events import BadFrame, DeviceChange, Event, Frame, Passage
from drivers.modbus_turnstile import DRIVER, Options

from .bench import counted
from .conftest import BrokerMaker, SiteMaker
from .site import eventually

PASSES = int(os.environ.get("MODBUS_PASSES", "150"))
RATE = float(os.environ.get("MODBUS_RATE", "30"))
SPOIL = 0.1
SERVER = Path(__file__).parent / "modbus_server.py"


class NoisyLine(threading.Thread):
    """Two ptys and what happens between them: the device's frames pass, sometimes not as they were."""

    def __init__(self) -> None:
        super().__init__(daemon=True)
        self.rng = random.Random(5)
        self.done: Counter[str] = Counter()
        self._host, self.host = os.openpty()
        self._device, device = os.openpty()
        for end in (self.host, device):
            tty.setraw(end)
        self.device = os.ttyname(device)
        self._ends = device
        self._is_over = False

    def run(self) -> None:
        while not self._is_over:
            ready, _, _ = select.select([self._host, self._device], [], [], 0.05)
            if self._host in ready:
                os.write(self._device, os.read(self._host, 4096))
            if self._device in ready:
                os.write(self._host, self._spoil(os.read(self._device, 4096)))

    def _spoil(self, data: bytes) -> bytes:
        what = self.rng.choices(["nothing", "before", "behind", "flipped", "lost"], [80, 7, 7, 3, 3])[0]
        self.done[what] += 1
        at = self.rng.randrange(len(data))
        flipped = data[:at] + bytes([data[at] ^ 1 << self.rng.randrange(8)]) + data[at + 1 :]
        noise = self.rng.randbytes(1)
        return {"before": noise + data, "behind": data + noise, "flipped": flipped, "lost": b""}.get(what, data)

    def close(self) -> None:
        self._is_over = True
        self.join()
        for end in (self._host, self.host, self._device, self._ends):
            os.close(end)


@contextmanager
def turnstile(*arguments: str) -> Iterator[tuple[subprocess.Popen[str], int]]:
    """The server's process, ready, and its TCP port."""
    command = [sys.executable, str(SERVER), *arguments]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        try:
            yield process, int(process.stdout.readline().split()[1])
        finally:
            process.kill()


def talk(descriptor: int, process: subprocess.Popen[str], options: Options) -> tuple[list[Event], dict[str, Any]]:
    """Pump bytes between the descriptor and a driver until the server has told what happened, and a moment more."""
    assert process.stdout is not None
    driver, events, told = DRIVER.new(options), [], None
    driver.send(Command(START), time.monotonic())
    until = time.monotonic() + 60.0 + 3 * PASSES / RATE
    while (now := time.monotonic()) < until:
        due = driver.next_poll()
        wait = min(until - now, max(0.0, due - now)) if due is not None else 0.1
        ready, _, _ = select.select([descriptor, *([] if told else [process.stdout])], [], [], wait)
        if descriptor in ready:
            events += driver.feed(os.read(descriptor, 4096), time.monotonic())
        if process.stdout in ready:
            told, until = json.loads(process.stdout.readline()), now + 0.4
        events += driver.poll(time.monotonic())
        for request in driver.commands():
            os.write(descriptor, request)
    assert told is not None, "the server did not come to an end"
    return events, told


def passed(events: list[Event]) -> dict[str, int]:
    counts: Counter[str] = Counter()
    for event in events:
        if isinstance(event, Passage):
            counts[event.direction] += event.count
    return dict(counts)


def test_on_a_serial_line_with_noise_and_a_reset_everybody_is_counted_once() -> None:
    line = NoisyLine()
    line.start()
    with turnstile("serial", line.device, str(PASSES), str(RATE), str(SPOIL)) as (process, _):
        events, told = talk(line.host, process, Options(max_rate=50.0))  # a busy machine may look away for seconds
    line.close()
    frames = Counter(event.name for event in events if isinstance(event, Frame))
    refused = sum(isinstance(event, BadFrame) for event in events)
    print(f"\n{told} line {dict(line.done)} frames {dict(frames)} refused {refused}")
    assert passed(events) == {"entry": told["entry"], "exit": told["exit"]}
    assert told["entry"] + told["exit"] == PASSES
    said = [str(event.reason) for event in events if isinstance(event, DeviceChange) and event.kind == "counter"]
    assert [words.partition(":")[0] for words in said] == ["entry counter reset", "exit counter reset"]
    assert told["resets"] == 1
    assert told["spoiled"] > 0
    assert frames["glitch"] > 0


def test_behind_the_daemon_everybody_is_at_the_centre_once(own_broker: BrokerMaker, make_site: SiteMaker) -> None:
    site, line = make_site(own_broker().url), NoisyLine()
    options = {"max_rate": 50.0}
    site.lane("lobby-1", mode="free", sensor="per_direction")
    site.device(
        "arm-1",
        "lobby-1",
        "modbus_turnstile",
        os.ttyname(line.host),
        directions={"entry": "in", "exit": "out"},
        options=options,
    )
    site.start()
    site.centre()
    line.start()
    with turnstile("serial", line.device, str(PASSES), str(RATE), str(SPOIL)) as (process, _):
        site.wait_up()
        assert process.stdout is not None
        told = json.loads(process.stdout.readline())
        wanted = Counter({"in": told["entry"], "out": told["exit"]})
        eventually(lambda: counted(site.events(), directions=True).total() >= PASSES, "counting all")
        time.sleep(1.0)
    line.close()
    assert told["entry"] + told["exit"] == PASSES
    assert counted(site.events(), directions=True) == wanted
    print(f"\n{told} line {dict(line.done)}")


@pytest.mark.parametrize(("link", "framing"), [("rtu-over-tcp", "rtu"), ("tcp", "tcp")])
def test_over_tcp_everybody_is_counted_once(link: str, framing: Any) -> None:
    with turnstile(link, "-", "40", "20") as (process, port):
        with socket.create_connection(("127.0.0.1", port)) as connection:
            events, told = talk(connection.fileno(), process, Options(framing=framing))
    assert passed(events) == {"entry": told["entry"], "exit": told["exit"]}
    assert told["entry"] + told["exit"] == 40
    assert not [event for event in events if isinstance(event, BadFrame)]
