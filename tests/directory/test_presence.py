"""Who is on the site by the records of one gateway: what moves a person, what moves counts, what was not seen."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.directory import Directory, Shelf, keeper
from gateway.directory.onsite import OnSite, on_site
from gateway.directory.presence import MAX_GAPS, Presence
from gateway.wire import timestamp

EPOCH = "5c1f0a9be2d74f11"
START_MS = 1_795_393_867_000
A, B = "k1:" + "a" * 32, "k1:" + "b" * 32


class Story:
    """Records, one a second; `gone` are those that the journal gives up before they are read."""

    def __init__(self) -> None:
        self.presence = Presence()
        self.seq = 0
        self.epoch = EPOCH

    def record(self, kind: str, at_s: float | None = None, *, gone: bool = False, **data: Any) -> None:
        self.seq += 1
        at_ms = START_MS + round((self.seq if at_s is None else at_s) * 1000)
        clock = {"state": data.pop("state", "synced")}
        event = {"type": f"punchgate.{kind}.v1", "time": timestamp(at_ms), "data": {"clock": clock} | data}
        if not gone:
            self.presence.take(self.epoch, self.seq, json.dumps(event).encode())

    def punch(self, token: str | None, way: str = "in", outcome: str = "completed", **more: Any) -> None:
        zones = {"in": ("outside", "lobby"), "out": ("lobby", "outside"), "unknown": (None, None)}[way]
        words = {"lane": "lobby-1", "device": "lane-1", "direction": way, "from_zone": zones[0], "to_zone": zones[1]}
        subject = {"token": token, "count": more.pop("count", 1)}
        self.record("punch", **(words | {"outcome": outcome, "subject": subject} | more))

    def now(self, tmp_path: Path) -> OnSite:
        directory = Directory("hq/edge-01", Shelf(tmp_path), lambda: 0.0)
        return on_site(("hq", "edge-01"), self.presence, directory, {"outside"}, START_MS + 60_000)


@pytest.fixture
def story() -> Story:
    made = Story()
    made.record("gateway.started")
    return made


def test_the_latest_movement_decides_where_somebody_is(story: Story, tmp_path: Path) -> None:
    for token, way in ((A, "in"), (B, "in"), (A, "out")):
        story.punch(token, way)
    assert [(person.token, person.zone) for person in story.now(tmp_path).people] == [(B, "lobby")]


@pytest.mark.parametrize(
    "outcome", ["not_taken", "denied", "wrong_way", "ambiguous", "forced", "tailgate", "anonymous"]
)
def test_only_completed_and_assumed_punches_move_a_person(story: Story, tmp_path: Path, outcome: str) -> None:
    story.punch(A)
    story.punch(A, "out", outcome)
    assert [person.zone for person in story.now(tmp_path).people] == ["lobby"]
    story.punch(A, "out", "assumed")
    assert story.now(tmp_path).people == []


def test_who_passed_without_a_name_is_counted_by_zone(story: Story, tmp_path: Path) -> None:
    story.punch(None, "in", "anonymous", count=3)
    story.punch(None, "in", "tailgate")
    story.punch(None, "out", "forced")
    story.punch(None, "unknown", "anonymous", count=2)
    found = story.now(tmp_path)
    assert (found.unnamed, found.undirected) == ({"lobby": 3}, 2)


def test_whose_way_is_unknown_is_on_the_list_and_where_is_not_guessed(story: Story, tmp_path: Path) -> None:
    story.punch(A, "unknown", "assumed")
    assert [(person.token, person.zone) for person in story.now(tmp_path).people] == [(A, None)]


def test_a_punch_that_cannot_be_decided_leaves_a_doubt_until_the_next_sure_one(story: Story, tmp_path: Path) -> None:
    story.punch(A)
    story.punch(A, "out", "ambiguous")
    assert [person.doubts for person in story.now(tmp_path).people] == [1]
    story.punch(A)
    found = story.now(tmp_path)
    assert ([person.doubts for person in found.people], found.ambiguous) == ([0], 1)


def test_what_a_device_remembers_from_earlier_takes_nobody_back(story: Story, tmp_path: Path) -> None:
    story.punch(A, "in", at_s=100.0)
    story.punch(A, "out", at_s=50.0)
    assert [person.zone for person in story.now(tmp_path).people] == ["lobby"]


def test_where_nobody_vouches_for_the_clock_the_order_of_the_records_counts(story: Story, tmp_path: Path) -> None:
    story.punch(A, "in", at_s=100.0)
    story.punch(A, "out", at_s=50.0, state="unset")
    assert story.now(tmp_path).people == []


def test_what_was_not_watched_is_said_with_its_time(story: Story) -> None:
    story.record("device.down", device="lane-1", reason="unplugged")
    story.record("device.down", device="lane-2", reason="no answer")
    story.record("device.up", device="lane-1")
    story.record("portal.fire", active=True)
    story.record("gateway.started")
    lost = {"cause": "quota", "from": timestamp(START_MS), "to": timestamp(START_MS + 1000)}
    story.record("records.lost", lost=lost)
    told = [(gap.what, gap.until_ms is None) for gap in story.presence.gaps]
    assert told == [("device lane-1", False), ("device lane-2", True), ("gateway", False), ("records", False)]
    assert story.presence.fire_ms == START_MS + 5000


def test_a_device_that_was_taken_out_of_the_configuration_is_missed_no_more(story: Story) -> None:
    story.record("device.down", device="lane-1", reason="unplugged")
    story.record("device.down", device="lane-1", reason="the configuration has it no more", removed=True)
    story.record("device.down", device="lane-2", reason="the configuration has it no more", removed=True)
    assert [(gap.what, gap.until_ms) for gap in story.presence.gaps] == [("device lane-1", START_MS + 3000)]


def test_gaps_are_bounded_and_those_still_open_are_kept(story: Story) -> None:
    story.record("device.down", device="lane-1", reason="unplugged")
    for _ in range(3 * MAX_GAPS):
        story.record("gateway.started")
    assert len(story.presence.gaps) <= MAX_GAPS
    assert story.presence.gaps[0].what == "device lane-1"


def test_records_that_are_gone_make_it_complete_from_the_next_one_on(story: Story) -> None:
    assert story.presence.complete_ms == START_MS + 1000
    story.punch(A)
    story.punch(A, gone=True)
    story.punch(B)
    assert story.presence.complete_ms == START_MS + 4000
    assert story.presence.gaps[-1].what == "journal"


def test_a_new_epoch_that_follows_exactly_loses_nothing(story: Story) -> None:
    story.punch(A)
    before = {"epoch": EPOCH, "seq": story.seq, "hash": "0" * 64}
    story.epoch, story.seq = "c0ffee1290d4a7b3", 0
    story.record("records.lost", previous=before, lost={}, at_s=9.0)
    assert story.presence.complete_ms == START_MS + 1000
    story.epoch, story.seq = "feed5eed12345678", 0
    story.record("records.lost", previous=before, lost={}, at_s=10.0)
    assert story.presence.complete_ms == START_MS + 10_000
    assert list(story.presence.people) == [A]


def test_a_record_that_is_not_as_documented_stops_nothing_and_is_said(story: Story) -> None:
    story.record("punch", outcome="completed")
    story.punch(A)
    assert list(story.presence.people) == [A]
    assert "punch" in story.presence.gaps[-1].reason


@given(
    st.lists(st.tuples(st.sampled_from([A, B, None]), st.sampled_from(["in", "out", "unknown"]), st.integers(0, 99)))
)
def test_a_snapshot_anywhere_changes_nothing(punches: list[tuple[str | None, str, int]]) -> None:
    whole, cut = Story(), Story()
    for token, way, at_s in punches:
        for each in (whole, cut):
            each.punch(token, way, "completed" if token else "anonymous", at_s=float(at_s))
        cut.presence = Presence.of(json.loads(json.dumps(cut.presence.as_dict())))
    assert cut.presence == whole.presence


@pytest.mark.parametrize(
    "text", ["", "[]", "{}", '{"people": 3}', '{"people": {}, "gaps": [], "unnamed": {}, "x": 1}']
)
def test_a_snapshot_that_cannot_be_read_is_begun_anew(tmp_path: Path, text: str) -> None:
    (tmp_path / keeper.FILE_NAME).write_text(text)
    assert keeper.load(tmp_path) == Presence()
