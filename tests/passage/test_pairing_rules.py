"""The eight rules of CONTRACT section 3, one sentence each, and the silent spots between them."""

from __future__ import annotations

import pytest
from passage_story import Story, at, card

from drivers import events
from gateway.records import Punch

# --- 1: a read, a pass


def test_one_read_and_one_pass_are_a_confirmed_punch() -> None:
    assert Story().read(0, "A").passes(1).punches() == ["completed confirmed in A p1"]


def test_the_facts_come_before_what_is_concluded_from_them() -> None:
    story = Story().read(0, "A").passes(1)
    assert [story.line(draft) for draft in story.drafts] == [
        "credential.read A",
        "passage.sensed p1",
        "completed confirmed in A p1",
    ]


def test_a_read_is_open_in_the_journal_until_its_punch_closes_it() -> None:
    read, _, punch = Story().read(0, "A").passes(1).drafts
    assert read.opens
    assert punch.closes == (read,)


def test_a_completed_punch_is_dated_by_the_pass_and_names_the_reader() -> None:
    punch = Story().read(0, "A").passes(1.5).drafts[-1]
    assert punch.moment == at(1.5)
    assert (punch.body.device, punch.body.driver) == ("reader-in", "em4100")  # type: ignore[attr-defined]


def test_a_pass_at_the_very_end_of_the_window_still_completes() -> None:
    assert Story().read(0, "A").passes(5).punches() == ["completed confirmed in A p1"]


def test_a_pass_after_the_window_is_nobody_s() -> None:
    assert Story().read(0, "A").passes(5.01).tick(9).punches() == [
        "not_taken confirmed in A",
        "forced confirmed in - p1",
    ]


def test_overlapping_reads_are_completed_oldest_first_and_only_assumed() -> None:
    assert Story().read(0, "A").read(1, "B").passes(2).passes(3).punches() == [
        "completed assumed in A p1 burst=A",
        "completed assumed in B p2 burst=A",
    ]


def test_a_burst_goes_on_as_long_as_one_read_is_open_and_ends_with_the_last() -> None:
    story = Story().read(0, "A").read(1, "B").passes(2).read(3, "C").passes(4).passes(5).read(6, "D").passes(7)
    assert story.punches() == [
        "completed assumed in A p1 burst=A",
        "completed assumed in B p2 burst=A",
        "completed assumed in C p3 burst=A",
        "completed confirmed in D p4",
    ]


def test_a_pass_takes_the_oldest_read_of_its_direction() -> None:
    story = Story().read(0, "A", "out").read(1, "B", "in").passes(2, "in").passes(3, "out")
    assert story.punches() == ["completed assumed in B p1 burst=A", "completed assumed out A p2 burst=A"]


def test_a_reader_for_both_sides_learns_the_direction_from_the_sensor() -> None:
    story = Story().read(0, "A", "both").passes(1, "out")
    assert story.punches() == ["completed confirmed out A p1"]
    assert story.bodies("punch")[0].basis == "pass_sensor"


def test_a_sensor_for_both_ways_takes_the_direction_from_the_reader() -> None:
    story = Story(sensor="one").read(0, "A", "out").passes(1, "in")
    assert story.punches() == ["completed confirmed out A p1"]
    assert story.bodies("punch")[0].basis == "reader_side"
    assert story.bodies("passage.sensed")[0].direction == "unknown"


def test_a_direction_nobody_mapped_is_unknown_and_fits_any_read() -> None:
    assert Story().read(0, "A", "both").passes(1, "unknown").punches() == ["completed confirmed unknown A p1"]


# --- 2: a read, no pass


def test_a_watched_window_without_a_pass_is_not_taken_at_the_time_of_the_read() -> None:
    story = Story().read(0, "A").tick(5)
    assert story.punches() == ["not_taken confirmed in A"]
    assert story.drafts[-1].moment == at(0)


def test_what_is_left_of_a_burst_is_ambiguous_with_its_candidates() -> None:
    assert Story().read(0, "A").read(1, "B").passes(2).tick(10).punches() == [
        "completed assumed in A p1 burst=A",
        "ambiguous ambiguous in B candidates=A,B",
    ]


def test_a_window_in_which_the_sensor_was_lost_is_ambiguous() -> None:
    story = Story().read(0, "A").down(1, "arm").up(2, "arm").tick(5)
    assert story.punches() == ["ambiguous ambiguous in A candidates=A"]


def test_a_window_that_began_before_the_sensor_was_there_is_ambiguous() -> None:
    story = Story(up=False).up(0, "reader-in").read(1, "A").up(2, "arm").tick(6)
    assert story.punches() == ["ambiguous ambiguous in A candidates=A"]


def test_a_sensor_that_says_itself_that_it_is_down_watches_nothing() -> None:
    story = Story().read(0, "A").tell("arm", events.DeviceChange(kind="down", reason="no answer"), 1).tick(5)
    assert story.punches() == ["ambiguous ambiguous in A candidates=A"]
    assert story.bodies("device.down")[0].reason == "no answer"


def test_a_lost_reader_does_not_spoil_the_window_of_its_read() -> None:
    assert Story().read(0, "A").down(1, "reader-in").tick(5).punches() == ["not_taken confirmed in A"]


def test_a_pass_after_a_gap_of_the_sensor_completes_but_is_not_confirmed() -> None:
    assert Story().read(0, "A").down(1, "arm").up(2, "arm").passes(3).punches() == ["completed assumed in A p1"]


# --- 3: a pass, no read


def test_a_further_pass_on_one_read_is_a_tailgate_at_once() -> None:
    assert Story().read(0, "A").passes(1).passes(6).punches()[1:] == ["tailgate confirmed in A p2"]


def test_every_further_pass_counts_from_the_completing_one() -> None:
    story = Story().read(0, "A").passes(1).passes(4).passes(6.01).tick(7)
    assert story.punches()[1:] == ["tailgate confirmed in A p2", "forced confirmed in - p3"]


def test_a_further_pass_on_a_free_lane_is_anonymous() -> None:
    assert Story(mode="free").read(0, "A").passes(1).passes(2).punches()[1:] == ["anonymous confirmed in - p2"]


def test_a_pass_the_other_way_is_no_tailgate() -> None:
    assert Story().read(0, "A").passes(1, "in").passes(2, "out").tick(3).punches()[1:] == [
        "forced confirmed out - p2"
    ]


@pytest.mark.parametrize(("mode", "outcome"), [("controlled", "forced"), ("free", "anonymous")])
def test_a_pass_without_a_read_waits_before_it_stands_alone(mode: str, outcome: str) -> None:
    story = Story(mode=mode).passes(0)  # type: ignore[arg-type]
    assert story.punches() == []
    assert story.passage.deadline() == at(0.3).mono
    assert story.tick(0.3).punches() == [f"{outcome} confirmed in - p1"]
    assert story.drafts[-1].moment == at(0)


def test_a_pass_may_overtake_its_read() -> None:
    story = Story().passes(0).read(0.2, "A")
    assert story.punches() == ["completed confirmed in A p1"]
    assert story.drafts[-1].moment == at(0)
    assert not story.drafts[1].opens


def test_a_waiting_pass_is_not_taken_by_a_read_of_the_other_side() -> None:
    story = Story().passes(0, "in").read(0.1, "A", "out").tick(1).tick(6)
    assert story.punches() == ["forced confirmed in - p1", "not_taken confirmed out A"]


def test_a_forced_punch_names_the_sensor() -> None:
    punch = Story().passes(0).tick(1).bodies("punch")[0]
    assert (punch.device, punch.driver, punch.basis, punch.subject.kind) == (
        "arm",
        "eb_turnstile",
        "pass_sensor",
        "anonymous",
    )


def test_a_pass_of_three_is_three_passes() -> None:
    story = Story().read(0, "A").passes(1, count=3)
    assert story.punches() == [
        "completed confirmed in A p1",
        "tailgate confirmed in A p1",
        "tailgate confirmed in A p1",
    ]


def test_a_pass_of_very_many_people_keeps_its_count_in_few_punches() -> None:
    punches = Story().passes(0, count=5000).tick(1).bodies("punch")
    assert len(punches) == 32
    assert sum(punch.subject.count for punch in punches) == 5000


def test_a_tailgate_the_board_recognised_leaves_an_open_read_open() -> None:
    story = Story().read(0, "A").passes(1).read(2, "B").passes(3, tailgate=True).passes(4)
    assert story.punches() == [
        "completed confirmed in A p1",
        "tailgate confirmed in A p2",
        "completed confirmed in B p3",
    ]


def test_a_tailgate_the_board_recognised_without_a_completed_read_is_forced_at_once() -> None:
    assert Story().passes(0, tailgate=True).punches() == ["forced confirmed in - p1"]


def test_a_pass_while_a_reader_is_away_is_forced_without_certainty() -> None:
    assert Story().down(0, "reader-in").passes(9).tick(10).punches() == ["forced ambiguous in - p1"]


def test_a_pass_soon_after_a_reader_came_back_is_forced_without_certainty() -> None:
    story = Story().down(0, "reader-in").up(9, "reader-in").passes(13).tick(14).passes(15).tick(16)
    assert story.punches() == ["forced ambiguous in - p1", "forced confirmed in - p2"]


# --- 4: the wrong way


def test_an_opposite_pass_is_wrong_way_and_the_read_stays_open() -> None:
    story = Story().read(0, "A").passes(1, "out").passes(2, "in")
    assert story.punches() == ["wrong_way confirmed out A p1", "completed confirmed in A p2"]
    assert story.drafts[2].closes == ()


# --- 5: no sensor, or a silent one


def test_without_a_sensor_the_read_is_assumed_in_its_own_transaction() -> None:
    story = Story(sensor="none")
    drafts = story.passage.handle("reader-out", card("A"), at(0))
    story._hear(drafts)
    assert story.punches() == ["assumed assumed out A"]
    assert [draft.opens for draft in drafts] == [False, False]
    assert story.bodies("punch")[0].basis == "reader_side"


def test_without_a_sensor_and_a_side_the_direction_is_unknown() -> None:
    punch = Story(sensor="none").read(0, "A", "both").bodies("punch")[0]
    assert (punch.direction, punch.basis, punch.zones()) == ("unknown", "none", (None, None))


def silent(reads: int, **rules: object) -> Story:
    story = Story(**rules)  # type: ignore[arg-type]
    for number in range(reads):
        story.read(10 * number, f"{number:03}").tick(10 * number + 5)
    return story


def test_a_sensor_silent_over_twenty_reads_is_a_fault_said_once() -> None:
    story = silent(20).read(300, "A").read(301, "B")
    assert [notice.device for notice in story.bodies("device.fault")] == ["arm"]
    assert story.punches()[20:] == ["assumed assumed in A", "assumed assumed in B"]


def test_nineteen_reads_are_not_enough() -> None:
    assert silent(19).bodies("device.fault") == []


def test_one_pass_in_twenty_reads_is_enough_to_believe_a_sensor() -> None:
    story = silent(19).passes(195).tick(196)
    for number in range(20, 39):
        story.read(10 * number, f"{number:03}").tick(10 * number + 5)
    assert story.bodies("device.fault") == []


def test_a_lost_sensor_is_not_a_silent_one() -> None:
    story = Story().down(-1, "arm")
    for number in range(30):
        story.read(10 * number, f"{number:03}").tick(10 * number + 5)
    assert story.bodies("device.fault") == []
    assert {body.outcome for body in story.bodies("punch")} == {"ambiguous"}


def test_reads_open_when_the_sensor_is_given_up_are_ambiguous() -> None:
    story = silent(19).read(200, "A").read(204, "B").tick(205)
    assert story.punches()[19:] == [
        "ambiguous ambiguous in A candidates=A,B",
        "ambiguous ambiguous in B candidates=A,B",
    ]
    assert len(story.bodies("device.fault")) == 1


def test_the_pass_with_which_a_silent_sensor_wakes_may_be_of_an_assumed_read() -> None:
    story = silent(20).read(300, "A").passes(301).tick(302).read(310, "B").passes(311)
    assert story.punches()[20:] == [
        "assumed assumed in A",
        "ambiguous ambiguous in - p1 candidates=A",
        "completed confirmed in B p2",
    ]


# --- 7: denied, fire


def test_a_denied_read_is_a_denied_punch_at_once() -> None:
    story = Story().read(0, "A", decision="denied")
    assert story.punches() == ["denied confirmed in A"]
    assert not story.drafts[0].opens


def test_a_pass_after_a_denied_read_is_forced_with_the_read() -> None:
    story = Story().read(0, "A", decision="denied").passes(1).passes(2).tick(3)
    assert story.punches()[1:] == ["forced confirmed in A p1", "forced confirmed in - p2"]


def test_a_denied_read_explains_a_pass_that_overtook_it() -> None:
    assert Story().passes(0).read(0.1, "A", decision="denied").punches() == [
        "denied confirmed in A",
        "forced confirmed in A p1",
    ]


def test_a_pass_belongs_to_an_open_read_before_a_denied_one() -> None:
    story = Story().read(0, "A").read(1, "B", decision="denied").passes(2).passes(3)
    assert story.punches() == ["denied confirmed in B", "completed confirmed in A p1", "tailgate confirmed in A p2"]


def test_a_read_denied_after_a_completion_explains_the_next_pass() -> None:
    story = Story().read(0, "A").passes(1).read(2, "B", decision="denied").passes(3)
    assert story.punches()[1:] == ["denied confirmed in B", "forced confirmed in B p2"]


def test_of_two_denied_reads_it_is_not_certain_which_one_passed() -> None:
    story = Story().read(0, "A", decision="denied").read(1, "B", decision="denied").passes(2)
    assert story.punches()[2:] == ["forced assumed in A p1"]


def test_while_fire_is_active_passes_are_anonymous_and_reads_open_questions() -> None:
    story = Story().contact(0, "fire").read(1, "A").passes(2).passes(3, "out").contact(9, "fire", False)
    assert story.punches() == [
        "ambiguous ambiguous in A candidates=A",
        "anonymous confirmed in - p1",
        "anonymous confirmed out - p2",
    ]
    assert [(n.lane, n.portal, n.device, n.details) for n in story.bodies("portal.fire")] == [
        ("lane", "lobby", "contacts", {"active": True}),
        ("lane", "lobby", "contacts", {"active": False}),
    ]


def test_fire_closes_what_is_open_and_lets_no_pass_wait() -> None:
    story = Story().passes(0).contact(0.1, "fire").tick(1)
    assert story.punches() == ["anonymous confirmed in - p1"]
    story = Story().read(0, "A").contact(1, "fire")
    assert story.punches() == ["ambiguous ambiguous in A candidates=A"]


def test_after_the_fire_the_lane_pairs_again() -> None:
    story = Story().contact(0, "fire").contact(10, "fire", False).read(20, "A").passes(21)
    assert story.punches() == ["completed confirmed in A p1"]


def test_fire_holds_on_lanes_without_a_sensor_too() -> None:
    story = Story(sensor="none").contact(0, "fire").read(1, "A").contact(2, "fire", False).read(9, "B")
    assert story.punches() == ["ambiguous ambiguous in A candidates=A", "assumed assumed in B"]


def test_an_emergency_mode_is_a_fire_without_a_flame() -> None:
    story = Story().tell("arm", events.DeviceChange(kind="mode", reason="emergency"), 0).passes(1)
    story.tell("arm", events.DeviceChange(kind="mode", reason="normal"), 2).passes(3).tick(4)
    assert story.punches() == ["anonymous confirmed in - p1", "forced confirmed in - p2"]
    assert [notice.reason for notice in story.bodies("portal.mode")] == ["emergency", "normal"]


def test_a_fire_lost_from_sight_still_burns() -> None:
    assert Story().contact(0, "fire").down(1, "contacts").passes(2).punches() == ["anonymous confirmed in - p1"]


# --- waiting bytes


def test_a_read_that_had_waited_is_ambiguous_at_once() -> None:
    story = Story().read(0, "A", live=False)
    assert story.punches() == ["ambiguous ambiguous in A candidates=A"]
    assert not story.drafts[0].opens


def test_a_pass_after_a_read_that_had_waited_may_be_of_it() -> None:
    assert Story().read(0, "A", live=False).passes(1).tick(2).punches()[1:] == [
        "ambiguous ambiguous in - p1 candidates=A"
    ]


def test_a_pass_that_had_waited_completes_nothing() -> None:
    story = Story().read(0, "A").passes(1, live=False).passes(2)
    assert story.punches() == ["ambiguous ambiguous in - p1 candidates=A", "completed confirmed in A p2"]


def test_a_pass_that_had_waited_without_any_read_is_forced_without_certainty() -> None:
    assert Story().passes(1, live=False).punches() == ["forced ambiguous in - p1"]


def test_without_a_sensor_a_read_that_had_waited_is_assumed() -> None:
    assert Story(sensor="none").read(0, "A", live=False).punches() == ["assumed assumed in A"]


# --- devices


def test_contacts_are_notices_and_only_changes_count() -> None:
    story = Story().contact(0, "held").contact(1, "held").contact(2, "held", False).contact(3, "tamper")
    story.contact(4, "forced").contact(5, "forced", False)
    assert [(n.kind, n.details["active"]) for n in (d.body for d in story.drafts)] == [  # type: ignore[attr-defined]
        ("portal.held", True),
        ("portal.held", False),
        ("device.tamper", True),
        ("portal.forced", True),
    ]


def test_what_a_device_says_of_itself_is_a_notice() -> None:
    story = Story().tell("arm", events.DeviceChange(kind="timeout"), 0)
    assert [(n.kind, n.device, n.lane) for n in story.bodies("device.timeout")] == [("device.timeout", "arm", "lane")]


def test_frames_that_say_nothing_give_no_drafts() -> None:
    story = Story().tell("arm", events.Frame(name="ack"), 0).tell("arm", events.BadFrame(flaw="noise", bytes=3), 0)
    assert story.tell("arm", events.Incomplete(bytes=2), 1).drafts == []


def test_no_forced_punch_comes_with_a_portal_alarm() -> None:
    story = Story().passes(0).tick(1)
    assert story.bodies("portal.forced") == []
    assert isinstance(story.drafts[-1].body, Punch)
