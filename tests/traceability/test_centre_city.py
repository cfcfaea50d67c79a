"""A city in the ledger: everything is taken, in any order, and what its gateways have lost is what coverage shows."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from functools import cache

from centre_bench import Wall

from gateway.simulation.city.build import City, build
from gateway.simulation.city.deliveries import Delivery, shuffled
from gateway.simulation.city.settings import HOUR, Settings
from gateway.simulation.city.troubles import NONE, Death, Span, Troubles
from gateway.wire import Line, read_line
from traceability import coverage
from traceability.database import open_database
from traceability.ledger import Ledger
from traceability.states import read_state

SETTINGS = Settings(1, 60, 2)
MORNING = Span(SETTINGS.begin_ms + 8 * HOUR, SETTINGS.begin_ms + 9 * HOUR)
LATER = Span(MORNING.from_ms + 6 * HOUR, MORNING.from_ms + 7 * HOUR)
CUT = Span(MORNING.from_ms - HOUR, MORNING.from_ms + 1)
BROKEN = Troubles(outages=(CUT,), pruned=(LATER,), deaths=(Death(MORNING, is_power_cut=True, loses="damage"),))


@cache
def city() -> City:
    return build(SETTINGS, {("s01", "edge-01"): BROKEN, ("s01", "edge-02"): NONE, ("lines", "edge-01"): NONE})


def feed(ledger: Ledger, wall: Wall, arriving: Iterable[Delivery]) -> Counter[str]:
    """All of it, at the times at which it arrives."""
    counts: Counter[str] = Counter()
    for it in arriving:
        wall.ms = it.arrive_ms
        with ledger.group([(it.site, it.gateway)]) as group:
            if it.leaf == "state":
                group.hear(it.site, it.gateway, read_state(it.lines[0]))
            else:
                group.take(it.site, it.gateway, it.lines)
            counts += group.counts
    return counts


def sent() -> list[Line]:
    return [read_line(line) for it in city().deliveries() if it.leaf != "state" for line in it.lines]


def survey(place: str, wall: Wall) -> dict[str, coverage.Coverage]:
    report = coverage.survey(open_database(place), wall.ms + HOUR)
    return {f"{stream.site}/{stream.gateway}/{stream.epoch}": stream for stream in report.streams}


def test_the_ledger_takes_a_city_and_finds_nothing_wrong_but_what_was_declared_lost(
    ledger: Ledger, wall: Wall, place: str
) -> None:
    counts = feed(ledger, wall, city().deliveries())
    assert set(counts) == {"new", "lost"}
    assert counts["new"] == len(sent())
    streams = survey(place, wall)
    assert not [name for name, stream in streams.items() if stream.is_finding]
    declared = [line.data["lost"] for line in sent() if line.type == "punchgate.records.lost.v1"]
    shown = [loss for stream in streams.values() for loss in stream.lost]
    assert sorted((loss.cause, loss.first, loss.last, loss.count) for loss in shown) == sorted(
        (lost["cause"], lost["first"], lost["last"], lost["count"]) for lost in declared
    )
    assert {loss.cause for loss in shown} == {"damage", "pruned"}
    assert all(loss.arrived == 0 for loss in shown)


def test_the_same_city_in_another_order_some_of_it_twice_or_a_week_late_makes_the_same_ledger(
    ledger: Ledger, wall: Wall, place: str
) -> None:
    counts = feed(ledger, wall, shuffled(city().deliveries(), 7))
    assert set(counts) == {"new", "repeated", "lost"}
    assert counts["new"] == len(sent())
    held = {name: stream.held for name, stream in survey(place, wall).items()}
    assert held == Counter(f"{line.site}/{line.gateway}/{line.epoch}" for line in sent())
    assert not [name for name, stream in survey(place, wall).items() if stream.is_finding]
