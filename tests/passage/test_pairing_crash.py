"""Rule 8 and orderly ends: nothing stays open."""

from __future__ import annotations

import json

import pytest
from passage_story import START_MS, Story, at

from gateway.passage import OpenRead
from gateway.wire import Origin, encode

ORIGIN = Origin("hq", "edge-01", "Asia/Shanghai", "5c1f0a9be2d74f11")


def stored(story: Story, first_seq: int) -> list[OpenRead]:
    """The story's open reads as the journal gives them back after a crash."""
    reads = []
    for seq, draft in enumerate((draft for draft in story.drafts if draft.opens), first_seq):
        draft.seq = seq
        data = json.loads(encode(draft, ORIGIN, "0" * 64))["data"]
        reads.append(OpenRead.from_line_data(seq, draft.moment.time_ms, data))
    return reads


def test_reads_open_at_a_crash_are_ambiguous_at_the_next_start() -> None:
    reads = stored(Story(clear=True).read(0, "A").read(1, "B", "out"), 7)
    story = Story().recover(100, *reads)
    assert story.punches() == [
        "ambiguous ambiguous in #7 candidates=#7,#8",
        "ambiguous ambiguous out #8 candidates=#7,#8",
    ]
    assert [draft.closes for draft in story.drafts] == [(7,), (8,)]


def test_a_recovered_punch_says_the_same_of_the_card_as_its_read() -> None:
    before = Story(clear=True).read(0, "A")
    punch = Story(clear=True).recover(100, *stored(before, 7)).drafts[0]
    read = before.drafts[0]
    assert punch.body.subject == read.body.subject  # type: ignore[attr-defined]
    assert (punch.body.device, punch.body.driver, punch.body.place) == (  # type: ignore[attr-defined]
        "reader-in",
        "em4100",
        read.body.place,  # type: ignore[attr-defined]
    )
    assert (punch.moment.time_ms, punch.moment.boot_ns, punch.moment.quality) == (
        START_MS,
        read.moment.boot_ns,
        read.moment.quality,
    )


def test_a_recovered_punch_shows_no_number_that_the_settings_of_now_hide() -> None:
    before = Story(clear=True).read(0, "A")
    subject = Story().recover(100, *stored(before, 7)).drafts[0].body.subject  # type: ignore[attr-defined]
    was = before.drafts[0].body.subject  # type: ignore[attr-defined]
    assert was.value is not None
    assert (subject.token, subject.value) == (was.token, None)


def test_a_read_of_a_lane_that_is_no_more_is_closed_too() -> None:
    (read,) = stored(Story().read(0, "A"), 7)
    story = Story()
    gone = OpenRead(7, "lobby", "demolished", read.device, read.driver, "in", read.subject, read.moment)
    punch = story.recover(100, gone).drafts[0].body
    assert (punch.place.lane, punch.direction, punch.zones()) == ("demolished", "unknown", (None, None))  # type: ignore[attr-defined]


def test_a_pass_soon_after_the_start_may_be_of_a_recovered_read() -> None:
    story = Story().recover(100, *stored(Story().read(0, "A"), 7)).passes(101).tick(102).passes(106).tick(107)
    assert story.punches()[1:] == ["ambiguous ambiguous in - p1 candidates=#7", "forced confirmed in - p2"]


def test_a_read_soon_after_the_start_is_completed_but_not_confirmed() -> None:
    story = Story().recover(100, *stored(Story().read(0, "A"), 7)).read(101, "B").passes(102)
    assert story.punches()[1:] == ["completed assumed in B p1 burst=#7"]


def test_a_line_that_is_no_read_is_refused() -> None:
    with pytest.raises(KeyError):
        OpenRead.from_line_data(1, 0, {"seq": 1})


def test_an_orderly_stop_finishes_every_story() -> None:
    story = Story().read(0, "A", "in").read(0.5, "A", "in").passes(1, "out").read(2, "B").stop(3)
    assert story.punches() == [
        "wrong_way confirmed out A p1",
        "ambiguous ambiguous in A candidates=A,B repeats=1",
        "ambiguous ambiguous in B candidates=A,B",
    ]
    assert [repeated.count for repeated in story.bodies("credential.repeated")] == [1]
    assert story.passage.deadline() is None


def test_a_waiting_pass_is_judged_at_the_stop() -> None:
    assert Story().passes(0).stop(0.1).punches() == ["forced confirmed in - p1"]


def test_after_a_stop_the_station_can_go_on_without_the_past() -> None:
    story = Story().read(0, "A").passes(1).stop(2).passes(3).tick(4).read(5, "B").passes(6)
    assert story.punches()[1:] == ["forced confirmed in - p2", "completed confirmed in B p3"]
    assert story.drafts[-1].moment == at(6)
