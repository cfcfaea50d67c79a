"""Whatever happens at a lane, in whatever order and however late the clock ticks: the books balance."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import replace
from enum import StrEnum
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from passage_story import Story, at

from drivers import events
from gateway.passage import pairing
from gateway.passage.evidence import Pass, Read
from gateway.passage.memory import MAX_OPEN, MAX_RECENT, Lane, State
from gateway.passage.table import Rule
from gateway.records import CredentialRead, Notice, PassageSensed, Punch

CLOSING = {"completed", "assumed", "not_taken", "denied", "ambiguous"}
ODD = {"pass_timeout_s": 5.0003, "repeat_window_s": 3.0007, "reorder_s": 0.3001}
"""Waits that never end at a full millisecond, where the script's events are: then no tie has to be broken."""

Step = tuple[int, str, Any]
Policy = Callable[[Story, int, int], None]

sides = st.sampled_from(["in", "out", "both"])
ways = st.sampled_from(["in", "out"])
often = [
    st.tuples(st.just("read"), st.tuples(st.sampled_from("ABCD"), sides)),
    st.tuples(
        st.just("pass"), st.tuples(st.sampled_from(["in", "out", "unknown"]), st.sampled_from([1, 1, 1, 2, 40]))
    ),
    st.tuples(st.just("denied"), st.tuples(st.sampled_from("AB"), sides)),
]
rarely = [
    st.tuples(st.just("stale"), st.tuples(st.sampled_from("EF"), ways)),
    st.tuples(st.just("denied_stale"), ways),
    st.tuples(st.just("flagged"), ways),
    st.tuples(st.just("stale_pass"), ways),
    st.tuples(st.just("fire"), st.sampled_from([False, False, True])),
    st.tuples(st.just("down"), st.sampled_from(["arm", "reader-in"])),
    st.tuples(st.just("up"), st.sampled_from(["arm", "reader-in"])),
]
step = st.one_of(*often, *often, *often, *rarely)
gap_ms = st.one_of(st.sampled_from([1, 50, 250, 310]), st.integers(1, 7000))
timed = st.tuples(gap_ms, step).map(lambda pair: (pair[0], *pair[1]))
scripts = st.one_of(st.lists(timed, max_size=8), st.lists(timed, min_size=20, max_size=40))
lanes = st.fixed_dictionaries(
    {"mode": st.sampled_from(["controlled", "free"]), "sensor": st.sampled_from(["one", "per_direction"])}
)


def play(script: list[Step], lane: Mapping[str, Any], policy: Policy) -> Story:
    """Run a script; the policy decides when the clock ticks between two events."""
    story, now = Story(**lane, **ODD), 0
    for gap, what, how in script:
        policy(story, now, now + gap)
        now += gap
        perform(story, now / 1000, what, how)
    policy(story, now, now + 60_000)
    return story.tick((now + 60_000) / 1000)


def perform(story: Story, seconds: float, what: str, how: Any) -> None:
    match what:
        case "read":
            story.read(seconds, *how)
        case "denied":
            story.read(seconds, *how, decision="denied")
        case "stale":
            story.read(seconds, *how, live=False)
        case "denied_stale":
            story.read(seconds, "G", how, decision="denied", live=False)
        case "pass":
            story.passes(seconds, *how)
        case "flagged":
            story.passes(seconds, how, tailgate=True)
        case "stale_pass":
            story.passes(seconds, how, live=False)
        case "fire":
            story.contact(seconds, "fire", how)
        case "down":
            story.down(seconds, how)
        case "up":
            story.up(seconds, how)


def at_deadlines(story: Story, start_ms: int, end_ms: int) -> None:
    while (due := story.passage.deadline()) is not None and due < at(end_ms / 1000).mono:
        story._hear(story.passage.tick(replace(at(end_ms / 1000), mono=due)))


def every(step_ms: int) -> Policy:
    def tick(story: Story, start_ms: int, end_ms: int) -> None:
        for now in range(start_ms + 1, end_ms, step_ms):
            story.tick(now / 1000)

    return tick


def never(story: Story, start_ms: int, end_ms: int) -> None:
    pass


def told(story: Story) -> list[str]:
    """Everything the station said, with the dates of what is dated by its facts."""
    return [
        story.line(draft) if isinstance(draft.body, Notice) else f"{draft.moment.mono} {story.line(draft)}"
        for draft in story.drafts
    ]


@given(scripts, lanes)
def test_every_read_is_closed_exactly_once(script: list[Step], lane: Mapping[str, Any]) -> None:
    story = play(script, lane, at_deadlines)
    closed = Counter(story.name(p.read) for p in story.bodies("punch") if p.outcome in CLOSING and p.read is not None)
    reads = [story.name(draft) for draft in story.drafts if isinstance(draft.body, CredentialRead)]
    assert closed == Counter(reads)
    opened = Counter(id(draft) for draft in story.drafts if draft.opens)
    assert opened == Counter(id(ref) for draft in story.drafts for ref in draft.closes)


@given(scripts, lanes)
def test_every_sensed_person_is_counted_exactly_once(script: list[Step], lane: Mapping[str, Any]) -> None:
    story = play(script, lane, at_deadlines)
    counted: Counter[str] = Counter()
    for punch in story.bodies("punch"):
        for ref in punch.passes:
            counted[story.name(ref)] += punch.subject.count
    facts = {story.name(d): d.body.count for d in story.drafts if isinstance(d.body, PassageSensed)}
    assert counted == Counter(facts)


@given(scripts, lanes)
def test_nobody_is_moved_without_evidence(script: list[Step], lane: Mapping[str, Any]) -> None:
    for punch in play(script, lane, at_deadlines).bodies("punch"):
        if punch.outcome == "completed":
            assert punch.read is not None
            assert len(punch.passes) == 1
            assert punch.burst is None or punch.confidence == "assumed"
        if punch.outcome == "ambiguous":
            assert punch.candidates
            assert len(punch.candidates) <= MAX_RECENT + MAX_OPEN
        if punch.outcome in {"forced", "anonymous", "tailgate", "wrong_way"}:
            assert punch.subject.kind == "anonymous"


@given(scripts, lanes)
def test_facts_come_in_order_and_before_the_punches_that_refer_to_them(
    script: list[Step], lane: Mapping[str, Any]
) -> None:
    seen: set[int] = set()
    last = float("-inf")
    for draft in play(script, lane, at_deadlines).drafts:
        seen.add(id(draft))
        if isinstance(draft.body, Punch):
            refs = (draft.body.read, draft.body.burst, *draft.body.passes, *draft.body.candidates)
            assert all(id(ref) in seen for ref in refs if ref is not None)
        elif isinstance(draft.body, CredentialRead | PassageSensed):
            assert draft.moment.mono >= last
            last = draft.moment.mono


@given(scripts, lanes)
def test_after_a_long_silence_nothing_is_open_and_no_tick_is_wanted(
    script: list[Step], lane: Mapping[str, Any]
) -> None:
    story = play(script, lane, never)
    assert story.passage.deadline() is None
    assert story.stop(1e6).tick(2e6).passage.deadline() is None


@given(scripts, lanes)
@settings(max_examples=60)
def test_ticking_only_at_the_deadline_tells_the_same_story_as_ticking_all_the_time(
    script: list[Step], lane: Mapping[str, Any]
) -> None:
    assert told(play(script, lane, at_deadlines)) == told(play(script, lane, every(7)))


@given(scripts, lanes)
def test_a_late_tick_tells_the_same_story(script: list[Step], lane: Mapping[str, Any]) -> None:
    assert told(play(script, lane, at_deadlines)) == told(play(script, lane, never))


@given(scripts, lanes)
def test_the_same_events_tell_the_same_story(script: list[Step], lane: Mapping[str, Any]) -> None:
    assert told(play(script, lane, at_deadlines)) == told(play(script, lane, at_deadlines))


def test_a_flood_of_cards_and_passes_is_remembered_within_bounds() -> None:
    story = Story(pass_timeout_s=1000, repeat_window_s=1000, reorder_s=1000)
    lane = story.passage._lanes["lane"]
    for number in range(3000):
        story.read(number / 100, f"{number:05}", "in", "denied" if number % 3 == 0 else None)
        story.read(number / 100, f"{number:04}", "in", live=False)
    assert len(lane.reads) <= MAX_OPEN
    story = Story(pass_timeout_s=1000, repeat_window_s=1000, reorder_s=1000)
    other = story.passage._lanes["lane"]
    for number in range(3000):
        story.passes(number / 100, "in")
    assert len(other.waiting) <= pairing.MAX_WAITING
    for kept in (lane.burst, lane.denied, lane.unclear, other.burst):
        assert len(kept) <= MAX_RECENT
    assert len(lane.repeats) <= 1024


# --- the tables keep their word


def heading(what: Read | Pass | Any) -> tuple[Any, float]:
    if isinstance(what, Read):
        return what.body.side, what.at
    return (what.direction, what.moment.mono) if isinstance(what, Pass) else ("unknown", what.mono)


def watched(table: Mapping[State, Mapping[Any, Rule[Any]]], seen: set[tuple[State, StrEnum]]) -> Any:
    """The same table, checking after each act that the lane is in a state the table announced."""

    def watch(state: State, kind: StrEnum, rule: Rule[Any]) -> Rule[Any]:
        def act(lane: Lane, what: Any) -> None:
            direction, now = heading(what)
            applies = lane.state(direction, now) == state
            rule.act(lane, what)
            seen.add((state, kind))
            assert not applies or lane.state(direction, now) in (rule.becomes or (state,)), (state, kind)

        return Rule(act, rule.becomes)

    return {state: {kind: watch(state, kind, rule) for kind, rule in row.items()} for state, row in table.items()}


def test_a_lane_is_always_in_a_state_its_table_announced(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: set[tuple[State, StrEnum]] = set()
    monkeypatch.setattr(pairing, "SILENT_AFTER", 2)
    tables = [pairing.ON_READ, pairing.ON_PASS, pairing.ON_WORLD]
    for name, table in zip(["ON_READ", "ON_PASS", "ON_WORLD"], tables, strict=True):
        monkeypatch.setattr(pairing, name, watched(table, seen))

    @given(scripts, lanes)
    @settings(max_examples=400)
    def drive(script: list[Step], lane: Mapping[str, Any]) -> None:
        play(script, lane, at_deadlines)

    drive()
    assert (State.BURST, pairing.PassInput.PASS) in seen
    assert (State.OPEN, pairing.WorldInput.WINDOW) in seen


def test_events_of_other_kinds_change_no_state() -> None:
    story = Story().read(0, "A")
    story.tell("arm", events.Frame(name="repeat"), 1).passes(2)
    assert story.punches() == ["completed confirmed in A p1"]
