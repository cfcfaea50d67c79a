"""What may be a card, a person or a secret goes; what helps to understand stays."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.scrubber import Scrubber
from gateway.support.logs import scrubbed

SCRUBBER = Scrubber(
    {"Tr0ub4dor&3", "journal"}, {"lane-1-in", "5c1f0a9be2d74f11", "/dev/serial/by-id/usb-FTDI_A50285BI"}
)


@pytest.mark.parametrize(
    "number",
    [
        "0C000621A5", "a5210600", "0000402853", "402853", "006,08613", "0C 00 06 21 A5", "0c:00:06:21:a5",
        "0x0C, 0x00, 0x06, 0x21", "11010519491231002X", "k1:213a2e2c5a337b6548040af9024d0b27", "b'0C000621A5'",
        "b'\\x02\\x0c'", "E2801160600002084F4B2A11", "13800138000", "张伟", "Tr0ub4dor&3", "tr0ub4dor&3",
    ],
)  # fmt: skip
def test_no_form_of_a_number_a_name_or_a_secret_is_left(number: str) -> None:
    for text in (number, f"ValueError: {number} is no card", f'"{number}"', f"card={number};", f"x{number}x"):
        clean = SCRUBBER.text(text)
        assert number.strip("b'").strip("'") not in clean, clean
        assert clean != text


@pytest.mark.parametrize(
    "text",
    [
        "2026-11-23T00:31:07.412Z lane-1-in: integrity, 14 bytes, 12345 times",
        "epoch 5c1f0a9be2d74f11, records 1..99999, settled 42",
        "/dev/serial/by-id/usb-FTDI_A50285BI: Permission denied",
        "connection refused; is the broker running, and is the port in uplink.url right?",
        "broker says 135 (0x87): not authorised … at 10.1.0.9:4001",
        "the journal is full",
        'File "/opt/punchgate/lib/python3.11/site-packages/gateway/app.py", line 207, in _begin',
    ],
)
def test_what_helps_to_understand_stays(text: str) -> None:
    assert SCRUBBER.text(text) == text


def test_a_users_name_in_a_path_goes() -> None:
    assert SCRUBBER.text("/home/zhang.wei/punchgate/app.py") == "/home/(text)/punchgate/app.py"


def test_log_lines_that_are_json_stay_json_without_large_numbers() -> None:
    line = '{"event": "frame.bad", "device": "lane-1-in", "bytes": 1234567, "card": 402853123, "flaw": "0C000621A5"}'
    assert scrubbed(line, SCRUBBER) == (
        '{"event": "frame.bad", "device": "lane-1-in", "bytes": 1234567, "card": "(number)", "flaw": "(number)"}\n'
    )


@given(
    st.text(alphabet="0123456789abcdefABCDEF", min_size=6, max_size=40), st.text(max_size=20), st.text(max_size=20)
)
def test_wherever_a_number_stands_it_goes(number: str, before: str, behind: str) -> None:
    if any(letter.isdigit() for letter in number):
        assert number not in Scrubber().text(f"{before}|{number}|{behind}").replace("(number)", "")


@given(st.text(max_size=200))
def test_a_secret_is_never_left_and_twice_is_as_good_as_once(text: str) -> None:
    clean = SCRUBBER.text(f"{text} Tr0ub4dor&3 {text}")
    assert not SCRUBBER.finds_secret(clean)
    assert SCRUBBER.text(clean) == clean
