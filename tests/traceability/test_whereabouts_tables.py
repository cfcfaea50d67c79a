"""Tables say what a presence in memory says, whatever arrived in which order, now and as known at any turn."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from gateway.wire import GENESIS, line_hash, read_line
from traceability import clocks, times
from traceability.database import open_database
from traceability.ledger import Ledger
from traceability.presence.answers import as_json, completeness
from traceability.presence.bindings import Binding, Person
from traceability.presence.contacts import Rules, contacts
from traceability.presence.facts import Declaration, Move
from traceability.presence.map_file import read_map
from traceability.presence.memory import Presence
from traceability.presence.moments import HOUR_MS, Span, exactly
from traceability.presence.oddities import oddities
from traceability.presence.reading import fact_of, sign_of
from traceability.presence.roster import headcount, roster
from traceability.presence.second_degree import second_degree
from traceability.presence.trajectory import trajectory
from traceability.presence.view import View
from traceability.presence.visits import places_of, visitors
from traceability.whereabouts.deriver import Deriver
from traceability.whereabouts.desk import say
from traceability.whereabouts.view import TableView

DAY_MS = 1_795_392_000_000
BOOT = "b1f2"
ZONES = {"gate": ("outside", "lobby"), "door": ("lobby", "office")}
WINDOW = Span(DAY_MS - HOUR_MS, DAY_MS + 3 * HOUR_MS)
TOKENS = ("k1:a", "k1:b", "k1:c")
SUBJECTS = (*(f"card/{token}" for token in TOKENS), "person/p1", "person/p2")


@dataclass
class Journal:
    """The lines of one gateway as it would make them; its clock is unset until `synced_at` minutes."""

    gateway: str
    synced_at: int
    epoch: str = "5c1f0a9be2d74f11"
    lines: list[bytes] = field(default_factory=list)

    def write(self, minute: int, kind: str, **data: Any) -> None:
        seq = len(self.lines) + 1
        good = minute >= self.synced_at
        told_ms = DAY_MS + 60_000 * minute if good else 600_000 + 60_000 * minute
        clock = {
            "state": "synced" if good else "unset",
            "source": "ntp",
            "error_ms": 12 if good else None,
            "boot": BOOT,
            "boot_ns": (10_000 + 60 * minute) * 10**9,
        }
        words = {
            "seq": seq,
            "epoch": self.epoch,
            "prev": line_hash(self.lines[-1]) if self.lines else GENESIS,
            "site": "hq",
            "live": True,
            "clock": clock,
            **data,
        }
        if kind == "clock.anchor":
            words["offset_ms"] = told_ms - clock["boot_ns"] // 10**6
        event = {
            "specversion": "1.0",
            "id": f"hq/{self.gateway}/{self.epoch}/{seq}",
            "source": f"/hq/{self.gateway}",
            "type": f"punchgate.{kind}.v1",
            "time": datetime.fromtimestamp(told_ms / 1000, UTC).isoformat().replace("+00:00", "Z"),
            "datacontenttype": "application/json",
            "data": words,
        }
        self.lines.append(json.dumps(event).encode())


@st.composite
def journals(draw: st.DrawFn) -> list[Journal]:
    """Two gateways for two hours."""
    made = []
    for number, lane in enumerate(ZONES):
        synced_at = draw(st.sampled_from((0, 0, 30)))
        journal = Journal(f"edge-{number}", synced_at)
        journal.write(0, "gateway.started", reason="start")
        journal.write(0, "device.up", device=f"{lane}-in", lane=lane)
        anchored = synced_at == 0
        for minute in sorted(draw(st.lists(st.integers(1, 110), max_size=14))):
            if not anchored and minute >= synced_at:
                journal.write(synced_at, "clock.anchor")
                anchored = True
            _happen(draw, journal, lane, minute)
        journal.write(115, "clock.anchor")
        made.append(journal)
    return made


def _happen(draw: st.DrawFn, journal: Journal, lane: str, minute: int) -> None:
    kind = draw(st.sampled_from(("punch", "punch", "punch", "punch", "down", "restart", "lost")))
    if kind == "down":
        journal.write(minute, "device.down", device=f"{lane}-in", lane=lane, reason="unplugged")
    elif kind == "restart":
        if draw(st.booleans()):
            journal.write(minute, "gateway.stopped", reason="SIGTERM")
        journal.write(minute, "gateway.started", reason="start")
        journal.write(minute, "device.up", device=f"{lane}-in", lane=lane)
    elif kind == "lost":
        lost = dict.fromkeys(("epoch", "first", "last", "count", "from", "to", "device"))
        journal.write(minute, "records.lost", lost=lost | {"cause": "quota", "count": 2, "device": f"{lane}-in"})
    else:
        outcome = draw(st.sampled_from(("completed", "completed", "assumed", "ambiguous", "tailgate", "forced")))
        direction = draw(st.sampled_from(("in", "out", "unknown")))
        named = outcome not in {"tailgate", "forced"}
        zones = {"in": ZONES[lane], "out": ZONES[lane][::-1], "unknown": (None, None)}[direction]
        journal.write(
            minute,
            "punch",
            portal=lane,
            lane=lane,
            device=f"{lane}-in",
            direction=direction,
            from_zone=zones[0],
            to_zone=zones[1],
            outcome=outcome,
            confidence="confirmed",
            refs={"read": None, "passes": []},
            subject={"kind": "credential" if named else "anonymous", "count": 1}
            | ({"token": draw(st.sampled_from(TOKENS))} if named else {}),
        )


class Both:
    """The same records into the ledger and its tables, and into memory."""

    def __init__(self, place: str) -> None:
        self.now_ms = DAY_MS + 10 * HOUR_MS
        self.place = place
        self.ledger = Ledger(open_database(place), "centre", lambda: self.now_ms)
        self.ledger.open()
        self.database = open_database(place)
        self.deriver = Deriver(self.database, lambda: self.now_ms)
        self.memory = Presence()
        self.arrived: list[bytes] = []
        self.dated: dict[str, Any] = {}
        self.turns: list[int] = []
        self.waiting: list[tuple[str, dict[str, Any]]] = []

    def arrive(self, lines: list[bytes]) -> None:
        """One message of lines, and a turn of the deriver."""
        self.now_ms += 1000
        gateways = {read_line(raw).gateway for raw in lines}
        with self.ledger.group([("hq", gateway) for gateway in gateways]) as group:
            for raw in lines:
                group.take("hq", read_line(raw).gateway, [raw])
        self.arrived += [raw for raw in lines if raw not in self.arrived]
        self.turn()

    def say(self, what: str, name: str, **words: Any) -> None:
        """An operator says something; it waits for the next turn."""
        with self.database.writing() as connection:
            body = words["text"] if what == "map" else json.dumps({"id": name, **words})
            say(connection, what, name, body, self.now_ms)
        self.waiting.append((what, {"id": name, **words}))

    def turn(self) -> None:
        turn = self.deriver.turn()
        if not turn:
            return
        self.turns.append(turn.known_ms)
        for kind, words in self.waiting:
            self._tell_memory(kind, words, turn.known_ms)
        self.waiting.clear()
        with self.database.reading() as connection:
            chronicles = {name: times.chronicle_of(connection, "hq", name) for name in ("edge-0", "edge-1")}
        for raw in self.arrived:
            line = read_line(raw)
            dated = chronicles[line.gateway].date(clocks.reading_of(line))
            name = f"{line.gateway}/{line.seq}"
            if self.dated.get(name) == dated:
                continue
            self.dated[name] = dated
            fact, sign = fact_of(line, dated, turn.known_ms), sign_of(line, dated, turn.known_ms)
            if fact is not None:
                self.memory.add(fact)
            if sign is not None:
                self.memory.watch(sign)

    def _tell_memory(self, kind: str, words: dict[str, Any], known_ms: int) -> None:
        if kind == "map":
            self.memory.chart(read_map(words["text"], known_ms))
        elif kind == "person":
            self.memory.introduce(Person(**words, known_ms=known_ms))
        elif kind == "binding":
            self.memory.bind(Binding(**words, known_ms=known_ms))
        elif kind == "declaration":
            self.memory.add(Declaration(**words, known_ms=known_ms))
        else:
            when = exactly(words["when"]["best_ms"])
            self.memory.add(Move(**(words | {"when": when}), known_ms=known_ms))

    def close(self) -> None:
        self.database.close()
        self.ledger.close()


MAP = """
from = 2026-11-23T01:00:00+00:00
organisation = "acme"

[[sites]]
id = "hq"
kind = "work"
zones = [{ id = "lobby", capacity = 3 }, { id = "office" }, { id = "yard" }]

[[sites.lanes]]
id = "door"
portal = "door"
from_zone = "lobby"
to_zone = "office"

[[sites.lanes]]
id = "gate"
portal = "gate"
from_zone = "outside"
to_zone = "lobby"
positions = [{ from = 2026-11-23T01:00:00+00:00, from_zone = "outside", to_zone = "yard" }]
"""


def _say_something(chance: Any, both: Both, number: int) -> None:
    """People, cards of theirs, corrections, and a map that moves a read point."""
    kind = chance.choice(("person", "binding", "binding", "declaration", "move", "map"))
    begin_ms = DAY_MS + 60_000 * chance.randint(0, 60)
    name = f"operator/{kind}/{number}"
    if kind == "person":
        both.say(kind, chance.choice(("p1", "p2")), kind="courier", employer=chance.choice((None, "fast")))
    elif kind == "binding":
        end_ms = chance.choice((None, begin_ms + 60_000 * chance.randint(1, 60)))
        words = {"token": chance.choice(TOKENS), "person": chance.choice(("p1", "p2"))}
        both.say(kind, f"operator/binding/{chance.randint(1, 2)}", **words, from_ms=begin_ms, to_ms=end_ms)
    elif kind == "declaration":
        record = f"hq/edge-{chance.randint(0, 1)}/5c1f0a9be2d74f11/{chance.randint(3, 9)}"
        target = chance.choice((record, "operator/move/1", "operator/declaration/2"))
        both.say(kind, name, target=target, reason="did_not_occur")
    elif kind == "move":
        when = {"best_ms": begin_ms, "earliest_ms": begin_ms, "latest_ms": begin_ms, "basis": "operator"}
        both.say(
            kind, name, when=when, subject=chance.choice(("person/p1", "card/k1:a")), site="hq", to_zone="office"
        )
    else:
        both.say(kind, "map", text=MAP)


def answers(view: View) -> Iterator[bytes]:
    """All questions, each as bytes."""
    for hour in (0.5, 1, 2):
        at_ms = DAY_MS + round(hour * HOUR_MS)
        yield as_json(roster(view, "hq", at_ms))
        yield as_json(headcount(view, "hq", at_ms, HOUR_MS))
    for subject in SUBJECTS:
        yield as_json(trajectory(view, subject, WINDOW))
        yield as_json(contacts(view, subject, WINDOW, Rules()))
        yield as_json(second_degree(view, subject, WINDOW, {}, Rules()))
        yield as_json(places_of(view, subject, WINDOW))
    yield as_json(visitors(view, "hq", "lobby", WINDOW))
    yield as_json(oddities(view, "hq", WINDOW))
    yield as_json(completeness(view, ["hq"], WINDOW))


@given(journals(), st.randoms(use_true_random=False))
@settings(
    max_examples=40,
    deadline=None,
    phases=[Phase.explicit, Phase.generate],
    suppress_health_check=[HealthCheck.too_slow],
)
def test_tables_answer_as_memory_does_in_whatever_order_records_arrived(
    new_place: Callable[..., str], made: list[Journal], chance: Any
) -> None:
    lines = [raw for journal in made for raw in journal.lines]
    chance.shuffle(lines)
    both = Both(new_place())
    then: list[tuple[int, list[bytes]]] = []
    number = 0
    while lines:
        count = chance.randint(1, 6)
        if chance.random() < 0.4:
            number += 1
            _say_something(chance, both, number)
        both.arrive(lines[:count] + chance.choices(lines[:count], k=chance.randint(0, 1)))
        lines = lines[count:]
        if chance.random() < 0.3:
            with both.database.reading(at_once=True) as connection:
                then.append((both.turns[-1], list(answers(TableView(connection)))))
    both.memory.known_at_ms = both.turns[-1]
    with both.database.reading(at_once=True) as connection:
        for mine, theirs in zip(answers(TableView(connection)), answers(both.memory), strict=True):
            assert json.loads(mine) == json.loads(theirs)
            assert mine == theirs
        for known_at_ms, told in then:
            assert list(answers(TableView(connection, known_at_ms))) == told, "what was answered then"
    both.close()
