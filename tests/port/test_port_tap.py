"""No more is read than becomes durable at once: what a kill takes is in a hand, what waits in the kernel is not."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from port_bench import Ear, Pty, frame, line_on, listen, until, value

from drivers.events import BadFrame


@pytest.fixture
def pty(tmp_path: Path) -> Iterator[Pty]:
    device = Pty(tmp_path / "reader")
    yield device
    device.close()


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


@pytest.mark.parametrize("before", [True, False], ids=["waiting at the opening", "arriving at once"])
def test_no_more_is_taken_off_the_wire_than_becomes_durable_at_once(pty: Pty, before: bool) -> None:
    ear, count = SlowDisk(), 40
    line = line_on(str(pty.path), ear)
    most: list[int] = []
    if before:
        pty.write(b"".join(frame(number) for number in range(count)))

    async def story() -> None:
        if not before:
            await until(lambda: ear.changes == ["up"])
            pty.write(b"".join(frame(number) for number in range(count)))
        while len(ear.cards()) < count:
            known = len(ear.cards())
            await until(lambda: bool(ear.waiting))
            await asyncio.sleep(0.002)
            most.append(len(ear.cards()) - known)
            ear.commit()

    assert listen(line, story) == []
    assert ear.cards() == [value(number) for number in range(count)]
    assert max(most) <= 5, "64 bytes are four frames of sixteen, and the end of one before"


def test_a_disk_that_takes_long_leaves_the_port_unread_and_what_came_meanwhile_is_not_live(pty: Pty) -> None:
    ear = SlowDisk()
    line = line_on(str(pty.path), ear)

    async def story() -> None:
        await until(lambda: ear.changes == ["up"])
        pty.write(frame(1))
        await until(lambda: bool(ear.waiting))
        pty.write(frame(2))
        await until(lambda: ear.changes == ["up", "the disk is slow"])
        assert ear.cards() == [value(1)]
        ear.commit()
        await until(lambda: len(ear.cards()) == 2)
        ear.commit()
        await until(lambda: ear.changes == ["up", "the disk is slow", "read"])
        pty.write(frame(3))
        await until(lambda: len(ear.cards()) == 3)

    assert listen(line, story) == []
    assert [moment.live for moment in ear.moments()] == [True, False, True]
    assert 200 <= ear.moments()[1].waited_ms < 5_000


@pytest.mark.alone
def test_what_came_during_a_commit_says_by_how_much_it_may_be_late(pty: Pty) -> None:
    ear = SlowDisk()
    line = line_on(str(pty.path), ear)

    async def story() -> None:
        await until(lambda: ear.changes == ["up"])
        pty.write(frame(1))
        await until(lambda: bool(ear.waiting))
        pty.write(frame(2))
        await asyncio.sleep(0.1)
        ear.commit()
        await until(lambda: len(ear.cards()) == 2)

    assert listen(line, story) == []
    first, second = ear.moments()
    assert second.live
    assert first.waited_ms == 0
    assert 90 <= second.waited_ms < 300


def test_an_orderly_stop_between_two_reads_leaves_whole_frames_behind(pty: Pty) -> None:
    ear, count = SlowDisk(), 20
    line = line_on(str(pty.path), ear)
    pty.write(b"\x00\x01" + b"".join(frame(number) for number in range(count)))

    async def story() -> None:
        await until(lambda: bool(ear.waiting))

    assert listen(line, story) == []
    first = ear.cards()
    assert 0 < len(first) < count
    after = Ear()
    again = line_on(str(pty.path), after)

    async def rest() -> None:
        await until(lambda: len(after.cards()) == count - len(first))

    assert listen(again, rest) == []
    assert first + after.cards() == [value(number) for number in range(count)]
    assert not [event for _, event, _ in after.events if isinstance(event, BadFrame)]


def test_a_frame_cut_by_a_slow_disk_is_finished_by_its_rest(pty: Pty) -> None:
    ear = SlowDisk()
    line = line_on(str(pty.path), ear)

    async def story() -> None:
        await until(lambda: ear.changes == ["up"])
        pty.write(frame(1) + frame(2)[:7])
        await until(lambda: bool(ear.waiting))
        pty.write(frame(2)[7:] + frame(3))
        await asyncio.sleep(1.5)
        ear.commit()
        await until(lambda: len(ear.cards()) == 3)

    assert listen(line, story) == []
    assert ear.cards() == [value(1), value(2), value(3)]


def test_a_half_frame_before_a_slow_commit_that_has_no_rest_spoils_no_later_one(pty: Pty) -> None:
    ear = SlowDisk()
    line = line_on(str(pty.path), ear)

    async def story() -> None:
        await until(lambda: ear.changes == ["up"])
        pty.write(frame(1) + frame(2)[:7])
        await until(lambda: bool(ear.waiting))
        await asyncio.sleep(1.5)
        ear.commit()
        await until(lambda: any(isinstance(event, BadFrame) for _, event, _ in ear.events))
        pty.write(frame(3))
        await until(lambda: len(ear.cards()) == 2)

    assert listen(line, story) == []
    assert ear.cards() == [value(1), value(3)]


def test_a_pause_while_the_disk_works_and_a_close_in_it_lose_nothing(pty: Pty) -> None:
    ear = SlowDisk()
    line = line_on(str(pty.path), ear)

    async def story() -> None:
        await until(lambda: ear.changes == ["up"])
        pty.write(frame(1))
        await until(lambda: bool(ear.waiting))
        pty.write(frame(2))
        line.pause("paused")
        ear.commit()
        await asyncio.sleep(0.05)
        assert ear.cards() == [value(1)]
        line.resume()
        await until(lambda: len(ear.cards()) == 2)
        line.pause("paused")
        line.resume()
        pty.write(frame(3))
        await asyncio.sleep(0.05)
        assert len(ear.cards()) == 2, "still held by the second card"
        ear.commit()
        await until(lambda: len(ear.cards()) == 3)

    assert listen(line, story) == []
    assert not ear.moments()[1].live
