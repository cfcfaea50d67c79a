"""Counters: a step is counted, a leap is nobody, a fall is a reset or somebody's hand, and noise counts nothing."""

from __future__ import annotations

from math import inf

import pytest

from drivers.counted import (
    BACK,
    CALM_S,
    ERRATIC,
    LEAPT,
    RESET,
    SET_BACK,
    STEADY,
    Base,
    Counted,
    Glitch,
    Outcome,
    Trouble,
)
from drivers.counter import TORN_S, Counter, Rules

POLL_S, ANSWER_S = 0.05, 0.01
TEXT = Rules(sure=0)
"""As for a count that is read as text, without a check."""


def counter(rules: Rules | None = None, start: int | None = None) -> Counter:
    made = Counter(rules or Rules(bits=32))
    made.start(start)
    return made


def told(subject: Counter, *totals: int, begin: float = 0.0) -> list[Outcome]:
    """What the readings say, but for the base line."""
    outcomes = []
    for n, total in enumerate(totals):
        at = begin + n * POLL_S
        outcomes += subject.take(total, at - ANSWER_S, at)
    return [said for said in outcomes if not isinstance(said, Base)]


def counts(outcomes: list[Outcome]) -> list[tuple[int, bool]]:
    return [(said.count, said.is_missed) for said in outcomes if isinstance(said, Counted)]


def troubles(outcomes: list[Outcome]) -> list[tuple[str, int | None]]:
    return [(said.kind, said.total) for said in outcomes if isinstance(said, Trouble)]


def bounds(outcomes: list[Outcome]) -> list[float]:
    return [said.since_s for said in outcomes if isinstance(said, Counted)]


def test_the_first_reading_that_is_confirmed_is_the_base_line() -> None:
    for rules, second in ((Rules(bits=32), 42), (TEXT, 40)):
        subject = counter(rules)
        assert subject.take(40, 0.0, 0.0) == []
        assert subject.is_doubtful
        assert subject.take(second, POLL_S, POLL_S)[0] == Base(40)


def test_steps_are_counted_from_the_base_line_on_also_those_that_confirm_it() -> None:
    assert counts(told(counter(), 40, 40, 41, 41, 44)) == [(1, False), (3, False)]
    assert counts(told(counter(), 40, 42)) == [(2, False)]


def test_a_step_happened_since_the_reading_before_was_asked_for() -> None:
    assert bounds(told(counter(), 40, 40, 40, 41, 42)) == [pytest.approx(POLL_S + ANSWER_S)] * 2
    subject = counter()
    told(subject, 40, 40)
    assert bounds(told(subject, 500, begin=60.0)) == [pytest.approx(60.0 - POLL_S + ANSWER_S)]


def test_a_step_that_had_to_be_read_twice_happened_before_the_first_of_both() -> None:
    assert bounds(told(counter(TEXT), 40, 40, 41, 41)) == [pytest.approx(2 * POLL_S + ANSWER_S)]


def test_widths_of_16_and_32_bits_run_over_and_text_does_not() -> None:
    assert counts(told(counter(Rules(bits=16)), 65534, 65534, 1)) == [(3, False)]
    assert counts(told(counter(), 2**32 - 1, 2**32 - 1, 0)) == [(1, False)]
    assert troubles(told(counter(TEXT), 9999, 9999, 0, 0)) == [(RESET, 0)]


def test_a_leap_that_goes_back_is_a_glitch() -> None:
    assert told(counter(), 40, 40, 70_000, 40, 40) == [Glitch(70_000)]
    assert counts(told(counter(), 40, 40, 70_000, 41)) == [(1, False)]


def test_different_leaps_confirm_nothing() -> None:
    assert told(counter(), 40, 40, 70_000, 90_000, 40) == [Glitch(70_000), Glitch(90_000)]


def test_a_leap_that_stays_is_a_new_base_line_and_nobody() -> None:
    outcomes = told(counter(), 40, 40, 70_000, 70_001)
    assert troubles(outcomes) == [(LEAPT, 70_000)]
    assert counts(outcomes) == [(1, False)]


def test_more_readings_can_be_asked_for() -> None:
    assert troubles(told(counter(Rules(bits=32, confirm=3)), 40, 40, 40, 70_000, 70_000, 41)) == []


def test_a_leap_that_stayed_and_is_taken_back_costs_and_adds_nobody() -> None:
    outcomes = told(counter(), 40, 40, 70_000, 70_000, 70_000, 42, 42, 43)
    assert troubles(outcomes) == [(LEAPT, 70_000), (BACK, 40)]
    assert counts(outcomes) == [(2, False), (1, False)]
    assert bounds(outcomes)[0] == pytest.approx(5 * POLL_S + ANSWER_S)


def test_a_small_counter_that_shows_nothing_for_a_while_counts_nobody_again() -> None:
    outcomes = told(counter(), 5, 5, 0, 0, 6, 6)
    assert troubles(outcomes) == [(RESET, 0), (BACK, 5)]
    assert counts(outcomes) == [(1, False)]


def test_behind_a_trouble_nothing_runs_over() -> None:
    outcomes = told(counter(Rules(bits=16)), 50, 50, 65_535, 65_535, 0, 0)
    assert troubles(outcomes) == [(LEAPT, 65_535), (SET_BACK, 0)]
    assert counts(outcomes) == []


def test_who_was_told_behind_a_reset_that_was_none_is_not_told_again() -> None:
    outcomes = told(counter(), 40, 40, 0, 0, 1, 1, 43, 43)
    assert troubles(outcomes) == [(RESET, 0), (BACK, 41)]
    assert counts(outcomes) == [(1, False), (2, False)]


def test_a_fall_that_stays_is_a_reset_and_what_it_shows_has_passed_if_people_can_have_done_that() -> None:
    outcomes = told(counter(), 400, 400, 2, 3)
    assert outcomes[0] == Trouble(RESET, 0, 400, 2)
    assert counts(outcomes) == [(2, False), (1, False)]
    assert told(counter(), 400, 400, 0, 0) == [Trouble(RESET, 0, 400, 0)]


def test_a_fall_to_more_than_can_have_passed_was_somebodys_hand() -> None:
    outcomes = told(counter(), 40_000, 40_000, 39_000, 39_000, 39_001)
    assert troubles(outcomes) == [(SET_BACK, 39_000)]
    assert counts(outcomes) == [(1, False)]


def test_a_fall_that_goes_back_is_a_glitch() -> None:
    assert told(counter(), 40, 40, 0, 40, 40) == [Glitch(0)]


def test_all_ones_for_a_while_and_then_the_counter_again_runs_over_nothing() -> None:
    outcomes = told(counter(), 5, 5, 2**32 - 1, 2**32 - 1, 6, 6, 7)
    assert troubles(outcomes) == [(LEAPT, 2**32 - 1), (BACK, 5)]
    assert counts(outcomes) == [(1, False), (1, False)]


def test_after_a_long_silence_more_is_plausible_up_to_a_bound() -> None:
    subject = counter()
    told(subject, 40, 40)
    assert counts(told(subject, 540, begin=60.0)) == [(500, False)]
    assert troubles(told(subject, 1041, 1041, begin=3600.0)) == [(LEAPT, 1041)]


def test_what_was_counted_before_this_talk_is_missed_once_it_is_confirmed() -> None:
    assert told(counter(start=40), 400) == []
    outcomes = told(counter(start=40), 400, 401)
    assert counts(outcomes) == [(360, True), (1, False)]
    assert bounds(outcomes)[0] == inf
    assert counts(told(counter(start=40), 40, 41)) == [(1, False)]
    assert counts(told(counter(Rules(bits=16), start=65_500), 4, 4)) == [(40, True)]


def test_thousands_while_nobody_asked_are_nobody() -> None:
    outcomes = told(counter(start=40), 5000, 5000, 5001)
    assert troubles(outcomes) == [(LEAPT, 5000)]
    assert counts(outcomes) == [(1, False)]
    assert counts(told(counter(Rules(bits=32, most_missed=5000), start=40), 5000, 5000)) == [(4960, True)]


def test_a_fall_while_nobody_looked_is_a_reset_up_to_a_bound() -> None:
    outcomes = told(counter(start=5000), 17, 17)
    assert (troubles(outcomes), counts(outcomes)) == ([(RESET, 0)], [(17, True)])
    assert told(counter(start=5000), 4000, 4000) == [Trouble(SET_BACK, 4000, 5000, 4000)]


def test_after_a_pause_even_one_is_read_twice_and_was_missed() -> None:
    subject = counter()
    told(subject, 40, 40)
    subject.pause()
    assert told(subject, 41, begin=10.0) == []
    outcomes = told(subject, 41, 42, begin=10.1)
    assert counts(outcomes) == [(1, True), (1, False)]
    assert bounds(outcomes)[0] == pytest.approx(10.1 - POLL_S + ANSWER_S)


def test_a_start_that_no_counter_of_this_width_can_have_is_none() -> None:
    assert told(counter(Rules(bits=16), start=70_000), 3, 3) == []
    assert told(counter(start=-1), 3, 3) == []


@pytest.mark.parametrize(("before", "torn", "whole"), [(0x1FFFF, 0x10000, 0x20000), (0x1FFFF, 0x2FFFF, 0x20000)])
def test_words_of_different_age_are_waited_for_and_count_nobody(before: int, torn: int, whole: int) -> None:
    assert counts(told(counter(), before, before, torn, whole)) == [(1, False)]
    readings = int(TORN_S / POLL_S) - 2
    outcomes = told(counter(), before, before, *[torn] * readings, whole)
    assert (troubles(outcomes), counts(outcomes)) == ([], [(1, False)])
    outcomes = told(counter(), before, before, *[torn] * 4 * readings, whole, whole)
    assert counts(outcomes) == [(1, False)], "the counter has come back"


def test_a_counter_in_trouble_three_times_a_minute_is_none_until_it_is_steady() -> None:
    subject = counter()
    outcomes = told(subject, 50, 50, 9000, 9000, 8000, 8000, 20_000, 20_000, 20_001, 20_005)
    assert [kind for kind, _ in troubles(outcomes)] == [LEAPT, SET_BACK, ERRATIC]
    assert troubles(outcomes)[-1] == (ERRATIC, None)
    assert counts(outcomes) == []
    assert counts(told(subject, 100, 100, 101, begin=30.0)) == []
    assert told(subject, 102, begin=30.0 + CALM_S) == []
    assert told(subject, 102, begin=31.0 + CALM_S) == [Trouble(STEADY, 102, None, 102)]
    assert counts(told(subject, 103, begin=32.0 + CALM_S)) == [(1, False)]


def test_a_register_of_which_no_two_readings_agree_is_said_to_be_none_once() -> None:
    subject = counter()
    told(subject, 50, 50)
    outcomes = told(subject, *[1000 * n for n in range(1, 4000)], begin=1.0)
    assert troubles(outcomes) == [(ERRATIC, None)]
    assert counts(outcomes) == []


def test_every_trouble_is_said_in_words_that_name_the_counter_and_what_it_showed() -> None:
    for kind in (RESET, SET_BACK, LEAPT, BACK, ERRATIC, STEADY):
        text = Trouble(kind, 17, 5000, 17).text("entry")
        assert text.startswith("entry counter ")
        assert kind in text
        assert "17" in text or kind == ERRATIC


def test_a_site_may_believe_small_differences_of_a_text_at_once() -> None:
    assert counts(told(counter(Rules(sure=2)), 40, 40, 42)) == [(2, False)]
    assert counts(told(counter(Rules(sure=2)), 40, 40, 43)) == []
    assert counts(told(counter(Rules(sure=2)), 40, 40, 43, 44)) == [(3, False), (1, False)]


def test_two_false_texts_that_differ_prove_nothing() -> None:
    assert counts(told(counter(TEXT), 500, 500, 700, 900, 650, 500)) == []


def test_a_register_that_never_settles_costs_no_memory() -> None:
    counter = Counter(Rules(bits=16))
    for number in range(5000):
        counter.take((number * 7919) % 65536 if number % 4 < 2 else 0, number / 100, number / 100)
    assert len(counter._trust._troubles) <= 3
