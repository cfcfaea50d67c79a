"""Running totals: differences are people, a doubtful reading is read twice, and nobody is invented or told twice."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from drivers.totals import LONG, WORD, Change, Total, Totals


def total(*readings: int, modulus: int | None = None, jump: int = 5) -> Total:
    made = Total(modulus=modulus, jump=jump)
    for reading in readings:
        made.read(reading)
    return made


def test_the_first_reading_is_the_base_line() -> None:
    assert Total().read(1234) == Change(is_base=True)


def test_the_difference_went_through() -> None:
    made = total(100)
    assert [made.read(value) for value in (100, 101, 103, 103)] == [None, Change(1), Change(2), None]


@pytest.mark.parametrize("modulus", [WORD, LONG, 10_000])
def test_a_total_goes_round_at_its_end(modulus: int) -> None:
    assert total(modulus - 2, modulus=modulus).read(1) == Change(3)


def test_a_total_without_an_end_does_not_go_round() -> None:
    made = total(9_999)
    assert made.read(0) is None
    assert made.is_doubtful
    assert made.read(0) == Change(set_from=9_999)


def test_a_total_that_fell_must_be_read_twice_and_invents_nobody() -> None:
    made = total(500)
    assert made.read(480) is None
    assert made.read(480) == Change(set_from=500)
    assert made.read(481) == Change(1)


def test_a_false_reading_is_forgotten_when_the_next_one_is_right() -> None:
    made = total(500)
    assert [made.read(value) for value in (7, 501, 501)] == [None, Change(1), None]
    assert not made.is_doubtful


def test_a_jump_must_be_read_twice() -> None:
    made = total(500)
    assert [made.read(value) for value in (520, 521)] == [None, Change(21)]


def test_two_false_readings_that_differ_prove_nothing() -> None:
    made = total(500)
    assert [made.read(value) for value in (700, 900, 650, 500)] == [None, None, None, None]
    assert made.value == 500


def test_beyond_belief_is_a_new_base_line() -> None:
    made = total(500)
    assert [made.read(value) for value in (2_000_000, 2_000_000)] == [None, Change(set_from=500)]
    assert made.value == 2_000_000


def test_without_a_jump_every_change_is_read_twice() -> None:
    made = total(500, jump=0)
    assert [made.read(value) for value in (501, 502, 502, 502)] == [None, None, Change(2), None]


def test_what_passed_while_nobody_asked_is_told_as_missed_once() -> None:
    made = Totals(("in", "out"), jump=5)
    made.restore('{"in":10,"out":20}')
    assert made["in"].read(13) == Change(3, is_missed=True)
    assert made["in"].read(14) == Change(1)
    assert made["out"].read(20) is None
    assert made["out"].read(21) == Change(1)


def test_after_a_pause_what_passed_is_missed_once() -> None:
    made = Totals(("in",), jump=5)
    made.pause()
    assert made["in"].read(100) == Change(is_base=True)
    made.pause()
    assert made["in"].read(102) == Change(2, is_missed=True)
    assert made["in"].read(103) == Change(1)


def test_many_that_passed_meanwhile_are_read_twice_and_missed() -> None:
    made = total(jump=5)
    made.restore(100)
    assert [made.read(value) for value in (400, 401, 402)] == [None, Change(301, is_missed=True), Change(1)]


def test_the_mark_carries_the_totals() -> None:
    made = Totals(("in", "out"))
    made["in"].read(5)
    assert made.mark() == '{"in":5}'
    assert not made.is_known
    made["out"].read(7)
    again = Totals(("in", "out"))
    again.restore(made.mark())
    assert again.is_known
    assert again.mark() == made.mark()


@pytest.mark.parametrize("mark", [None, "", "nonsense", "[1]", "7", '{"in":"x"}', '{"in":-1}', '{"in":true}'])
def test_a_mark_of_somebody_else_is_none(mark: str | None) -> None:
    made = Totals(("in",))
    made.restore(mark)
    assert made["in"].read(9) == Change(is_base=True)


@given(st.lists(st.tuples(st.integers(0, 4), st.booleans()), max_size=60), st.sampled_from([WORD, LONG, None]))
def test_everybody_is_told_once_whatever_the_restarts(steps: list[tuple[int, bool]], modulus: int | None) -> None:
    start = (modulus or 1_000_000) - 30
    total, told = start, 0
    made = Totals(("in",), modulus=modulus, jump=4)
    made["in"].read(total)
    for passed, restarts in steps:
        total += passed
        if restarts:
            mark = made.mark()
            made = Totals(("in",), modulus=modulus, jump=4)
            made.restore(mark)
        change = made["in"].read(total % modulus if modulus else total)
        told += change.count if change else 0
    assert told == total - start


@given(st.lists(st.tuples(st.integers(0, 2), st.integers(0, 2_000_000) | st.none()), max_size=60))
def test_single_false_readings_cost_nobody_and_add_nobody(steps: list[tuple[int, int | None]]) -> None:
    """Each false reading is followed by two right ones, which no false one can be mistaken for."""
    total, told = 1_000_000, 0
    made = Total(jump=0)
    made.read(total)
    for passed, false in steps:
        total += passed
        for value in ([] if false is None else [false]) + [total, total]:
            change = made.read(value)
            told += change.count if change else 0
    assert told == total - 1_000_000
