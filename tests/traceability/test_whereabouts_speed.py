"""Questions and turns cost what they are about, and not what the tables hold."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from sqlalchemy import Engine, event, text
from structlog.testing import capture_logs
from test_whereabouts_tables import DAY_MS, WINDOW, Both, Journal

from traceability.database import Connection, Database
from traceability.database.migrations.versions import v8_quick
from traceability.database.portable import append
from traceability.presence.answers import as_json
from traceability.presence.contacts import contacts
from traceability.presence.coverage import Beat, Sign
from traceability.presence.moments import FUTURE, HOUR_MS, MINUTE_MS, Span
from traceability.presence.roster import roster
from traceability.presence.view import Place
from traceability.whereabouts import digest, tables
from traceability.whereabouts.keeper import Keeper
from traceability.whereabouts.rows import sign_row
from traceability.whereabouts.view import TableView


@contextmanager
def statements() -> Iterator[list[tuple[str, Any]]]:
    """What is asked of any database meanwhile."""
    told: list[tuple[str, Any]] = []

    def note(_c: object, _u: object, statement: str, parameters: object, *_: object) -> None:
        told.append((statement, parameters))

    event.listen(Engine, "before_cursor_execute", note)
    try:
        yield told
    finally:
        event.remove(Engine, "before_cursor_execute", note)


@pytest.fixture
def both(new_place: Callable[..., str]) -> Iterator[Both]:
    both = Both(new_place())
    yield both
    both.close()


def journal(people: int, gateway: str = "edge-0") -> Journal:
    """So many people go in, one a minute."""
    made = Journal(gateway, 0)
    made.write(0, "gateway.started", reason="start")
    made.write(0, "device.up", device="gate-in", lane="gate")
    for number in range(people):
        punch(made, number + 1, f"k1:{number}")
    return made


def punch(made: Journal, minute: int, token: str, direction: str = "in") -> None:
    zones = ("outside", "lobby") if direction == "in" else ("lobby", "outside")
    made.write(
        minute, "punch", portal="gate", lane="gate", device="gate-in", direction=direction, from_zone=zones[0],
        to_zone=zones[1], outcome="completed", confidence="confirmed", refs={"read": None, "passes": []},
        subject={"kind": "credential", "count": 1, "token": token},
    )  # fmt: skip


def asked_by_a_turn(both: Both, lines: list[bytes]) -> int:
    with both.ledger.group([("hq", "edge-0")]) as group:
        group.take("hq", "edge-0", lines)
    with statements() as told:
        assert both.deriver.turn().records == len(lines)
    return len(told)


def test_a_turn_asks_the_database_no_more_often_for_many_people_than_for_one(both: Both) -> None:
    made = journal(60)
    both.arrive(made.lines[:3])
    one = asked_by_a_turn(both, made.lines[3:4])
    many = asked_by_a_turn(both, made.lines[4:])
    blocks = len(made.lines) // 4
    assert many <= one + 2 * blocks


def test_a_roster_asks_for_all_its_people_at_once(both: Both) -> None:
    for number in range(40):
        both.say("person", f"p{number}", kind="courier")
        words = {"token": f"k1:{number}", "person": f"p{number}", "from_ms": DAY_MS - HOUR_MS, "to_ms": None}
        both.say("binding", f"operator/binding/{number}", **words)
    both.arrive(journal(40).lines)
    with both.database.reading(at_once=True) as connection, statements() as told:
        found = roster(TableView(connection), "hq", DAY_MS + HOUR_MS)
    assert [each.kind for each in found.present] == ["courier"] * 40
    assert len(told) < 40


def test_contacts_are_asked_for_no_more_often_after_many_stays_and_beside_many_sites(both: Both) -> None:
    made = journal(3)
    both.arrive(made.lines)
    few = asked_for_contacts(both)
    for hour in range(1, 20):
        for number in range(3):
            punch(made, 60 * hour + number, f"k1:{number}", "out")
            punch(made, 60 * hour + 30 + number, f"k1:{number}")
    both.arrive(made.lines[5:])
    zones = "\n".join(f'[[sites]]\nid = "s{number}"\nzones = [{{ id = "hall" }}]' for number in range(20))
    both.say("map", "map", text=f'from = 2026-11-20T00:00:00+00:00\norganisation = "acme"\n{zones}')
    both.turn()
    assert asked_for_contacts(both) <= few + 8


def asked_for_contacts(both: Both) -> int:
    with both.database.reading(at_once=True) as connection, statements() as told:
        found = contacts(TableView(connection), "card/k1:0", Span(DAY_MS - HOUR_MS, DAY_MS + 20 * HOUR_MS))
    assert {each.subject for each in found.contacts} == {"card/k1:1", "card/k1:2"}
    return len(told)


def test_coverage_of_many_sites_at_once_is_that_of_each(both: Both) -> None:
    both.arrive(journal(3).lines)
    both.arrive(journal(5, "edge-1").lines)
    with both.database.reading(at_once=True) as connection:
        view = TableView(connection)
        together = view.coverages(["hq", "nowhere"], WINDOW)
        assert together == {site: view.coverage(site, WINDOW) for site in ("hq", "nowhere")}
    assert together["nowhere"] == []
    assert together["hq"] == both.memory.coverage("hq", WINDOW)


def test_a_hole_and_a_start_within_a_strip_of_numbers_are_seen(both: Both) -> None:
    made = journal(5)
    made.write(30, "gateway.started", reason="start")
    for minute in range(31, 40):
        punch(made, minute, "k1:x")
    both.arrive(made.lines[:9] + made.lines[10:13] + made.lines[14:])
    with both.database.reading(at_once=True) as connection:
        mine = TableView(connection).coverage("hq", WINDOW)
    assert mine == both.memory.coverage("hq", WINDOW)
    assert {"10–10 are missing", "14–14 are missing"} <= {each.why for each in mine}


def plans(connection: Connection, told: list[tuple[str, Any]]) -> list[str]:
    wanted = [(statement, parameters) for statement, parameters in told if "JOIN stays" in statement]
    found = []
    for statement, parameters in wanted:
        rows = connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {statement}", parameters)
        found.append("; ".join(row[3] for row in rows))
    return found


@pytest.mark.parametrize("new_place", ["sqlite"], indirect=True)  # a server plans by what it holds
def test_who_was_in_a_zone_is_a_stretch_of_an_index(both: Both) -> None:
    both.arrive(journal(3).lines)
    with both.database.reading(at_once=True) as connection:
        view = TableView(connection)
        with statements() as told:
            view.in_zones({Place("hq", "lobby")}, Span(DAY_MS, DAY_MS + HOUR_MS))
        [plan] = plans(connection, told)
    first, last = "(site=? AND zone=? AND known_to=? AND first_ms>? AND first_ms<?)", "known_to=? AND last_ms>?)"
    assert f"stays_that_pass {first}" in plan
    assert f"stays_in_zone {first}" in plan
    assert f"stays_that_last (site=? AND zone=? AND {last}" in plan
    assert "SCAN stays" not in plan


def test_of_many_heartbeats_only_those_that_decide_are_read(both: Both) -> None:
    made = journal(3)
    both.arrive(made.lines)
    last = len(made.lines)
    made.write(90, "gateway.started", reason="start")
    heard = [(minute, last) for minute in range(4, 80)] + [(minute, last + 1) for minute in range(91, 120)]
    rows = [
        {"site": "hq", "gateway": "edge-0", "at_ms": DAY_MS + minute * MINUTE_MS, "online": True}
        | {"epoch": made.epoch, "newest": newest}
        for minute, newest in heard
    ]
    with both.database.writing() as connection:
        append(connection, tables.beats, rows)
    for minute, newest in heard:
        at_ms = DAY_MS + minute * MINUTE_MS
        both.memory.watch(Beat("hq", "edge-0", at_ms, at_ms, True, made.epoch, newest))
    both.arrive(made.lines[last:])
    with both.database.reading(at_once=True) as connection:
        mine = list(TableView(connection).coverage("hq", WINDOW))
    assert mine == both.memory.coverage("hq", WINDOW)
    assert (79, 90) in {
        ((each.span.begin_ms - DAY_MS) // MINUTE_MS, (each.span.end_ms - DAY_MS) // MINUTE_MS)
        for each in mine
        if each.why == "the gateway died"
    }


def test_a_sensor_was_silent_since_its_last_pass_and_no_longer(both: Both) -> None:
    made = journal(3)
    for minute in (10, 20, 30):
        made.write(minute, "passage.sensed", portal="gate", lane="gate", device="gate-in", direction="in")
    made.write(60, "device.fault", lane="gate", device="gate-in", reason="no pass sensed for long")
    both.arrive(made.lines)
    with both.database.reading(at_once=True) as connection:
        mine = list(TableView(connection).coverage("hq", WINDOW))
    assert mine == both.memory.coverage("hq", WINDOW)
    silent = [each.span for each in mine if each.why == "the sensor was silent"]
    assert silent == [Span(DAY_MS + 30 * MINUTE_MS, DAY_MS + 60 * MINUTE_MS)]


def test_records_that_are_in_the_ledger_and_not_derived_yet_are_pending_in_every_answer(both: Both) -> None:
    made = journal(3)
    both.arrive(made.lines[:4])
    with both.ledger.group([("hq", "edge-0")]) as group:
        group.take("hq", "edge-0", made.lines[4:])
    with both.database.reading(at_once=True) as connection:
        found = roster(TableView(connection), "hq", DAY_MS + 10 * MINUTE_MS)
    assert not found.scope.complete
    assert {gap.state for gap in found.scope.gaps if gap.span.end_ms > DAY_MS + 10 * MINUTE_MS} == {"pending"}


def test_after_a_turn_that_failed_none_of_its_records_is_skipped(both: Both, monkeypatch: pytest.MonkeyPatch) -> None:
    made = journal(3)
    both.arrive(made.lines[:3])
    with both.ledger.group([("hq", "edge-0")]) as group:
        group.take("hq", "edge-0", made.lines[3:])
    with monkeypatch.context() as patch:
        patch.setattr("traceability.whereabouts.deriver.go_on", _fail)
        with pytest.raises(RuntimeError):
            both.deriver.turn()
    assert both.deriver.is_behind()
    assert both.deriver.turn().records == len(made.lines) - 3
    assert not both.deriver.is_behind()


def test_a_turn_says_how_long_its_first_record_had_waited(both: Both) -> None:
    made = journal(3)
    with both.ledger.group([("hq", "edge-0")]) as group:
        group.take("hq", "edge-0", made.lines)
    both.now_ms += 7000
    assert both.deriver.turn().waited_ms == 7000


def test_a_centre_whose_answers_are_behind_says_so_once_a_minute(both: Both) -> None:
    made = journal(6)
    with capture_logs() as logs:
        keeper = Keeper(both.database, lambda: both.now_ms)
        for lines in (made.lines[:4], made.lines[4:]):
            with both.ledger.group([("hq", "edge-0")]) as group:
                group.take("hq", "edge-0", lines)
            both.now_ms += 7000
            keeper.work()
    behind = [each for each in logs if each["event"] == "whereabouts.behind"]
    assert [each["seconds"] for each in behind] == [7]


def _fail(*_: object) -> None:
    raise RuntimeError("the disk is full")


def test_names_and_blocks_that_a_migration_or_a_rebuild_makes_are_those_the_deriver_writes(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(digest, "BLOCK", 1024)
    rows = [*_signs(1, 3000), *_signs(2, 1500)]
    with database.writing() as connection:
        append(connection, tables.signs, rows)
        digest.Names().note(connection, rows)
        digest.sum_up(connection, ((row["stream"], row["seq"]) for row in rows), (), 7)
        mine = _digested(connection)
        connection.execute(tables.named.delete())
        connection.execute(tables.blocks.delete())
        v8_quick.sum_up(connection)
        assert _digested(connection) == mine
        digest.digest_anew(connection)
        assert _digested(connection) == mine
    named, blocks = mine
    assert {(row[0], row[1]) for row in blocks} == {(1, 1), (2, 0)}
    assert len(named) == 4


def _signs(stream: int, count: int) -> list[dict[str, Any]]:
    """In one block of the first stream the gateway starts anew."""
    rows = []
    for seq in range(1 if stream == 1 else 0, count):
        kind = "gateway.started" if (stream, seq) == (1, 2500) else "punch"
        lane = f"lane-{seq % 2}"
        sign = Sign(f"hq/e/{stream}/{seq}", 7, DAY_MS + seq, "hq", "e", str(stream), seq, kind, lane=lane)
        dates = (DAY_MS + seq, None, None)
        rows.append(sign_row((stream, seq), dates, sign, 7, kind=kind, live=seq % 3 != 0))
    return rows


def _digested(connection: Connection) -> tuple[list[Any], list[Any]]:
    named = connection.execute(text("SELECT * FROM named ORDER BY stream, seq")).all()
    return list(named), list(connection.execute(text("SELECT * FROM blocks ORDER BY stream, block")).all())


def test_an_answer_as_known_then_stays_when_signs_in_a_whole_block_are_dated_better(both: Both) -> None:
    made = Journal("edge-0", 30)
    made.write(0, "gateway.started", reason="start")
    for minute in range(1, 12):
        punch(made, minute, "k1:a")
    both.arrive(made.lines)
    with both.database.reading(at_once=True) as connection:
        then, known_ms = as_json(roster(TableView(connection), "hq", DAY_MS + HOUR_MS)), both.turns[-1]
    made.write(30, "clock.anchor")
    both.arrive(made.lines[-1:])
    with both.database.reading(at_once=True) as connection:
        assert as_json(roster(TableView(connection, known_ms), "hq", DAY_MS + HOUR_MS)) == then
        blocks = connection.execute(text("SELECT block, known_to FROM blocks ORDER BY block, known_from")).all()
        mine = list(TableView(connection).coverage("hq", WINDOW))
    assert [known_to == FUTURE for _, known_to in blocks] == [False, True, False, True]
    assert mine == both.memory.coverage("hq", WINDOW)
