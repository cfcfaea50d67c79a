"""A one-time code: read as people type it, of one authority, and no letter of it may be wrong."""

from __future__ import annotations

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.errors import Misconfigured
from gateway.identity.code import Code, mark_of, read_code
from gateway.identity.papers import ALPHABET, fingerprint

CA = b"an authority"


def test_a_code_is_read_as_it_was_made_in_capitals_without_dashes_and_with_letters_that_look_alike() -> None:
    code = Code.new(CA, set())
    for typed in (code.text(), code.text().upper(), code.text().replace("-", " "), code.text().replace("0", "O")):
        assert read_code(typed) == code
    assert read_code(code.text().replace("1", "l")) == code


def test_the_fingerprint_of_the_authority_begins_with_the_mark_in_the_code() -> None:
    assert fingerprint(CA).replace("-", "").startswith(mark_of(CA))
    assert mark_of(CA) in Code.new(CA, set()).text().replace("-", "")


def test_no_two_codes_share_what_the_centre_knows_them_by() -> None:
    taken = {f"{a}{b}{c}" for a in ALPHABET for b in ALPHABET for c in ALPHABET} - {"7k3"}
    assert Code.new(CA, taken).id == "7k3"


@given(st.integers(0, 31), st.sampled_from(ALPHABET))
def test_hardly_one_wrong_letter_in_thirty_is_believed(place: int, letter: str) -> None:
    """By the check alone; the secret and the mark find the rest."""
    letters = list(Code("7k3", "m9qfx2c4vbn8", "0123456789abcdef").text().replace("-", ""))
    before = letters[place]
    letters[place] = letter
    with contextlib.suppress(Misconfigured):
        read = read_code("".join(letters))
        assert letter == before or read.text().replace("-", "") == "".join(letters)


def test_a_code_that_is_refused_is_not_repeated() -> None:
    with pytest.raises(Misconfigured) as told:
        read_code("7k3m-9qfx-2c4v-bn80-1234-5678-9abc-def")
    assert "9qfx" not in str(told.value)


@pytest.mark.parametrize("typed", ["", "7k3m", "u" * 32, "x" * 31, "x" * 33, "é" * 32])
def test_what_is_no_code_is_refused(typed: str) -> None:
    with pytest.raises(Misconfigured):
        read_code(typed)


@given(st.text(max_size=80))
def test_anything_is_read_or_refused(typed: str) -> None:
    with contextlib.suppress(Misconfigured):
        assert len(read_code(typed).text()) == 39
