"""Rule 6: one card held at the reader is one read."""

from __future__ import annotations

from passage_story import Story, at

from gateway.passage.repeats import MAX_RUNS
from gateway.wire import timestamp


def test_a_card_held_at_the_reader_is_one_read_and_one_punch() -> None:
    story = Story(sensor="none")
    for frame in range(20):
        story.read(frame, "A")
    assert len(story.bodies("credential.read")) == 1
    assert story.punches() == ["assumed assumed in A"]


def test_the_window_slides_and_the_end_of_the_run_is_summed_up() -> None:
    story = Story(sensor="none").read(0, "A").read(2, "A").read(5, "A").tick(7.9)
    assert story.bodies("credential.repeated") == []
    (repeated,) = story.tick(8).bodies("credential.repeated")
    assert (repeated.device, repeated.count, repeated.until) == ("reader-in", 2, timestamp(at(5).time_ms))
    assert repeated.read is story.drafts[0]


def test_after_a_pause_it_is_a_new_read() -> None:
    assert Story(sensor="none").read(0, "A").read(3.01, "A").punches() == [
        "assumed assumed in A",
        "assumed assumed in A2",
    ]


def test_a_read_that_was_not_repeated_is_not_summed_up() -> None:
    story = Story(sensor="none").read(0, "A").tick(10)
    assert story.bodies("credential.repeated") == []
    assert story.passage.deadline() is None


def test_a_punch_tells_how_often_its_card_had_been_repeated_by_then() -> None:
    assert Story().read(0, "A").read(0.5, "A").read(1, "A").passes(2).read(2.5, "A").tick(20).punches() == [
        "completed confirmed in A p1 repeats=2"
    ]


def test_the_same_card_on_another_device_is_another_read() -> None:
    assert len(Story().read(0, "A", "in").read(1, "A", "out").bodies("credential.read")) == 2


def test_a_window_of_zero_makes_every_frame_a_read() -> None:
    assert len(Story(repeat_window_s=0).read(0, "A").read(0.1, "A").bodies("credential.read")) == 2


def test_a_card_denied_and_then_granted_is_news() -> None:
    story = Story().read(0, "A", decision="denied").read(1, "A", decision="granted").passes(2)
    assert story.punches() == ["denied confirmed in A", "completed confirmed in A2 p1"]


def test_a_denied_card_held_at_the_reader_is_denied_once() -> None:
    story = Story().read(0, "A", decision="denied").read(1, "A", decision="denied").read(2, "A", decision="denied")
    assert story.punches() == ["denied confirmed in A"]


def test_more_cards_than_can_be_remembered_end_the_oldest_run() -> None:
    story = Story(sensor="none").read(0, "first").read(0.1, "first")
    for number in range(MAX_RUNS):
        story.read(0.2, f"{number:04}")
    assert [repeated.count for repeated in story.bodies("credential.repeated")] == [1]
