"""Tables made anew say what they said, now and as known at any turn; what was wrong in them is put right."""

from __future__ import annotations

import json
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from sqlalchemy import delete, select, update
from test_whereabouts_tables import DAY_MS, Both, Journal, _say_something, answers, journals

from gateway.commands import cli
from traceability.database import tables as ledger
from traceability.whereabouts import tables
from traceability.whereabouts.rebuild import Rebuilt, rebuild
from traceability.whereabouts.view import TableView

KEPT = (tables.signs, tables.steps, tables.stays)


def again(both: Both, *, write: bool = True, keep_ms: int = 0, tell: Callable[[int], None] | None = None) -> Rebuilt:
    return rebuild(both.database, keep_ms, both.now_ms, tell or (lambda _: None), write=write)


def live(both: Both, lines: list[bytes], chance: Any) -> None:
    """Records in any order, and what operators say."""
    number = len(both.turns)
    while lines:
        count = chance.randint(1, 6)
        if chance.random() < 0.5:
            number += 1
            _say_something(chance, both, number)
        both.arrive(lines[:count])
        lines = lines[count:]


def told(both: Both) -> list[list[bytes]]:
    """All answers as known at some turns, and now."""
    with both.database.reading(at_once=True) as connection:
        moments = (both.turns[len(both.turns) // 2], both.turns[-1])
        return [list(answers(TableView(connection, known_ms))) for known_ms in moments]


def rows(both: Both) -> list[set[Any]]:
    with both.database.reading(at_once=True) as connection:
        return [{tuple(row) for row in connection.execute(select(table))} for table in KEPT]


def damage(both: Both, chance: Any) -> None:
    """Of steps and stays some are gone, some say something else, some are there that should not be."""
    with both.database.writing() as connection:
        for table in KEPT[1:]:
            for row in connection.execute(select(table)).all():
                its = [column == row._mapping[column.name] for column in table.primary_key]
                kind = chance.random()
                if kind < 0.15:
                    connection.execute(delete(table).where(*its))
                elif kind < 0.3:
                    connection.execute(
                        update(table).where(*its).values(site="elsewhere", known_to=row.known_from + 1)
                    )
                elif kind < 0.4:
                    connection.execute(table.insert(), row._asdict() | {"name": f"{row.name}x"})


def lines_of(made: list[Journal], chance: Any) -> list[bytes]:
    lines = [raw for journal in made for raw in journal.lines]
    chance.shuffle(lines)
    return lines


@given(journals(), st.randoms(use_true_random=False))
@settings(
    max_examples=6,
    deadline=None,
    phases=[Phase.explicit, Phase.generate],
    suppress_health_check=[HealthCheck.too_slow],
)
def test_made_anew_nothing_differs_whatever_had_arrived_in_which_order(
    new_place: Callable[..., str], made: list[Journal], chance: Any
) -> None:
    both = Both(new_place("anew"))
    live(both, lines_of(made, chance), chance)
    before = rows(both)
    assert not again(both).changed
    assert rows(both) == before
    both.close()


@given(journals(), st.randoms(use_true_random=False))
@settings(
    max_examples=4,
    deadline=None,
    phases=[Phase.explicit, Phase.generate],
    suppress_health_check=[HealthCheck.too_slow],
)
def test_damaged_steps_and_stays_are_put_right_to_the_byte(
    new_place: Callable[..., str], made: list[Journal], chance: Any
) -> None:
    both = Both(new_place("damaged"))
    live(both, lines_of(made, chance), chance)
    before, answered = rows(both), told(both)
    damage(both, chance)
    assert again(both, write=False).changed == (rows(both) != before)
    again(both)
    assert rows(both) == before
    assert told(both) == answered
    assert not again(both, write=False).changed
    both.close()


# --- one morning, step by step


@pytest.fixture
def morning(place: str) -> Both:
    """Cards in and out, a box whose clock is set late, a binding, a correction: some ten turns."""
    both, chance = Both(place), random.Random(5)
    first, second = Journal("edge-0", 0), Journal("edge-1", 30)
    for journal, lane in ((first, "gate"), (second, "door")):
        journal.write(0, "gateway.started")
        journal.write(0, "device.up", device=f"{lane}-in", lane=lane)
        for minute in range(2, 60, 4):
            if minute == 30:
                journal.write(30, "clock.anchor")
            zones = ("outside", "lobby") if lane == "gate" else ("lobby", "office")
            inward = minute % 8 == 2
            subject = {"kind": "credential", "count": 1, "token": chance.choice(("k1:a", "k1:b"))}
            words = {"direction": "in" if inward else "out", "portal": lane, "lane": lane, "device": f"{lane}-in"}
            ends = {"from_zone": zones[not inward], "to_zone": zones[inward], "outcome": "completed", "refs": {}}
            journal.write(minute, "punch", subject=subject, **words, **ends)
    lines = [*first.lines, *second.lines]
    both.say("person", "p1", kind="courier", employer="fast")
    both.arrive(lines[:9])
    both.say("binding", "operator/binding/1", token="k1:a", person="p1", from_ms=DAY_MS, to_ms=None)
    both.arrive(lines[9:20])
    both.say("declaration", "operator/declaration/1", target="hq/edge-0/5c1f0a9be2d74f11/5", reason="did_not_occur")
    for begin in range(20, len(lines), 3):
        both.arrive(lines[begin : begin + 3])
    return both


def lose(both: Both) -> None:
    with both.database.writing() as connection:
        connection.execute(delete(tables.stays))
        connection.execute(update(tables.steps).values(role="void"))


def test_what_arrives_meanwhile_is_in_the_new_tables_too(morning: Both) -> None:
    late = Journal("edge-0", 0, epoch="6c1f0a9be2d74f12")
    late.write(100, "gateway.started")
    arrived = []

    def arrive(_: int) -> None:
        if not arrived:
            arrived.append(True)
            morning.arrive(late.lines)

    told = again(morning, tell=arrive)
    assert told.turns == len(morning.turns)
    assert not told.changed
    lose(morning)
    assert again(morning).changed
    assert not again(morning, write=False).changed


def test_the_old_tables_answer_until_the_new_ones_are_whole_and_a_death_on_the_way_changes_nothing(
    morning: Both,
) -> None:
    whole = rows(morning)
    lose(morning)
    broken = rows(morning)

    def die(records: int) -> None:
        assert rows(morning) == broken
        if records > 20:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        again(morning, tell=die)
    assert rows(morning) == broken
    assert again(morning).changed
    assert rows(morning) == whole


def test_what_has_expired_is_taken_over_as_it_is(morning: Both) -> None:
    whole = rows(morning)
    with morning.database.writing() as connection:
        r = ledger.records.c
        old = connection.scalars(select(r.at_ms).order_by(r.at_ms)).all()[20]
        connection.execute(update(ledger.records).where(r.at_ms <= old).values(line=b""))
        connection.execute(delete(tables.stays))
    assert again(morning).changed
    assert rows(morning) == whole


def test_what_will_expire_within_a_day_is_taken_over_too(morning: Both) -> None:
    keep_ms = 86_400_000 + 9_500
    whole = rows(morning)
    assert not again(morning, keep_ms=keep_ms).changed
    with morning.database.writing() as connection:
        connection.execute(delete(tables.stays))
    again(morning, keep_ms=keep_ms)
    assert rows(morning) == whole


def test_the_command_says_what_differs_and_with_check_changes_nothing(morning: Both, tmp_path: Path) -> None:
    file = tmp_path / "centre.toml"
    file.write_text(f'[centre]\nurl = "mqtt://127.0.0.1"\ndatabase = {json.dumps(morning.place)}\n')

    def run(*words: str) -> tuple[int, str]:
        done = CliRunner().invoke(cli, ["centre", "rebuild", "-c", str(file), *words], standalone_mode=False)
        return done.return_value or 0, done.stdout

    assert run("--check")[0] == 0
    whole = rows(morning)
    lose(morning)
    broken = rows(morning)
    code, told = run("--check")
    assert (code, f"stays: {len(whole[2])} rows missing, 0 too much" in told) == (1, True)
    assert rows(morning) == broken
    assert run()[0] == 0
    assert rows(morning) == whole
    assert json.loads(run("--check", "--json")[1])["differences"]["stays"] == {"missing": 0, "surplus": 0, "other": 0}
