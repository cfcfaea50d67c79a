"""Converter lines: the length decides, `form` overrules, nothing is guessed."""

from __future__ import annotations

from typing import Any

import pytest

from drivers.registry import make_options
from drivers.suite import Said, pieces_of, said
from drivers.wiegand_line import DRIVER


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
