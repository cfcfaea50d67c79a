"""Whatever is asked over HTTP: an answer, or a refusal that names key, value and remedy; never a 500."""

from __future__ import annotations

import http.client
import json
from collections.abc import Callable, Iterator
from typing import Any
from urllib.parse import quote, urlencode

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from test_whereabouts_tables import DAY_MS, Both, Journal

from traceability.api.application import create_app
from traceability.api.questions import questions
from traceability.api.server import Server
from traceability.database import open_database

GOOD: dict[str, tuple[str, ...]] = {
    "site": ("hq", "dorm"),
    "zone": ("lobby", "nowhere"),
    "subject": ("card/k1:a", "person/p1", "card/ä ?#%/x"),
    "as_of": (str(DAY_MS), "2026-11-23T08:00:00+08:00", "1970-01-01T00:00:00Z"),
    "as_known_at": (str(DAY_MS + 36_100_000), "0"),
    "from": (str(DAY_MS),),
    "to": (str(DAY_MS + 3_600_000), "2199-12-31T23:59:59.999999Z"),
    "lane": ("gate",),
    "pass_timeout_s": ("8", "0.001"),
    "reorder_s": ("0.5",),
    "mode": ("free", "controlled"),
    "sensor": ("true", "0"),
    "near": ("zone", "building", "site"),
    "minutes": ("0", "2.5", "1e3"),
    "way_minutes": ("90",),
    "more_than": ("1", "1000000000"),
    "isolated": (f"card/k1:b={DAY_MS}", "person/a=b=2026-11-23T00:00:00Z"),
    "gateway": ("edge-0",),
    "epoch": ("5c1f0a9be2d74f11",),
    "since_seq": ("1", "9007199254740991"),
    "upto_seq": ("3",),
}
BAD = (
    *(
        "",
        " ",
        "nan",
        "inf",
        "-inf",
        "1e400",
        "-1",
        "9" * 30,
        "1e308",
        "true",
        "now",
        "=",
        "a=b",
        "'; DROP TABLE stays",
    ),
    *("\x00", "hq\x00", "HQ", "../..", "person/", "card/\x00", "person/" + "x" * 200, "\ud83d\ude00"),
    *("20261123", "2026-11-23", "2026-11-23T08:00:00", "9999-12-31T23:59:59Z", "2026-02-30T00:00:00Z"),
    *("0001-01-01T00:00:00+23:59", "-62135596800000", "253402300800000"),
)


@pytest.fixture(scope="module")
def server(new_place: Callable[..., str]) -> Iterator[Server]:
    """Of a centre at which two cards came in."""
    journal = Journal("edge-0", 0)
    journal.write(0, "gateway.started")
    for minute, token in enumerate(("k1:a", "k1:b"), 5):
        subject = {"kind": "credential", "token": token, "count": 1}
        words = {"portal": "gate", "lane": "gate", "direction": "in", "from_zone": "outside", "to_zone": "lobby"}
        journal.write(minute, "punch", outcome="completed", device="gate-in", subject=subject, refs={}, **words)
    both = Both(new_place("fuzzed"))
    both.arrive(journal.lines)
    server = Server(create_app([questions(open_database(both.place), None)]), "127.0.0.1", 0, None)
    server.start()
    yield server
    server.stop()
    both.close()


def get(server: Server, path: str, method: str = "GET") -> tuple[int, Any]:
    connection = http.client.HTTPConnection(server.url.removeprefix("http://"), timeout=30)
    connection.request(method, path)
    answer = connection.getresponse()
    body = answer.read()
    connection.close()
    return answer.status, json.loads(body)


@pytest.fixture(scope="module")
def described(server: Server) -> list[tuple[str, list[dict[str, Any]]]]:
    """Each path of the questions with its parameters."""
    paths = get(server, "/openapi.json")[1]["paths"]
    return [(path, paths[path]["get"].get("parameters", [])) for path in sorted(paths) if path != "/healthz"]


def is_problem(status: int, told: Any) -> bool:
    return (
        400 <= status < 500
        and set(told) == {"error", "message", "remedy"}
        and bool(told["error"] and told["message"])
    )


@given(st.data())
@settings(max_examples=150, deadline=None, suppress_health_check=list(HealthCheck))
def test_no_parameter_breaks_a_question(server: Server, described: Any, data: st.DataObject) -> None:
    path, parameters = data.draw(st.sampled_from(described))
    asked: list[tuple[str, str]] = []
    wrong = data.draw(st.sampled_from([None, *(each["name"] for each in parameters), "other"]))
    for each in parameters:
        name = each["name"]
        value = data.draw(st.sampled_from(GOOD[name]))
        if name == wrong:
            value = data.draw(st.sampled_from(BAD) | st.text(max_size=20))
        if each["in"] == "path":
            path = path.replace(f"{{{name}}}", quote(value, safe="/", errors="surrogatepass"))
        elif each["required"] or name == wrong or data.draw(st.booleans()):
            asked.append((name, value))
    if wrong == "other":
        asked.append((data.draw(st.text(min_size=1, max_size=8)), "1"))
    query = urlencode(asked, errors="surrogatepass")
    status, told = get(server, f"{path}?{query}" if query else path)
    assert status == 200 or is_problem(status, told), (path, asked, status, told)


def test_every_key_that_says_something_wrong_is_named_with_what_it_said_and_what_it_may_be(
    server: Server, described: Any
) -> None:
    for path, parameters in described:
        good = {each["name"]: GOOD[each["name"]][0] for each in parameters}
        for name in (each["name"] for each in parameters if each["in"] == "query"):
            place = path
            for known in ("site", "zone", "lane", "subject"):
                place = place.replace(f"{{{known}}}", GOOD[known][0])
            words = {each["name"]: good[each["name"]] for each in parameters if each["in"] == "query"}
            status, told = get(server, f"{place}?{urlencode(words | {name: 'Wrong!'})}")
            assert (status, told["error"]) == (422, "malformed"), (path, name)
            assert f"{name}" in told["message"], told
            assert "Wrong!" in told["message"], told
            assert told["remedy"].startswith(f"{name}: "), told


@pytest.mark.parametrize(
    ("path", "said", "remedy"),
    [
        ("/sites/hq/roster?as_off=0", "query.as_off: this question has no such parameter", "as_of?"),
        ("/sites/hq/roster?as_of=0&as_of=0", "query.as_of: given 2 times", "give it once"),
        (
            "/sites/hq/roster?as_of=20261123",
            "not as described: query.as_of = 20261123",
            "as_of: unix ms has 12 or 13 digits",
        ),
        ("/sites/HQ/roster", "not as described: path.site = HQ", "site: string should match pattern"),
        ("/sites/hq/gatherings?minutes=inf&more_than=1", "query.minutes = inf", "minutes: input should be a finite"),
        ("/sites/hq/gatherings?minutes=1", "not as described: query.more_than", "more_than: field required"),
        (
            "/sites/hq/chain?since_seq=5&upto_seq=4",
            "query.upto_seq = 4 is before since_seq = 5",
            "upto_seq is not before",
        ),
        ("/nothing", "nothing is at /nothing", "see /openapi.json"),
    ],
)
def test_a_refusal_says_what_to_do(server: Server, path: str, said: str, remedy: str) -> None:
    status, told = get(server, path)
    assert is_problem(status, told)
    assert said in told["message"]
    assert told["remedy"].startswith(remedy)


def test_a_method_that_does_not_ask_is_refused(server: Server) -> None:
    assert get(server, "/sites/hq/roster", "DELETE")[0] == 405
