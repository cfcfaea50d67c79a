"""A configuration that changes while people pass: other lanes do not notice, and nobody is lost or made up."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from passage_story import ARM, CONTACTS, Story, at, reader
from test_pairing_properties import CLOSING, ODD, Step, at_deadlines, lanes, perform, scripts, told

from drivers import events
from gateway.passage import DeviceRules, LaneRules
from gateway.records import CredentialRead, PassageSensed, Punch

OTHER = LaneRules("other", "back", "outside", "inside", "controlled", "none", 5.0, 3.0, 0.3)
FIRE = DeviceRules("contacts", "modbus_turnstile", "lane", "both", "native", frozenset({"input"}), {}, CONTACTS)


def rules_of(story: Story) -> tuple[LaneRules, list[DeviceRules]]:
    lane = story.passage._lanes["lane"].rules
    return lane, [device.rules for device in story.passage._devices.values()]


def change(story: Story, seconds: float, lanes: list[LaneRules], devices: list[DeviceRules]) -> None:
    story._hear(story.passage.change(lanes, devices, at(seconds)))


def play(script: list[Step], lane: Mapping[str, Any], after: int, how: str) -> Story:
    """A script with a change of the configuration behind so many of its steps."""
    story, now = Story(**lane, **ODD), 0
    rules, devices = rules_of(story)
    for number, (gap, what, word) in enumerate(script):
        if number == after:
            second = reader("in", "other", "second")
            match how:
                case "other":
                    change(story, now / 1000, [rules, OTHER], [*devices, second])
                case "timeout":
                    change(story, now / 1000, [replace(rules, pass_timeout_s=2.0001)], devices)
                case "device":
                    change(story, now / 1000, [rules], [*devices, reader("in", "lane", "second")])
        at_deadlines(story, now, now + gap)
        now += gap
        perform(story, now / 1000, what, word)
    at_deadlines(story, now, now + 60_000)
    return story.tick((now + 60_000) / 1000)


@given(scripts, lanes, st.integers(0, 40))
@settings(deadline=None)
def test_a_lane_of_which_nothing_has_changed_tells_the_same_story(
    script: list[Step], lane: Mapping[str, Any], after: int
) -> None:
    assert told(play(script, lane, after, "other")) == told(play(script, lane, after, "nothing"))


@pytest.mark.parametrize("how", ["timeout", "device"])
@given(scripts, lanes, st.integers(0, 40))
@settings(deadline=None)
def test_on_a_lane_that_changes_every_read_is_closed_once_and_every_sensed_person_counted_once(
    how: str, script: list[Step], lane: Mapping[str, Any], after: int
) -> None:
    story = play(script, lane, after, how)
    closed = Counter(story.name(p.read) for p in story.bodies("punch") if p.outcome in CLOSING and p.read is not None)
    reads = [story.name(draft) for draft in story.drafts if isinstance(draft.body, CredentialRead)]
    assert closed == Counter(reads)
    opened = Counter(id(draft) for draft in story.drafts if draft.opens)
    assert opened == Counter(id(ref) for draft in story.drafts for ref in draft.closes)
    sensed = sum(draft.body.count for draft in story.drafts if isinstance(draft.body, PassageSensed))
    people = sum(punch.subject.count for punch in story.bodies("punch") if isinstance(punch, Punch) and punch.passes)
    assert people == sensed


def outcomes(story: Story) -> list[str]:
    return [punch.outcome for punch in story.bodies("punch")]


def test_a_read_that_waits_ends_ambiguous_and_its_pass_is_not_forced() -> None:
    story = Story().read(0.0, "A")
    lane, devices = rules_of(story)
    change(story, 1.0, [replace(lane, pass_timeout_s=9.0)], devices)
    assert outcomes(story.passes(2.0).tick(20.0)) == ["ambiguous", "ambiguous"]


def test_a_sensor_that_was_there_goes_on_watching_the_lane_that_has_changed() -> None:
    story = Story()
    lane, devices = rules_of(story)
    change(story, 1.0, [replace(lane, pass_timeout_s=2.0)], devices)
    assert outcomes(story.read(2.0, "A").tick(20.0)) == ["not_taken"]


def test_a_lane_that_is_no_more_ends_as_at_a_stop() -> None:
    gone, stopped = Story().read(0.0, "A").passes(0.5, "out"), Story().read(0.0, "A").passes(0.5, "out")
    change(gone, 1.0, [OTHER], [reader("in", "other", "second")])
    assert told(gone) == told(stopped.stop(1.0))
    assert gone.passage.deadline() is None


def test_a_card_that_is_held_at_the_reader_over_the_change_is_one_read() -> None:
    story = Story(sensor="none").read(0.0, "A").read(1.0, "A")
    lane, devices = rules_of(story)
    change(story, 1.5, [replace(lane, mode="free")], devices)
    story.read(2.0, "A").tick(60.0)
    assert outcomes(story) == ["assumed"]
    assert [body.count for body in story.bodies("credential.repeated")] == [2]


def test_without_a_window_the_run_ends_with_the_change() -> None:
    story = Story(sensor="none").read(0.0, "A").read(1.0, "A")
    lane, devices = rules_of(story)
    change(story, 1.5, [replace(lane, repeat_window_s=0.0)], devices)
    assert [body.count for body in story.bodies("credential.repeated")] == [1]


def test_a_pass_that_waits_for_its_read_still_meets_it() -> None:
    story = Story().passes(0.0)
    lane, devices = rules_of(story)
    change(story, 0.1, [replace(lane, pass_timeout_s=9.0)], devices)
    assert outcomes(story.read(0.2, "A").tick(20.0)) == ["completed"]


def test_a_fire_goes_on_while_somebody_says_so_and_ends_with_the_device_that_said_so() -> None:
    story = Story().contact(0.0, "fire")
    lane, devices = rules_of(story)
    change(story, 1.0, [replace(lane, pass_timeout_s=9.0)], devices)
    assert outcomes(story.passes(2.0).tick(3.0)) == ["anonymous"]
    change(story, 4.0, [lane], [device for device in devices if device.id != "contacts"])
    assert outcomes(story.passes(5.0).tick(20.0)) == ["anonymous", "forced"]


def test_a_new_lane_of_a_burning_portal_burns() -> None:
    story = Story().contact(0.0, "fire")
    lane, devices = rules_of(story)
    arm = replace(ARM, id="arm-2", lane="second")
    change(story, 1.0, [lane, replace(lane, id="second")], [*devices, arm])
    story.up(1.0, "arm-2")
    story.tell("arm-2", events.Passage(direction="left", count=1), 2.0).tick(9.0)
    assert outcomes(story) == ["anonymous"]


def test_a_sensor_of_a_new_lane_watches_from_its_first_word_on_and_a_moved_one_at_once() -> None:
    story = Story()
    lane, devices = rules_of(story)
    moved = [replace(device, lane="second") if device.id in ("arm", "reader-in") else device for device in devices]
    change(story, 1.0, [replace(lane, sensor="none"), replace(lane, id="second")], moved)
    assert outcomes(story.read(7.0, "A").tick(60.0)) == ["not_taken"]
    change(story, 61.0, [lane], [*devices, reader("in", "lane", "second")])
    assert outcomes(story.read(70.0, "B").passes(71.0).tick(99.0))[1:] == ["completed"]
