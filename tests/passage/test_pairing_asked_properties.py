"""Whoever goes through, and however late that is told: nobody is confirmed whom the delay may have confused."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from hashlib import sha256
from random import Random
from typing import Any

import pytest
from asked_lane import ARM, RULES, SLOW_ARM, Gone, History, Read, conclusions, histories, lane, play, sensed
from hypothesis import assume, given, settings
from test_pairing_properties import CLOSING, at_deadlines, told, watched
from test_pairing_properties import play as play_script

from gateway.passage import pairing
from gateway.passage.memory import State
from gateway.records import CredentialRead

WEIGHTS = [30, 30, 8, 2, 2, 2, 2, 3, 4]
BEFORE = "e594ca040244fc20bb9f2cb1157c17b29f4927d1f1cfffd9f764ee986518f0e4"
"""What the station said of these stories when every sensor was taken for one that speaks at once."""


def went(history: History, name: str) -> list[Gone]:
    """Who went the way of a card within its window."""
    (read,) = (each for each in history if isinstance(each, Read) and each.name == name)
    until = read.at_ms + 1000 * RULES["pass_timeout_s"]
    return [
        each
        for each in history
        if isinstance(each, Gone) and each.way == read.side and read.at_ms <= each.at_ms < until - 1
    ]


@given(histories)
@settings(max_examples=400, deadline=None)
def test_who_is_confirmed_to_have_gone_is_whom_a_sensor_that_speaks_at_once_would_have_named(
    history: History,
) -> None:
    late, exact = play(history, late=True), play(history, late=False, arm=ARM)
    completed = {each for each in conclusions(late, "confirmed") if each[0] == "completed"}
    assert completed <= conclusions(exact)


@given(histories)
@settings(max_examples=400, deadline=None)
def test_who_is_confirmed_not_to_have_gone_was_followed_by_nobody(history: History) -> None:
    for outcome, name, _ in conclusions(play(history, late=True), "confirmed"):
        assert outcome != "not_taken" or went(history, name) == []


@given(histories)
@settings(max_examples=200, deadline=None)
def test_where_nothing_is_only_assumed_passes_known_to_be_of_now_are_judged_as_if_they_had_been_told_at_once(
    history: History,
) -> None:
    at_once, by_itself = play(history, late=False, since_s=0.0), play(history, late=False, arm=ARM)
    assume(all(punch.confidence != "assumed" for punch in by_itself.bodies("punch")))
    assert sorted(at_once.punches()) == sorted(by_itself.punches())


def test_a_sensor_that_speaks_by_itself_is_judged_to_the_letter_as_before_there_were_latencies() -> None:
    rng, digest = Random(7), sha256()
    for _ in range(400):
        script = [_step(rng) for _ in range(rng.randrange(1, 30))]
        lane = {"mode": rng.choice(["controlled", "free"]), "sensor": rng.choice(["one", "per_direction"])}
        digest.update("\n".join(told(play_script(script, lane, at_deadlines))).encode())
    assert digest.hexdigest() == BEFORE


def _step(rng: Random) -> tuple[int, str, Any]:
    gap_ms = rng.choice([1, 50, 250, 310, rng.randrange(1, 7000), rng.randrange(1, 900)])
    what = rng.choices(["read", "pass", "denied", "stale", "flagged", "stale_pass", "fire", "down", "up"], WEIGHTS)[0]
    sides = ["in", "out", "both"]
    match what:
        case "read":
            return gap_ms, what, (rng.choice("ABCD"), rng.choice(sides))
        case "denied":
            return gap_ms, what, (rng.choice("AB"), rng.choice(sides))
        case "pass":
            return gap_ms, what, (rng.choice(["in", "out", "unknown"]), rng.choice([1, 1, 1, 2, 40]))
        case "stale":
            return gap_ms, what, (rng.choice("EF"), rng.choice(sides[:2]))
        case "fire":
            return gap_ms, what, rng.choice([False, False, True])
        case "down" | "up":
            return gap_ms, what, rng.choice(["arm", "reader-in"])
    return gap_ms, what, rng.choice(sides[:2])


@given(histories)
@settings(max_examples=200, deadline=None)
def test_every_read_is_closed_once_and_every_pass_counted_once_however_late_it_is_told(history: History) -> None:
    story = play(history, late=True)
    punches = story.bodies("punch")
    closed = Counter(story.name(each.read) for each in punches if each.outcome in CLOSING and each.read is not None)
    assert closed == Counter(story.name(each) for each in story.drafts if isinstance(each.body, CredentialRead))
    assert Counter(story.name(ref) for each in punches for ref in each.passes) == Counter(sensed(story))
    assert Counter(id(each) for each in story.drafts if each.opens) == Counter(
        id(ref) for each in story.drafts for ref in each.closes
    )
    assert story.passage.deadline() is None


def test_a_lane_that_holds_reads_is_always_in_a_state_its_table_announced(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: set[tuple[State, Any]] = set()
    for name in ("ON_READ", "ON_PASS", "ON_WORLD"):
        table: Mapping[State, Mapping[Any, Any]] = getattr(pairing, name)
        monkeypatch.setattr(pairing, name, watched(table, seen))

    @given(histories)
    @settings(max_examples=400, deadline=None)
    def drive(history: History) -> None:
        play(history, late=True)

    drive()
    assert {pairing.PassInput.BELATED, pairing.WorldInput.LAPSED} <= {kind for _, kind in seen}


def test_a_flood_of_held_cards_is_remembered_within_bounds() -> None:
    story = lane(SLOW_ARM, pass_timeout_s=0.001, repeat_window_s=0.0)
    kept = story.passage._lanes["lane"]
    for number in range(1000):
        story.read(number / 500, f"{number:05}")
        assert len(kept.held) <= 64
    assert len(story.tick(9).punches()) == 1000
