"""The driver `line`: two hundred readers nobody has seen, and the corners of the formats we know."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from drivers.checksums import crc16, sum8, sum8_complement, xor
from drivers.line import DRIVER
from drivers.registry import make_options
from drivers.suite import Said, facts, pieces_of, said

SR30 = {"start": "02", "end": "03", "check": "xor", "pattern": "(?P<value>[0-9A-Fa-f]{8,10})"}
CHECKS: dict[str, Callable[[bytes], bytes]] = {
    "none": (lambda data: b""),
    "xor": (lambda data: bytes([xor(data)])),
    "sum": (lambda data: bytes([sum8(data)])),
    "sum2c": (lambda data: bytes([sum8_complement(data)])),
    "crc16-modbus": (lambda data: crc16(data, "crc16-modbus").to_bytes(2, "little")),
    "crc16-ccitt": (lambda data: crc16(data, "crc16-ccitt").to_bytes(2, "big")),
}


def told(data: bytes, **options: Any) -> Said:
    return said(pieces_of(DRIVER.new(make_options(DRIVER, options)), [data]))


def values(events: Said) -> list[object]:
    return [event["value"] for event in events if event["event"] == "card_read"]


def flaws(events: Said) -> list[object]:
    return [event["flaw"] for event in events if event["event"] == "bad_frame"]


@st.composite
def formats(draw: st.DrawFn) -> tuple[dict[str, object], list[str], bytes]:
    """Options as an operator would write them, card values, and the bytes a device of that format sends."""
    start = draw(st.sampled_from([b"", b"\x02", b"\x01\x02", b"$", b"CARD:", b"<", b"\x1b"]))
    end = draw(st.sampled_from([b"\r", b"\n", b"\r\n", b"\x03", b"\x03\r\n", b";", b">", b"##"]))
    check = draw(st.sampled_from(sorted(CHECKS)))
    hexadecimal = draw(st.booleans())
    after = bool(start) and draw(st.booleans())
    head, tail = draw(st.sampled_from([("", ""), ("ID=", ""), ("T,", ",1"), ("no. ", " ok")]))
    pattern, alphabet = draw(
        st.sampled_from([("[0-9]", "0123456789"), ("[0-9A-F]", "0123456789ABCDEF"), (r"\w", "aZ09")])
    )
    size = draw(st.integers(4, 14))
    cards = draw(st.lists(st.text(alphabet, min_size=size, max_size=size), min_size=1, max_size=3))
    stream = b""
    for card in cards:
        body = f"{head}{card}{tail}".encode()
        value = CHECKS[check](start + body + end if after else body)
        value = value.hex().upper().encode() if hexadecimal else value
        stream += start + body + (end + value if after else value + end)
    options: dict[str, object] = {
        "start": start.hex(),
        "end": end.hex(),
        "check": check,
        "check_form": "hex" if hexadecimal else "raw",
        "check_at": "after_end" if after else "before_end",
        "pattern": f"{head}(?P<value>{pattern}{{{size}}}){tail}",
    }
    return options, cards, stream


@settings(max_examples=400, deadline=None)
@given(formats())
def test_a_reader_nobody_has_seen_is_read_by_configuration_alone(
    drawn: tuple[dict[str, object], list[str], bytes],
) -> None:
    options, cards, stream = drawn
    for size in (len(stream), 1):
        driver = DRIVER.new(make_options(DRIVER, options))
        events = pieces_of(driver, [stream[i : i + size] for i in range(0, len(stream), size)])
        assert values(said(events)) == cards
        assert flaws(said(events)) == []


@pytest.mark.parametrize("digits", ["00000048", "00000003", "00000002"])
def test_an_lrc_may_be_any_byte_even_cr_stx_or_etx(digits: str) -> None:
    frame = b"\x02" + digits.encode() + b"\x03"
    stream = (frame + bytes([xor(frame)])) * 2
    assert values(told(stream, **SR30)) == [digits, digits]
    assert flaws(told(stream, **SR30)) == []


def test_a_raw_check_before_the_end_may_look_like_the_end() -> None:
    stream = b"\x02" + b"12" + b"\x03" + b"\x03" + b"\x02" + b"34" + b"\x07" + b"\x03"
    options = {"start": "STX", "end": "ETX", "check": "xor", "check_at": "before_end", "pattern": r"(?P<value>\d+)"}
    assert values(told(stream, **options)) == ["12", "34"]


def test_a_stray_start_costs_nothing() -> None:
    assert values(told(bytes.fromhex("0202023030363537323938320304"), **SR30)) == []
    assert values(told(bytes.fromhex("020202303030363537323938320304"), **SR30)) == ["0006572982"]


@pytest.mark.parametrize("spelling", ["02", "0x02", "STX", "stx", r"\x02"])
def test_a_byte_may_be_spelled_in_the_ways_operators_do(spelling: str) -> None:
    assert values(told(bytes.fromhex("02303030363537323938320304"), **(SR30 | {"start": spelling}))) == ["0006572982"]


def test_without_any_option_a_line_is_its_text() -> None:
    events = told(b"A-17\r\nB-18\r\r\nC")
    assert values(events) == ["A-17", "B-18"]
    assert events[-1] == {"event": "incomplete", "bytes": 1}


def test_a_decimal_form_becomes_the_hexadecimal_scheme() -> None:
    (card,) = told(b"0007302202\r", form="decimal", scheme="wiegand26", pattern=r"(?P<value>\d{10})")
    assert (card["scheme"], card["value"], card["bits"]) == ("wiegand26", "6F6C3A", 26)
    assert flaws(told(b"0040856634\r", form="decimal", scheme="wiegand26")) == ["format"]


def test_facility_and_card_are_joined() -> None:
    (card,) = told(b"111,27706\r", scheme="wiegand26", pattern=r"(?P<facility>\d+),(?P<card>\d+)")
    assert (card["value"], card["facility"], card["card"]) == ("6F6C3A", "111", "27706")


def test_hex_digits_are_upper_case_and_counted() -> None:
    (card,) = told(b"04a1b2c3\n", form="hex", scheme="iso14443")
    assert (card["scheme"], card["value"], card["bits"]) == ("iso14443", "04A1B2C3", 32)


def test_a_binary_body_is_shown_to_the_pattern_as_hex() -> None:
    (card,) = told(bytes.fromhex("0204A1B2C303"), start="02", end="03", encoding="hex", form="hex")
    assert card["value"] == "04A1B2C3"


def test_a_line_may_be_a_scan_or_a_passage() -> None:
    assert told(b"T-1\r", event="scan")[0] == {"event": "scan", "value": "T-1", "text": "T-1"}
    options = {"pattern": r"GO (?P<direction>\w+)", "directions": ["in", "out"]}
    (passage,) = told(b"GO out\r", **options)
    assert (passage["event"], passage["direction"], passage["count"]) == ("passage", "out", 1)
    made = make_options(DRIVER, options)
    assert DRIVER.emits_with(made) == {"passage"}
    assert DRIVER.directions_with(made) == ("in", "out")


def test_a_refused_lines_tail_is_no_card() -> None:
    assert values(told(b"SERIAL 12345678\r", pattern=r"(?P<value>\d{8})")) == []


def test_an_endless_line_is_one_overflow_and_its_tail_is_no_card() -> None:
    events = told(b"x" * 1000 + b"12345678\r87654321\r", pattern=r"(?P<value>\d{8})", max_bytes=64)
    assert flaws(events) == ["overflow"]
    assert values(events) == ["87654321"]


def test_a_frame_inside_an_endless_one_is_still_found() -> None:
    data = b"\x02" + b"0" * 300 + bytes.fromhex("02303030363537323938320304")
    assert values(told(data, **SR30)) == ["0006572982"]


@pytest.mark.parametrize(
    ("options", "said_of_it"),
    [
        ({"start": "a" * 17}, "start"),
        ({"end": ""}, "end"),
        ({"start": r"\q"}, "start"),
        ({"pattern": r"\d+"}, "pattern"),
        ({"event": "passage"}, "direction"),
        ({"event": "credential", "pattern": r"(?P<direction>\w)"}, "value"),
        ({"max_bytes": 5000}, "max_bytes"),
        ({"encoding": "utf-16"}, "encoding"),
        ({"encoding": "rot13"}, "encoding"),
        ({"scheme": "No Scheme"}, "scheme"),
        ({"check": "md5"}, "check"),
        ({"gap_s": 0}, "gap_s"),
    ],
)
def test_an_impossible_option_is_refused_by_name(options: dict[str, object], said_of_it: str) -> None:
    with pytest.raises(ValueError, match=said_of_it):
        make_options(DRIVER, options)


def test_a_fact_survives_every_single_stray_byte_before_it() -> None:
    good = bytes.fromhex("02303030363537323938320304")
    for stray in range(256):
        events = pieces_of(DRIVER.new(make_options(DRIVER, SR30)), [bytes([stray]) + good])
        assert [fact["value"] for fact in facts(events)] == ["0006572982"]
