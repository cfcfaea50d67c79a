"""Views and tokens: the same card is the same card on every reader."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from drivers.cards import parse_view, token, view

KEY = bytes.fromhex("00112233445566778899aabbccddeeff" * 2)


def seen(text: str, scheme: str, value: str, bits: int | None) -> tuple[str, str, int | None]:
    return view(scheme, value, bits, parse_view(text))


def test_the_worked_example_of_the_contract_gives_its_token() -> None:
    assert token(KEY, "k1", "em4100", "0C000621A5") == "k1:213a2e2c5a337b6548040af9024d0b27"


def test_native_changes_nothing() -> None:
    assert seen("native", "em4100", "01026F6C3A", 40) == ("em4100", "01026F6C3A", 40)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("wiegand26", ("wiegand26", "6F6C3A", 26)),
        ("wiegand34", ("wiegand34", "026F6C3A", 34)),
        ("low32", ("low32", "026F6C3A", 32)),
        ("wiegand26+reverse_bytes", ("wiegand26", "3A6C6F", 26)),
        ("reverse_bytes+wiegand26", ("wiegand26", "6F0201", 26)),
        ("reverse_bytes", ("em4100", "3A6C6F0201", 40)),
        ("native+reverse_bits", ("em4100", "8040F6365C", 40)),
        ("low32+reverse_bytes+reverse_bits", ("low32", "5C36F640", 32)),
    ],
)
def test_steps_are_applied_in_the_order_written(text: str, expected: tuple[str, str, int]) -> None:
    assert seen(text, "em4100", "01026F6C3A", 40) == expected


def test_an_em4100_card_equals_the_same_card_from_a_wiegand_converter() -> None:
    assert seen("wiegand26", "em4100", "01026F6C3A", 40) == seen("native", "wiegand26", "6F6C3A", 26)


def test_a_decimal_number_becomes_the_same_hexadecimal_view() -> None:
    assert seen("wiegand34", "number", "0040856634", None) == ("wiegand34", "026F6C3A", 34)
    assert seen("wiegand26", "number", "0040856634", None) == ("wiegand26", "6F6C3A", 26)


def test_a_reversed_number_stays_decimal() -> None:
    reversed_number = str(int.from_bytes((40856634).to_bytes(4, "little"), "big"))
    assert seen("reverse_bytes", "number", "0040856634", None) == ("number", reversed_number.zfill(10), None)


def test_a_short_value_is_padded() -> None:
    assert seen("wiegand34", "wiegand26", "6F6C3A", 26) == ("wiegand34", "006F6C3A", 34)


@pytest.mark.parametrize("scheme", ["scan", "cn-id", "zk-user"])
@pytest.mark.parametrize("text", ["wiegand26", "low32+reverse_bytes", "reverse_bits"])
def test_text_schemes_know_only_their_native_view(scheme: str, text: str) -> None:
    assert seen(text, scheme, "11010519491231002X", None) == (scheme, "11010519491231002X", None)
    assert seen(text, scheme, "00001234", None) == (scheme, "00001234", None)


def test_a_value_that_is_no_number_stays_as_it_is() -> None:
    assert seen("wiegand26", "line", "VISITOR 7", None) == ("line", "VISITOR 7", None)
    assert seen("wiegand26", "number", "12A", None) == ("number", "12A", None)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("wiegand27", "'wiegand27' is unknown"),
        ("", "'' is unknown"),
        ("wiegand26+low32", "exclude each other"),
        ("reverse_bits+reverse_bits", "stands twice"),
        ("wiegand26 reverse_bytes", "is unknown"),
    ],
)
def test_an_impossible_view_is_refused_readably(text: str, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        parse_view(text)


@given(st.binary(min_size=1, max_size=12), st.sampled_from(["reverse_bytes", "reverse_bits"]))
def test_reversing_twice_is_nothing(raw: bytes, step: str) -> None:
    scheme, value, bits = view("epc", raw.hex().upper(), 8 * len(raw), (step,))
    assert view(scheme, value, bits, (step,)) == ("epc", raw.hex().upper(), 8 * len(raw))
