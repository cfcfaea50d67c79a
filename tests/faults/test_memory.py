"""The kernel takes the daemon because memory is short, and nothing is lost; nobody can make it take much memory.

The shortage is made in a cgroup of its own: a neighbour eats until the kernel kills the one that it may kill first.
"""

from __future__ import annotations

import contextlib
import itertools
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from end_to_end.conftest import _mosquitto
from end_to_end.ear import Ear
from end_to_end.site import Site, cards, eventually

from gateway.simulation.broker import HOST, Broker

from .rush import Rush

pytestmark = pytest.mark.needs("mosquitto")

MIB = 1024 * 1024
LIMIT_MIB = 128
KILLS, HAND_PER_KILL = 2, 12
GROWTH_MIB = 40.0
EATER = "held = []\nwhile True: held.append(b'x' * (1 << 20))"
V1, V2 = Path("/sys/fs/cgroup/memory"), Path("/sys/fs/cgroup")

_numbers = itertools.count(1)


class Shortage:
    """A memory cgroup with little room, gone with the test; of version 1 or 2, as the machine has it."""

    def __init__(self) -> None:
        self._old = (V1 / "cgroup.procs").exists()
        self._folder = (V1 if self._old else V2) / f"punchgate-{os.getpid()}-{next(_numbers)}"

    def __enter__(self) -> Shortage:
        self._folder.mkdir()
        limit = self._folder / ("memory.limit_in_bytes" if self._old else "memory.max")
        limit.write_text(str(LIMIT_MIB * MIB))
        return self

    def __exit__(self, *_: object) -> None:
        for pid in (self._folder / "cgroup.procs").read_text().split():
            with contextlib.suppress(ProcessLookupError):
                os.kill(int(pid), signal.SIGKILL)
        eventually(self._remove, "removing the cgroup")

    def inside(self, oom_score_adj: int = 0) -> list[str]:
        """What to start a program with; the higher the score, the sooner the kernel takes it."""
        join = f'echo $$ > {self._folder}/cgroup.procs; echo {oom_score_adj} > /proc/self/oom_score_adj; exec "$@"'
        return ["sh", "-c", join, "sh"]

    def kills(self) -> int:
        """How many processes the kernel has killed here for want of memory."""
        rows = (self._folder / ("memory.oom_control" if self._old else "memory.events")).read_text().splitlines()
        return next(int(row.split()[1]) for row in rows if row.startswith("oom_kill "))

    def _remove(self) -> bool:
        self._folder.rmdir()
        return True


@pytest.fixture
def broker(tmp_path: Path) -> Iterator[Broker]:
    with Broker(_mosquitto(), tmp_path) as broker:
        yield broker


@pytest.fixture
def site(broker: Broker, tmp_path: Path) -> Iterator[Site]:
    site = Site(tmp_path / "site", broker.url)
    yield site
    site.clear()


@pytest.mark.needs("root", "memory-limits")
def test_a_daemon_killed_for_want_of_memory_starts_again_and_nothing_is_lost(site: Site) -> None:
    rush = Rush(site, seed=5)
    site.centre()
    with Shortage() as shortage:
        wrapper = shortage.inside(oom_score_adj=1000)
        site.start(wrapper=wrapper)
        rush.begin()
        for kill in range(1, KILLS + 1):
            time.sleep(1.0)
            rush.killed(_starve(site, shortage))
            assert shortage.kills() >= kill
            time.sleep(0.3)
            site.start(wrapper=wrapper)
            site.wait_up()
        time.sleep(1.0)
        rush.end()
        verdict = rush.judge()
    assert not verdict.remarks, "\n".join(verdict.remarks)
    assert verdict.in_hand <= KILLS * HAND_PER_KILL


def test_a_babbling_reader_and_a_megabyte_of_nonsense_for_a_receipt_take_no_memory(
    site: Site, broker: Broker
) -> None:
    """On 3.1.1, where a broker cannot be told to send no more than so many bytes."""
    site.tables["uplink"]["protocol"] = "3.1.1"
    readers = [site.reader(f"reader-{number}") for number in range(3)]
    site.centre()
    daemon = site.start()
    site.wait_up()
    site.wait_connected()
    for number, card in enumerate(cards(30)):
        readers[number % 3].swipe(card)
    site.wait_settled(newest=60)
    before, rng = daemon.rss_mib(), random.Random(6)
    with Ear(HOST, broker.port, site.prefix, "receipt") as ear:
        for number in range(40):
            ear.tell(f"hq/{site.name}/receipt", _nonsense(number, rng), retain=number % 2 == 0)
            for _ in range(20):
                babble = rng.randbytes(2000)
                eventually(lambda babble=babble: readers[0].port.write(babble), "reading")
    site.wait_captured(readers[1], "0CFFFFFFFF")
    site.wait_settled(newest=61)
    assert daemon.rss_mib() - before < GROWTH_MIB


def _starve(site: Site, shortage: Shortage) -> float:
    """A neighbour eats until the kernel has killed the daemon. Returns since when (unix time, s): what the daemon
    takes while it is starved may stay in its hand."""
    assert site.daemon is not None
    since = time.time()
    eater = subprocess.Popen([*shortage.inside(), sys.executable, "-S", "-c", EATER])
    try:
        code = site.daemon.popen.wait(10)
    finally:
        eater.kill()
        eater.wait()
    assert code == -signal.SIGKILL
    return since


def _nonsense(number: int, rng: random.Random) -> bytes:
    """Of every kind that costs a careless reader most."""
    kinds = (b"[" * MIB, rng.randbytes(MIB), b'{"missing":[' + b"[1,2]," * (MIB // 6), b'"' + b"\\u0000" * (MIB // 6))
    return kinds[number % len(kinds)]
