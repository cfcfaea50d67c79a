"""Slips of who asks or says something: they are refused or told, and never pass for an answer."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from test_whereabouts_tables import DAY_MS, MAP, Both, Journal

from gateway.commands import cli
from gateway.errors import Rejected
from traceability.presence.moments import Span
from traceability.whereabouts.inquiry import Inquiry

HOUR_MS = 3_600_000
WINDOW = Span(DAY_MS, DAY_MS + HOUR_MS)
RECORD = "hq/edge-0/5c1f0a9be2d74f11/3"
Shell = Callable[..., Result]


@pytest.fixture(scope="module")
def both(new_place: Callable[..., str]) -> Iterator[Both]:
    """One card comes in; somebody without a name goes through a door behind which nobody ever was by name."""
    journal = Journal("edge-0", 0)
    journal.write(0, "gateway.started")
    journal.write(0, "device.up", device="gate-in", lane="gate")
    for minute, token, zones in ((5, "k1:a", ("outside", "lobby")), (6, None, ("lobby", "store"))):
        subject = {"kind": "anonymous" if token is None else "credential", "count": 1} | (
            {"token": token} if token else {}
        )
        words = {"portal": "gate", "lane": "gate", "direction": "in", "from_zone": zones[0], "to_zone": zones[1]}
        outcome = "completed" if token else "tailgate"
        journal.write(minute, "punch", outcome=outcome, device="gate-in", subject=subject, refs={}, **words)
    both = Both(new_place("slips"))
    both.arrive(journal.lines)
    yield both
    both.close()


@pytest.fixture(scope="module")
def shell(both: Both, tmp_path_factory: pytest.TempPathFactory) -> Shell:
    file = tmp_path_factory.mktemp("slips") / "centre.toml"
    file.write_text(f'[centre]\nurl = "mqtt://127.0.0.1"\ndatabase = {json.dumps(both.place)}\n')
    return lambda *words: CliRunner().invoke(cli, ["centre", *words, "-c", str(file)])


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("trajectory", "p1"), "person/ID or card/TOKEN"),
        (("contacts", "card/k1:a", "--isolated", "p1=now"), "SUBJECT=TIME"),
        (("roster", "HQ"), "a-z, 0-9 and -"),
        (("headcount", "hq", "--zone", "Lobby"), "a-z, 0-9 and -"),
        (("breaches", "p1", "--site", "hq"), "person/ID or card/TOKEN"),
        (("contacts", "card/k1:a", "--minutes", "nan"), "no number"),
        (("gatherings", "hq", "--more-than", "1", "--minutes", "inf"), "not in the range"),
        (("breaches", "card/k1:a", "--site", "hq", "--way", "nan"), "no number"),
        (("roster", "hq", "--at", "1795392600"), "is no time"),
        (("roster", "hq", "--at", "9" * 30), "is no time"),
        (("roster", "hq", "--at", "-99999999d"), "is no time"),
        (("roster", "hq", "--at", "2200-01-01T00:00Z"), "is no time"),
        (("verify", "--since-seq", "5", "--upto-seq", "3"), "before"),
    ],
)
def test_what_cannot_be_meant_is_a_mistake_of_usage(shell: Shell, words: tuple[str, ...], told: str) -> None:
    done = shell(*words)
    assert (done.exit_code, told in done.stderr) == (2, True), done.output


def test_an_answer_about_a_zone_that_is_not_known_says_so_instead_of_nobody(both: Both) -> None:
    ask = Inquiry(both.database)
    for told in (
        ask.visitors("hq", "loby", WINDOW),
        ask.peaks("hq", "loby", WINDOW),
        ask.headcount("hq", DAY_MS + HOUR_MS, "loby"),
        ask.density("hq", "loby", DAY_MS + HOUR_MS),
    ):
        assert not told.scope.complete
        assert (told.scope.gaps[0].lane, told.scope.gaps[0].state) == ("*", "unknown")
        assert told.scope.gaps[0].why == "no zone loby is known"


@pytest.mark.parametrize("zone", ["lobby", "store", None])
def test_a_zone_in_which_somebody_was_by_name_or_without_one_is_known(both: Both, zone: str | None) -> None:
    told = Inquiry(both.database).visitors("hq", zone, WINDOW)
    assert "*" not in {gap.lane for gap in told.scope.gaps}


def test_as_known_before_anybody_was_there_the_zone_was_not_known(both: Both) -> None:
    before = Inquiry(both.database, both.turns[0] - 1)
    assert before.visitors("hq", "lobby", WINDOW).scope.gaps[0].why == "no zone lobby is known"


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("move", "k1:a", "hq", "outside"), "no subject"),
        (("move", "card/k1:a", "qh", "outside"), "known are hq"),
        (("count", "qh", "*", "3"), "known are hq"),
        (("correct", "nonsense", "--reason", "did_not_occur"), "neither a record"),
        (("correct", RECORD + "9", "--reason", "did_not_occur"), "no record"),
        (("correct", RECORD, "--reason", "incorrect_data", "--instead", "nonsense"), "neither a record"),
        (("bind", "card/k1:a", "p1"), "k1:a"),
        (("bind", "k1:a", "person/p1"), "p1"),
        (("person", ""), "no name"),
        (("person", "person/p1"), "p1"),
    ],
)
def test_what_is_said_of_nothing_that_is_known_is_refused(
    both: Both, shell: Shell, words: tuple[str, ...], told: str
) -> None:
    done = shell(*words)
    assert isinstance(done.exception, Rejected), done.output
    assert told in f"{done.exception} {done.exception.remedy}"
    with both.database.reading() as connection:
        assert not connection.exec_driver_sql("SELECT name FROM entries").all()


def test_what_is_said_of_what_is_known_is_written_down_and_may_be_corrected(
    shell: Shell, new_place: Callable[..., str], both: Both
) -> None:
    moved = shell("move", "card/k1:a", "hq", "outside", "--at", str(DAY_MS + HOUR_MS))
    assert moved.exit_code == 0
    for target in (RECORD, moved.output.strip()):
        assert shell("correct", target, "--reason", "did_not_occur").exit_code == 0


def test_where_a_map_names_the_zones_no_other_can_be_moved_to(shell: Shell, tmp_path: Path) -> None:
    (tmp_path / "map.toml").write_text(MAP)
    assert shell("map", str(tmp_path / "map.toml")).exit_code == 0
    done = shell("move", "card/k1:a", "hq", "loby")
    assert isinstance(done.exception, Rejected)
    assert done.exception.remedy == "lobby?"
    assert shell("move", "card/k1:a", "hq", "lobby").exit_code == 0
