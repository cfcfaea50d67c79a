"""Why punches are not kept in TinyDB: what an insert costs when records wait, and what is left after kill -9.

`python benchmarks/tinydb_vs_sqlite.py` prints the table of docs/design.md. SQLite is the journal as it ships (number,
encode, hash, insert, WAL with synchronous=FULL); TinyDB is used as its manual says, with its stock JSON storage. The
kill happens in the life of a buffer that holds WAITING records: one in at the end, one out at the front.
"""

from __future__ import annotations

import argparse
import json
import random
import select
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from tinydb import TinyDB

from gateway.clock import Moment, Quality
from gateway.journal.store import Store
from gateway.records import CredentialRead, Draft, Place, Subject
from gateway.wire import GENESIS, Origin, encode

WAITING = 500
INSERTS = {"tinydb": 20, "sqlite": 200}
NAMES = ("hq", "edge-01", "Asia/Shanghai")
PLACE = Place("lobby", "lobby-1", "outside", "lobby")
QUALITY = Quality("synced", "ntp", 12, "b1f2c7aa-6d0e-4f5e-9a33-0d6f5c1e2b47")

Insert = Callable[[int], None]
Remove = Callable[[int], None]


def draft(number: int) -> Draft:
    """A read as readers produce them."""
    subject = Subject("credential", f"k1:{number:032x}", "em4100", 40)
    body = CredentialRead(device="lane-1-in", place=PLACE, driver="em4100", side="in", subject=subject)
    return Draft(body, Moment(1_795_393_867_000 + number, 0.0, number, QUALITY))


def document(number: int) -> dict[str, object]:
    """The same read as TinyDB keeps it."""
    numbered = draft(number)
    numbered.seq = number
    return dict(json.loads(encode(numbered, Origin(*NAMES, "0" * 16), GENESIS)))


def open_tinydb(folder: Path) -> tuple[Insert, Remove]:
    database = TinyDB(folder / "punches.json")

    def remove(number: int) -> None:
        database.remove(doc_ids=[number])

    return lambda number: void(database.insert(document(number))), remove


def open_sqlite(folder: Path) -> tuple[Insert, Remove]:
    store = Store(folder / "journal.sqlite", NAMES)

    def insert(number: int) -> None:
        with store.transaction():
            store.append([draft(number)], 0)

    def remove(number: int) -> None:
        with store.transaction():
            store._connection.execute("DELETE FROM records WHERE seq = ?", (number,))

    return insert, remove


def void(_: object) -> None:
    """TinyDB returns the id; nobody needs it."""


ENGINES = {"tinydb": open_tinydb, "sqlite": open_sqlite}


def fill(engine: str, folder: Path, count: int) -> None:
    """`count` records that wait, written in one go."""
    if engine == "tinydb":
        with TinyDB(folder / "punches.json") as database:
            database.insert_multiple([document(number) for number in range(1, count + 1)])
        return
    store = Store(folder / "journal.sqlite", NAMES)
    with store.transaction():
        store.append([draft(number) for number in range(1, count + 1)], 0)


def insert_ms(engine: str, waiting: int) -> float:
    """Median cost of one durable insert while so many wait."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        fill(engine, folder, waiting)
        insert, _ = ENGINES[engine](folder)
        costs = []
        for number in range(waiting + 1, waiting + 1 + INSERTS[engine]):
            begun = time.perf_counter()
            insert(number)
            costs.append(1000 * (time.perf_counter() - begun))
        return statistics.median(costs)


def buffer(engine: str, folder: Path) -> None:
    """The child: a buffer at work; says each record's number when its insert has returned."""
    insert, remove = ENGINES[engine](folder)
    number = WAITING
    while True:
        number += 1
        insert(number)
        print(number, flush=True)
        remove(number - WAITING)


def survive(engine: str, rng: random.Random) -> tuple[bool, int]:
    """Kill a buffer at work; whether its file can be read, and how many records are gone it had vouched for."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        fill(engine, folder, WAITING)
        command = [sys.executable, __file__, "--buffer", engine, name]
        with subprocess.Popen(command, stdout=subprocess.PIPE) as child:
            assert child.stdout is not None
            select.select([child.stdout], [], [], 10.0)
            time.sleep(rng.uniform(0.05, 0.3))
            child.send_signal(signal.SIGKILL)
            vouched = int(child.stdout.read().split()[-1])
        try:
            held = numbers(engine, folder)
        except (ValueError, KeyError):
            return False, WAITING
        wanted = set(range(vouched - WAITING + 2, vouched + 1))
        return True, len(wanted - held)


def numbers(engine: str, folder: Path) -> set[int]:
    """What is left. ValueError: the file cannot be read."""
    if engine == "tinydb":
        with TinyDB(folder / "punches.json") as database:
            return {int(found["data"]["seq"]) for found in database.all()}
    store = Store(folder / "journal.sqlite", NAMES)
    return {entry.seq for entry in store.lines(1, 2**62, 10**9, 2**62)}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kills", type=int, default=30, help="how often each engine is killed")
    parser.add_argument("--waiting", type=int, nargs="*", default=[1_000, 10_000])
    parser.add_argument("--buffer", nargs=2, metavar=("ENGINE", "FOLDER"), help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.buffer:
        buffer(options.buffer[0], Path(options.buffer[1]))
    rng = random.Random(1)
    head = " | ".join(f"insert at {waiting:,} waiting" for waiting in options.waiting).replace(",", " ")
    print(f"| engine | {head} | files unreadable after kill -9 | vouched records gone |")
    print("| --- |" + " --- |" * (len(options.waiting) + 2))
    for engine in ENGINES:
        costs = " | ".join(f"{insert_ms(engine, waiting):.2f} ms" for waiting in options.waiting)
        ends = [survive(engine, rng) for _ in range(options.kills)]
        unreadable = sum(not readable for readable, _ in ends)
        print(f"| {engine} | {costs} | {unreadable} of {options.kills} | {sum(gone for _, gone in ends)} |")


if __name__ == "__main__":
    main()
