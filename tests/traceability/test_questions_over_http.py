"""The questions over HTTP: to whom they are answered, that they say what they rest on, and can be asked for again."""

from __future__ import annotations

import http.client
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from test_whereabouts_tables import DAY_MS, Both, Journal

from traceability.api.application import create_app
from traceability.api.questions import questions
from traceability.api.server import Server
from traceability.database import open_database

KEY = "0123456789abcdef"
AT = f"as_of={DAY_MS + 1_800_000}"
WINDOW = f"from={DAY_MS}&to={DAY_MS + 3_600_000}"
QUESTIONS = (
    f"/sites/hq/roster?{AT}",
    f"/sites/hq/headcount?{AT}&zone=lobby",
    f"/sites/hq/visitors?{WINDOW}",
    f"/sites/hq/oddities?{WINDOW}",
    f"/sites/hq/completeness?{WINDOW}",
    f"/sites/hq/gatherings?{WINDOW}&more_than=1&minutes=1",
    f"/sites/hq/zones/lobby/density?{AT}",
    f"/sites/hq/zones/lobby/peaks?{WINDOW}",
    f"/trajectory/card/k1:a?{WINDOW}",
    f"/impossible?{WINDOW}",
    f"/places/card/k1:a?{WINDOW}",
    f"/contacts/card/k1:a?{WINDOW}&near=site&minutes=2",
    f"/second-degree/card/k1:a?{WINDOW}",
)


@pytest.fixture(scope="module")
def both(new_place: Callable[..., str]) -> Iterator[Both]:
    """One gateway's morning: two cards come in."""
    journal = Journal("edge-0", 0)
    journal.write(0, "gateway.started")
    journal.write(0, "device.up", device="gate-in", lane="gate")
    for minute, token in enumerate(("k1:a", "k1:b"), 5):
        subject = {"kind": "credential", "token": token, "count": 1}
        words = {"portal": "gate", "lane": "gate", "direction": "in", "from_zone": "outside", "to_zone": "lobby"}
        journal.write(minute, "punch", outcome="completed", device="gate-in", subject=subject, refs={}, **words)
    both = Both(new_place("http"))
    both.arrive(journal.lines)
    yield both
    both.close()


def serving(both: Both, key: str | None) -> Iterator[Server]:
    server = Server(create_app([questions(open_database(both.place), key)]), "127.0.0.1", 0, None)
    server.start()
    yield server
    server.stop()


@pytest.fixture(scope="module")
def local(both: Both) -> Iterator[Server]:
    yield from serving(both, None)


@pytest.fixture(scope="module")
def guarded(both: Both) -> Iterator[Server]:
    yield from serving(both, KEY)


def get(server: Server, path: str, **headers: str) -> tuple[int, dict[str, Any], bytes]:
    connection = http.client.HTTPConnection(server.url.removeprefix("http://"), timeout=20)
    connection.request("GET", path, headers=headers)
    answer = connection.getresponse()
    body = answer.read()
    connection.close()
    return answer.status, dict(answer.getheaders()), body


@pytest.mark.parametrize("path", QUESTIONS)
def test_each_question_is_answered_with_what_it_rests_on_and_again_as_it_was_known(local: Server, path: str) -> None:
    status, headers, body = get(local, path)
    assert (status, headers.get("punchgate-behind")) == (200, "0")
    answer = json.loads(body)
    known_at = answer.get("scope", answer.get("first", {}).get("scope"))["known_at_ms"]
    assert get(local, f"{path}&as_known_at={known_at}")[2] == body


def test_the_roster_has_who_came_in(local: Server) -> None:
    answer = json.loads(get(local, f"/sites/hq/roster?{AT}")[2])
    assert [each["subject"] for each in answer["present"]] == ["card/k1:a", "card/k1:b"]


def test_moments_may_be_written_as_people_write_them_but_not_without_an_offset(local: Server) -> None:
    assert get(local, "/sites/hq/roster?as_of=2026-11-23T08:30:00%2B08:00")[0] == 200
    assert get(local, "/sites/hq/roster?as_of=2026-11-23T08:30:00")[0] == 422
    assert get(local, f"/trajectory/card/k1:a?from={DAY_MS + 5}&to={DAY_MS}")[0] == 422


def test_under_a_foreign_name_this_machine_does_not_answer(local: Server) -> None:
    assert get(local, f"/sites/hq/roster?{AT}", Host="evil.example")[0] == 403


def test_where_there_is_a_key_nothing_is_told_without_it(guarded: Server) -> None:
    for path in QUESTIONS:
        assert get(guarded, path)[0] == 401
        assert get(guarded, path, Authorization="Bearer wrong")[0] == 401
    assert get(guarded, QUESTIONS[0], Authorization=f"Bearer {KEY}", Host="centre.example")[0] == 200


def test_the_description_has_all_questions(local: Server) -> None:
    described = json.loads(get(local, "/openapi.json")[2])
    assert {path.partition("?")[0].replace("/sites/hq/", "/sites/{site}/") for path in QUESTIONS[:6]} <= described[
        "paths"
    ].keys()
    assert "Roster" in described["components"]["schemas"]


def test_without_a_ledger_it_says_what_to_do(tmp_path: Path) -> None:
    server = Server(create_app([questions(open_database(str(tmp_path / "none.sqlite")), None)]), "127.0.0.1", 0, None)
    server.start()
    status, _, body = get(server, f"/sites/hq/roster?{AT}")
    server.stop()
    assert (status, json.loads(body)["remedy"]) == (503, "has `punchgate centre run` been started once?")
