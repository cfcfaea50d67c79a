"""Every question from the shell and over HTTP: the same bytes, and each of them on the page that lists them."""

from __future__ import annotations

import http.client
import json
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from test_whereabouts_tables import DAY_MS, MAP, Both, Journal

from gateway.commands import cli
from gateway.commands.audits import AUDITS
from gateway.commands.questions import QUESTIONS
from traceability.api.application import create_app
from traceability.api.questions import questions
from traceability.api.server import Server
from traceability.database import open_database

HOUR_MS = 3_600_000
MINUTE_MS = 60_000
WINDOW = ("--from", str(DAY_MS), "--to", str(DAY_MS + HOUR_MS))
OVER = f"from={DAY_MS}&to={DAY_MS + HOUR_MS}"
AT, ON = ("--as-of", str(DAY_MS + HOUR_MS // 2)), f"as_of={DAY_MS + HOUR_MS // 2}"
LATER = str(DAY_MS + 20 * MINUTE_MS)
RECORD = "hq/edge-0/5c1f0a9be2d74f11/5"
ASKED: dict[str, tuple[tuple[str, ...], str]] = {
    "roster": (("hq", *AT), f"/sites/hq/roster?{ON}"),
    "headcount": (("hq", "--zone", "lobby", *AT), f"/sites/hq/headcount?zone=lobby&{ON}"),
    "trajectory": (("person/p1", *WINDOW), f"/trajectory/person/p1?{OVER}"),
    "impossible": ((*WINDOW,), f"/impossible?{OVER}"),
    "impossible of one": (("card/k1:b", *WINDOW), f"/impossible?subject=card/k1:b&{OVER}"),
    "contacts": (
        ("person/p1", "--near", "site", "--minutes", "2", *WINDOW),
        f"/contacts/person/p1?near=site&minutes=2&{OVER}",
    ),
    "second degree": (("person/p1", "--second", *WINDOW), f"/second-degree/person/p1?{OVER}"),
    "second degree until isolated": (
        ("person/p1", "--second", "--isolated", f"card/k1:b={LATER}", *WINDOW),
        f"/second-degree/person/p1?isolated=card/k1:b={LATER}&{OVER}",
    ),
    "places": (("person/p1", *WINDOW), f"/places/person/p1?{OVER}"),
    "visitors": (("hq", "lobby", *WINDOW), f"/sites/hq/visitors?zone=lobby&{OVER}"),
    "density": (("hq", "lobby", *AT), f"/sites/hq/zones/lobby/density?{ON}"),
    "peaks": (("hq", "lobby", *WINDOW), f"/sites/hq/zones/lobby/peaks?{OVER}"),
    "gatherings": (
        ("hq", "--more-than", "1", "--minutes", "5", *WINDOW),
        f"/sites/hq/gatherings?more_than=1&minutes=5&{OVER}",
    ),
    "oddities": (("hq", *WINDOW), f"/sites/hq/oddities?{OVER}"),
    "breaches": (
        ("person/p1", "card/k1:b", "--site", "dorm", "--way", "60", *WINDOW),
        f"/breaches?subject=person/p1&subject=card/k1:b&site=dorm&way_minutes=60&{OVER}",
    ),
    "gateways": (("hq", *WINDOW), f"/sites/hq/gateways?{OVER}"),
    "corrections": (("hq", *WINDOW), f"/sites/hq/corrections?{OVER}"),
    "pairing": (
        ("hq", "gate", "--pass-timeout", "8", "--reorder", "0.5", "--mode", "free", "--no-sensor", *WINDOW),
        f"/sites/hq/lanes/gate/pairing?pass_timeout_s=8&reorder_s=0.5&mode=free&sensor=false&{OVER}",
    ),
    "completeness": (("hq", *WINDOW), f"/sites/hq/completeness?{OVER}"),
}
"""By name; the first word is the command, unless COMMANDS names another."""
COMMANDS = {"second degree": "contacts", "second degree until isolated": "contacts"}
LEDGER = {"coverage": "/coverage", "verify": "/sites/{site}/chain"}
"""What is asked of the ledger itself: by `punchgate centre NAME`, and where over HTTP."""


@pytest.fixture(scope="module")
def both(new_place: Callable[..., str]) -> Iterator[Both]:
    """An hour at one gateway: three cards, a tailgater, a number that is missing, a line that came twice."""
    journal = Journal("edge-0", 0)
    journal.write(0, "gateway.started")
    journal.write(0, "device.up", device="gate-in", lane="gate")

    def passes(minute: int, token: str | None, direction: str, outcome: str) -> None:
        subject = {"kind": "anonymous" if token is None else "credential", "count": 1}
        zones = {"in": ("outside", "lobby"), "out": ("lobby", "outside")}[direction]
        words = {"direction": direction, "from_zone": zones[0], "to_zone": zones[1], "outcome": outcome}
        told = subject | ({} if token is None else {"token": token})
        journal.write(minute, "punch", portal="gate", lane="gate", device="gate-in", subject=told, refs={}, **words)

    passes(5, "k1:a", "in", "completed")
    passes(6, "k1:b", "in", "assumed")
    passes(7, "k1:a", "in", "completed")
    passes(8, None, "in", "tailgate")
    passes(15, "k1:a", "out", "completed")
    journal.write(16, "credential.read", portal="gate", lane="gate")
    passes(25, "k1:c", "in", "completed")
    passes(40, "k1:b", "out", "completed")
    both = Both(new_place("every"))
    both.say("map", "map", text=MAP)
    both.say("person", "p1", kind="courier", employer="fast")
    both.say("binding", "operator/binding/1", token="k1:a", person="p1", from_ms=DAY_MS - HOUR_MS, to_ms=None)
    both.arrive([raw for number, raw in enumerate(journal.lines, 1) if number != 8])
    both.arrive(journal.lines[2:4])
    both.say("declaration", "operator/declaration/1", target=RECORD, reason="did_not_occur")
    both.now_ms += 2 * MINUTE_MS
    both.turn()
    yield both
    both.close()


@pytest.fixture(scope="module")
def server(both: Both) -> Iterator[Server]:
    server = Server(create_app([questions(open_database(both.place), None)]), "127.0.0.1", 0, None)
    server.start()
    yield server
    server.stop()


@pytest.fixture(scope="module")
def shell(both: Both, tmp_path_factory: pytest.TempPathFactory) -> Callable[..., str]:
    file = tmp_path_factory.mktemp("centre") / "centre.toml"
    file.write_text(f'[centre]\nurl = "mqtt://127.0.0.1"\ndatabase = {json.dumps(both.place)}\n')

    def ask(*words: str, exit_code: int = 0) -> str:
        done = CliRunner().invoke(cli, ["centre", *words, "-c", str(file)])
        assert done.exit_code == exit_code, done.output
        return done.stdout

    return ask


def get(server: Server, path: str) -> bytes:
    connection = http.client.HTTPConnection(server.url.removeprefix("http://"), timeout=20)
    connection.request("GET", path)
    answer = connection.getresponse()
    body = answer.read()
    connection.close()
    assert answer.status == 200, body
    return body


@pytest.mark.parametrize("name", ASKED)
def test_shell_and_http_give_the_same_bytes(both: Both, server: Server, shell: Callable[..., str], name: str) -> None:
    words, path = ASKED[name]
    command = COMMANDS.get(name, name.partition(" ")[0])
    known = str(both.turns[-1])
    told = shell(command, *words, "--as-known-at", known, "--json")
    assert told.rstrip("\n").encode() == get(server, f"{path}&as_known_at={known}")
    assert shell(command, *words).splitlines()[-1]


def asked(server: Server, name: str) -> Any:
    return json.loads(get(server, ASKED[name][1]))


def test_the_figures_of_a_gateway_count_what_came_what_did_not_and_what_came_again(server: Server) -> None:
    (told,) = asked(server, "gateways")["gateways"]
    assert (told["gateway"], told["received"], told["punches"]) == ("edge-0", 9, 7)
    assert (told["missing"], told["holes"]) == (1, [{"epoch": "5c1f0a9be2d74f11", "first": 8, "last": 8}])
    assert sum(each["records"] for each in told["late"]) == 9
    assert told["late"][4] == {"within_ms": 86_400_000, "records": 9}, "all came ten hours later"
    assert told["outcomes"] == [["assumed", 1], ["completed", 4], ["tailgate", 1]], "one is declared wrong"
    assert (told["assumed"], told["tailgated"], told["doubtful_clock"]) == (0.2, 0.166667, 0.0)


def test_what_came_again_is_counted_in_the_window_in_which_it_came(both: Both, server: Server) -> None:
    began = DAY_MS + 10 * HOUR_MS
    (told,) = json.loads(get(server, f"/sites/hq/gateways?from={began}&to={began + HOUR_MS}"))["gateways"]
    assert (told["repeated"], told["contradicting"], told["received"]) == (2, 0, 0)


def test_a_correction_is_told_with_what_stood_there(server: Server) -> None:
    (told,) = asked(server, "corrections")["corrections"]
    assert (told["kind"], told["target"], told["stands"]) == ("did_not_occur", RECORD, True)
    assert told["original"] == {
        "kind": "punch",
        "at_ms": DAY_MS + 7 * MINUTE_MS,
        "lane": "gate",
        "subjects": ["person/p1"],
        "outcomes": ["completed"],
    }


def test_a_correction_that_was_taken_back_no_longer_stands(new_place: Callable[..., str]) -> None:
    from traceability.presence.moments import Span
    from traceability.whereabouts.inquiry import Inquiry

    both = Both(new_place("corrected"))
    both.arrive([])
    both.say("declaration", "operator/declaration/1", target=RECORD, reason="incorrect_data", instead=["x"])
    both.turn()
    both.say("declaration", "operator/declaration/2", target="operator/declaration/1", reason="did_not_occur")
    when = {"best_ms": DAY_MS, "earliest_ms": DAY_MS, "latest_ms": DAY_MS, "basis": "operator"}
    both.now_ms += 1000
    both.say("move", "operator/move/1", when=when, subject="person/p1", site="hq", to_zone="lobby")
    both.turn()
    told = Inquiry(both.database).corrections("hq", Span(DAY_MS, DAY_MS + 1)).corrections
    assert [(each.id, each.stands) for each in told] == [
        ("operator/declaration/1", False),
        ("operator/declaration/2", True),
        ("operator/move/1", True),
    ]
    assert (told[2].subject, told[2].zone) == ("person/p1", "lobby")
    assert not Inquiry(both.database).corrections("dorm", Span(DAY_MS, DAY_MS + 1)).corrections
    both.close()


def test_who_is_isolated_hands_nothing_on(server: Server) -> None:
    free, isolated = asked(server, "second degree"), asked(server, "second degree until isolated")
    assert [each["subject"] for each in free["first"]["contacts"]] == ["card/k1:b"]
    assert free["first"] == isolated["first"]
    assert [(each["subject"], each["by"]) for each in free["second"]] == [("card/k1:c", "card/k1:b")]
    assert isolated["second"] == []


def test_elsewhere_than_allowed_is_a_breach(server: Server) -> None:
    told = asked(server, "breaches")["breaches"]
    assert {(each["subject"], each["kind"], each["site"]) for each in told} == {
        ("person/p1", "elsewhere", "hq"),
        ("card/k1:b", "elsewhere", "hq"),
    }


def test_the_chain_is_checked_over_a_range(server: Server, shell: Callable[..., str]) -> None:
    told = json.loads(get(server, "/sites/hq/chain?gateway=edge-0&since_seq=2&upto_seq=5"))
    assert told["holds"]
    assert [(each["lines"], each["links"]) for each in told["checked"]] == [(4, 3)]
    rows = shell("verify", "--site", "hq", "--since-seq", "2", "--upto-seq", "5", "--json").splitlines()
    assert [json.loads(row) for row in rows] == told["checked"]


@pytest.mark.parametrize("of", ["hq/chain", "hq/chain?gateway=edge-9", "elsewhere/chain", "hq/chain?since_seq=50"])
def test_a_chain_with_a_hole_or_of_nothing_is_not_said_to_hold(server: Server, of: str) -> None:
    assert not json.loads(get(server, f"/sites/{of}"))["holds"]


def test_coverage_is_what_the_shell_prints(server: Server, shell: Callable[..., str]) -> None:
    told = json.loads(get(server, "/coverage"))
    assert json.loads(shell("coverage", "--json", exit_code=1)) == told, "1: a number is missing"
    assert [(each["gateway"], each["held"]) for each in told["streams"]] == [("edge-0", 9)]


# --- the page


PAGE = (Path(__file__).parent.parent.parent / "docs" / "centre.md").read_text(encoding="utf-8")


def rows() -> list[tuple[str, str]]:
    """Command and path of each row of the table of questions."""
    table = PAGE.split("| `punchgate centre …` | `GET …` |", 1)[1].split("\n\n", 1)[0]
    return re.findall(r"^\| `([^`]+)` \| `([^`]+)` \|", table, re.MULTILINE)


def test_the_page_has_every_question_of_the_shell_and_of_http(server: Server) -> None:
    paths = set(json.loads(get(server, "/openapi.json"))["paths"]) - {"/healthz"}
    assert {path.partition("?")[0] for _, path in rows()} == paths
    commands = {command.name for command in (*QUESTIONS, *AUDITS)} | set(LEDGER)
    assert {command.split()[0] for command, _ in rows()} == commands


def test_every_question_is_asked_here_in_both_ways() -> None:
    here = {COMMANDS.get(name, name.partition(" ")[0]) for name in ASKED}
    assert here == {command.name for command in (*QUESTIONS, *AUDITS)}
    given = {re.sub(r"\?.*", "", path) for _, path in ASKED.values()} | set(LEDGER.values())
    patterns = (
        ("/sites/hq/", "/sites/{site}/"),
        ("/zones/lobby/", "/zones/{zone}/"),
        ("/lanes/gate/", "/lanes/{lane}/"),
        ("/person/p1", "/{subject}"),
    )
    for known, pattern in patterns:
        given = {path.replace(known, pattern) for path in given}
    assert given == {path.partition("?")[0] for _, path in rows()}
