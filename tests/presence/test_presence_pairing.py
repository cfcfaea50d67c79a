"""Pairing anew says what the gateway said, with its parameters; and something else with others."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from math import inf
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from presence_world import ALL, around

from gateway.records import CredentialRead, Draft, PassageSensed
from gateway.records import Punch as Concluded
from gateway.wire import read_line
from traceability.clocks import reading_of
from traceability.dating import Chronicle
from traceability.presence.facts import Punch
from traceability.presence.memory import Presence
from traceability.presence.moments import Span, exactly
from traceability.presence.pairing import pair
from traceability.presence.reading import evidence_of
from traceability.presence.readings import Passing, Reading, Rules

HERE = Path(__file__).parent
RULES = Rules("outside", "inside")
END = {"b": inf}


@pytest.fixture(scope="module")
def story_type() -> Iterator[Any]:
    """The bench of the gateway's own pairing tests."""
    folder = str(HERE.parent / "passage")
    sys.path.insert(0, folder)
    from passage_story import Story

    yield Story
    sys.path.remove(folder)


SIDES, WAYS = st.sampled_from(["in", "out", "both"]), st.sampled_from(["in", "out", "unknown"])
EVENTS = st.one_of(
    st.tuples(st.just("read"), st.sampled_from("ABCD"), SIDES),
    st.tuples(st.just("denied"), st.sampled_from("AB"), SIDES),
    st.tuples(st.just("stale"), st.sampled_from("EF"), SIDES),
    st.tuples(st.just("pass"), st.sampled_from([1, 1, 1, 2, 40]), WAYS),
    st.tuples(st.just("stale pass"), st.just(1), WAYS),
)
SCRIPTS = st.lists(st.tuples(st.sampled_from([50, 250, 310, 900, 4000, 5100, 7000]), EVENTS), min_size=1, max_size=14)


@settings(max_examples=300, deadline=None)
@given(
    SCRIPTS,
    st.sampled_from(["controlled", "free"]),
    st.sampled_from(["none", "one", "per_direction"]),
    st.sampled_from([5.0003, 2.0003]),
)
def test_with_the_gateways_parameters_it_says_what_the_gateway_says(
    story_type: Any, script: list[tuple[int, Any]], mode: str, sensor: str, timeout_s: float
) -> None:
    story = story_type(mode=mode, sensor=sensor, pass_timeout_s=timeout_s, repeat_window_s=0.0, reorder_s=0.3001)
    now = 0
    for gap_ms, (what, who, way) in script:
        now += gap_ms
        if "pass" in what:
            if sensor != "none":
                story.passes(now / 1000, way, who, live=what == "pass")
        else:
            decision = "denied" if what == "denied" else None
            story.read(now / 1000, who, way, decision, live=what != "stale")
    story.tick(now / 1000 + 60)
    rules = Rules("outside", "inside", mode == "controlled", sensor != "none", timeout_s * 1000, 300.1)
    assert sorted(map(said, pair(evidence(story.drafts), rules, (), END))) == sorted(concluded(story.drafts))


def evidence(drafts: Sequence[Draft]) -> list[Reading | Passing]:
    found: list[Reading | Passing] = []
    for number, draft in enumerate(drafts):
        body, tick_ms = draft.body, draft.moment.mono * 1000
        name, when, live = f"s/g/e/{number}", exactly(draft.moment.time_ms), draft.moment.live
        if isinstance(body, CredentialRead):
            token, denied = str(body.subject.token), body.decision == "denied"
            found.append(
                Reading(name, 0, when, "b", tick_ms, "s", "lobby", "lane", body.side, token, denied=denied, live=live)
            )
        elif isinstance(body, PassageSensed):
            found.append(Passing(name, 0, when, "b", tick_ms, "s", "lobby", "lane", body.direction, body.count, live))
    return found


Said = tuple[str, str, str, str, str, int]


def said(punch: Punch) -> Said:
    return punch.outcome, punch.direction, str(punch.from_zone), str(punch.token), punch.confidence, punch.count


def concluded(drafts: Sequence[Draft]) -> list[Said]:
    bodies = [draft.body for draft in drafts if isinstance(draft.body, Concluded)]
    return [
        (
            body.outcome,
            body.direction,
            str(body.zones()[0]),
            str(body.subject.token),
            body.confidence,
            body.subject.count,
        )
        for body in bodies
    ]


def read(tick: float, token: str, side: str = "in", seq: int = 1) -> Reading:
    return Reading(f"hq/edge/e/{seq}", 0, around(tick / 60_000), "b", tick, "hq", "gate", "gate", side, token)


def passed(tick: float, way: str = "in", seq: int = 2, life: str = "b") -> Passing:
    return Passing(f"hq/edge/e/{seq}", 0, around(tick / 60_000), life, tick, "hq", "gate", "gate", way)


def test_a_longer_window_completes_what_was_not_taken() -> None:
    facts = [read(0, "k1:a"), passed(7000)]
    assert [punch.outcome for punch in pair(facts, RULES)] == ["not_taken", "forced"]
    longer = pair(facts, Rules("outside", "inside", pass_timeout_ms=8000))
    assert [(punch.outcome, punch.refs) for punch in longer] == [("completed", ("hq/edge/e/1", "hq/edge/e/2"))]
    assert [stay.zone for stay in Presence(longer).of_subject("card/k1:a", ALL)] == ["inside"]


def test_nothing_is_paired_across_boots() -> None:
    assert [punch.outcome for punch in pair([read(0, "k1:a"), passed(1000, life="c")], RULES)] == [
        "ambiguous",
        "forced",
    ]


def test_a_window_that_was_not_watched_is_not_known_to_have_seen_nobody() -> None:
    facts = [read(0, "k1:a"), read(20_000, "k1:b", seq=3), read(40_000, "k1:c", seq=4)]
    told = pair(facts, RULES, [("b", Span(3000, 4000))], {"b": 42_000})
    assert [(punch.token, punch.outcome) for punch in told] == [
        ("k1:a", "ambiguous"),
        ("k1:b", "not_taken"),
        ("k1:c", "ambiguous"),
    ]


def test_any_order_of_the_facts_gives_the_same_punches() -> None:
    facts = [read(0, "k1:a"), passed(1000), passed(1500, seq=3), read(1600, "k1:b", seq=4), passed(1700, "out", 5)]
    assert pair(facts, RULES) == pair(facts[::-1], RULES)


def test_a_pass_of_very_many_is_counted_and_not_walked_through() -> None:
    many = Passing("hq/edge/e/1", 0, around(0), "b", 0, "hq", "gate", "gate", "in", 2**50)
    told = pair([many], RULES)
    assert (len(told), sum(punch.count for punch in told)) == (32, 2**50)


def test_the_morning_of_the_pages_is_concluded_as_the_gateway_did() -> None:
    lines = [read_line(raw) for raw in (HERE.parent / "docs" / "morning.jsonl").read_bytes().splitlines()]
    dated = Chronicle([], {})
    found = [evidence_of(line, dated.date(reading_of(line)), 0) for line in lines]
    here = [each for each in found if each is not None and each.lane == "lobby-1"]
    expected = [
        line.data["outcome"] for line in lines if line.data.get("lane") == "lobby-1" and "outcome" in line.data
    ]
    told = [punch.outcome for punch in pair(here, Rules("outside", "lobby"), (), {here[0].life: inf})]
    assert sorted(told) == sorted("forced" if outcome == "anonymous" else outcome for outcome in expected)
