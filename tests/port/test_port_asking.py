"""A line whose devices are asked: no question while nobody reads, and what a driver must bring for it."""

from __future__ import annotations

import asyncio
import math
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from port_bench import UNWATCHED_MS, Ear, Pty, Rfc2217, Sleepy, line_on, listen, until

from drivers.asking import AskingDriver, Heard, Request
from drivers.contract import Command, Driver, DriverSpec
from drivers.events import CardRead, DeviceChange, Event, Frame
from drivers.framing import FrameStream, Good, Noise
from gateway.port.rules import UNNOTICED_MS

POLL_S = 0.02


@dataclass(frozen=True)
class NoOptions:
    pass


class Reader:
    """Script of a reader: `?` asks, `.` says that nothing is held, any other byte is a card."""

    def __init__(self) -> None:
        self.asked_at: list[float] = []
        self._next: float | None = None
        self._nothing_at: float | None = None

    def start(self, unit: int, mark: str | None, at: float) -> None:
        self._next = at

    def stop(self) -> None:
        self._next = self._nothing_at = None

    def due(self) -> float | None:
        return self._next

    def ask(self, at: float) -> Request | None:
        self._next = at + POLL_S
        self.asked_at.append(at)
        return Request(b"?", timeout_s=0.2)

    def hear(self, event: Event, asked: Request | None, at: float) -> Heard:
        if asked is None:
            return Heard((event,))
        if isinstance(event, Frame):
            self._nothing_at = self.asked_at[-1]
            return Heard((event,), answers=True)
        since_s = math.inf if self._nothing_at is None else at - self._nothing_at
        return Heard((CardRead(scheme="x", value="1", bits=8, since_s=since_s),), answers=True)

    def miss(self, asked: Request, at: float) -> None: ...

    def order(self, command: Command, at: float) -> None: ...


def judge(data: bytearray, start: int, stop: int, at: float) -> Good | Noise:
    byte = bytes(data[start : start + 1])
    if byte == b"?":
        return Noise(1)
    return Good(1, (Frame(name="ack") if byte == b"." else CardRead(scheme="x", value="1", bits=8),))


def reader_line(url: str, ear: Ear, script: Reader, clock: Sleepy | None = None) -> Any:
    def build(_: object) -> Driver:
        return AskingDriver(FrameStream(judge, max_bytes=8), script)

    spec = DriverSpec("x", "", NoOptions, build, frozenset({"credential"}), asks=True)
    return line_on(url, ear, spec, ("a",), clock)


@pytest.fixture
def pty(tmp_path: Path) -> Iterator[Pty]:
    device = Pty(tmp_path / "reader")
    yield device
    device.close()


def test_a_card_of_the_first_answer_is_as_old_as_nobody_had_asked(pty: Pty) -> None:
    ear, script = Ear(), Reader()

    async def story() -> None:
        await until(lambda: script.asked_at)
        pty.write(b"1")
        await until(ear.cards)

    assert listen(reader_line(str(pty.path), ear, script), story) == []
    (moment,) = ear.moments()
    assert (moment.live, moment.waited_ms >= UNWATCHED_MS + UNNOTICED_MS) == (False, True)


def test_a_card_after_an_answer_without_one_is_live_and_as_old_as_that_question(pty: Pty) -> None:
    ear, script = Ear(), Reader()

    async def story() -> None:
        await until(lambda: script.asked_at)
        pty.write(b".")
        await until(lambda: len(script.asked_at) == 2)
        await asyncio.sleep(0.08)
        pty.write(b"1")
        await until(ear.cards)

    assert listen(reader_line(str(pty.path), ear, script), story) == []
    (moment,) = ear.moments()
    assert moment.live
    assert 90 <= moment.waited_ms < 1000


def test_a_card_behind_a_suspension_of_the_machine_is_as_old_as_the_question_before_it(pty: Pty) -> None:
    ear, script, clock = Ear(), Reader(), Sleepy()

    async def story() -> None:
        await until(lambda: script.asked_at)
        pty.write(b".")
        await until(lambda: len(script.asked_at) == 2)
        clock.asleep_ns += 4 * 3600 * 10**9
        pty.write(b"1")
        await until(ear.cards)

    assert listen(reader_line(str(pty.path), ear, script, clock), story) == []
    (moment,) = ear.moments()
    assert not moment.live
    assert moment.waited_ms >= 4 * 3_600_000


def test_nobody_is_asked_while_a_line_is_paused_and_a_card_of_meanwhile_is_not_live(pty: Pty) -> None:
    ear, script = Ear(), Reader()
    line = reader_line(str(pty.path), ear, script)
    paused: list[float] = []

    async def story() -> None:
        await until(lambda: script.asked_at)
        pty.write(b".")
        await until(lambda: len(script.asked_at) == 2)
        pty.write(b".")
        await until(lambda: len(script.asked_at) == 3)
        line.pause("paused")
        paused.extend((time.monotonic(), 0.0))
        await asyncio.sleep(2.3)
        assert len(script.asked_at) == 3
        paused[1] = time.monotonic()
        line.resume()
        await until(lambda: len(script.asked_at) == 4)
        pty.write(b"1")
        await until(ear.cards)

    assert listen(line, story) == []
    (moment,) = ear.moments()
    assert not moment.live
    assert moment.waited_ms >= (paused[1] - paused[0]) * 1000
    assert [at for at in script.asked_at if paused[0] < at < paused[1]] == []


def test_an_answer_that_waited_during_a_pause_still_answers_its_question(pty: Pty) -> None:
    ear, script = Ear(), Reader()
    line = reader_line(str(pty.path), ear, script)

    async def story() -> None:
        await until(lambda: script.asked_at)
        pty.write(b".")
        await until(lambda: len(script.asked_at) == 2)
        line.pause("paused")
        pty.write(b"1")
        await asyncio.sleep(0.5)
        line.resume()
        await until(ear.cards)

    assert listen(line, story) == []
    (moment,) = ear.moments()
    assert moment.waited_ms >= 500
    assert [event.kind for _, event, _ in ear.events if isinstance(event, DeviceChange)] == ["up"]


def test_an_asked_device_that_waits_for_its_turn_is_not_in_the_middle_of_a_frame(pty: Pty) -> None:
    """Its driver always wants to be polled; before that was told apart every byte was read alone."""
    ear, script = Ear(), Reader()
    line = reader_line(str(pty.path), ear, script)

    async def story() -> None:
        await until(lambda: script.asked_at)
        assert line._driver.next_poll() is not None
        assert not line.mid_frame

    assert listen(line, story) == []


class Old:
    """A third party's driver from before `is_mid_frame`."""

    def next_poll(self) -> float | None:
        return 1.0


@pytest.mark.parametrize("asks", [True, False])
def test_a_driver_without_is_mid_frame_is_judged_by_its_polls_unless_it_asks(asks: bool) -> None:
    old: Any = Old()
    spec = DriverSpec("old", "", NoOptions, lambda _: old, frozenset({"credential"}), asks=asks)
    assert line_on("/dev/none", Ear(), spec).mid_frame == (not asks)


# --- a port without a descriptor


class SlowDisk(Ear):
    """What is read becomes durable when the test says so."""

    def __init__(self) -> None:
        super().__init__()
        self.waiting: list[Callable[[], None]] = []

    def when_durable(self, then: Callable[[], None]) -> None:
        self.waiting.append(then)

    def commit(self) -> None:
        waiting, self.waiting = self.waiting, []
        for then in waiting:
            then()


@pytest.fixture
def server() -> Iterator[Rfc2217]:
    server = Rfc2217()
    yield server
    server.close()


def test_a_device_server_is_not_asked_while_its_bytes_are_not_read(server: Rfc2217) -> None:
    ear, script = SlowDisk(), Reader()
    line = reader_line(server.url, ear, script)

    async def story() -> None:
        await until(lambda: script.asked_at)
        server.write(b"1")
        await until(lambda: bool(ear.waiting))
        asked = len(script.asked_at)
        await asyncio.sleep(0.1)
        assert not line._tap.is_reading
        await asyncio.sleep(0.6)
        assert len(script.asked_at) == asked, "longer than its poll and its time-out"
        ear.commit()
        await until(lambda: len(script.asked_at) > asked)

    assert listen(line, story) == []


def test_what_came_to_a_device_server_during_a_slow_commit_is_not_live(server: Rfc2217) -> None:
    ear, script = SlowDisk(), Reader()
    line = reader_line(server.url, ear, script)

    async def story() -> None:
        await until(lambda: script.asked_at)
        server.write(b"1")
        await until(lambda: bool(ear.waiting))
        server.write(b"2")
        await until(lambda: ear.changes == ["up", "the disk is slow"])
        await asyncio.sleep(0.3)
        ear.commit()
        await until(lambda: len(ear.cards()) == 2)
        ear.commit()
        await until(lambda: ear.changes == ["up", "the disk is slow", "read"])

    assert listen(line, story) == []
    assert not ear.moments()[1].live
    assert 500 <= ear.moments()[1].waited_ms < 5_000
