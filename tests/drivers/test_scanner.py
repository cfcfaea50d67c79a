"""Scanned codes: text in several encodings, acknowledgements in between, nothing of the code in a refusal."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from drivers.checksums import crc16
from drivers.registry import make_options
from drivers.scanner import ACK, DRIVER, Options
from drivers.suite import Said, pieces_of, said


def told(data: bytes, **options: Any) -> Said:
    return said(pieces_of(DRIVER.new(make_options(DRIVER, options)), [data]))


def scans(events: Said) -> list[object]:
    return [event["value"] for event in events if event["event"] == "scan"]


def acks(events: Said) -> int:
    return [event.get("name") for event in events].count("ack")


@pytest.mark.parametrize(
    ("stream", "codes", "count"),
    [
        (ACK, [], 1),
        (ACK * 3, [], 3),
        (ACK + b"QR-1\r", ["QR-1"], 1),
        (b"QR-1\r" + ACK + b"QR-2\r", ["QR-1", "QR-2"], 1),
        (b"QR-1" + ACK + b"\r" + ACK, ["QR-1"], 2),
        (b"\x02" + ACK + b"31\r", ["31"], 1),
        (ACK + b"\r\n" + ACK + b"\r", [], 2),
    ],
)
def test_an_acknowledgement_is_never_a_scan(stream: bytes, codes: list[str], count: int) -> None:
    events = told(stream)
    assert (scans(events), acks(events)) == (codes, count)


ANSWER = bytes.fromhex("0200000201005D51")
BROKEN = bytes.fromhex("02000001013331")
COMMANDS = [bytes.fromhex(text) for text in ("7E000901000000DEC8", "7E000802002A3901A7EA", "7E000701002A02D80F")]
UNCHECKED = bytes.fromhex("7E000801000201ABCD")


@pytest.mark.parametrize(
    ("frame", "word"),
    [
        (ACK, {"name": "ack"}),
        (ANSWER, {"name": "answer", "crc_ok": True}),
        *((command, {"name": "command", "crc_ok": True}) for command in COMMANDS),
        (UNCHECKED, {"name": "command", "crc_ok": None, "crc_skipped": True}),
    ],
)
def test_answers_and_commands_are_frames_and_never_a_part_of_a_code(frame: bytes, word: dict[str, object]) -> None:
    expected = {"event": "frame"} | word
    assert told(frame) == [expected]
    for stream in (frame + b"CODE1\r", b"CO" + frame + b"DE1\r"):
        before, scan = told(stream)
        assert (before, scan["value"]) == (expected, "CODE1")


@pytest.mark.parametrize(
    "frame",
    [
        BROKEN,
        bytes.fromhex("0200000201008CB3"),
        UNCHECKED[:-1] + b"\xce",
        ANSWER[:-1] + b"A",
        COMMANDS[0][:-2] + b"\r\r",
    ],
)
def test_an_answer_or_a_command_with_a_wrong_check_lends_a_code_no_letter(frame: bytes) -> None:
    refused, scan = told(frame + b"CODE1\r")
    assert refused == {"event": "bad_frame", "flaw": "integrity", "bytes": len(frame)}
    assert scan["value"] == "CODE1"
    refused, scan = told(b"CO" + frame + b"DE1\rNEXT\r")
    assert refused == {"event": "bad_frame", "flaw": "integrity", "bytes": 5 + len(frame)}
    assert scan["value"] == "NEXT"


def test_data_and_checks_may_be_line_ends() -> None:
    frame = bytes.fromhex("020000020D0A") + crc16(bytes.fromhex("00020D0A"), "crc16-xmodem").to_bytes(2)
    assert [event.get("name", event.get("value")) for event in told(b"CO" + frame + b"DE1\r\n" + frame)] == [
        "answer",
        "CODE1",
        "answer",
    ]


def test_a_length_of_nothing_is_256_bytes() -> None:
    body = b"\x00\x00" + bytes(range(256))
    frame = b"\x02\x00" + body + crc16(body, "crc16-xmodem").to_bytes(2)
    assert told(frame + b"CODE1\r")[0] == {"event": "frame", "name": "answer", "crc_ok": True}


def test_a_cut_answer_is_given_up_in_a_silence() -> None:
    driver = DRIVER.new()
    assert driver.feed(ANSWER[:-1], 0.0) == []
    assert said(driver.poll(0.5)) == [{"event": "bad_frame", "flaw": "length", "bytes": len(ANSWER) - 1}]
    assert scans(said(driver.feed(b"CODE1\r", 1.0))) == ["CODE1"]


def test_a_code_may_begin_with_a_tilde() -> None:
    assert scans(told(b"~\r~CODE\r\n")) == ["~", "~CODE"]


PARTS = st.sampled_from(
    [ACK, ANSWER, BROKEN, UNCHECKED, *COMMANDS, b"\x02", b"\x7e", b"\x00", b"\r", b"\n", b"AB", b"\x07"]
)


@given(st.lists(PARTS, max_size=12).map(b"".join), st.lists(st.integers(0, 80), max_size=6))
def test_any_split_gives_the_same_events(stream: bytes, cuts: list[int]) -> None:
    bounds = [0, *sorted(min(cut, len(stream)) for cut in cuts), len(stream)]
    pieces = [stream[start:stop] for start, stop in pairwise(bounds)]
    assert said(pieces_of(DRIVER.new(), pieces)) == told(stream)
    assert said(pieces_of(DRIVER.new(), [bytes([byte]) for byte in stream])) == told(stream)


def test_redaction_keeps_answers_and_commands() -> None:
    line = b"CO" + ANSWER + b"DE" + UNCHECKED + b"1"
    swapped = Options().redact(line, lambda text: text.translate({67: "X", 49: "7"}))
    assert swapped == b"XO" + ANSWER + b"DE" + UNCHECKED + b"7"
    assert Options().redact(ANSWER, str.lower) == ANSWER


@pytest.mark.parametrize(
    ("text", "encoding"),
    [("ABC-1", "ascii"), ("王测试", "utf-8"), ("café", "utf-8"), ("预约", "gbk"), ("龍龘预约", "gbk")],
)
def test_the_encoding_is_found(text: str, encoding: str) -> None:
    (scan,) = told(text.encode(encoding) + b"\r")
    assert (scan["value"], scan["text"], scan["encoding"]) == (text, text, encoding)


def test_a_configured_encoding_is_the_only_one_tried() -> None:
    assert scans(told("预约".encode("gbk") + b"\r", encoding="utf-8")) == ["ԤԼ"]
    assert scans(told("é".encode("latin-1") + b"\r", encoding="ascii")) == []


@pytest.mark.parametrize(
    ("terminator", "stream", "codes"),
    [
        ("cr", b"BEGIN\nEND\rX\r", ["BEGIN\nEND", "X"]),
        ("lf", b"A\rB\n", ["A\rB"]),
        ("crlf", b"A\rB\r\nC\r\n", ["A\rB", "C"]),
        ("tab", b"A\tB\t", ["A", "B"]),
        ("auto", b"A\tB\r", ["A\tB"]),
    ],
)
def test_the_terminator_is_the_modules(terminator: str, stream: bytes, codes: list[str]) -> None:
    assert scans(told(stream, terminator=terminator)) == codes


def test_separators_of_gs1_codes_belong_to_the_text() -> None:
    assert scans(told(b"\x1d0104012345\x1d21XYZ\r")) == ["\x1d0104012345\x1d21XYZ"]


def test_a_refusal_holds_nothing_of_the_code() -> None:
    (event,) = told(b"SECRET\x00TOKEN\r")
    assert event == {"event": "bad_frame", "flaw": "format", "bytes": 12}


@pytest.mark.parametrize("size", [4095, 4096, 4097, 4200, 9000])
@pytest.mark.parametrize("end", [b"\r", b"\r\n"])
def test_a_code_of_4096_bytes_is_the_longest(size: int, end: bytes) -> None:
    events = told(b"x" * size + end + b"NEXT\r")
    assert scans(events) == (["x" * size, "NEXT"] if size <= 4096 else ["NEXT"])
    assert [event["flaw"] for event in events if event["event"] == "bad_frame"] == (
        ["overflow"] if size > 4096 else []
    )


def test_an_endless_code_ends_at_its_whole_terminator() -> None:
    assert scans(told(b"x" * 50 + b"\r\nOK\r\n", terminator="crlf", max_bytes=10)) == ["OK"]


@pytest.mark.parametrize(
    "options",
    [
        {"encoding": "utf-16"},
        {"encoding": "morse"},
        {"encoding": "utf-7"},
        {"encoding": "unicode_escape"},
        {"encoding": "raw_unicode_escape"},
        {"max_bytes": 0},
        {"terminator": "x"},
    ],
)
def test_an_impossible_option_is_refused_by_name(options: dict[str, object]) -> None:
    with pytest.raises(ValueError, match=next(iter(options))):
        make_options(DRIVER, options)
