"""A city of people whose truth is known, by way of the real ledger into tables: what a presence in memory says of it.

Delivered in another order, twice, or a week late, the final answers are the same to the byte.
"""

from __future__ import annotations

import json
import random
import sys
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import pytest
from centre_bench import Wall

from gateway.simulation.city.build import build
from gateway.simulation.city.settings import Settings
from traceability.database import Database, open_database
from traceability.ledger import Ledger
from traceability.presence.answers import as_json
from traceability.presence.contacts import Rules, contacts
from traceability.presence.moments import HOUR_MS, Span
from traceability.presence.roster import headcount, roster
from traceability.presence.second_degree import second_degree
from traceability.presence.trajectory import trajectory
from traceability.presence.view import View
from traceability.presence.visits import visitors
from traceability.states import read_state
from traceability.whereabouts.deriver import Deriver
from traceability.whereabouts.desk import say
from traceability.whereabouts.view import TableView

sys.path.insert(0, str(Path(__file__).parent.parent / "presence"))

from test_presence_city import presence_of

WEEK_MS = 7 * 24 * HOUR_MS
CITY = Settings(sites=2, people=30, days=2, seed=3, calm=False)


@pytest.fixture(scope="module")
def city() -> Any:
    return build(CITY)


class Centre:
    """A ledger and its tables, fed by hand."""

    def __init__(self, place: str, city: Any) -> None:
        self.wall = Wall()
        self.wall.ms = CITY.begin_ms
        self.ledger = Ledger(open_database(place), "centre", self.wall)
        self.ledger.open()
        self.database: Database = open_database(place)
        self.deriver = Deriver(self.database, self.wall, turn_records=500)
        self._say_all(city.truth)

    def _say_all(self, truth: Any) -> None:
        with self.database.writing() as connection:

            def write(kind: Any, name: str, words: dict[str, Any]) -> None:
                say(connection, kind, name, json.dumps({"id": name, **words}), self.wall())

            say(connection, "map", "map", truth.places, self.wall())
            for person in truth.persons.values():
                words = {"kind": person.kind, "employer": person.employer, "unit": person.unit}
                write("person", person.id, words)
            for number, bound in enumerate(truth.bindings):
                words = {"token": bound.token, "person": bound.person, "from_ms": bound.from_ms, "to_ms": bound.to_ms}
                write("binding", f"operator/b/{number}", words)
            for number, told in enumerate(truth.corrections):
                if told.kind == "move":
                    at = dict.fromkeys(("best_ms", "earliest_ms", "latest_ms"), told.at_ms) | {"basis": "operator"}
                    words = {"when": at, "subject": f"person/{told.person}", "site": told.site}
                    write("move", f"operator/m/{number}", words | {"to_zone": told.to_zone})
                else:
                    words = {"target": told.target, "reason": "did_not_occur"}
                    write("declaration", f"operator/d/{number}", words)

    def take(self, deliveries: Iterable[Any], *, turn_every: int) -> None:
        """One message after another; now and then a turn of the deriver."""
        for number, each in enumerate(deliveries):
            self.wall.ms = max(self.wall.ms, each.arrive_ms)
            with self.ledger.group([(each.site, each.gateway)]) as group:
                if each.leaf == "state":
                    group.hear(each.site, each.gateway, read_state(each.lines[0]))
                else:
                    group.take(each.site, each.gateway, each.lines)
            if number % turn_every == 0:
                self.deriver.turn()
        while self.deriver.turn():
            pass

    def told(self, city: Any) -> list[bytes]:
        with self.database.reading(at_once=True) as connection:
            return list(answers(TableView(connection), city))

    def close(self) -> None:
        self.database.close()
        self.ledger.close()


def answers(view: View, city: Any) -> Iterator[bytes]:
    """Of each site and of some people; without the moment at which they were known."""
    window = Span(CITY.begin_ms, CITY.end_ms)
    sites = sorted({stay.site for stay in city.truth.stays})
    for site in sites:
        yield as_json(visitors(view, site, None, window))
        for hour in range(6, 48, 6):
            yield as_json(roster(view, site, CITY.begin_ms + hour * HOUR_MS))
            yield as_json(headcount(view, site, CITY.begin_ms + hour * HOUR_MS))
    for person in sorted(city.truth.persons)[:12]:
        yield as_json(trajectory(view, f"person/{person}", window))
        yield as_json(contacts(view, f"person/{person}", window, Rules()))
        yield as_json(second_degree(view, f"person/{person}", window, {}, Rules()))


def timeless(told: list[bytes]) -> list[Any]:
    """Without when they were known."""

    def without(words: Any) -> Any:
        if isinstance(words, dict):
            return {key: without(value) for key, value in words.items() if key != "known_at_ms"}
        return [without(each) for each in words] if isinstance(words, list) else words

    return [without(json.loads(each)) for each in told]


def test_a_city_in_tables_is_the_city_in_memory(new_place: Callable[..., str], city: Any) -> None:
    centre = Centre(new_place("city"), city)
    centre.take(city.deliveries(), turn_every=40)
    assert timeless(centre.told(city)) == timeless(list(answers(presence_of(city), city)))
    centre.close()


def test_in_another_order_twice_and_a_week_late_it_is_the_same_city(new_place: Callable[..., str], city: Any) -> None:
    """States are of their moment: they come in order, records do not."""
    everything = list(city.deliveries())
    records = [each for each in everything if each.leaf != "state"]
    states = [each for each in everything if each.leaf == "state"]
    chance = random.Random(7)
    late = [*records, *chance.sample(records, len(records) // 3)]
    chance.shuffle(late)
    punctual, tardy = Centre(new_place("punctual"), city), Centre(new_place("tardy"), city)
    punctual.take(everything, turn_every=40)
    tardy.take(states, turn_every=10_000)
    tardy.wall.ms += WEEK_MS
    tardy.take(late, turn_every=25)
    assert timeless(tardy.told(city)) == timeless(punctual.told(city))
    punctual.close()
    tardy.close()
