"""A centre that is fed a city: records through the ledger, what operators say at the time they say it, the deriver.

It is the centre's own code in one thread, with the city's clock instead of the wall's.
"""

from __future__ import annotations

import json
import time
from collections import Counter, deque
from collections.abc import Callable, Iterable, Iterator
from typing import Any

from sqlalchemy import func, select

from gateway.simulation.city.deliveries import Delivery
from gateway.simulation.city.settings import HOUR
from gateway.simulation.city.truth import Truth
from traceability.database import Database, open_database
from traceability.database.portable import hold
from traceability.database.tables import records
from traceability.ledger import Group, Ledger
from traceability.message import read_message
from traceability.states import read_state
from traceability.streams import Tx
from traceability.whereabouts import tables
from traceability.whereabouts.deriver import TURN_RECORDS, Deriver
from traceability.whereabouts.desk import Kind, say

Entry = tuple[int, Kind, str, str]
"""When it is said (unix ms), kind, name and body."""
GROUP_MS = 120_000
NAME = "centre-1"


class Centre:
    """A ledger and its tables of presence, in a database that is empty or was fed a part of the same city in the same
    order. `seconds`: spent in each of the two.
    """

    def __init__(self, place: str, begin_ms: int) -> None:
        self.now_ms = begin_ms
        self.counts: Counter[str] = Counter()
        self.seconds = {"ledger": 0.0, "presence": 0.0}
        self.ledger = Ledger(open_database(place), NAME, lambda: self.now_ms)
        self.ledger.open()
        self.database = open_database(place)
        self._deriver = Deriver(self.database, lambda: self.now_ms)
        self._fed_ms, self._said = _left_at(self.database)
        self.now_ms = max(begin_ms, self._fed_ms)
        self._untold, self._derived_ms = 0, self.now_ms

    def feed(self, deliveries: Iterable[Delivery], entries: Iterable[Entry], told: Callable[[int], bool]) -> bool:
        """Both, each at its time, from where it was left. `told` is called with the number of records taken, now and
        then; false: enough. Returns whether all of it was taken.
        """
        waiting = deque(sorted(entries)[self._said :])
        self._say(waiting, self.now_ms)
        for group in _groups(each for each in deliveries if each.arrive_ms > self._fed_ms):
            self._say(waiting, group[0].arrive_ms)
            self._take(group)
            if self._untold >= TURN_RECORDS or self.now_ms - self._derived_ms >= HOUR:
                self.derive()
                if not told(self.counts["new"]):
                    self.derive()
                    return False
        self._say(waiting, 2**62)
        self.derive()
        return True

    def derive(self) -> None:
        """Until nothing waits."""
        begun = time.monotonic()
        while self._deriver.turn():
            pass
        self._untold, self._derived_ms = 0, self.now_ms
        self.seconds["presence"] += time.monotonic() - begun

    def close(self) -> None:
        self.database.close()
        self.ledger.close()

    def _take(self, group: list[Delivery]) -> None:
        """All records in one transaction, those of a gateway as one message; then states, each at its own moment."""
        begun = time.monotonic()
        self.now_ms = max(self.now_ms, group[-1].arrive_ms)
        with self.ledger.database.writing() as connection:
            hold(connection, {(each.site, each.gateway) for each in group})
            lines: dict[tuple[str, str], list[bytes]] = {}
            for each in group:
                if each.leaf != "state":
                    lines.setdefault((each.site, each.gateway), []).extend(each.lines)
            into = Group(Tx(connection, self.now_ms), NAME)
            into.take_all(read_message(*name, of_it) for name, of_it in lines.items())
            for each in group:
                if each.leaf == "state":
                    then = Group(Tx(connection, each.arrive_ms), NAME)
                    then.hear(each.site, each.gateway, read_state(each.lines[0]))
        self._untold += into.counts["new"]
        self.counts += into.counts
        self.seconds["ledger"] += time.monotonic() - begun

    def _say(self, waiting: deque[Entry], until_ms: int) -> None:
        """What operators have said by then."""
        if waiting and waiting[0][0] <= until_ms:
            with self.database.writing() as connection:
                while waiting and waiting[0][0] <= until_ms:
                    at_ms, kind, name, body = waiting.popleft()
                    say(connection, kind, name, body, at_ms)


def _left_at(database: Database) -> tuple[int, int]:
    """When the last message of what was fed came (unix ms; 0: there is none), and how many entries were said."""
    r, b = records.c, tables.beats.c
    with database.reading() as connection:
        last_ms = connection.scalar(select(r.at_ms).order_by(r.rowid.desc()).limit(1))
        heard_ms = connection.scalar(select(func.max(b.at_ms)))
        said = connection.scalar(select(func.count()).select_from(tables.entries))
    return max(last_ms or 0, heard_ms or 0), said or 0


def entries_of(truth: Truth) -> Iterator[Entry]:
    """What the operators of a city say, and when."""
    yield 0, "map", "map", truth.places
    for person in truth.persons.values():
        yield 0, "person", person.id, _body(person.id, kind=person.kind, employer=person.employer, unit=person.unit)
    for number, bound in enumerate(truth.bindings):
        name = f"operator/b/{number}"
        words = {"token": bound.token, "person": bound.person, "from_ms": bound.from_ms, "to_ms": bound.to_ms}
        yield bound.known_ms, "binding", name, _body(name, **words)
    for number, told in enumerate(truth.corrections):
        if told.kind == "move":
            name = f"operator/m/{number}"
            when = {"best_ms": told.at_ms, "earliest_ms": told.at_ms, "latest_ms": told.at_ms, "basis": "operator"}
            words = {"when": when, "subject": f"person/{told.person}", "site": told.site, "to_zone": told.to_zone}
            yield told.known_ms, "move", name, _body(name, **words)
        else:
            name = f"operator/d/{number}"
            yield told.known_ms, "declaration", name, _body(name, target=told.target, reason="did_not_occur")


def _body(name: str, **words: Any) -> str:
    return json.dumps({"id": name, **words})


def _groups(deliveries: Iterable[Delivery]) -> Iterator[list[Delivery]]:
    """As a consumer with a backlog takes them."""
    group: list[Delivery] = []
    for each in deliveries:
        if group and each.arrive_ms - group[0].arrive_ms > GROUP_MS:
            yield group
            group = []
        group.append(each)
    if group:
        yield group
