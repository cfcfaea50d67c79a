"""Lanes whose sensor is asked: it tells of a pass a little after it happened, here up to 0.5 s."""

from __future__ import annotations

from dataclasses import replace

import pytest
from asked_lane import lane
from passage_story import ARM, KEY, LANE, Story, at, reader

from drivers import events
from gateway.passage import DeviceRules, Passage, Privacy
from gateway.records import Punch

ARM_S = replace(ARM, latency_s=0.5)


def asked(**rules: object) -> Story:
    return lane(ARM_S, **rules)


# --- the window


def test_a_pass_told_after_the_window_of_its_card_is_its_own_but_only_assumed() -> None:
    assert asked().read(0, "A").passes(5.4).punches() == ["completed assumed in A p1"]


def test_a_pass_that_was_made_after_the_window_whenever_it_was_made_is_nobodys() -> None:
    story = asked().read(0, "A").passes(5.6).tick(9)
    assert story.punches() == ["not_taken confirmed in A", "forced confirmed in - p1"]


def test_the_punch_of_a_card_is_decided_later_by_the_latency_and_not_longer() -> None:
    story = asked().read(0, "A").tick(5)
    assert story.punches() == []
    assert story.passage.deadline() == at(5.5).mono
    assert story.tick(5.5).punches() == ["not_taken confirmed in A"]
    assert story.drafts[-1].moment == at(0)
    assert story.passage.deadline() is None


def test_a_lane_whose_sensor_speaks_by_itself_decides_at_the_end_of_the_window() -> None:
    assert lane(ARM).read(0, "A").tick(5).punches() == ["not_taken confirmed in A"]


def test_only_the_latency_of_a_sensor_holds_a_window_open() -> None:
    slow_reader = replace(reader("in"), latency_s=0.5)
    assert Story(devices=(slow_reader, ARM)).read(0, "A").tick(5).punches() == ["not_taken confirmed in A"]


def test_a_sensor_that_is_lost_before_it_can_have_told_all_leaves_the_card_ambiguous() -> None:
    assert asked().read(0, "A").down(5.2, "arm").tick(6).punches() == ["ambiguous ambiguous in A candidates=A"]


def test_a_card_read_while_another_is_held_is_alone_if_nothing_is_told_of_the_first() -> None:
    story = asked().read(0, "A").read(5.2, "B").passes(6.5)
    assert story.punches() == ["not_taken confirmed in A", "completed confirmed in B p1"]


def test_a_pass_that_may_be_of_a_held_card_or_of_the_next_makes_both_uncertain() -> None:
    story = asked().read(0, "A").read(5.2, "B").passes(5.4).passes(6.5)
    assert story.punches() == ["completed assumed in A p1 burst=A", "completed assumed in B p2 burst=A"]


def test_a_pass_told_even_later_because_an_answer_was_lost_names_the_card_it_may_be_of() -> None:
    story = asked().read(0, "A").tell("arm", events.Passage(direction="left", since_s=1.2), 6).tick(9)
    assert story.punches() == ["not_taken confirmed in A", "ambiguous ambiguous in - p1 candidates=A"]


def test_at_an_orderly_stop_a_held_card_is_ambiguous() -> None:
    assert asked().read(0, "A").stop(5.2).punches() == ["ambiguous ambiguous in A candidates=A"]


def test_a_fire_leaves_a_held_card_ambiguous() -> None:
    contacts = DeviceRules("contacts", "x", "lane", "both", "native", frozenset({"input"}), {}, {"0": "fire"})
    story = Story(devices=(reader("in"), ARM_S, contacts)).read(0, "A").contact(5.2, "fire")
    assert story.punches() == ["ambiguous ambiguous in A candidates=A"]


# --- the order


def test_a_pass_that_may_have_come_before_the_card_is_not_its_owners_for_certain() -> None:
    assert asked().read(1, "A").passes(1.4).punches() == ["completed assumed in A p1"]


def test_a_pass_that_came_after_the_card_whenever_it_was_made_is_confirmed() -> None:
    assert asked().read(1, "A").passes(1.6).punches() == ["completed confirmed in A p1"]


def test_who_may_still_have_to_go_is_a_candidate_for_the_pass_of_the_next() -> None:
    story = asked().read(1, "A").passes(1.4).read(2, "B").passes(2.8)
    assert story.punches() == ["completed assumed in A p1", "completed assumed in B p2 burst=A"]


def test_what_the_event_says_of_its_time_goes_before_what_the_driver_says_in_general() -> None:
    story = asked().read(1, "A").tell("arm", events.Passage(direction="left", since_s=0.1), 1.4)
    assert story.punches() == ["completed confirmed in A p1"]


def test_a_pass_overtakes_its_card_by_no_more_than_reorder_s_whenever_it_was_made() -> None:
    assert asked().passes(1).read(1.2, "A").punches() == ["completed assumed in A p1"]
    assert asked(reorder_s=0.8).passes(1).read(1.2, "A").punches() == ["completed confirmed in A p1"]


def test_a_tailgater_who_may_have_been_first_is_only_assumed() -> None:
    story = asked().read(1, "A").passes(1.4, count=2)
    assert story.punches() == ["completed assumed in A p1", "tailgate assumed in A p1"]


def test_a_pass_that_may_have_come_before_the_denial_is_forced_but_only_assumed() -> None:
    denied = asked().read(1, "A", decision="denied")
    assert denied.passes(1.4).punches() == ["denied confirmed in A", "forced assumed in A p1"]


def test_a_pass_the_other_way_that_may_have_come_before_the_card_is_only_assumed_a_wrong_way() -> None:
    assert asked().read(1, "A").passes(1.4, "out").punches() == ["wrong_way assumed out A p1"]
    assert asked().read(1, "A").passes(1.6, "out").punches() == ["wrong_way confirmed out A p1"]


def test_a_pass_that_may_be_of_the_fire_accuses_nobody() -> None:
    contacts = DeviceRules("contacts", "x", "lane", "both", "native", frozenset({"input"}), {}, {"0": "fire"})
    story = Story(devices=(reader("in"), ARM_S, contacts)).contact(0, "fire").contact(9, "fire", False)
    assert story.passes(9.3).tick(10).punches() == ["forced ambiguous in - p1"]


def test_a_card_read_just_behind_a_pass_that_was_only_assumed_is_not_confirmed() -> None:
    story = asked().read(0, "A").passes(5.4).read(5.5, "B").passes(7)
    assert story.punches() == ["completed assumed in A p1", "completed assumed in B p2"]


# --- what was found


@pytest.mark.parametrize("first", [True, False])
def test_an_alarm_found_at_the_first_look_is_said_as_found(first: bool) -> None:
    rules = DeviceRules("module", "x", "lane", "both", "native", frozenset({"input"}), {}, {"0": "held"})
    passage = Passage([LANE], [rules], Privacy("k1", KEY))
    fields = {"first": True} if first else {}
    event = events.Input(input="0", active=True, fields=fields)
    (draft,) = passage.handle("module", event, at(0))
    assert event.is_found == first
    assert draft.body.words().get("found") == (True if first else None)


def test_a_pass_contact_that_is_asked_is_as_late_as_its_module() -> None:
    rules = DeviceRules("arm", "x", "lane", "both", "native", frozenset({"input"}), {}, {"0": "pass_in"}, 0.5)
    story = Story(devices=(reader("in"), rules)).read(1, "A")
    story.tell("arm", events.Input(input="0", active=True), 1.4)
    (punch,) = (draft.body for draft in story.drafts if isinstance(draft.body, Punch))
    assert (punch.outcome, punch.confidence) == ("completed", "assumed")
