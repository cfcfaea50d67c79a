"""What is written down, shown and remembered of comings and goings; of a device that is asked, by its answers."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from drivers.events import BadFrame, CardRead, DeviceChange, Event, Frame
from gateway.capture import MAX_REASONS, Capture, Feedback, Place
from gateway.clock import Moment, Quality, Wait
from gateway.directory import Registry
from gateway.passage import DeviceRules, LaneRules, Passage, Privacy
from gateway.records import Draft, Notice
from gateway.unwatched import Unwatched, sign

KEY = bytes.fromhex("00112233445566778899aabbccddeeff" * 2)
LANE = LaneRules("lane", "lobby", "outside", "inside", "controlled", "none", 5.0, 3.0, 0.3)
DEVICES = {"asked": True, "talker": False}
START = Moment(1_795_390_000_000, 1000.0, 1000 * 10**9, Quality("synced", "ntp", 12, "boot"))


def at(seconds: float) -> Moment:
    ms = round(seconds * 1000)
    return replace(
        START, time_ms=START.time_ms + ms, mono=START.mono + seconds, boot_ns=START.boot_ns + ms * 1_000_000
    )


@dataclass
class StubLine:
    """A line with one device that is asked and one that talks; takes down what it is to show."""

    present: list[str] = field(default_factory=lambda: ["talker"])
    shown: list[str] = field(default_factory=list)
    health: dict[str, None] = field(default_factory=lambda: dict.fromkeys(DEVICES))

    @property
    def rules(self) -> Any:
        spec, port = SimpleNamespace(name="x"), SimpleNamespace(url="/dev/x")
        return SimpleNamespace(devices=tuple(DEVICES), is_asked=DEVICES.__getitem__, spec=spec, port=port)

    def show(self, device: str, state: str) -> None:
        self.shown.append(state)


class Bench:
    """A capture with all it works for; durable at once."""

    def __init__(self, folder: Path) -> None:
        self.registry = Registry(folder)
        self.drafts: list[Draft] = []
        self.line: Any = StubLine()
        rules = [DeviceRules(name, "x", "lane", "in", "native", frozenset({"credential"})) for name in DEVICES]
        passage = Passage([LANE], rules, Privacy("k1", KEY, clear=False))
        feedback = Feedback(lambda _, then: then(True), lambda: True)
        feedback.lines = [self.line]
        clock: Any = SimpleNamespace(mono=lambda: 0.0, now=lambda: START)
        monitor: Any = SimpleNamespace(events=lambda *_: None)
        places = {name: Place("lane", "lobby") for name in DEVICES}
        self.capture = Capture(
            places,
            passage,
            self.registry,
            clock,
            self._append,
            _now,
            lambda: None,
            feedback,
            monitor,
        )

    def _append(self, drafts: Sequence[Draft]) -> None:
        self.drafts += drafts

    def heard(self, event: Event, moment: Moment, device: str = "asked") -> None:
        self.capture.heard(device, [event], moment)

    def told(self, device: str = "asked") -> list[tuple[str, str | None]]:
        """The comings and goings that were written down."""
        notices = [draft.body for draft in self.drafts if isinstance(draft.body, Notice)]
        return [(notice.kind.removeprefix("device."), notice.reason) for notice in notices if notice.device == device]

    def alone_ms(self, moment: Moment, device: str = "asked") -> int:
        return Unwatched(self.registry).wait([device], moment).ms


def _now(then: Callable[[], None]) -> None:
    then()


def up() -> Event:
    return DeviceChange(kind="up")


def down(reason: str = "no answer", since_s: float | None = None) -> Event:
    return DeviceChange(kind="down", reason=reason, since_s=since_s)


def card(name: str = "1") -> Event:
    return CardRead(scheme="x", value=name, bits=8)


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    bench = Bench(tmp_path)
    yield bench
    bench.registry.close()


def test_a_device_that_is_asked_is_seen_when_it_answers_and_not_when_its_port_opens(bench: Bench) -> None:
    bench.capture.port_up(bench.line, at(0))
    assert [known["device"] for known in bench.registry.all()] == ["talker"]
    bench.heard(up(), at(1))
    assert [known["device"] for known in bench.registry.all()] == ["asked", "talker"]
    assert bench.registry.lost_at("asked") is None


def test_a_box_that_opens_the_port_of_a_dead_reader_still_knows_since_when_it_is_dead(bench: Bench) -> None:
    bench.registry.seen("asked", "x", "/dev/x", "2026-11-23T00:00:00.000Z")
    bench.registry.lost(["asked"], sign(at(-500)))
    bench.capture.port_up(bench.line, at(0))
    bench.heard(down(since_s=math.inf), at(3))
    bench.capture.port_down(bench.line, at(50), "unplugged")
    bench.capture.port_up(bench.line, at(60))
    assert bench.registry.lost_at("asked") == sign(at(-500))
    assert bench.alone_ms(at(100)) == 601_000


def test_a_device_that_does_not_answer_is_lost_since_its_last_answer(bench: Bench) -> None:
    bench.capture.port_up(bench.line, at(0))
    bench.heard(up(), at(1))
    bench.heard(down(since_s=4.0), at(30))
    assert bench.registry.lost_at("asked") == sign(at(26))
    bench.heard(up(), at(90))
    assert bench.registry.lost_at("asked") is None


def test_what_is_lost_is_lost_since_boot_at_most() -> None:
    for before_s in (5000.0, math.inf):
        assert sign(at(0), before_s) == replace(sign(at(0)), boot_ns=0, time_ms=START.time_ms - 1_000_000)


def test_after_a_pause_a_device_is_heard_again_with_the_next_thing_only_it_can_say(bench: Bench) -> None:
    """A frame may be an echo of our question, or a bus that speaks for a device that is gone."""
    bench.capture.port_up(bench.line, at(0))
    bench.heard(up(), at(1))
    bench.capture.port_unread(bench.line, at(10), "paused")
    bench.heard(Frame(name="ack"), at(20).waiting(Wait(10_000)))
    bench.capture.port_read(bench.line, at(20))
    bench.heard(BadFrame(flaw="noise", bytes=1), at(21))
    assert bench.registry.lost_at("asked") == sign(at(10))
    bench.heard(Frame(name="request"), at(22))
    bench.heard(DeviceChange(kind="fault", reason="exception 11"), at(22))
    assert bench.registry.lost_at("asked") == sign(at(10))
    bench.heard(CardRead(scheme="em4100", value="0C000621A5", bits=40), at(23))
    assert bench.registry.lost_at("asked") is None
    assert bench.registry.lost_at("talker") is None


def test_what_is_told_again_is_not_written_down_again(bench: Bench) -> None:
    for seconds in range(0, 50, 10):
        bench.capture.port_up(bench.line, at(seconds))
        bench.heard(down(), at(seconds + 3))
        bench.capture.port_down(bench.line, at(seconds + 6), "unplugged")
    assert bench.told() == [("down", "no answer")]
    assert bench.told("talker") == [("up", None), ("down", "unplugged")] * 5


def test_a_port_that_is_back_without_its_reader_is_written_down_once_more(bench: Bench) -> None:
    bench.heard(up(), at(0))
    for seconds in range(10, 50, 10):
        bench.capture.port_down(bench.line, at(seconds), "unplugged")
        bench.capture.port_down(bench.line, at(seconds + 1), "not there")
        bench.capture.port_up(bench.line, at(seconds + 2))
        bench.heard(down(), at(seconds + 3))
    assert bench.told() == [("up", None), ("down", "unplugged"), ("down", "no answer")]


def test_a_device_that_comes_and_goes_is_written_down_each_time(bench: Bench) -> None:
    for seconds in range(3):
        bench.heard(up(), at(seconds))
        bench.heard(up(), at(seconds + 0.2))
        bench.heard(down(), at(seconds + 0.5))
    assert bench.told() == [("up", None), ("down", "no answer")] * 3


def test_reasons_without_end_are_written_down_a_few_times_only(bench: Bench) -> None:
    for number in range(100):
        bench.heard(down(f"reason {number}"), at(number))
        bench.capture.port_down(bench.line, at(number + 0.5), f"held by process {number}")
    assert len(bench.told()) == MAX_REASONS
    assert bench.told("talker") == [("down", "held by process 0")]


def test_only_who_stands_there_now_is_shown_what_became_of_the_card(bench: Bench) -> None:
    bench.heard(card("1"), at(0).late_by(700))
    assert bench.line.shown == ["read", "accepted"]
    bench.heard(card("2"), at(1).waiting(Wait(9000)))
    bench.heard(replace(card("3"), decision="denied"), at(2).waiting(Wait(9000)))  # type: ignore[call-arg]
    bench.heard(card("4"), at(3).remembered(60, 1, "2026-11-23T00:00:00"))
    assert bench.line.shown == ["read", "accepted"]
