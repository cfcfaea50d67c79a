"""A lane whose arm is asked: what happened, told by a sensor that speaks at once and by one that speaks late."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

from hypothesis import strategies as st
from passage_story import ARM, Story, reader

from drivers import events
from gateway.passage import DeviceRules
from gateway.records import Draft, PassageSensed, Punch

LATENCY_S = 0.4502
SLOW_ARM = replace(ARM, latency_s=LATENCY_S)
RULES = {"pass_timeout_s": 2.0003, "repeat_window_s": 0.0, "reorder_s": 0.3001}
WORDS = {"in": "left", "out": "right"}


def lane(arm: DeviceRules = SLOW_ARM, **rules: Any) -> Story:
    """Two readers and an arm, all up."""
    return Story(devices=(reader("in"), reader("out"), arm), **rules)


@dataclass(frozen=True)
class Read:
    """A card presented at a time in ms."""

    at_ms: int
    name: str
    side: Any
    decision: Any


@dataclass(frozen=True)
class Gone:
    """Somebody who went through at a time in ms, and how late that was told: a share of the latency."""

    at_ms: int
    way: str
    late: float


History = list[Read | Gone]

_sides = st.sampled_from(["in", "in", "in", "out"])
_reads = st.tuples(st.just("read"), _sides, st.sampled_from([None, None, None, "granted", "denied"]))
_passes = st.tuples(st.just("pass"), _sides, st.sampled_from([0.0, 0.25, 0.5, 0.75, 1.0]))
_gaps = st.one_of(st.integers(1, 60), st.integers(1, 700), st.integers(1, 3000))
_steps = st.tuples(_gaps, st.one_of(_reads, _passes))


def _history(steps: list[tuple[int, Any]]) -> History:
    now, history = 0, list[Read | Gone]()
    for gap, (what, side, how) in steps:
        now += gap
        if what == "read":
            name = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"[sum(isinstance(each, Read) for each in history)]
            history.append(Read(now, name, side, how))
        else:
            history.append(Gone(now, side, how))
    return history


histories = st.lists(_steps, min_size=1, max_size=14).map(_history)


def play(history: History, *, late: bool, arm: DeviceRules = SLOW_ARM, since_s: float | None = None) -> Story:
    """What the station makes of it, the passes told at once or late, but in their order."""
    story, told, last = lane(arm, **RULES), list[tuple[float, Read | Gone]](), 0.0
    for each in history:
        seconds = each.at_ms / 1000
        if isinstance(each, Gone):
            seconds += 0.00041  # never at the instant of a read
            if late:
                last = max(last, seconds + each.late * LATENCY_S)
                seconds = last
        told.append((seconds, each))
    for seconds, each in sorted(told, key=lambda pair: pair[0]):
        if isinstance(each, Read):
            story.read(seconds, each.name, each.side, each.decision)
        else:
            story.tell("arm", events.Passage(direction=WORDS[each.way], since_s=since_s), seconds)
    return story.tick(last + history[-1].at_ms / 1000 + 60)


def conclusions(story: Story, *confidences: str) -> set[tuple[str, str, str]]:
    """Outcome, read and passes of the punches with one of these confidences."""
    told: set[tuple[str, str, str]] = set()
    for punch in (draft.body for draft in story.drafts if isinstance(draft.body, Punch)):
        if not confidences or punch.confidence in confidences:
            read = "-" if punch.read is None else story.name(punch.read)
            told.add((punch.outcome, read, " ".join(map(story.name, punch.passes))))
    return told


def sensed(story: Story) -> list[str]:
    """The passes, in the order of their facts."""
    facts: list[Draft] = [draft for draft in story.drafts if isinstance(draft.body, PassageSensed)]
    return [story.name(draft) for draft in facts]
