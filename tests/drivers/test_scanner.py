"""Scanned codes: text in several encodings, acknowledgements in between, nothing of the code in a refusal."""

from __future__ import annotations

from typing import Any

import pytest

from drivers.registry import make_options
from drivers.scanner import ACK, DRIVER
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
    "options", [{"encoding": "utf-16"}, {"encoding": "morse"}, {"max_bytes": 0}, {"terminator": "x"}]
)
def test_an_impossible_option_is_refused_by_name(options: dict[str, object]) -> None:
    with pytest.raises(ValueError, match=next(iter(options))):
        make_options(DRIVER, options)
