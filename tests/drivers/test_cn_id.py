"""Citizen numbers: the check character decides, and says what the number means."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from drivers import cn_id

VECTORS: list[dict[str, Any]] = [
    vector
    for vector in json.loads((Path(__file__).parent / "vectors.json").read_text(encoding="utf-8"))
    if vector["protocol"] == "cn_id_number"
]
digits = st.text("0123456789", min_size=17, max_size=17)


@pytest.mark.parametrize("vector", VECTORS, ids=[vector["description"] for vector in VECTORS])
def test_a_shared_number_is_judged_as_the_vector_says(vector: dict[str, Any]) -> None:
    assert asdict(cn_id.examine(bytes.fromhex(vector["hex"]).decode())) == vector["expect"]


@given(digits)
def test_one_character_in_eleven_is_right(seventeen: str) -> None:
    right = [char for char in "0123456789X" if cn_id.examine(seventeen + char).valid]
    assert right == [cn_id.check_char(seventeen)]


@given(digits, st.integers(0, 16), st.integers(1, 9))
def test_one_wrong_digit_is_always_noticed(seventeen: str, place: int, shift: int) -> None:
    wrong = seventeen[:place] + str((int(seventeen[place]) + shift) % 10) + seventeen[place + 1 :]
    assert not cn_id.examine(wrong + cn_id.check_char(seventeen)).valid


@given(digits)
def test_any_digits_become_a_number_with_a_date_of_the_calendar(seventeen: str) -> None:
    made = cn_id.examine(cn_id.another(seventeen))
    assert made.valid
    assert made.birth is not None


@given(st.text())
def test_no_text_makes_it_raise(text: str) -> None:
    cn_id.examine(text)
    if not (len(text) == 17 and text.isascii() and text.isdecimal()):
        with pytest.raises(ValueError, match="17 digits"):
            cn_id.check_char(text)


def test_a_birth_date_of_no_calendar_does_not_make_a_number_wrong() -> None:
    number = "11010519490230002"
    examined = cn_id.examine(number + cn_id.check_char(number))
    assert examined.valid
    assert examined.birth is None


def test_digits_of_other_scripts_are_no_digits() -> None:
    assert not cn_id.examine("11010519491231002X".replace("1", "１")).valid


def test_an_odd_order_number_is_a_mans() -> None:
    number = "11010519491231003"
    assert cn_id.examine(number + cn_id.check_char(number)).sex == "M"
