"""EM4100 frames: what is refused, why, and what is still found."""

from __future__ import annotations

import pytest

from drivers.em4100 import DRIVER
from drivers.events import BadFrame, CardRead, Event
from drivers.suite import pieces_of

GOOD = bytes.fromhex("0230313032364636433341334103")
CARD = "01026F6C3A"


def cards(events: list[Event]) -> list[str]:
    return [event.value for event in events if isinstance(event, CardRead)]


def refusals(events: list[Event]) -> list[tuple[str, int]]:
    return [(event.flaw, event.bytes) for event in events if isinstance(event, BadFrame)]


@pytest.mark.parametrize(
    "stray", [b"\x02", b"\x02\x02", b"\x02A", b"\x02" + b"0" * 12, b"\x02" + b"0" * 12 + b"\r\n"]
)
def test_a_stray_start_does_not_swallow_the_good_frame_behind_it(stray: bytes) -> None:
    events = pieces_of(DRIVER.new(), [stray + GOOD])
    assert cards(events) == [CARD]
    assert sum(size for _, size in refusals(events)) == len(stray)


@pytest.mark.parametrize("position", range(1, 13))
def test_one_damaged_character_is_never_a_card(position: int) -> None:
    for byte in range(256):
        damaged = bytearray(GOOD)
        damaged[position] = byte
        if bytes(damaged).upper() != GOOD:
            assert cards(pieces_of(DRIVER.new(), [bytes(damaged)])) == []


def test_noise_is_told_once_when_the_next_frame_begins() -> None:
    driver = DRIVER.new()
    assert driver.feed(b"\xff" * 40, 0.0) == []
    assert driver.feed(b"\x00" * 60, 0.1) == []
    assert refusals(driver.feed(GOOD, 0.2)) == [("noise", 100)]


def test_noise_is_told_when_the_line_has_been_silent() -> None:
    driver = DRIVER.new()
    driver.feed(b"\xff\xff", 10.0)
    assert driver.next_poll() == 10.5
    assert driver.poll(10.4) == []
    assert driver.poll(10.5) == [BadFrame(flaw="noise", bytes=2)]
    assert driver.next_poll() is None


def test_a_cut_frame_is_refused_for_its_length_even_if_nobody_polls() -> None:
    driver = DRIVER.new()
    driver.feed(GOOD[:9], 0.0)
    events = driver.feed(GOOD, 3.0)
    assert refusals(events) == [("length", 9)]
    assert cards(events) == [CARD]


def test_slow_bytes_within_the_gap_make_one_frame() -> None:
    driver = DRIVER.new()
    events = [event for index, byte in enumerate(GOOD) for event in driver.feed(bytes([byte]), index * 0.4)]
    assert cards(events) == [CARD]


def test_the_gap_is_an_option() -> None:
    driver = DRIVER.new(DRIVER.options(gap_s=0.1))
    driver.feed(GOOD[:5], 0.0)
    assert refusals(driver.poll(0.1)) == [("length", 5)]
    with pytest.raises(ValueError, match="gap_s"):
        DRIVER.options(gap_s=-1)
