"""How old a card of a device that is asked may be: since the last question that left nothing untold, not `now`."""

from __future__ import annotations

from math import inf

import pytest
from test_hf_aabb import frame as hf
from test_sdt_idcard import answer, person
from uhf_frames import a0, a0_end, a0_tag, bb, bb_tag, length, length_push, length_tags

from drivers import hf_aabb, sdt_idcard, uhf_a0, uhf_bb, uhf_len
from drivers.contract import START, Command, Driver
from drivers.events import CardRead, DeviceChange, Event, Passage

FOUND, NO_CARD, SELECTED = answer(0x9F), answer(0x80), answer(0x90, bytes(8))
EPC, OTHER = "E20000161A010159", "300833B2DDD90140"
NUMBER = "11010519491231002X"


class Bench:
    """A driver of one device, which answers what it is asked; `asked_at` is when it was asked last."""

    def __init__(self, driver: Driver) -> None:
        self.driver = driver
        self.at = self.asked_at = 0.0
        driver.send(Command(START), 0.0)

    def ask(self, answer: bytes, *, pause_s: float = 0.0, after_s: float = 0.02) -> list[Event]:
        """The next question, `pause_s` later than it is due, and its answer `after_s` behind it."""
        for _ in range(20):
            due = self.driver.next_poll()
            assert due is not None
            self.at = max(self.at, due) + pause_s
            events = self.driver.poll(self.at)
            if self.driver.commands():
                self.asked_at = self.at
                return [*events, *self.hear(answer, after_s)]
        raise AssertionError("it does not ask")

    def hear(self, data: bytes, after_s: float) -> list[Event]:
        self.at += after_s
        return self.driver.feed(data, self.at)

    def since(self, events: list[Event]) -> list[float | None]:
        """The moments since which these cards may have been there."""
        return [
            None if event.since_s is None else round(self.at - event.since_s, 6)
            for event in events
            if isinstance(event, CardRead)
        ]


def hf_bench() -> Bench:
    return Bench(hf_aabb.DRIVER.new())


HF_NONE, HF_THERE, HF_CARD = hf(0x0201, "14"), hf(0x0201, "000400"), hf(0x0202, "0011223344")


def test_a_13_56_mhz_card_is_as_old_as_the_last_search_that_met_none() -> None:
    bench = hf_bench()
    bench.ask(HF_NONE)
    empty_at = bench.asked_at
    bench.ask(HF_THERE, pause_s=60.0)
    assert bench.since(bench.ask(HF_CARD)) == [pytest.approx(empty_at)]


def test_a_card_that_was_there_without_a_uid_does_not_become_younger_by_it() -> None:
    bench = hf_bench()
    bench.ask(HF_NONE)
    empty_at = bench.asked_at
    bench.ask(HF_THERE)
    bench.ask(hf(0x0202, "01"))
    bench.ask(HF_THERE)
    assert bench.since(bench.ask(HF_CARD)) == [pytest.approx(empty_at)]
    searched_at = bench.asked_at - 0.02
    bench.ask(HF_THERE)
    assert bench.since(bench.ask(hf(0x0202, "0055667788"))) == [pytest.approx(searched_at)]


def test_an_identity_card_is_as_old_as_the_last_search_that_found_none() -> None:
    bench = Bench(sdt_idcard.DRIVER.new())
    bench.ask(NO_CARD)
    empty_at = bench.asked_at
    bench.ask(FOUND, pause_s=30.0)
    bench.ask(SELECTED)
    assert bench.since(bench.ask(person(NUMBER))) == [pytest.approx(empty_at)]
    bench.ask(NO_CARD)
    empty_at = bench.asked_at
    bench.ask(FOUND)
    bench.ask(answer(0x81))
    bench.ask(FOUND)
    bench.ask(SELECTED)
    assert bench.since(bench.ask(person(NUMBER))) == [pytest.approx(empty_at)], "a failure left it unread"


def test_the_first_card_behind_start_may_be_of_any_age() -> None:
    bench = hf_bench()
    bench.ask(HF_THERE)
    (card,) = [event for event in bench.ask(HF_CARD) if isinstance(event, CardRead)]
    assert card.since_s == inf


def test_a_tag_is_as_old_as_the_last_inventory_whole_frames_of_tags_alike() -> None:
    bench = Bench(uhf_len.DRIVER.new())
    bench.ask(length(0x01, b"\xfb"))
    empty_at = bench.asked_at
    told = bench.ask(length_tags(EPC, OTHER), pause_s=60.0)
    assert bench.since(told) == [pytest.approx(empty_at)] * 2
    asked_at = bench.asked_at
    assert bench.since(bench.ask(length_tags(EPC))) == [pytest.approx(asked_at)]


def test_an_inventory_in_two_frames_settles_behind_its_last_one() -> None:
    bench = Bench(uhf_len.DRIVER.new())
    bench.ask(length(0x01, b"\xfb"))
    empty_at = bench.asked_at
    told = bench.ask(length_tags(EPC, status=3), pause_s=9.0)
    assert bench.since(told + bench.hear(length_tags(OTHER), 0.05)) == [pytest.approx(empty_at, abs=0.06)] * 2


def test_an_inventory_that_broke_off_settles_nothing() -> None:
    bench = Bench(uhf_len.DRIVER.new())
    bench.ask(length(0x01, b"\xfb"))
    empty_at = bench.asked_at
    bench.ask(length_tags(EPC, status=4))
    assert bench.since(bench.ask(length_tags(EPC))) == [pytest.approx(empty_at)]


def test_a_tag_that_a_reader_in_active_mode_reports_is_of_now() -> None:
    bench = Bench(uhf_len.DRIVER.new())
    assert bench.since(bench.ask(length_push(EPC))) == [None]


def test_a_reader_that_is_only_listened_to_speaks_of_now() -> None:
    driver = uhf_bb.DRIVER.new(uhf_bb.Options(mode="listen"))
    driver.send(Command(START), 0.0)
    (card,) = driver.feed(bb_tag(EPC), 5.0)
    assert card.since_s is None


def test_a_second_tag_of_a_poll_is_as_old_as_the_first_also_if_it_comes_behind_the_next_question() -> None:
    bench = Bench(uhf_bb.DRIVER.new())
    bench.ask(bb(1, 0xFF, b"\x15"))
    empty_at = bench.asked_at
    first = bench.ask(bb_tag(EPC), pause_s=60.0)
    assert bench.since(first) == [pytest.approx(empty_at)]
    tag_at = bench.asked_at
    assert bench.since(bench.ask(bb_tag(OTHER))) == [pytest.approx(empty_at)]
    assert bench.since(bench.ask(bb_tag(EPC))) == [pytest.approx(tag_at)]


def test_a_crossing_is_as_old_as_the_last_round_of_both_antennas() -> None:
    bench = Bench(uhf_a0.DRIVER.new(uhf_a0.Options(antennas={"0": "outer", "1": "inner"})))

    def inventory(antenna: int, tags: bytes = b"") -> list[Event]:
        bench.ask(a0(0x74, b"\x10"))
        return bench.ask(tags + a0_end(antenna))

    inventory(0)
    outer_at = bench.asked_at
    (first,) = [event for event in inventory(1, a0_tag(OTHER, 1)) if isinstance(event, CardRead)]
    assert first.since_s == inf, "through this antenna nobody had looked"
    assert bench.since(inventory(0, a0_tag(EPC, 0))) == [pytest.approx(outer_at)]
    told = inventory(1, a0_tag(EPC, 1))
    (passage,) = [event for event in told if isinstance(event, Passage)]
    (read,) = [event for event in told if isinstance(event, CardRead)]
    assert passage.since_s == read.since_s
    assert outer_at < bench.at - (read.since_s or 0.0) < bench.asked_at


def test_an_antenna_that_is_missing_does_not_make_the_others_old() -> None:
    bench = Bench(uhf_a0.DRIVER.new(uhf_a0.Options(antennas={"0": "outer", "1": "inner"})))
    for _ in range(50):
        bench.ask(a0(0x74, b"\x10"))
        bench.ask(a0_end(0))
        bench.ask(a0(0x74, b"\x22"))
    bench.ask(a0(0x74, b"\x10"))
    (since,) = bench.since(bench.ask(a0_tag(EPC, 0) + a0_end(0)))
    assert since is not None
    assert bench.at - since < 0.5


def test_a_device_that_went_away_says_since_when() -> None:
    bench = hf_bench()
    bench.ask(HF_NONE)
    answered_at = bench.at
    events: list[Event] = []
    while not events:
        due = bench.driver.next_poll()
        assert due is not None
        bench.at = due
        events = bench.driver.poll(due)
    (down,) = events
    assert isinstance(down, DeviceChange)
    assert bench.at - (down.since_s or 0.0) == pytest.approx(answered_at)
