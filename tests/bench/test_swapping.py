"""Other numbers: same form, same for the same, and no way back."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.bench.swapping import Swapper

FORMS = {"decimal": r"[0-9]+", "upper": r"[0-9A-F]+", "lower": r"[0-9a-f]+"}
ALPHABETS = {"decimal": "0123456789", "upper": "0123456789ABCDEF", "lower": "0123456789abcdef"}


@pytest.mark.parametrize("form", FORMS)
@given(data=st.data())
def test_length_alphabet_and_leading_zeros_stay(form: str, data: st.DataObject) -> None:
    number = data.draw(st.text(ALPHABETS[form], min_size=1, max_size=20))
    made = Swapper()(number)
    assert re.fullmatch(FORMS[form], made)
    assert len(made) == len(number)
    assert len(made) - len(made.lstrip("0")) == len(number) - len(number.lstrip("0"))
    assert made != number or not number.strip("0")


@given(number=st.integers(min_value=2000, max_value=2**32 - 1))
def test_a_decimal_number_does_not_grow_beyond_what_its_device_can_write(number: int) -> None:
    if not str(number).startswith(("100", "1000")):
        assert int(Swapper()(str(number))) <= number


def test_the_same_number_becomes_the_same_and_two_become_two() -> None:
    swap = Swapper()
    numbers = [f"{n:010d}" for n in range(500, 900)]
    made = [swap(number) for number in numbers]
    assert made == [swap(number) for number in numbers]
    assert len(set(made)) == len(made)


def test_another_capture_makes_other_numbers() -> None:
    assert Swapper()("67003B51C6") != Swapper()("67003B51C6")


def test_text_keeps_its_look() -> None:
    made = Swapper()("V1|预约号=20261123-0042|王测试")
    assert re.fullmatch(r"[A-Z]\d\|[一-鿿]{3}=\d{8}-\d{4}\|[一-鿿]{3}", made)
    assert len(made.encode("gbk")) == len("V1|预约号=20261123-0042|王测试".encode("gbk"))


def test_what_cannot_be_replaced_stays() -> None:
    assert Swapper()("---") == "---"
    assert Swapper()("0000") == "0000"
