"""One OSDP reader as it is watched: how old is what it had kept, and when is it there again."""

from __future__ import annotations

from math import inf
from typing import cast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from drivers.events import CardRead, DeviceChange, Event
from drivers.osdp import Options, wire
from drivers.osdp.panel import Card, Online, Panel, Status
from drivers.osdp.reader import FIRST_RETRY_S, LOST_S, RETRY_S, Reader
from drivers.osdp.wire import Packet
from drivers.presence import LOST_AFTER


class Idle:
    """A panel that has nothing to do; `begun` are the times at which a link was dropped to begin anew."""

    def __init__(self) -> None:
        self.at = 0.0
        self.begun: list[float] = []

    def ask_status(self, unit: int) -> bool:
        return True

    def forget(self, unit: int) -> None:
        self.begun.append(self.at)

    def revive(self, unit: int) -> bool:
        return True


class Bench:
    """A plain reader, whose link is up at 0."""

    def __init__(self) -> None:
        self.reader = Reader(0, 0, Options(secure="off"), 0.0)
        self.panel = Idle()
        self.sequence = 0
        self.reader.told(Online(0, True), 0.0)

    def ask(self, at: float, code: int = wire.POLL, *, again: bool = False) -> None:
        self.sequence = self.sequence if again else self.sequence % 3 + 1
        self.reader.asked(packet(code, self.sequence), at)

    def answer(self, at: float, code: int = wire.ACK) -> None:
        self.reader.hear(packet(code, self.sequence), at)

    def polled(self, at: float) -> None:
        self.ask(at)
        self.answer(at + 0.01)

    def card(self, at: float) -> float | None:
        self.answer(at, wire.RAW)
        (card,) = self.reader.told(Card(0, 0, 1, 26, bytes(4)), at)
        assert isinstance(card, CardRead)
        return card.since_s

    def watch(self, at: float) -> list[Event]:
        self.panel.at = at
        return self.reader.watch(cast(Panel, self.panel), at)


def packet(code: int, sequence: int) -> Packet:
    return Packet(0, False, sequence, "crc16", code, b"")


def test_a_card_is_as_old_as_the_last_poll_that_was_answered_with_nothing() -> None:
    bench = Bench()
    bench.polled(1.0)
    bench.ask(1.1)
    assert bench.card(1.12) == pytest.approx(0.12)


def test_a_card_read_right_behind_the_link_may_be_of_any_age() -> None:
    bench = Bench()
    bench.ask(1.0)
    assert bench.card(1.1) == inf


def test_a_card_read_while_the_link_was_lost_is_as_old_as_that() -> None:
    bench = Bench()
    bench.polled(1.0)
    bench.ask(1.1)
    bench.reader.told(Online(0, False), 9.6)
    bench.reader.told(Online(0, True), 60.0)
    bench.sequence = 0
    bench.reader.asked(packet(wire.POLL, 0), 60.0)
    assert bench.card(60.1) == pytest.approx(59.1)


def test_an_answer_to_a_question_said_again_counts_from_the_first_time_it_was_asked() -> None:
    bench = Bench()
    bench.ask(1.0)
    bench.ask(2.0, again=True)
    bench.answer(2.01)
    bench.ask(2.1)
    assert bench.card(2.2) == pytest.approx(1.2)


def test_a_busy_reader_is_asked_again_and_its_answer_counts_from_the_first_time() -> None:
    bench = Bench()
    bench.ask(1.0)
    bench.answer(1.01, wire.BUSY)
    bench.ask(3.0, again=True)
    bench.answer(3.01)
    bench.ask(3.1)
    assert bench.card(3.2) == pytest.approx(2.2)


def test_only_a_poll_tells_that_nothing_is_kept_and_only_if_its_answer_was_believed() -> None:
    bench = Bench()
    bench.polled(1.0)
    bench.ask(2.0, wire.LED)
    bench.answer(2.01)
    bench.ask(3.0)
    assert bench.card(3.1) == pytest.approx(2.1)
    bench.ask(4.0)
    bench.answer(4.01)
    bench.reader.asked(packet(wire.CHLNG, 0), 4.1)
    assert bench.card(4.2) == pytest.approx(3.2), "libosdp began anew instead of going on"


def test_cards_that_wait_behind_each_other_are_all_as_old_as_the_first() -> None:
    bench = Bench()
    bench.polled(1.0)
    ages = []
    for n in (1, 2, 3):
        bench.ask(1.0 + n)
        ages.append(bench.card(1.01 + n))
    assert ages == [pytest.approx(n + 0.01) for n in (1, 2, 3)]


def test_tampering_is_as_old_as_the_last_report_without_it() -> None:
    bench = Bench()
    bench.ask(1.0, wire.LSTAT)
    bench.answer(1.01, wire.LSTATR)
    assert bench.reader.told(Status(0, True, b"\0\0"), 1.02) == []
    bench.polled(5.0)
    bench.ask(6.0)
    bench.answer(6.01, wire.LSTATR)
    (begun,) = bench.reader.told(Status(0, True, b"\1\0"), 6.02)
    assert begun.since_s == pytest.approx(1.02), "the reader said it on being polled"
    bench.ask(7.0, wire.LSTAT)
    bench.answer(7.01, wire.LSTATR)
    (ended,) = bench.reader.told(Status(0, True, b"\0\0"), 7.02)
    assert ended.since_s == pytest.approx(6.02)


def test_a_reader_that_was_lost_must_answer_three_times_in_a_row_to_be_back() -> None:
    bench = Bench()
    bench.polled(0.1)
    (up,) = bench.watch(0.2)
    assert isinstance(up, DeviceChange)
    assert (up.kind, up.since_s) == ("up", None)
    bench.ask(0.3)
    bench.reader.told(Online(0, False), 8.0)
    (down,) = bench.watch(0.2 + LOST_S + 0.1)
    assert isinstance(down, DeviceChange)
    assert (down.kind, down.since_s) == ("down", pytest.approx(0.2 + LOST_S + 0.1 - 0.11))
    bench.reader.told(Online(0, True), 20.0)
    told = []
    for n, is_answered in enumerate([True, True, False, *[True] * LOST_AFTER, True]):
        at = 20.0 + n
        bench.ask(at)
        if is_answered:
            bench.answer(at + 0.01)
        told += [(n, event.kind) for event in bench.watch(at + 0.02) if isinstance(event, DeviceChange)]
    assert told == [(2 + LOST_AFTER, "up")]


def test_a_reader_that_never_answered_says_that_it_has_been_so_since_before() -> None:
    reader = Reader(0, 0, Options(secure="off"), 0.0)
    (down,) = reader.watch(cast(Panel, Idle()), LOST_S)
    assert down.since_s == inf


def test_a_lost_link_is_begun_anew_soon_and_then_ever_later() -> None:
    bench = Bench()
    at = 0.0
    for _ in range(7):
        bench.reader.told(Online(0, False), at)
        begun = len(bench.panel.begun)
        while len(bench.panel.begun) == begun:
            at += 0.05
            bench.watch(at)
        bench.watch(at)
    waits = [round(later - at, 1) for at, later in zip([0.0, *bench.panel.begun], bench.panel.begun, strict=False)]
    assert waits[0] == FIRST_RETRY_S
    assert waits == sorted(waits)
    assert waits[-1] == RETRY_S


STEPS = st.lists(st.tuples(st.floats(0.01, 20.0), st.sampled_from(["polled", "lost", "again", "card"])), max_size=40)


@given(STEPS, st.floats(0.0, 1.0))
def test_no_card_is_dated_behind_the_moment_it_was_shown(steps: list[tuple[float, str]], share: float) -> None:
    bench = Bench()
    at, emptied_at = 0.0, -inf
    open_since: float | None = None
    for pause, step in steps:
        at += pause
        if open_since is None or step != "again":
            bench.ask(at)
            asked_at = at
        else:
            bench.ask(at, again=True)
            asked_at = open_since
        open_since = asked_at
        if step == "polled":
            bench.answer(at + 0.001)
            emptied_at, open_since = asked_at, None
        elif step == "card":
            shown_at = max(emptied_at, 0.0) + share * (at - max(emptied_at, 0.0))
            since_s = bench.card(at + 0.001)
            assert since_s is not None
            assert at + 0.001 - since_s <= shown_at + 1e-9
            open_since = None
