"""What a driver knows for the same presentation is counted with it and is never a new read."""

from __future__ import annotations

from dataclasses import replace

from passage_story import at, card, reader

from drivers import events
from gateway.passage import LaneRules, Passage, Privacy
from gateway.records import CredentialRead, CredentialRepeated, Draft

KEY = bytes(32)
LANE = LaneRules("lane", "lobby", "outside", "inside", "controlled", "none", 5.0, 3.0, 0.3)


def station() -> Passage:
    made = Passage([LANE], [reader("in")], Privacy("k1", KEY))
    made.device_up("reader-in", at(0.0))
    return made


def again(event: events.CardRead) -> events.CardRead:
    return replace(event, fields={"repeat": True})


def heard(passage: Passage, event: events.CardRead, seconds: float) -> list[Draft]:
    return passage.handle("reader-in", event, at(seconds))


def reads(drafts: list[Draft]) -> int:
    return sum(isinstance(draft.body, CredentialRead) for draft in drafts)


def test_told_repeats_keep_the_presentation_going_and_are_summed_up_at_its_end() -> None:
    passage, drafts = station(), []
    drafts += heard(passage, card("A"), 10.0)
    for number in range(1, 50):
        drafts += heard(passage, again(card("A")), 10.0 + number / 5)
    drafts += heard(passage, card("A"), 21.0)  # the driver's own window is over, the lane's is not
    assert reads(drafts) == 1
    drafts += passage.tick(at(30.0))
    (summed,) = [draft.body for draft in drafts if isinstance(draft.body, CredentialRepeated)]
    assert summed.count == 50


def test_a_told_repeat_of_a_presentation_that_is_over_for_the_lane_is_no_new_read() -> None:
    passage = station()
    assert reads(heard(passage, card("A"), 10.0)) == 1
    passage.tick(at(19.0))
    assert heard(passage, again(card("A")), 20.0) == []
