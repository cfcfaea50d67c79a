"""Digicon boards: a passage by its return code, orders are only heard, codes of no manual are not believed."""

from __future__ import annotations

import pytest

from drivers.checksums import xor
from drivers.digicon_turnstile import ALIASES, DIRECTIONS, DRIVER, Options
from drivers.events import BadFrame, Event, Frame, Passage


def frame(commands: bytes) -> bytes:
    head = b"\x02" + (len(commands) + 1).to_bytes(2, "little") + commands
    return head + bytes([xor(head)])


def one(data: bytes) -> Event:
    (event,) = DRIVER.new().feed(data, 0.0)
    return event


@pytest.mark.parametrize(
    ("code", "direction", "name"), [(0x1A, "first", "passed_R2L"), (0x1B, "second", "passed_L2R")]
)
def test_the_return_codes_are_passages_and_the_site_says_which_way(code: int, direction: str, name: str) -> None:
    event = one(frame(bytes([code])))
    assert isinstance(event, Passage)
    assert (event.direction, event.count, event.fields["name"]) == (direction, 1, name)


def test_every_passage_frame_is_a_passage() -> None:
    events = DRIVER.new().feed(frame(b"\x1a") * 3, 0.0)
    assert [event.event for event in events] == ["passage"] * 3


@pytest.mark.parametrize(
    ("commands", "name"),
    [(b"H", "allow_R2L"), (b"A", "allow_L2R"), (b"D", "allow_both"), (b"C", "control"), (b"\x06", "ack"),
     (b"\x15", "nak"), (b"LH", "free"), (b"LA", "free"), (b"SD", "program")],
)  # fmt: skip
def test_orders_and_answers_are_frames(commands: bytes, name: str) -> None:
    event = one(frame(commands))
    assert isinstance(event, Frame)
    assert (event.name, event.fields) == (name, {"commands": commands.hex()})


@pytest.mark.parametrize("commands", [b"\xff", b"\x00", b"w", b"LL", b"HA", b"\x1a\x1a", b"\x1b\x00"])
def test_a_code_of_no_manual_is_refused_though_its_check_is_right(commands: bytes) -> None:
    refused, good = DRIVER.new().feed(frame(commands) + frame(b"\x06"), 0.0)
    assert refused == BadFrame(flaw="format", bytes=len(commands) + 4)
    assert good.words() == {"name": "ack"}


def test_nothing_is_ever_sent() -> None:
    driver = DRIVER.new()
    driver.feed(frame(b"\x1a"), 0.0)
    assert driver.commands() == []
    assert not DRIVER.asks


def test_the_words_of_the_manual_are_aliases() -> None:
    assert set(ALIASES.values()) == set(DIRECTIONS)
    assert ALIASES["r2l"] == "first"


@pytest.mark.parametrize("lost", range(5))
def test_a_lost_byte_costs_one_frame_and_not_the_next(lost: int) -> None:
    whole = frame(b"\x1a")
    driver = DRIVER.new()
    events = driver.feed(whole[:lost] + whole[lost + 1 :] + frame(b"\x1b"), 0.0) + driver.close()
    assert [event.direction for event in events if isinstance(event, Passage)] == ["second"]


def test_an_impossible_gap_is_refused_by_name() -> None:
    with pytest.raises(ValueError, match="gap_s"):
        Options(gap_s=0.0)
