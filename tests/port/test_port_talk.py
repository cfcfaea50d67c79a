"""When what an asked device says has happened: since it was asked before, or since nobody asked it at all."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from drivers.contract import START, Command
from drivers.events import CardRead, DeviceChange, Event, Input, Origin, Passage
from drivers.framing import FrameStream
from gateway.clock import LATE_LEAST_MS, Moment, Quality, Wait
from gateway.port.talk import AWAY_S, Talk

BEGUN = Moment(1_795_390_000_000, 2000.0, 3000 * 10**9, Quality("synced", "ntp", 12, "boot-1"))
ALONE_MS = {"a": 3_600_000, "b": 500}


class Orders(FrameStream):
    """Takes down what it is told."""

    def __init__(self) -> None:
        super().__init__(lambda *_: None, max_bytes=8)
        self.told: list[Command] = []
        self.told_at: list[float] = []

    def send(self, command: Command, at: float) -> None:
        self.told.append(command)
        self.told_at.append(at)


def later(seconds: float) -> Moment:
    """After the talk began."""
    ms, ns = round(seconds * 1000), round(seconds * 1e9)
    return replace(BEGUN, time_ms=BEGUN.time_ms + ms, mono=BEGUN.mono + seconds, boot_ns=BEGUN.boot_ns + ns)


def card(since_s: float | None = None) -> Event:
    return CardRead(scheme="x", value="1", bits=8, since_s=since_s)


@pytest.fixture
def driver() -> Orders:
    return Orders()


@pytest.fixture
def talk(driver: Orders) -> Talk:
    talk = Talk(driver, ("a", "b"), lambda device, _: Wait(ALONE_MS[device]))
    talk.remember({"b": "17"})
    talk.begin(BEGUN)
    return talk


def test_a_driver_is_told_its_mark_and_the_clocks_of_the_box(talk: Talk, driver: Orders) -> None:
    common = {"boot": "boot-1", "wall_ms": BEGUN.time_ms}
    assert driver.told == [Command(START, {"mark": None, **common}, 0), Command(START, {"mark": "17", **common}, 1)]


def test_who_speaks_by_itself_speaks_of_now(talk: Talk) -> None:
    assert talk.dated("a", card(), later(5)) == later(5)


def test_what_was_asked_for_a_moment_ago_is_live_and_may_be_so_much_older(talk: Talk) -> None:
    told = talk.dated("a", card(0.8), later(5))
    assert (told.live, told.waited_ms, told.time_ms) == (True, 800, later(5).time_ms)


def test_what_a_device_may_have_held_for_long_is_not_live(talk: Talk) -> None:
    told = talk.dated("a", card(7.25), later(9))
    assert (told.live, told.waited_ms) == (False, 7250)


@given(st.floats(0, 1e6))
def test_no_wait_is_ever_understated(since_s: float) -> None:
    talk = Talk(Orders(), ("a",), lambda *_: Wait(0))
    talk.begin(BEGUN)
    told = talk.dated("a", card(since_s), later(1))
    assert told.waited_ms >= since_s * 1000 or (told.waited_ms == 0 and since_s * 1000 < LATE_LEAST_MS)
    assert told.live == (since_s <= AWAY_S)


@pytest.mark.parametrize("since_s", [math.inf, math.nan])
def test_a_first_answer_is_as_old_as_its_own_device_was_alone_and_not_its_neighbour(
    talk: Talk, since_s: float
) -> None:
    for device, alone_ms in ALONE_MS.items():
        told = talk.dated(device, card(since_s), later(4))
        assert (told.live, told.waited_ms) == (False, alone_ms + 4000)


def test_how_long_a_device_was_alone_is_known_from_before_the_talk(driver: Orders) -> None:
    """Who is told that the port is open forgets that the device was lost."""
    alone_ms = {"a": 60_000}
    talk = Talk(driver, ("a",), lambda device, _: Wait(alone_ms[device]))
    talk.begin(BEGUN)
    alone_ms["a"] = 0
    assert talk.dated("a", card(math.inf), later(1)).waited_ms == 61_000


def test_a_first_answer_names_the_moment_of_another_boot_since_when_nobody_asked(driver: Orders) -> None:
    talk = Talk(driver, ("a",), lambda *_: Wait(60_000, ("boot-0", 77)))
    talk.begin(BEGUN)
    told = talk.dated("a", card(math.inf), later(1))
    assert told.words()["waited_since"] == {"boot": "boot-0", "boot_ns": 77}
    assert "waited_since" not in talk.dated("a", card(1.0), later(2)).words()
    data = {"clock": told.words(), "live": told.live}
    assert Moment.of_words(told.time_ms, data).since == told.since


@pytest.mark.parametrize("event", [Passage(direction="in", fields={"missed": True}), Input(input="0", active=True)])
def test_a_counter_that_moved_while_nobody_asked_did_so_since_then(talk: Talk, event: Event) -> None:
    missed = replace(event, fields={"missed": True})
    assert talk.dated("b", missed, later(2)).waited_ms == 500 + 2000
    assert talk.dated("b", replace(missed, since_s=3.5), later(2)).waited_ms == 3500


def test_that_a_device_is_there_or_not_is_about_now(talk: Talk) -> None:
    for since_s in (None, 3.0, math.inf):
        assert talk.dated("a", DeviceChange(kind="down", since_s=since_s), later(2)) == later(2)


def test_that_a_device_was_opened_may_be_old(talk: Talk) -> None:
    told = talk.dated("a", DeviceChange(kind="tamper", since_s=3600.0), later(2))
    assert (told.live, told.waited_ms) == (False, 3_600_000)


def test_an_age_that_is_none_is_as_old_as_the_device_was_alone(talk: Talk) -> None:
    assert talk.dated("a", card(1e300), later(4)) == talk.dated("a", card(math.inf), later(4))


def test_what_a_device_wrote_down_has_its_own_time(talk: Talk) -> None:
    event = replace(card(math.inf), origin=Origin(age_s=30.0, device_time="2026-11-23T08:00:00"))
    told = talk.dated("a", event, later(40))
    assert (told.time_ms, told.waited_ms, told.device_error_ms) == (later(10).time_ms, 0, 1000)


def test_bytes_that_waited_are_older_by_both_waits(talk: Talk) -> None:
    assert talk.dated("a", card(1.0), later(5).waiting(Wait(3000))).waited_ms == 4000


def test_a_driver_begins_by_a_clock_that_goes_on_while_the_machine_is_suspended(talk: Talk, driver: Orders) -> None:
    assert driver.told_at == [BEGUN.boot_ns / 1e9] * 2
