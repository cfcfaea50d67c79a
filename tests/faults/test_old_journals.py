"""A journal that comes back old, torn or scribbled over: what is gone is declared, and nothing else is gone.

The test keeps what the journal had at the moment it was hurt. Each of those records is at the centre afterwards, or a
`records.lost` of the centre covers it; each frame that was read is in one of the two. Which page is hit is drawn.
"""

from __future__ import annotations

import json
import random
import shutil
import sqlite3
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from end_to_end.ear import token
from end_to_end.site import Site, eventually

from gateway.journal import Reader
from gateway.simulation.broker import HOST, Broker

from .proxy import Proxy
from .rush import Rush
from .verdict import READ

pytestmark = pytest.mark.needs("mosquitto")

PAGE_BYTES = 4096
WHOLE = 2**40

Hurt = Callable[[Path, random.Random], None]


class Box:
    """A gateway under load, with a link that can be cut, so that something is always unsettled."""

    def __init__(self, folder: Path, broker: Broker) -> None:
        self.link = Proxy(broker.port)
        self.site = Site(folder / "site", f"mqtt://{HOST}:{self.link.port}")
        self.rush = Rush(self.site, seed=4)
        self.site.centre()
        self.start()
        self.site.wait_connected()
        self.rush.begin()

    def start(self) -> None:
        self.site.start(ready=False)

    def work(self, seconds: float, *, connected: bool = True) -> None:
        (self.link.heal if connected else self.link.refuse)()
        time.sleep(seconds)

    def kill(self) -> None:
        assert self.site.daemon is not None
        at = time.time()
        self.site.daemon.kill()
        self.rush.killed(at)

    def save(self, name: str) -> Path:
        """The journal as it lies there; only while no daemon runs."""
        folder = self.site.folder / name
        folder.mkdir()
        for file in self.site.state_dir.glob("journal.sqlite*"):
            shutil.copy2(file, folder)
        return folder

    def put_back(self, folder: Path) -> None:
        for file in self.site.state_dir.glob("journal.sqlite*"):
            file.unlink()
        for file in folder.iterdir():
            shutil.copy2(file, self.site.state_dir)


def _scribble(folder: Path, rng: random.Random) -> None:
    """One page of the journal or of its log, at random."""
    files = [file for file in folder.glob("journal.sqlite*") if file.suffix != ".sqlite-shm" and file.stat().st_size]
    file = rng.choice(files)
    with file.open("r+b") as pages:
        pages.seek(rng.randrange(file.stat().st_size // PAGE_BYTES) * PAGE_BYTES)
        pages.write(rng.randbytes(PAGE_BYTES))


def _truncate(folder: Path, rng: random.Random) -> None:
    files = [file for file in folder.glob("journal.sqlite*") if file.suffix != ".sqlite-shm" and file.stat().st_size]
    file = rng.choice(files)
    with file.open("r+b") as pages:
        pages.truncate(rng.randrange(file.stat().st_size))


@pytest.fixture
def box(tmp_path: Path) -> Iterator[Box]:
    with Broker(folder=tmp_path) as broker:
        box = Box(tmp_path, broker)
        yield box
        box.site.clear()
        box.link.close()


def test_what_an_old_copy_of_the_journal_has_forgotten_is_at_the_centre_or_declared(box: Box) -> None:
    """Something newer than the copy has reached the centre: without that nobody could know."""
    box.work(0.8)
    box.kill()
    copy = box.save("copy")
    copied = len(_lines(copy))
    box.start()
    eventually(lambda: box.site.status()["settled"] > copied, "a receipt for what the copy has not")
    box.work(1.0)
    box.work(1.0, connected=False)
    box.kill()
    had = _lines(box.save("had"))
    box.put_back(copy)
    box.start()
    _assert_right(box, had)


@pytest.mark.parametrize("hurt", [_scribble, _truncate])
@pytest.mark.parametrize("seed", [1, 2, 3])
def test_what_a_damaged_journal_has_lost_is_at_the_centre_or_declared(box: Box, hurt: Hurt, seed: int) -> None:
    box.work(1.5)
    box.work(1.0, connected=False)
    box.kill()
    had = _lines(box.save("had"))
    hurt(box.site.state_dir, random.Random(seed))
    box.start()
    _assert_right(box, had)


def _assert_right(box: Box, had: list[bytes]) -> None:
    """Work on, settle, and hold what was presented and what the journal had against what the centre has."""
    box.work(1.0)
    box.rush.end()
    box.site.verify()
    had = had + [line for file in box.site.state_dir.glob("journal-*.aside") for line in _read(file)]
    lines = box.site.export()
    events = [json.loads(line) for line in lines]
    losses = [event["data"]["lost"] for event in events if "lost" in event["data"]]
    gone = [json.loads(line)["data"] for line in set(had) - set(lines)]
    silent = sorted(data["seq"] for data in gone if not any(_covers(loss, data) for loss in losses))
    assert not silent, f"{silent} are gone and nobody says so: {losses}"
    read = Counter(event["data"]["subject"]["token"] for event in events if event["type"] == READ)
    known = read.keys() | {data["subject"]["token"] for data in gone if "subject" in data}
    cards = {token(frame.what): frame for wire in box.rush.wires if wire.name != "arm" for frame in wire.frames}
    assert max(read.values()) == 1, "twice"
    assert read.keys() <= cards.keys(), "invented"
    absent = [frame for name, frame in cards.items() if name not in known and not frame.fate]
    assert not absent, f"read, and neither at the centre nor in a journal that was hurt: {absent[:9]}"


def _covers(loss: dict[str, Any], data: dict[str, Any]) -> bool:
    """Where the number is not known, more than the range may be gone; of another epoch, nothing."""
    first, last = loss["first"] or 1, WHOLE if loss["count"] is None else loss["last"] or 0
    return loss["epoch"] in (None, data["epoch"]) and first <= data["seq"] <= last


def _lines(folder: Path) -> list[bytes]:
    return _read(folder / "journal.sqlite")


def _read(file: Path) -> list[bytes]:
    """All lines of a journal; of one that was set aside because it is broken, none."""
    reader = Reader(file)
    try:
        return [entry.line for entry in reader.lines(1, WHOLE, WHOLE, WHOLE)]
    except sqlite3.DatabaseError:
        return []
    finally:
        reader.close()
