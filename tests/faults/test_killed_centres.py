"""Two centres on one shared subscription and one PostgreSQL ledger, killed at random under load: all is as if not.

    pytest tests/faults/test_killed_centres.py --centre-kills 100

A city's records are sent while either centre, or both, die by SIGKILL and come back. What no receipt covers is sent
again, as a gateway would. In the end lines, signs, steps, stays and answers are those of one centre that lived.
"""

from __future__ import annotations

import json
import random
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from gateway.simulation.broker import Broker
from gateway.simulation.city.build import build
from gateway.wire import Line, read_line
from traceability import export
from traceability.database import Database, open_database, tables
from traceability.presence.moments import FUTURE
from traceability.whereabouts import tables as derived
from traceability.whereabouts.inquiry import Inquiry

sys.path.insert(0, str(Path(__file__).parent.parent / "traceability"))

from centre_bench import Bench, CentreProcess, FakeGateway, eventually
from postgres_server import PostgresServer
from test_city_in_tables import CITY, Centre, timeless

pytestmark = pytest.mark.needs("mosquitto", "postgres")

WORK_S = (0.0, 1.0)
"""How long a centre goes on after a commit before it dies; unless it is YOUNG, and has not begun to work."""
COMMIT_S = 10.0
BOTH, YOUNG = 0.2, 0.2
PATIENCE_S = 120.0
RESEND_S = 6.0
BATCH = 50

Name = tuple[str, str]
Stream = tuple[str, str, str]


class Senders:
    """The gateways of a city: they send, and send again what no receipt covers."""

    def __init__(self, bench: Bench, city: Any) -> None:
        self.messages = [each for each in city.deliveries() if each.leaf != "state"]
        self.gateways: dict[Name, FakeGateway] = {}
        self.lines: dict[Stream, dict[int, bytes]] = {}
        for each in self.messages:
            name = (each.site, each.gateway)
            if name not in self.gateways:
                self.gateways[name] = bench.gateway(*name)
            for line in map(read_line, each.lines):
                self.lines.setdefault(_stream(line), {})[line.seq] = line.raw

    def send(self, parts: int, go: threading.Semaphore) -> None:
        """All messages in the order of the city, in parts, one each time somebody says go, over WORK_S."""
        size = -(-len(self.messages) // parts)
        for begin in range(0, len(self.messages), size):
            go.acquire()
            for each in self.messages[begin : begin + size]:
                self.gateways[each.site, each.gateway].send(each.lines, each.leaf)
                time.sleep(WORK_S[1] / size)

    def settle(self) -> int:
        """Send what is not covered until it is; how many lines were sent again."""
        again, deadline = 0, time.monotonic() + PATIENCE_S
        while True:
            quiet_until = time.monotonic() + RESEND_S
            while (open_ := self.unsettled()) and time.monotonic() < quiet_until:
                time.sleep(0.1)
            if not open_:
                return again
            assert time.monotonic() < deadline, f"never settled: {[(key, sorted(of)[:9]) for key, of in open_]}"
            for (site, gateway, _), lines in open_:
                raw = [lines[seq] for seq in sorted(lines)]
                again += len(raw)
                for begin in range(0, len(raw), BATCH):
                    self.gateways[site, gateway].send(raw[begin : begin + BATCH], "replay")

    def unsettled(self) -> list[tuple[Stream, dict[int, bytes]]]:
        """What no receipt covers, by stream."""
        found = []
        for key, lines in self.lines.items():
            receipts = [it for it in list(self.gateways[key[:2]].receipts) if it.epoch == key[2]]
            last = max(receipts, key=lambda it: it.receipt, default=None)
            if last is None:
                found.append((key, lines))
                continue
            holes = [(first, end) for first, end in last.missing]
            left = {
                seq: raw
                for seq, raw in lines.items()
                if seq > last.seen or any(first <= seq <= end for first, end in holes)
            }
            if left or (last.through < max(lines) and not holes):
                found.append((key, left))
        return [(key, left) for key, left in found if left]


class Twins:
    """Two centres that share a subscription and a ledger, and die."""

    def __init__(self, bench: Bench, place: str, chance: random.Random) -> None:
        self._bench, self._place, self._chance = bench, place, chance
        self.deaths = 0
        self.lives: dict[str, CentreProcess] = {}
        for name in ("a", "b"):
            self._start(name)
        for name in self.lives:
            self._wait_until_it_works(name)

    def die(self, go: threading.Semaphore) -> None:
        """One or both, at a random moment of their work or before it; they are started again at once."""
        names = ["a", "b"] if self._chance.random() < BOTH else [self._chance.choice("ab")]
        young = self._chance.random() < YOUNG
        if not young:
            self._wait_until_it_works(names[0])
        before = self._commits()
        go.release()
        until = time.monotonic() + (0 if young else COMMIT_S)
        while self._commits() == before and time.monotonic() < until:
            time.sleep(0.1)
        time.sleep(self._chance.uniform(*WORK_S))
        for name in names:
            self.lives[name].kill()
            self.deaths += 1
        for name in names:
            self._start(name)

    def end(self) -> None:
        for centre in self.lives.values():
            centre.kill()

    def _commits(self) -> int:
        return sum(len(centre.events("centre.committed")) for centre in self.lives.values())

    def _wait_until_it_works(self, name: str) -> None:
        eventually(lambda: self.lives[name].events("broker.connected"), PATIENCE_S)

    def _start(self, name: str) -> None:
        self.lives[name] = self._bench.start_centre(name, database=self._place, listen="127.0.0.1:0")


@pytest.fixture
def postgres() -> Iterator[PostgresServer]:
    server = PostgresServer()
    yield server
    server.close()


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    with Broker(folder=tmp_path) as broker:
        bench = Bench(broker, tmp_path)
        yield bench
        bench.clear()


def test_two_centres_killed_at_random_leave_the_ledger_and_the_stays_of_a_clean_run(
    bench: Bench, postgres: PostgresServer, centre_kills: int, figures: Callable[[str], None]
) -> None:
    city, chance = build(CITY), random.Random(centre_kills)
    clean = Centre(postgres.fresh("clean"), city)
    clean.take([each for each in city.deliveries() if each.leaf != "state"], turn_every=40)
    place = postgres.fresh("shared")
    Centre(place, city).close()
    senders, twins, go = Senders(bench, city), Twins(bench, place, chance), threading.Semaphore(0)
    sending = threading.Thread(target=senders.send, args=(centre_kills, go), daemon=True)
    sending.start()
    while twins.deaths < centre_kills:
        twins.die(go)
    go.release(centre_kills)
    sending.join()
    under_load = len(_lines(place))
    again = senders.settle()
    _wait_until_derived(place)
    twins.end()
    mine, theirs = _kept(place), _kept(clean.database.name, clean)
    assert mine["lines"] == theirs["lines"], "the ledger has the same bytes"
    assert mine.keys() == theirs.keys()
    for part in mine:
        assert mine[part] == theirs[part], part
    stormy = Centre.__new__(Centre)
    stormy.database = open_database(place)
    assert timeless(stormy.told(city)) == timeless(clean.told(city)), "and the same answers"
    stormy.database.close()
    clean.close()
    figures(
        f"centres killed {twins.deaths} times: {len(mine['lines'])} lines, {len(mine['stays'])} stays as in a clean"
        f" run; {under_load} lines were in when the last one died, {again} were sent again"
    )


def _wait_until_derived(place: str) -> None:
    deadline = time.monotonic() + PATIENCE_S
    database = open_database(place)
    while Inquiry(database).behind():
        assert time.monotonic() < deadline, "the tables never caught up"
        time.sleep(0.2)


def _kept(place: str, centre: Centre | None = None) -> dict[str, list[Any]]:
    """Lines, and what is derived from them by now; without when it was known."""
    database = open_database(place) if centre is None else centre.database
    s, g, t, y = tables.streams.c, derived.signs.c, derived.steps.c, derived.stays.c
    with database.reading(at_once=True) as connection:
        streams = {number: (site, gateway, epoch) for number, site, gateway, epoch in connection.execute(
            tables.streams.select().with_only_columns(s.id, s.site, s.gateway, s.epoch)
        )}  # fmt: skip
        signs = [
            (streams[row[0]], *row[1:8], _unknown(row[8]), row[9])
            for row in connection.execute(
                derived.signs.select()
                .with_only_columns(
                    g.stream, g.seq, g.best_ms, g.earliest_ms, g.latest_ms, g.kind, g.lane, g.device, g.body, g.why
                )
                .where(g.known_to == FUTURE)
            )
        ]
        steps = connection.execute(
            derived.steps.select().with_only_columns(t.name, t.subject, t.token, t.body).where(t.known_to == FUTURE)
        )
        stays = connection.execute(
            derived.stays.select()
            .with_only_columns(y.subject, y.name, y.first_ms, y.last_ms, y.body)
            .where(y.known_to == FUTURE)
        )
        return {
            "lines": _lines(place) if centre is None else _lines_of(database),
            "signs": sorted(signs, key=repr),
            "steps": sorted((tuple(row) for row in steps), key=repr),
            "stays": sorted((tuple(row) for row in stays), key=repr),
        }


def _lines(place: str) -> list[bytes]:
    database = open_database(place)
    lines = _lines_of(database)
    database.close()
    return lines


def _lines_of(database: Database) -> list[bytes]:
    return [line for lines in export.slices(database, export.Wanted()) for line in lines]


def _unknown(body: str | None) -> Any:
    return None if body is None else {key: it for key, it in json.loads(body).items() if key != "known_ms"}


def _stream(line: Line) -> Stream:
    return line.site, line.gateway, line.epoch
