"""Power cuts during load: what was published or receipted is there afterwards, with the same bytes.

    pytest tests/faults/test_power.py --power-cuts 100

An independent subscriber writes down what gateway and centre have announced before the cut. Whatever they announced
must be on the disk that comes back; at the end the centre has every frame once.
"""

from __future__ import annotations

import json
import os
import random
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack
from pathlib import Path

import pytest
from end_to_end.ear import Ear
from end_to_end.site import Process, Site

from gateway.journal import Reader, find_journal
from gateway.simulation.broker import HOST, Broker

from .episode import HAND_PER_KILL
from .power import Disk
from .rush import Rush

pytestmark = pytest.mark.needs("mosquitto", "root", "loop", "mkfs.ext4", "losetup")

UP_S = (0.0, 2.0)
"""From the start of a process to the cut: now and then it has not begun to work yet."""

Figures = Callable[[str], None]
Name = tuple[str, int]


class Announced:
    """What an ear has heard so far, by (epoch, seq): published lines, and what receipts say is committed."""

    def __init__(self, ear: Ear) -> None:
        self.lines: dict[Name, bytes] = {}
        self.through: dict[str, int] = {}
        self.ledgers: set[str] = set()
        self._ear, self._heard = ear, 0

    def listen(self) -> None:
        heard = self._ear.heard[self._heard :]
        self._heard += len(heard)
        for it in heard:
            if it.leaf in ("records", "replay"):
                for line in it.lines():
                    assert self.lines.setdefault(_name(line), line) == line, "published twice, changed"
            elif it.leaf == "receipt":
                receipt = it.json()
                self.ledgers.add(receipt["ledger"])
                self.through[receipt["epoch"]] = max(receipt["through"], self.through.get(receipt["epoch"], 0))


class Powered:
    """Gateway and centre on disks of their own, people at the readers, a stranger who listens."""

    def __init__(self, folder: Path, broker: Broker, ear: Ear, site: Site) -> None:
        self.site, self.announced = site, Announced(ear)
        self.rush = Rush(site, seed=1)
        self.disks = {"gateway": Disk(site.state_dir), "centre": Disk(site.folder / "ledger")}
        self.cuts = {"gateway": 0, "centre": 0}
        self._log = folder / "centre.log"
        self._file = site.centre_file(database="ledger/ledger.sqlite")
        self._processes: dict[str, Process] = {}

    def start(self, who: str) -> None:
        if who == "gateway":
            self._processes[who] = self.site.start(ready=False)
        else:
            self._processes[who] = Process(self._log, "centre", "run", "-c", self._file)
            self.site.processes.append(self._processes[who])

    def cut(self, who: str) -> None:
        """The disk stops, the process dies with it, power comes back, and what was announced must be there."""
        at = time.time()
        self.disks[who].cut()
        self._processes[who].kill()
        self.cuts[who] += 1
        if who == "gateway":
            self.rush.killed(at)
        self.disks[who].replug()
        self.announced.listen()
        if self.announced.lines:
            {"gateway": self._look_into_journal, "centre": self._look_into_ledger}[who]()
        self.start(who)

    def _look_into_journal(self) -> None:
        """It opens, its chain is whole, and it has each published line; a receipt speaks of no other."""
        verified = self.site.verify()
        assert (verified["first"], verified["flaws"]) == (1, [])
        reader = Reader(find_journal(self.site.state_dir))
        held = {(verified["epoch"], it.seq): it.line for it in reader.lines(1, 2**60, 2**60, 2**60)}
        reader.close()
        self._assert_held(self.announced.lines, held, "published")
        assert self.announced.through.keys() <= {verified["epoch"]}
        assert self.announced.through.get(verified["epoch"], 0) <= verified["last"], "receipted, and gone"

    def _look_into_ledger(self) -> None:
        """It is the same ledger, and it has each receipted line."""
        if not self.announced.through:
            return
        assert {self.site.coverage()["ledger"]} == self.announced.ledgers
        lines = self.site.export()
        held = dict(zip(map(_name, lines), lines, strict=True))
        through = self.announced.through
        receipted = {name: line for name, line in self.announced.lines.items() if name[1] <= through.get(name[0], 0)}
        self._assert_held(receipted, held, "receipted")

    def _assert_held(self, announced: Mapping[Name, bytes], held: Mapping[Name, bytes], how: str) -> None:
        gone = [name for name, line in announced.items() if held.get(name) != line]
        assert not gone, f"after cut {self.cuts}: {how}, and gone or changed: {gone[:9]}"

    def judge(self, figures: Figures) -> None:
        """All is repaired, everybody is gone: every frame is at the centre once."""
        self.rush.end()
        verdict = self.rush.judge()
        verdict.faults = sum(self.cuts.values())
        self.announced.listen()
        assert {self.site.coverage()["ledger"]} == self.announced.ledgers, "no ledger was taken for a backup"
        in_hand = verdict.in_hand - verdict.in_hand_late
        who = " and ".join(name for name, count in self.cuts.items() if count)
        figures(f"power cuts, {who}: {len(self.announced.lines)} records published, none gone; {verdict}")
        assert not verdict.remarks, "\n".join(verdict.remarks[:40])
        assert in_hand <= HAND_PER_KILL * self.cuts["gateway"], f"{in_hand} frames in the hand are too many"


@pytest.fixture
def powered(tmp_path: Path) -> Iterator[Powered]:
    with ExitStack() as stack:
        broker = stack.enter_context(Broker(folder=tmp_path))
        site = Site(tmp_path / "site", broker.url)
        powered = Powered(tmp_path, broker, stack.enter_context(Ear(HOST, broker.port, site.prefix)), site)
        for disk in powered.disks.values():
            stack.enter_context(disk)
        stack.callback(site.clear)
        powered.start("centre")
        powered.start("gateway")
        powered.rush.begin()
        yield powered


@pytest.mark.parametrize(("who", "share"), [("gateway", 1.0), ("centre", 0.3)])
def test_what_was_announced_before_a_power_cut_is_there_after_it(
    powered: Powered, who: str, share: float, power_cuts: int, figures: Figures
) -> None:
    rng = random.Random(power_cuts)
    for _ in range(round(power_cuts * share)):
        time.sleep(rng.uniform(*UP_S))
        powered.cut(who)
    powered.judge(figures)


def _name(line: bytes) -> Name:
    data = json.loads(line)["data"]
    return data["epoch"], data["seq"]


# --- the cut is real


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Disk]:
    with Disk(tmp_path / "disk") as disk:
        yield disk


def test_a_file_that_was_not_synced_is_gone_after_a_cut_and_one_that_was_is_there(disk: Disk) -> None:
    for name in ("synced", "unsynced"):
        with (disk.point / name).open("wb") as file:
            file.write(b"x" * 5000)
            file.flush()
            if name == "synced":
                os.fsync(file.fileno())
    disk.cut()
    disk.replug()
    assert (disk.point / "synced").read_bytes() == b"x" * 5000
    unsynced = disk.point / "unsynced"
    assert not unsynced.exists() or not unsynced.read_bytes()


INSERTS = """
import sqlite3, sys
ledger = sqlite3.connect(sys.argv[1], isolation_level=None)
ledger.execute("PRAGMA journal_mode = WAL")
ledger.execute(f"PRAGMA synchronous = {sys.argv[2]}")
ledger.execute("CREATE TABLE told (number INTEGER PRIMARY KEY)")
ledger.execute("PRAGMA wal_checkpoint(TRUNCATE)")
for number in range(100):
    ledger.execute("INSERT INTO told VALUES (?)", (number,))
    print(number, flush=True)
sys.stdin.read()
"""


@pytest.mark.parametrize(("synchronous", "kept"), [("FULL", 100), ("NORMAL", 0)])
def test_a_database_that_does_not_sync_each_commit_loses_them(disk: Disk, synchronous: str, kept: int) -> None:
    """The control of the test above: with the usual setting of SQLite in WAL mode it would fail."""
    path = disk.point / "told.sqlite"
    program = [sys.executable, "-c", INSERTS, str(path), synchronous]
    with subprocess.Popen(program, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as told:
        assert told.stdout is not None
        assert [int(told.stdout.readline()) for _ in range(100)] == list(range(100))
        disk.cut()
        told.kill()
    disk.replug()
    with sqlite3.connect(path) as connection:
        assert connection.execute("SELECT count(*) FROM told").fetchone() == (kept,)
    connection.close()
