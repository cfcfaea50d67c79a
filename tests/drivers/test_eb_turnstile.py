"""EB boards: a passage is counted once, by time; a bus knows its boards; codes are a table."""

from __future__ import annotations

from collections.abc import Mapping

import pytest

from drivers.checksums import xor
from drivers.contract import Driver
from drivers.eb_turnstile import DRIVER, Options
from drivers.events import BadFrame, DeviceChange, Event, Frame, Passage


def frame(code: int, address: int = 1, data: int = 0) -> bytes:
    head = bytes([0xEB, address, code, data])
    return head + bytes([xor(head)])


def board(codes: Mapping[str, str] | None = None, **options: float) -> Driver:
    return DRIVER.new(Options(codes=codes or {}, **options))  # type: ignore[arg-type]


def one(events: list[Event]) -> Event:
    (event,) = events
    return event


def told(driver: Driver, *frames: tuple[float, bytes]) -> list[str]:
    events = [event for at, data in frames for event in driver.feed(data, at)]
    return [event.name if isinstance(event, Frame) else event.event for event in events]


EXIT = frame(0xC6)


@pytest.mark.parametrize(
    ("times", "names"),
    [
        ([0.0, 0.0], ["passage", "repeat"]),
        ([0.0, 0.4], ["passage", "repeat"]),
        ([0.0, 0.6], ["passage", "passage"]),
        ([0.0, 0.2, 0.4], ["passage", "repeat", "repeat"]),
        ([0.0, 0.4, 0.8], ["passage", "repeat", "passage"]),
        ([0.0, 2.0, 2.1, 4.0], ["passage", "passage", "repeat", "passage"]),
    ],
)
def test_the_doubled_frame_is_told_by_time_and_never_by_parity(times: list[float], names: list[str]) -> None:
    assert told(board(), *((at, EXIT) for at in times)) == names


def test_other_frames_in_between_do_not_hide_a_repeat() -> None:
    names = told(board(), (0.0, EXIT), (0.1, frame(0xC1)), (0.2, EXIT), (0.3, frame(0xC1)))
    assert names == ["passage", "passage", "repeat", "repeat"]


def test_the_time_of_the_last_byte_counts() -> None:
    assert told(board(), (0.0, EXIT), (0.4, EXIT[:3]), (0.6, EXIT[3:])) == ["passage", "passage"]


def test_a_reset_forgets_the_latest_passage() -> None:
    driver = board()
    driver.feed(EXIT, 0.0)
    driver.reset()
    assert told(driver, (0.1, EXIT)) == ["passage"]


def test_repeats_may_be_switched_off() -> None:
    assert told(board(repeat_s=0.0), (0.0, EXIT), (0.0, EXIT)) == ["passage", "passage"]


def test_orders_may_be_repeated_as_often_as_the_host_likes() -> None:
    assert told(board(), (0.0, frame(0x40)), (0.0, frame(0x40))) == ["left_open", "left_open"]


@pytest.mark.parametrize(
    ("meaning", "expected"),
    [
        ("timeout", DeviceChange(kind="timeout")),
        ("forced", DeviceChange(kind="forced")),
        ("alarm", DeviceChange(kind="alarm")),
        ("tailgate", DeviceChange(kind="tailgate")),
        ("tailgate left", Passage(direction="left")),
        ("pass exit", Passage(direction="right")),
        ("counter left", Frame(name="counter")),
        ("frame heartbeat", Frame(name="heartbeat")),
    ],
)
def test_a_site_names_its_codes(meaning: str, expected: Event) -> None:
    event = one(board({"c3": meaning}).feed(frame(0xC3, data=9), 0.0))
    assert type(event) is type(expected)
    assert event.words() == expected.words()
    assert event.fields["cmd"] == 0xC3
    assert event.fields["data"] == 9


def test_a_site_may_swap_the_directions_of_the_defaults() -> None:
    event = one(board({"C1": "pass right"}).feed(frame(0xC1), 0.0))
    assert isinstance(event, Passage)
    assert (event.direction, event.fields["name"]) == ("right", "pass_right")


def test_a_code_nobody_named_is_a_frame_that_says_nothing() -> None:
    assert isinstance(one(board().feed(frame(0xD0), 0.0)), Frame)


def test_a_bus_tells_its_boards_apart() -> None:
    driver = DRIVER.new(Options(address=7), Options(address=2, codes={"C1": "pass right"}))
    first, second, stranger = (one(driver.feed(frame(0xC1, address=address), 0.0)) for address in (7, 2, 9))
    assert (first.unit, second.unit, stranger.unit) == (0, 1, None)
    assert isinstance(first, Passage)
    assert isinstance(second, Passage)
    assert (first.direction, second.direction) == ("left", "right")
    assert stranger.words() == {"name": "unconfigured"}


def test_a_board_without_address_takes_what_is_left() -> None:
    driver = DRIVER.new(Options(address=7), Options())
    assert one(driver.feed(frame(0xC1, address=9), 0.0)).unit == 1


@pytest.mark.parametrize("units", [[Options(), Options()], [Options(address=3), Options(address=3)]])
def test_two_boards_may_not_share_an_address(units: list[Options]) -> None:
    with pytest.raises(ValueError, match="address"):
        DRIVER.new(*units)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"address": 256}, "address"),
        ({"codes": {"C3": "pass up"}}, "pass up"),
        ({"codes": {"C3": "explode"}}, "explode"),
        ({"codes": {"C3C4": "timeout"}}, "C3C4"),
        ({"codes": {"zz": "timeout"}}, "zz"),
        ({"repeat_s": -1.0}, "repeat_s"),
    ],
)
def test_an_impossible_option_is_refused_by_name(options: dict[str, object], said: str) -> None:
    with pytest.raises(ValueError, match=said):
        Options(**options)  # type: ignore[arg-type]


@pytest.mark.parametrize("lost", range(5))
def test_a_lost_byte_costs_one_frame_and_not_the_next(lost: int) -> None:
    damaged = EXIT[:lost] + EXIT[lost + 1 :]
    driver = board()
    events = driver.feed(damaged + frame(0xC1), 0.0) + driver.close()
    assert [event.direction for event in events if isinstance(event, Passage)] == ["left"]
    assert sum(event.bytes for event in events if isinstance(event, BadFrame)) == 4
