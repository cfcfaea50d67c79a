"""A city through the real ledger into tables: no answer is wrong without a word of doubt, however it came."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

sys.path.insert(0, str(Path(__file__).parent.parent.parent / "benchmarks"))

import city as benchmark

CITY = ("--sites", "2", "--people", "30", "--days", "2", "--seed", "9", "--heartbeat", "1800", "--processes", "1")
SAMPLE = ("--moments", "40", "--people", "15", "--meetings", "10", "--second", "2", "--days", "1")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("city")
    assert benchmark.main(["generate", "-o", str(folder), *CITY]) == 0
    return folder


def compare(capsys: pytest.CaptureFixture[str], *words: str) -> tuple[int, dict[str, Any]]:
    code = benchmark.main(["compare", *words, *SAMPLE])
    return code, json.loads(capsys.readouterr().out.splitlines()[-1])


def test_answers_agree_with_the_truth_or_say_that_they_may_not_in_any_order(
    folder: Path, new_place: Callable[..., str], capsys: pytest.CaptureFixture[str]
) -> None:
    code, told = compare(capsys, str(folder), new_place("punctual"), "--known-at", "6")
    assert code == 0
    assert {name: of["unflagged"] for name, of in told["claims"].items()} == dict.fromkeys(told["claims"], 0)
    assert {"roster", "site count", "zone count", "trajectory", "contacts"} <= told["claims"].keys()
    shares = {name: of["shares"] for name, of in told["claims"].items()}
    assert all(shares[name]["agreed"] + shares[name]["careful"] > 0.5 for name in ("roster", "trajectory"))
    assert all(shares[name]["agreed"] > 0 and shares[name]["flagged"] > 0 for name in ("roster", "trajectory"))
    assert told["as_known_at"]["differing"] == []
    assert told["as_known_at"]["asked"] >= told["as_known_at"]["changed_since"] > 0
    for order in ("late", "twice"):
        code, again = compare(capsys, str(folder), new_place(order), "--order", order, "--known-at", "24")
        assert (code, again["digest"], again["as_known_at"]["differing"]) == (0, told["digest"], [])


def test_a_feed_cut_short_is_asked_of_no_later_moment_and_goes_on_where_it_was(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    database = str(tmp_path / "ledger.sqlite")
    assert benchmark.main(["feed", str(folder), database, "--minutes", "0"]) == 0
    fed = json.loads(capsys.readouterr().out)
    code, told = compare(capsys, str(folder), database, "--fed", "--until", str(fed["until_ms"]))
    assert (code, 0 < told["days"] < 2) == (0, True)
    code, whole = compare(capsys, str(folder), database)
    assert (code, whole["fed"]["repeated"], whole["days"]) == (0, 0, 2)
    code, at_once = compare(capsys, str(folder), str(tmp_path / "at-once.sqlite"))
    assert (code, whole["digest"]) == (0, at_once["digest"])
    assert fed["records"] + whole["fed"]["records"] == at_once["fed"]["records"]
