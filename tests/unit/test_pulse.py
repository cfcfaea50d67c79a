"""A process that stood still says so, and since when; one that is at work says nothing."""

from __future__ import annotations

import asyncio
import os
import selectors
import signal
import socket
import subprocess
import sys
import threading
import time

import pytest

from gateway.clock import Clock, Moment
from gateway.pulse import BEAT_S, LATE_S, Pulse, WatchfulSelector
from gateway.starvation import Lost, Starvation


def _told(work: float) -> tuple[list[Moment], bool, bool, float]:
    """Sleep so long without giving the loop a turn; who was told, the answers at once and again, and the start."""
    told: list[Moment] = []

    async def run() -> tuple[bool, bool, float]:
        pulse = Pulse(Clock(), WatchfulSelector(time.monotonic), told.append)
        pulse.start()
        begun = time.clock_gettime(time.CLOCK_BOOTTIME)
        await asyncio.sleep(BEAT_S * 1.2)
        time.sleep(work)
        answers = pulse.was_still(), pulse.was_still()
        pulse.close()
        return *answers, begun

    first, again, begun = asyncio.run(run())
    return told, first, again, begun


def test_a_loop_that_turns_was_not_still() -> None:
    told, first, again, _ = _told(0.0)
    assert (told, first, again) == ([], False, False)


def test_who_reads_after_a_standstill_is_told_once_since_when() -> None:
    told, first, again, begun = _told(BEAT_S + LATE_S)
    assert (len(told), first, again) == (1, True, False)
    assert begun <= told[0].boot_ns / 1e9 <= begun + BEAT_S * 1.5


def test_a_short_stop_is_told_by_the_signal_that_ends_it() -> None:
    told: list[Moment] = []

    async def run() -> bool:
        pulse = Pulse(Clock(), WatchfulSelector(time.monotonic), told.append)
        pulse.start()
        os.kill(os.getpid(), signal.SIGCONT)
        return pulse.was_still()

    assert asyncio.run(run())
    assert len(told) == 1


def test_what_a_busy_loop_overlooked_is_as_old_as_its_last_look() -> None:
    selector = WatchfulSelector(time.monotonic)
    ages: list[int] = []

    async def run(work_s: float) -> int:
        near, far = socket.socketpair()
        loop, pulse = asyncio.get_running_loop(), Pulse(Clock(), selector, lambda _: None)
        heard = asyncio.Event()

        def readable() -> None:
            ages.append(pulse.late_ms())
            loop.remove_reader(near)
            heard.set()

        loop.add_reader(near, readable)
        await asyncio.sleep(0.02)
        far.send(b"x") if work_s else loop.call_later(0.1, far.send, b"x")
        time.sleep(work_s)
        await heard.wait()
        near.close()
        far.close()
        return ages[-1]

    with asyncio.Runner(loop_factory=lambda: asyncio.SelectorEventLoop(selector)) as runner:
        assert 300 <= runner.run(run(0.3)) < 600
        assert runner.run(run(0.0)) < 20


class Scarce:
    """A processor that others take away, and a disk that pages come from."""

    seconds, faults = 0.0, 0

    def __call__(self) -> Lost:
        return Lost(self.seconds, self.faults)


@pytest.mark.parametrize(("lost_s", "faults", "least_ms"), [(0.0, 0, 0), (0.15, 0, 150), (0.0, 1, 250)])
def test_what_came_while_we_waited_for_the_processor_may_be_as_old_as_that_wait(
    lost_s: float, faults: int, least_ms: int
) -> None:
    scarce, (near, far) = Scarce(), socket.socketpair()
    with near, far, WatchfulSelector(time.monotonic, scarce) as selector:
        selector.register(near, selectors.EVENT_READ)

        def come() -> None:
            scarce.seconds, scarce.faults = lost_s, faults
            far.send(b"x")

        later = threading.Timer(0.25, come)
        later.start()
        assert selector.select(2.0)
        late_ms = (time.monotonic() - selector.overlooked_since) * 1000
        later.join()
    assert least_ms <= late_ms < least_ms + 100


def test_a_thread_that_shares_its_processor_knows_how_long_it_waited_for_it() -> None:
    here = os.sched_getaffinity(0)
    core = min(here)
    busy = subprocess.Popen(
        [sys.executable, "-c", f"import os; os.sched_setaffinity(0, {{{core}}})\nwhile True: pass"]
    )
    try:
        os.sched_setaffinity(0, {core})
        starvation = Starvation()
        before, until = starvation(), time.monotonic() + 5.0
        while time.monotonic() < until and starvation().seconds - before.seconds < 0.05:
            pass
        assert starvation().seconds - before.seconds >= 0.05
    finally:
        os.sched_setaffinity(0, here)
        busy.kill()
        busy.wait()
