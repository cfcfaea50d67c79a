"""Converter lines: the length decides, `form` overrules, nothing is guessed."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from drivers.checksums import xor
from drivers.registry import make_options
from drivers.suite import Said, pieces_of, said
from drivers.wiegand_line import DRIVER, redact


def told(data: bytes, **options: Any) -> Said:
    return said(pieces_of(DRIVER.new(make_options(DRIVER, options)), [data]))


def cards(events: Said) -> list[tuple[object, object, object]]:
    return [(event["scheme"], event["value"], event["bits"]) for event in events if event["event"] == "card_read"]


@pytest.mark.parametrize(
    ("line", "card"),
    [
        (b"6f6c3a", ("wiegand26", "6F6C3A", 26)),
        (b"123456", ("wiegand26", "123456", 26)),
        (b"12345678", ("wiegand34", "12345678", 34)),
        (b"0000123478", ("number", "0000123478", None)),
    ],
)
@pytest.mark.parametrize("end", [b"\r", b"\n", b"\r\n"])
def test_the_length_of_a_line_says_what_it_is(line: bytes, card: object, end: bytes) -> None:
    assert cards(told((line + end) * 2)) == [card, card]


@pytest.mark.parametrize(
    ("line", "flaw"),
    [
        (b"6F6C3", "length"),
        (b"6F6C3A1", "length"),
        (b"00001234AB", "length"),
        (b"0C000621A58E", "length"),
        (b"6F6C3G", "format"),
        (b"6F 6C3A", "format"),
        (b"ID 6F6C3A", "format"),
        (b"6F\xff6C3A12", "format"),
        (b"\x016F6C3A", "format"),
    ],
)
def test_what_is_no_card_line_is_refused_whole(line: bytes, flaw: str) -> None:
    assert told(line + b"\r") == [{"event": "bad_frame", "flaw": flaw, "bytes": len(line)}]


@pytest.mark.parametrize(
    ("form", "line", "card"),
    [
        ("number", b"12345678", ("number", "12345678", None)),
        ("number", b"007", ("number", "007", None)),
        ("wiegand26", b"0007302202", ("wiegand26", "6F6C3A", 26)),
        ("wiegand34", b"0040856634", ("wiegand34", "026F6C3A", 34)),
        ("wiegand34", b"026F6C3A", ("wiegand34", "026F6C3A", 34)),
    ],
)
def test_the_form_overrules_the_length(form: str, line: bytes, card: object) -> None:
    assert cards(told(line + b"\r", form=form)) == [card]


@pytest.mark.parametrize(
    ("form", "line"),
    [("wiegand26", b"12345678"), ("wiegand34", b"6F6C3A"), ("wiegand26", b"0040856634"), ("number", b"6F6C3A")],
)
def test_with_a_form_other_lines_are_refused(form: str, line: bytes) -> None:
    assert cards(told(line + b"\r", form=form)) == []


def test_an_unknown_form_is_refused_by_name() -> None:
    with pytest.raises(ValueError, match="wiegand26"):
        make_options(DRIVER, {"form": "wiegand27"})


def test_an_endless_line_is_one_overflow() -> None:
    events = told(b"1" * 500 + b"\r123456\r")
    assert [event.get("flaw") for event in events] == ["overflow", None]
    assert cards(events) == [("wiegand26", "123456", 26)]


def test_an_overflow_that_ends_in_silence_does_not_hurt_the_next_line() -> None:
    driver = DRIVER.new()
    driver.feed(b"1" * 500, 0.0)
    assert said(driver.poll(0.5)) == [{"event": "bad_frame", "flaw": "overflow", "bytes": 500}]
    assert cards(said(driver.feed(b"123456\r", 1.0))) == [("wiegand26", "123456", 26)]


def framed(digits: bytes) -> bytes:
    frame = b"\x02" + digits + b"\x03"
    return frame + bytes([xor(frame)])


@pytest.mark.parametrize(
    ("digits", "card"),
    [
        (b"0006572982", ("number", "0006572982", None)),
        (b"0006572912", ("number", "0006572912", None)),  # LRC 0D
        (b"0006572913", ("number", "0006572913", None)),
        (b"026F6C3A", ("wiegand34", "026F6C3A", 34)),
        (b"00000003", ("wiegand34", "00000003", 34)),  # LRC 02
    ],
)
def test_a_line_from_stx_ends_with_its_lrc(digits: bytes, card: object) -> None:
    assert cards(told(framed(digits) * 3)) == [card] * 3
    assert cards(told(framed(digits) + b"\r\n" + framed(digits))) == [card] * 2
    assert len(told(framed(digits) * 3)) == 3


@pytest.mark.parametrize("end", [b"\r", b"\n", b"\r\n", b"\x03\r", b"\x03\n", b"\x03\r\n", b"\r\n\x03"])
def test_a_reader_that_sends_stx_and_no_lrc_is_understood(end: bytes) -> None:
    assert told(b"\x02" + b"0006572982" + end + b"\x02" + b"6F6C3A" + end) == told(b"0006572982\r6F6C3A\r")


def test_a_wrong_lrc_is_refused_and_hurts_no_other() -> None:
    wrong = framed(b"0006572982")[:-1] + b"\x05"
    good = framed(b"026F6C3A")
    refused, *card = told(wrong + good)
    assert refused == {"event": "bad_frame", "flaw": "integrity", "bytes": len(wrong)}
    assert card == told(good)
    lost = wrong[:-1]
    refused, *card = told(lost + good)
    assert refused == {"event": "bad_frame", "flaw": "integrity", "bytes": len(lost)}
    assert card == told(good)


@pytest.mark.parametrize("digits", [b"0006572912", b"0006572982", b"026F6C3A"])
def test_the_tail_of_a_framed_number_is_no_card(digits: bytes) -> None:
    whole = framed(digits)
    for start in range(1, len(whole) - 1):
        assert cards(told(whole[start:] + whole + b"\r")) == cards(told(whole))


def at_times(*pieces: tuple[float, bytes], **options: Any) -> Said:
    """What is told of bytes that came at their times, and of the silence behind them."""
    driver = DRIVER.new(make_options(DRIVER, options))
    events = [event for at, data in pieces for event in driver.feed(data, at)]
    return said(events + driver.poll(pieces[-1][0] + 1.0))


KEY = {"event": "frame", "name": "key"}


@pytest.mark.parametrize("key", [b"5", b"*", b"#", b"\x05", b"\x02", b"\x0b", b"\xa5", b"\xf0", b"\x5a"])
def test_a_key_between_silences_is_told_without_its_content(key: bytes) -> None:
    assert at_times((0.0, key)) == [KEY]
    assert at_times((0.0, b"6F6C3A\r"), (2.0, key), (4.0, key), (6.0, b"6F6C3A\r"))[1:3] == [KEY, KEY]


def test_keys_in_quick_succession_are_so_many_keys() -> None:
    assert at_times((0.0, b"1"), (0.2, b"2"), (0.4, b"3")) == [KEY] * 3
    assert at_times((0.0, b"\xe1"), (0.2, b"\xd2"), (0.4, b"\xc3")) == [KEY] * 3


def test_digits_that_came_together_are_no_keys() -> None:
    assert at_times((0.0, b"12")) == [{"event": "bad_frame", "flaw": "length", "bytes": 2}]
    assert at_times((0.0, b"1"), (0.01, b"2")) == [{"event": "bad_frame", "flaw": "length", "bytes": 2}]


@pytest.mark.parametrize("key", [b"5", b"#", b"\x05", b"\xa5"])
@pytest.mark.parametrize("line", [b"0000123478\r\n", b"12345678\r", b"6F6C3A\r"])
def test_a_key_just_before_a_card_does_not_lose_it(key: bytes, line: bytes) -> None:
    assert at_times((0.0, key), (0.2, line)) == [KEY, *told(line)]
    assert at_times((0.0, key), (0.2, line[:1]), (0.21, line[1:])) == [KEY, *told(line)]


def test_a_pin_just_before_a_number_does_not_lose_it() -> None:
    keys = [(0.2 * n, b"%d" % n) for n in range(4)]
    assert at_times(*keys, (0.8, b"0000123478\r\n")) == [*[KEY] * 4, *told(b"0000123478\r\n")]


def test_keys_and_a_line_end_are_keys_and_no_card() -> None:
    pin = [(0.2 * n, b"%d" % n) for n in range(6)]
    assert at_times((0.0, b"5"), (0.2, b"\r")) == [KEY]
    assert at_times(*pin[:4], (1.2, b"\r")) == [KEY] * 4
    assert at_times(*pin, (1.2, b"\r")) == [{"event": "bad_frame", "flaw": "length", "bytes": 6}]


def test_a_number_that_only_may_have_a_key_before_it_is_no_card() -> None:
    assert told(b"50000123478\r\n") == [{"event": "bad_frame", "flaw": "length", "bytes": 11}]
    assert at_times((0.0, b"5"), (0.01, b"0000123478\r\n"))[0]["flaw"] == "length"
    assert at_times((0.0, b"5"), (0.2, b"0000123478\r\n"), form="number")[0]["flaw"] == "length"


def test_keys_that_make_a_card_of_a_shorter_one_invent_none() -> None:
    assert cards(at_times((0.0, b"1"), (0.2, b"2"), (0.4, b"6F6C3A\r"))) == []
    assert cards(at_times((0.0, b"1"), (0.2, b"2"), (0.4, b"3"), (0.6, b"4"), (0.8, b"123456\r"))) == []


def test_a_line_that_the_network_has_split_behind_its_first_byte_is_whole() -> None:
    assert at_times((0.0, b"0"), (0.2, b"000123478\r\n")) == told(b"0000123478\r\n")


def test_no_arrival_of_the_line_before_is_remembered() -> None:
    driver = DRIVER.new()
    driver.feed(b"5", 0.0)
    driver.reset()
    driver.feed(b"5", 0.1)
    assert said(driver.feed(b"0000123478\r\n", 0.12)) == [{"event": "bad_frame", "flaw": "length", "bytes": 11}]


def test_a_byte_behind_a_line_or_noise_is_no_key() -> None:
    assert KEY not in at_times((0.0, b"6F6C3A\r5"))
    assert KEY not in at_times((0.0, b"\xff\x005"))
    assert KEY not in at_times((0.0, framed(b"123456789012")))


PARTS = st.sampled_from(
    [framed(b"0006572982"), framed(b"0006572912"), framed(b"00000003"), b"6F6C3A", b"\r", b"\n", b"\x02", b"\x03",
     b"5", b"\xa5", b"\xff", b"\x00", b"x"]
)  # fmt: skip


@given(st.lists(PARTS, max_size=12).map(b"".join), st.lists(st.integers(0, 80), max_size=6))
def test_any_split_gives_the_same_events(stream: bytes, cuts: list[int]) -> None:
    bounds = [0, *sorted(min(cut, len(stream)) for cut in cuts), len(stream)]
    pieces = [stream[start:stop] for start, stop in pairwise(bounds)]
    assert said(pieces_of(DRIVER.new(), pieces)) == told(stream)
    assert said(pieces_of(DRIVER.new(), [bytes([byte]) for byte in stream])) == told(stream)


def test_redaction_makes_the_lrc_right_and_keeps_no_key() -> None:
    def swap(text: str) -> str:
        return text.translate({50: "3"})

    assert redact(framed(b"0006572982")[:], swap) == framed(b"0006573983")
    assert redact(b"\x026F6C32\x03", swap) == b"\x026F6C33\x03"
    assert redact(b"\x026F6C32", swap) == b"\x026F6C33"
    assert redact(b"\xa5", swap) == b"0"
