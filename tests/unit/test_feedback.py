"""What goes to the journal behind what, and what a person at the reader is shown of it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from drivers.events import CardRead, DeviceChange, Event, Frame
from gateway.capture import Capture, Feedback, Place
from gateway.clock import Clock, Moment, Quality
from gateway.directory import Registry
from gateway.journal import Level, Room
from gateway.passage import DeviceRules, LaneRules, Passage, Privacy
from gateway.records import CredentialRead, Draft, Heard, Item, Notice
from gateway.sparing import Sparing

LANE = LaneRules("lane", "lobby", "outside", "inside", "controlled", "none", 5.0, 3.0, 0.3)
READER = DeviceRules("reader", "x", "lane", "in", "native", frozenset({"credential"}))
START = Moment(1_795_390_000_000, 1000.0, 1000 * 10**9, Quality("synced", "ntp", 12, "boot"))


class Bench:
    """A reader that is asked, before a journal that takes what it is told to take."""

    def __init__(self, folder: Path) -> None:
        self.items: list[Item] = []
        self.shown: list[str] = []
        self.takes, self.online = True, True
        self.asked: list[str] = []
        self.registry = Registry(folder)
        line: Any = SimpleNamespace(
            health={"reader": None},
            rules=SimpleNamespace(is_asked=lambda _: True),
            show=lambda _, state: self.shown.append(state),
        )
        feedback = Feedback(self._when_taken, lambda: self.online)
        feedback.lines = [line]
        clock: Any = SimpleNamespace(mono=lambda: 0.0, now=lambda: START)
        monitor: Any = SimpleNamespace(events=lambda *_: None)
        self.capture = Capture(
            {"reader": Place("lane", "lobby")},
            Passage([LANE], [READER], Privacy("k1", bytes(32), clear=False)),
            self.registry,
            clock,
            self.items.extend,
            lambda then: then(),
            changed=lambda: None,
            feedback=feedback,
            monitor=monitor,
        )

    def _when_taken(self, drafts: Sequence[Draft], then: Callable[[bool], None]) -> None:
        self.asked += [type(draft.body).__name__ for draft in drafts]
        then(self.takes)

    def hear(self, *events: Event) -> bool:
        return self.capture.heard("reader", events, START)


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    bench = Bench(tmp_path)
    yield bench
    bench.registry.close()


def card(value: str = "1", mark: str | None = None) -> CardRead:
    return CardRead(scheme="x", value=value, bits=8, mark=mark)


def words(items: Sequence[Item]) -> list[str]:
    return [item.mark if isinstance(item, Heard) else type(item.body).__name__ for item in items]


def test_a_mark_goes_to_the_journal_behind_what_it_stands_for(bench: Bench) -> None:
    assert bench.hear(card("1", "one"), Frame(name="nothing", mark="two"), card("2", "three"))
    assert [word for word in words(bench.items) if word != "Punch"] == [
        "CredentialRead",
        "one",
        "two",
        "CredentialRead",
        "three",
    ]
    assert {item.device for item in bench.items if isinstance(item, Heard)} == {"reader"}


def test_a_mark_alone_makes_no_record_and_goes_the_same_way(bench: Bench) -> None:
    assert not bench.hear(Frame(name="nothing", mark="base"))
    assert words(bench.items) == ["base"]


@pytest.mark.parametrize(
    ("takes", "online", "state"),
    [(True, True, "accepted"), (True, False, "buffering"), (False, True, "refused"), (False, False, "refused")],
)
def test_a_card_whose_record_was_not_taken_is_refused(bench: Bench, takes: bool, online: bool, state: str) -> None:
    bench.takes, bench.online = takes, online
    bench.hear(card())
    assert bench.shown == ["read", state]
    assert bench.asked == [CredentialRead.__name__], "the record of this card, not a punch that it closes"


def test_a_diagnostic_that_is_left_out_leaves_its_mark(bench: Bench) -> None:
    kept: list[Item] = []
    levels: list[Level] = []
    sparing = Sparing(Clock(), kept.extend, levels.append)
    sparing.on_level("sparing", Room(86, 1000, 100))
    kept.clear()
    bench.hear(DeviceChange(kind="counter", reason="base line", mark="base"))
    sparing.append(bench.items)
    assert words(kept) == ["base"]
    assert sparing.left_out == 1
    assert isinstance(bench.items[0], Draft)
    assert isinstance(bench.items[0].body, Notice)
