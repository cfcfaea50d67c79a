"""How far the tables of presence are behind a ledger that takes records at a steady rate, and after a flood.

    python benchmarks/lag.py [--rate 2000] [--seconds 30] [--database postgresql://…]

Ingest and derivation are two threads of one process, as in the centre. The records of a city come at that rate, in
messages as gateways send them; then as many again come as fast as the ledger takes them: a replay. `lag_s` is how
long the first record of a turn had been in the ledger when the turn was committed. Fails if the lag at the steady
rate is ever more than 5 s.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from statistics import median
from typing import Any

sys.path.insert(0, str(Path(__file__).parent))

from measure import say
from whereabouts import introduce

from gateway.simulation.city.build import build
from gateway.simulation.city.settings import Settings
from traceability.app import unix_ms
from traceability.database import open_database
from traceability.ledger import Ledger
from traceability.message import read_message
from traceability.whereabouts.deriver import Deriver
from traceability.whereabouts.progress import behind

LIMIT_S = 5.0
GROUP = 50


def main() -> int:
    arguments = _arguments()
    city = build(Settings(sites=10, people=2000, days=arguments.days, seed=1))
    with tempfile.TemporaryDirectory() as folder:
        place = arguments.database or str(Path(folder) / "ledger.sqlite")
        ledger = Ledger(open_database(place), "centre-1", unix_ms)
        ledger.open()
        introduce(open_database(place), city, unix_ms())
        arriving = (each for each in city.deliveries() if each.leaf != "state")
        turns = Turns(place)
        with turns:
            steady_s = feed(ledger, arriving, arguments.rate, arguments.rate * arguments.seconds)
            turns.catch_up()
            steady = turns.taken()
            flood_s = feed(ledger, arriving, None, arguments.rate * arguments.seconds)
            left = turns.waiting()
            caught_up_s = turns.catch_up()
            flood = turns.taken()
        ledger.close()
    result: dict[str, Any] = {
        "rate": round(arguments.rate * arguments.seconds / steady_s),
        "lag_s": {"median": round(median(steady), 2), "most": round(max(steady), 2)},
        "flood": {
            "records_a_s": round(arguments.rate * arguments.seconds / flood_s),
            "behind_records": left,
            "lag_s": round(max(flood), 2),
            "caught_up_after_s": round(caught_up_s, 1),
        },
    }
    say(result, f"{result['rate']} records/s: at most {max(steady):.1f} s behind")
    return 0 if max(steady) <= LIMIT_S else 1


def feed(ledger: Ledger, arriving: Iterator[Any], rate: int | None, records: int) -> float:
    """Take about so many, at a rate or as fast as they can be taken; seconds."""
    begun, done = time.monotonic(), 0
    while done < records:
        group = list(islice(arriving, GROUP))
        if not group:
            raise SystemExit("the city has no more records: --days")
        read = [read_message(it.site, it.gateway, it.lines) for it in group]
        with ledger.group({(it.site, it.gateway) for it in group}) as into:
            into.take_all(read)
            done += into.counts["new"]
        if rate is not None:
            time.sleep(max(0.0, begun + done / rate - time.monotonic()))
    return time.monotonic() - begun


@dataclass(slots=True)
class Turns:
    """A thread that derives, and how far each turn was behind."""

    place: str
    _lags: list[float] = field(default_factory=list)
    _idle: threading.Event = field(default_factory=threading.Event)
    _stopping: threading.Event = field(default_factory=threading.Event)
    _thread: threading.Thread | None = None

    def __enter__(self) -> None:
        self._thread = threading.Thread(target=self._run)
        self._thread.start()

    def __exit__(self, *_: object) -> None:
        self._stopping.set()
        assert self._thread is not None
        self._thread.join()

    def taken(self) -> list[float]:
        """The lags since the last time, s."""
        lags, self._lags = self._lags, []
        return lags or [0.0]

    def catch_up(self) -> float:
        """Wait until nothing is waiting; seconds."""
        begun = time.monotonic()
        self._idle.clear()
        self._idle.wait()
        return time.monotonic() - begun

    def waiting(self) -> int:
        """Records in the ledger that no turn took."""
        with open_database(self.place).reading() as connection:
            return behind(connection)

    def _run(self) -> None:
        database = open_database(self.place)
        deriver = Deriver(database, unix_ms)
        while not self._stopping.is_set():
            if not deriver.is_behind():
                self._idle.set()
                self._stopping.wait(0.5)
                continue
            turn = deriver.turn()
            if turn.records:
                self._lags.append(turn.waited_ms / 1000)
        database.close()


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rate", type=int, default=2000, help="Records a second.")
    parser.add_argument("--seconds", type=int, default=30)
    parser.add_argument("--days", type=int, default=5)
    parser.add_argument("--database", help="An empty database; without it an SQLite file for this run.")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
