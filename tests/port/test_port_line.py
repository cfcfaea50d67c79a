"""A line through everything that happens to lines: waiting bytes, pulled sticks, half frames, a full journal."""

from __future__ import annotations

import asyncio
import os
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from port_bench import UNWATCHED_MS, Ear, Pty, Rfc2217, Tcp, frame, line_on, listen, until, value

from drivers.contract import DriverSpec
from drivers.events import CardRead, Event, Incomplete
from gateway.port import line as line_module

SOMEBODY = 65534
"""Not root, who may enter every folder."""


@pytest.fixture
def pty(tmp_path: Path) -> Iterator[Pty]:
    device = Pty(tmp_path / "reader")
    yield device
    device.close()


@pytest.fixture
def tcp() -> Iterator[Tcp]:
    server = Tcp()
    yield server
    server.close()


def test_a_card_is_heard_from_the_device_of_the_line(pty: Pty) -> None:
    ear = Ear()
    line = line_on(str(pty.path), ear)

    async def story() -> None:
        await until(lambda: ear.changes == ["up"])
        pty.write(frame(0x0C000621A5))
        await until(ear.cards)

    assert listen(line, story) == []
    assert ear.cards() == ["0C000621A5"]
    assert ear.events[0][0] == "lane-1-in"
    assert ear.moments()[0].live
    health = line.health["lane-1-in"]
    assert (health.status, health.reads, health.frames, health.reason) == ("up", 1, 1, None)


def test_what_waited_before_the_opening_is_read_and_marked(pty: Pty) -> None:
    """pyserial flushes on open: these were punches."""
    ear = Ear()
    pty.write(frame(1) + frame(2))

    async def story() -> None:
        await until(lambda: len(ear.cards()) >= 2)
        await until(lambda: ear.changes == ["up"])
        pty.write(frame(3))
        await until(lambda: len(ear.cards()) >= 3)

    assert listen(line_on(str(pty.path), ear), story) == []
    assert ear.cards() == [value(1), value(2), value(3)]
    assert [moment.live for moment in ear.moments()] == [False, False, True]
    assert ear.moments()[0].waited_ms >= UNWATCHED_MS


def test_a_stick_may_be_pulled_and_put_back(pty: Pty) -> None:
    ear = Ear()
    line = line_on(str(pty.path), ear)

    async def story() -> None:
        for number in range(1, 4):
            await until(lambda: line.health["lane-1-in"].status == "up")
            pty.opened()
            pty.write(frame(number))
            await until(lambda number=number: len(ear.cards()) >= number)
            pty.unplug()
            await until(lambda: line.health["lane-1-in"].status == "down")
            pty.plug()
        await until(lambda: ear.changes[-1] == "up", 5.0)

    assert listen(line, story) == []
    assert ear.cards() == [value(1), value(2), value(3)]
    assert ear.changes.count("up") == 4


def test_a_half_frame_at_the_unplugging_is_not_finished_by_another_one(pty: Pty) -> None:
    ear = Ear()
    line = line_on(str(pty.path), ear)

    async def story() -> None:
        await until(lambda: line.is_open)
        pty.opened()
        pty.write(frame(1)[:9])
        await asyncio.sleep(0.05)
        pty.unplug()
        await until(lambda: line.health["lane-1-in"].status == "down")
        pty.plug()
        await until(lambda: line.is_open)
        pty.write(frame(1)[9:])
        await asyncio.sleep(0.05)
        pty.write(frame(2))
        await until(ear.cards)

    assert listen(line, story) == []
    assert ear.cards() == [value(2)]
    assert any(isinstance(event, Incomplete) for _, event, _ in ear.events)


def test_a_half_frame_times_out_without_further_bytes(pty: Pty) -> None:
    ear = Ear()
    line = line_on(str(pty.path), ear)

    async def story() -> None:
        await until(lambda: line.is_open)
        pty.write(frame(1)[:9])
        await until(lambda: line.health["lane-1-in"].bad_frames, 5.0)

    assert listen(line, story) == []


def test_a_port_that_is_not_there_is_said_once_and_waited_for(tmp_path: Path) -> None:
    ear = Ear()
    line = line_on(str(tmp_path / "reader"), ear)

    async def story() -> None:
        await asyncio.sleep(0.7)
        assert len(ear.changes) == 1
        assert "not there" in ear.changes[0]
        assert "punchgate ports" in (line.health["lane-1-in"].reason or "")
        pty = Pty(tmp_path / "reader")
        await until(lambda: ear.changes[-1] == "up", 5.0)
        pty.close()

    assert listen(line, story) == []


@pytest.mark.parametrize("name", ["a" * 300, "in-the-way/reader", "round/reader"])
def test_a_port_whose_path_leads_nowhere_is_waited_for_like_one_that_is_missing(tmp_path: Path, name: str) -> None:
    (tmp_path / "in-the-way").write_text("a file")
    (tmp_path / "round").symlink_to("round")
    waited_for(tmp_path / name)


def test_a_port_in_a_folder_that_is_closed_to_the_daemon_is_waited_for(tmp_path: Path) -> None:
    closed = tmp_path / "closed"
    closed.mkdir(mode=0)
    was = os.geteuid()
    if was == 0:
        os.seteuid(SOMEBODY)
    try:
        waited_for(closed / "reader")
    finally:
        os.seteuid(was)


def waited_for(path: Path) -> None:
    ear = Ear()
    line = line_on(str(path), ear)

    async def story() -> None:
        await asyncio.sleep(0.5)
        assert len(ear.changes) == 1
        assert str(path) in ear.changes[0]

    assert listen(line, story) == []


def test_a_missing_port_does_not_disturb_another(pty: Pty, tmp_path: Path) -> None:
    ear, other = Ear(), Ear()
    line = line_on(str(pty.path), ear)
    missing = [line_on(str(tmp_path / f"none-{number}"), other) for number in range(20)]

    async def story() -> None:
        tasks = [asyncio.create_task(one.run()) for one in missing]
        await until(lambda: line.is_open)
        for number in range(1, 20):
            pty.write(frame(number))
            await until(lambda number=number: len(ear.cards()) >= number, 1.0)
        for task in tasks:
            task.cancel()
        await asyncio.wait(tasks)

    assert listen(line, story) == []


def test_opens_that_block_do_not_disturb_another(pty: Pty, monkeypatch: pytest.MonkeyPatch) -> None:
    """Dozens of device servers behind a dead switch: each open hangs for seconds."""
    real, release = line_module.OpenPort, threading.Event()

    def open_port(settings: Any) -> Any:
        if settings.url.startswith("socket:"):
            release.wait(20.0)
        return real(settings)

    monkeypatch.setattr(line_module, "OpenPort", open_port)
    ear, other = Ear(), Ear()
    dead = [line_on(f"socket://127.0.0.1:{number}", other) for number in range(1, 50)]

    async def story() -> None:
        tasks = [asyncio.create_task(one.run()) for one in dead]
        await asyncio.sleep(0.05)
        line = asyncio.create_task(line_on(str(pty.path), ear).run())
        await until(lambda: ear.changes == ["up"], 2.0)
        for task in (*tasks, line):
            task.cancel()
        await asyncio.wait([*tasks, line])

    began = time.monotonic()
    asyncio.run(story())
    assert time.monotonic() - began < 10.0, "nor do they hold up the stop"
    release.set()


def test_what_waited_during_a_pause_is_read_afterwards_and_not_called_live(pty: Pty) -> None:
    ear = Ear()
    line = line_on(str(pty.path), ear)

    async def story() -> None:
        await until(lambda: ear.changes == ["up"])
        line.pause("paused")
        pty.write(frame(1))
        await asyncio.sleep(0.3)
        assert ear.cards() == []
        line.resume()
        await until(lambda: ear.changes == ["up", "paused", "read"])
        pty.write(frame(2))
        await until(lambda: len(ear.cards()) >= 2)

    assert listen(line, story) == []
    waited, live = ear.moments()
    assert (waited.live, live.live) == (False, True)
    assert 200 <= waited.waited_ms < 60_000


def test_resuming_what_was_not_paused_changes_nothing(pty: Pty) -> None:
    ear = Ear()
    line = line_on(str(pty.path), ear)

    async def story() -> None:
        await until(lambda: ear.changes == ["up"])
        os.write(pty._master, frame(1))
        line.resume()
        await until(ear.cards)

    assert listen(line, story) == []
    assert ear.moments()[0].live


def test_a_port_that_comes_back_during_a_pause_is_read_after_it(pty: Pty) -> None:
    ear = Ear()
    line = line_on(str(pty.path), ear)
    line.pause("paused")
    pty.write(frame(1))

    async def story() -> None:
        await until(lambda: line.is_open)
        await asyncio.sleep(0.1)
        assert ear.cards() == []
        line.resume()
        await until(ear.cards)

    assert listen(line, story) == []
    assert not ear.moments()[0].live


def test_a_babbling_reader_does_not_stop_the_loop(pty: Pty) -> None:
    ear = Ear()
    line = line_on(str(pty.path), ear)
    stop = threading.Event()

    def babble() -> None:
        while not stop.is_set():
            try:
                os.write(pty._master, b"\xff" * 4000)
            except OSError:
                return

    thread = threading.Thread(target=babble, daemon=True)
    thread.start()

    async def story() -> None:
        await until(lambda: line.is_open)
        loop, longest = asyncio.get_running_loop(), 0.0
        for _ in range(50):
            before = loop.time()
            await asyncio.sleep(0.005)
            longest = max(longest, loop.time() - before)
        assert longest < 1.0

    assert listen(line, story) == []
    stop.set()
    assert sum(line.health["lane-1-in"].bad_frames.values()) >= 1


def test_a_device_server_is_a_port_too_and_may_hang_up(tcp: Tcp) -> None:
    ear = Ear()
    line = line_on(tcp.url, ear)

    async def story() -> None:
        for number in range(1, 4):
            await until(lambda number=number: tcp.accepted >= number and line.is_open)
            for byte in frame(number):
                tcp.write(bytes([byte]))
            await until(lambda number=number: len(ear.cards()) >= number)
            tcp.unplug()
            await until(lambda: not line.is_open)

    assert listen(line, story) == []
    assert ear.cards() == [value(1), value(2), value(3)]


def test_bytes_a_device_server_sends_at_once_are_not_thrown_away() -> None:
    tcp = Tcp(greeting=frame(7))
    ear = Ear()

    async def story() -> None:
        await until(ear.cards)

    assert listen(line_on(tcp.url, ear), story) == []
    assert ear.cards() == [value(7)]
    tcp.close()


def test_an_rfc_2217_server_is_a_port_too() -> None:
    server = Rfc2217()
    ear = Ear()
    line = line_on(server.url, ear)

    async def story() -> None:
        await until(lambda: ear.changes == ["up"])
        server.write(frame(1) + frame(2))
        await until(lambda: len(ear.cards()) >= 2)
        line.pause("paused")
        await asyncio.sleep(1.2)
        server.write(frame(3))
        await asyncio.sleep(0.2)
        assert len(ear.cards()) == 2
        line.resume()
        await until(lambda: len(ear.cards()) >= 3)
        server.unplug()
        await until(lambda: len(ear.changes) > 1)

    assert listen(line, story) == []
    assert ear.cards() == [value(1), value(2), value(3)]
    assert [moment.live for moment in ear.moments()] == [True, True, False]
    server.close()


# --- drivers on a bench


@dataclass(frozen=True)
class NoOptions:
    pass


class Bus:
    """Each byte is an event of the unit it names, 0xff of nobody. Counts its polls, writes what it is told."""

    def __init__(self) -> None:
        self.polls: list[float] = []
        self.orders: list[bytes] = []
        self.due: float | None = None
        self.resets = 0

    def feed(self, data: bytes, at: float) -> list[Event]:
        return [
            CardRead(scheme="x", value=str(byte), bits=8, unit=None if byte == 255 else byte - 100) for byte in data
        ]

    def poll(self, at: float) -> list[Event]:
        self.polls.append(at)
        self.due = None
        return [CardRead(scheme="x", value="polled", bits=8)]

    def next_poll(self) -> float | None:
        return self.due

    def send(self, command: object, at: float) -> None: ...

    def commands(self) -> list[bytes]:
        orders, self.orders = self.orders, []
        return orders

    def close(self) -> list[Event]:
        return []

    def reset(self) -> None:
        self.resets += 1


def bus_line(url: str, ear: Ear, bus: Bus) -> Any:
    spec = DriverSpec("bus", "", NoOptions, lambda _: bus, frozenset({"credential"}), bus=True)
    return line_on(url, ear, spec, ("a", "b"))


def test_events_go_to_the_devices_they_belong_to_in_order(pty: Pty) -> None:
    ear = Ear()
    line = bus_line(str(pty.path), ear, Bus())

    async def story() -> None:
        await until(lambda: line.is_open)
        pty.write(bytes([100, 100, 101, 100, 255, 102, 99, 101]))
        await until(lambda: len(ear.events) >= 5)

    assert listen(line, story) == []
    assert [device for device, _, _ in ear.events] == ["a", "a", "b", "a", "b"]
    assert line.foreign_frames == 3
    assert (line.health["a"].reads, line.health["b"].reads) == (3, 2)


def test_a_driver_is_polled_when_it_asks_for_it(pty: Pty) -> None:
    ear, bus = Ear(), Bus()
    line = bus_line(str(pty.path), ear, bus)

    async def story() -> None:
        await until(lambda: line.is_open)
        bus.due = time.monotonic() + 0.1
        pty.write(bytes([100]))
        await until(lambda: "polled" in ear.cards())

    assert listen(line, story) == []
    assert len(bus.polls) == 1


def test_what_a_driver_wants_to_say_is_written(pty: Pty) -> None:
    ear, bus = Ear(), Bus()
    line = bus_line(str(pty.path), ear, bus)

    async def story() -> None:
        await until(lambda: line.is_open)
        bus.orders.append(b"order")
        pty.write(bytes([100]))
        await until(ear.cards)
        assert os.read(pty._master, 100) == b"order"

    assert listen(line, story) == []


def test_a_driver_starts_afresh_with_each_opening(pty: Pty) -> None:
    ear, bus = Ear(), Bus()
    line = bus_line(str(pty.path), ear, bus)

    async def story() -> None:
        await until(lambda: line.is_open)
        pty.unplug()
        await until(lambda: not line.is_open)
        pty.plug()
        await until(lambda: line.is_open)

    assert listen(line, story) == []
    assert bus.resets == 2


def test_a_timer_does_not_outlive_its_port(pty: Pty) -> None:
    ear, bus = Ear(), Bus()
    line = bus_line(str(pty.path), ear, bus)

    async def story() -> None:
        await until(lambda: line.is_open)
        bus.due = time.monotonic() + 0.2
        pty.write(bytes([100]))
        await until(ear.cards)
        pty.unplug()
        await until(lambda: not line.is_open)
        await asyncio.sleep(0.4)

    assert listen(line, story) == []
    assert bus.polls == []
