"""A city in the tables of presence: how fast they are derived, and how long the questions take.

    python benchmarks/whereabouts.py --sites 10 --people 2000 --days 7 [--database postgresql://…]

The records come from `city.py`'s generator and go through the ledger; then they are derived, and each question is
asked of the biggest site and of some people. Figures in ms are medians.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import time
from collections.abc import Callable
from itertools import islice
from pathlib import Path
from statistics import median
from typing import Any

sys.path.insert(0, str(Path(__file__).parent))

from measure import say

from gateway.simulation.city.build import build
from gateway.simulation.city.settings import Settings
from traceability.database import Database, open_database
from traceability.ledger import Ledger
from traceability.message import read_message
from traceability.presence.contacts import Rules
from traceability.presence.moments import DAY_MS, HOUR_MS, Span
from traceability.states import read_state
from traceability.whereabouts.deriver import Deriver
from traceability.whereabouts.desk import say as write
from traceability.whereabouts.inquiry import Inquiry

GROUP = 50


def main() -> int:
    arguments = _arguments()
    settings = Settings(sites=arguments.sites, people=arguments.people, days=arguments.days, seed=1)
    city = build(settings)
    with tempfile.TemporaryDirectory() as folder:
        place = arguments.database or str(Path(folder) / "ledger.sqlite")
        records, ingest_s = fill(place, city)
        database = open_database(place)
        derive_s = derive(database, city, settings.end_ms)
        asked = questions(Inquiry(database), city, settings)
    result = {
        "records": records,
        "ingest_records_a_s": round(records / ingest_s),
        "derive_records_a_s": round(records / derive_s),
        "questions_ms": asked,
    }
    slowest = max(asked, key=lambda name: asked[name])
    say(result, f"{records} records derived at {records / derive_s:.0f}/s; slowest {slowest} {asked[slowest]:.0f} ms")
    return 0


def fill(place: str, city: Any) -> tuple[int, float]:
    """All messages into the ledger; records, seconds."""
    now_ms = 0
    ledger = Ledger(open_database(place), "centre-1", lambda: now_ms)
    ledger.open()
    arriving, records, begun = iter(city.deliveries()), 0, time.monotonic()
    while group := list(islice(arriving, GROUP)):
        now_ms = group[-1].arrive_ms
        with ledger.group({(it.site, it.gateway) for it in group}) as into:
            into.take_all(read_message(it.site, it.gateway, it.lines) for it in group if it.leaf != "state")
            for it in group:
                if it.leaf == "state":
                    into.hear(it.site, it.gateway, read_state(it.lines[0]))
            records += into.counts["new"]
    ledger.close()
    return records, time.monotonic() - begun


def introduce(database: Database, city: Any, now_ms: int) -> None:
    """Say bindings and map, as an operator does."""
    with database.writing() as connection:
        write(connection, "map", "map", city.truth.places, now_ms)
        for number, bound in enumerate(city.truth.bindings):
            name = f"operator/b/{number}"
            words = {"token": bound.token, "person": bound.person, "from_ms": bound.from_ms, "to_ms": bound.to_ms}
            write(connection, "binding", name, json.dumps({"id": name, **words}), now_ms)


def derive(database: Database, city: Any, now_ms: int) -> float:
    """Bindings and map are said first, then all is derived; seconds."""
    introduce(database, city, now_ms)
    deriver, begun, done, told = Deriver(database, lambda: now_ms), time.monotonic(), 0, time.monotonic()
    while turn := deriver.turn():
        done += turn.records
        if time.monotonic() - told > 5:
            told = time.monotonic()
            print(f"{done} records derived, {told - begun:.0f} s", file=sys.stderr)
    return time.monotonic() - begun


def questions(ask: Inquiry, city: Any, settings: Settings) -> dict[str, float]:
    """Name and median ms of each."""
    window = Span(max(settings.begin_ms, settings.end_ms - 14 * DAY_MS), settings.end_ms)
    stays = city.truth.stays
    site = max({stay.site for stay in stays}, key=lambda name: sum(stay.site == name for stay in stays))
    noon = settings.begin_ms + (settings.days - 1) * DAY_MS + 12 * HOUR_MS
    people = [f"person/{person}" for person in sorted(city.truth.persons)[:20]]
    return {
        "roster": took(lambda _: ask.roster(site, noon), people[:5]),
        "headcount": took(lambda _: ask.headcount(site, noon), people[:5]),
        "trajectory": took(lambda who: ask.trajectory(who, window), people),
        "contacts": took(lambda who: ask.contacts(who, window, Rules()), people),
        "visitors": took(lambda _: ask.visitors(site, None, Span(noon - DAY_MS, noon)), people[:5]),
    }


def took(question: Callable[[str], object], people: list[str]) -> float:
    """Median ms."""
    times = []
    for person in people:
        begun = time.monotonic()
        question(person)
        times.append(1000 * (time.monotonic() - begun))
    return round(median(times), 1)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sites", type=int, default=10)
    parser.add_argument("--people", type=int, default=2000)
    parser.add_argument("--days", type=int, default=7)
    parser.add_argument("--database", help="An empty database; without it an SQLite file for this run.")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
