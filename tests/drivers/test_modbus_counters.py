"""Counters: a step is counted, a leap is doubted, a fall is a reset or somebody's hand, and noise counts nothing."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from drivers.modbus.counters import LEAPT, RESET, SET_BACK, Base, Counted, Counter, Glitch, Outcome, Trouble

POLL_S = 0.05


def counter(bits: int = 32, start: int | None = None, **rules: int) -> Counter:
    made = Counter(bits, max_rate=10.0, confirm=rules.get("confirm", 2), reset_max=1000)
    made.start(start)
    return made


def told(subject: Counter, *totals: int, begin: float = 0.0) -> list[Outcome]:
    """What the readings say, but for the base line."""
    outcomes = [said for n, total in enumerate(totals) for said in subject.take(total, begin + n * POLL_S)]
    return [said for said in outcomes if not isinstance(said, Base)]


def test_the_first_reading_that_is_confirmed_is_the_base_line() -> None:
    subject = counter()
    assert subject.take(40, 0.0) == []
    assert subject.take(42, POLL_S) == [Base(40), Counted(42, 2)]


def test_steps_are_counted_from_the_base_line_on() -> None:
    assert told(counter(), 40, 40, 41, 41, 44) == [Counted(41, 1), Counted(44, 3)]


def test_what_passes_while_the_base_line_is_confirmed_is_counted() -> None:
    assert told(counter(), 40, 42) == [Counted(42, 2)]


def test_widths_of_16_and_32_bits_run_over() -> None:
    assert told(counter(16), 65534, 65534, 1) == [Counted(1, 3)]
    assert told(counter(32), 2**32 - 1, 2**32 - 1, 0) == [Counted(0, 1)]


def test_a_leap_that_goes_back_is_a_glitch() -> None:
    assert told(counter(), 40, 40, 70_000, 41) == [Glitch(70_000), Counted(41, 1)]


def test_different_leaps_confirm_nothing() -> None:
    assert told(counter(), 40, 40, 70_000, 90_000, 41) == [Glitch(70_000), Glitch(90_000), Counted(41, 1)]


def test_a_leap_that_stays_is_believed_and_told() -> None:
    assert told(counter(), 40, 40, 70_000, 70_001) == [
        Trouble(40, LEAPT),
        Counted(70_000, 69_960),
        Counted(70_001, 1),
    ]


def test_more_readings_can_be_asked_for() -> None:
    subject = counter(confirm=3)
    assert told(subject, 40, 40, 40, 70_000, 70_000, 41) == [Glitch(70_000), Counted(41, 1)]


def test_a_fall_that_stays_is_a_reset_and_what_it_shows_has_passed() -> None:
    assert told(counter(), 40, 40, 2, 3) == [Trouble(0, RESET), Counted(2, 2), Counted(3, 1)]
    assert told(counter(), 40, 40, 0, 0) == [Trouble(0, RESET)]


def test_a_fall_to_more_than_can_have_passed_was_somebodys_hand() -> None:
    assert told(counter(), 40_000, 40_000, 39_000, 39_000, 39_001) == [Trouble(39_000, SET_BACK), Counted(39_001, 1)]


def test_a_fall_that_goes_back_is_a_glitch() -> None:
    assert told(counter(), 40, 40, 0, 40, 41) == [Glitch(0), Counted(41, 1)]


def test_after_a_long_silence_more_is_plausible() -> None:
    subject = counter()
    told(subject, 40, 40)
    assert subject.take(500, 60.0) == [Counted(500, 460, since_s=60.0 - POLL_S)]


def test_what_was_counted_before_this_talk_is_missed_once_it_is_confirmed() -> None:
    assert told(counter(start=40), 5000) == []
    assert told(counter(start=40), 5000, 5001) == [Counted(5000, 4960, missed=True), Counted(5001, 1)]
    assert told(counter(start=40), 40, 41) == [Counted(41, 1)]
    assert told(counter(16, start=65_500), 4, 4) == [Counted(4, 40, missed=True)]


def test_a_fall_while_nobody_looked_is_a_reset_up_to_a_bound() -> None:
    assert told(counter(start=5000), 12, 12) == [Trouble(0, RESET), Counted(12, 12, missed=True)]
    assert told(counter(start=5000), 4000, 4000) == [Trouble(4000, SET_BACK)]


def test_a_start_that_no_counter_of_this_width_can_have_is_none() -> None:
    assert told(counter(16, start=70_000), 3, 3) == []


@given(
    st.sampled_from([16, 32]),
    st.integers(0, 2**32 - 1),
    st.lists(st.tuples(st.integers(0, 3), st.booleans(), st.integers(0, 2**32 - 1)), min_size=4, max_size=60),
)
@settings(max_examples=500, deadline=None)
def test_single_glitches_neither_add_nor_take_a_passage(
    bits: int, first: int, story: list[tuple[int, bool, int]]
) -> None:
    """Glitches are further off than people can be, and one reading long."""
    modulus = 1 << bits
    subject, total, at, counted, passed = counter(bits), first % modulus, 0.0, 0, 0
    for _ in range(2):
        subject.take(total, at := at + POLL_S)
    was_glitch = False
    for step, is_noisy, noise in [*story, (0, False, 0), (0, False, 0)]:
        total, passed = (total + step) % modulus, passed + step
        is_glitch = is_noisy and not was_glitch
        far = (total + 200 + noise % (modulus - 400)) % modulus
        outcomes = subject.take(far if is_glitch else total, at := at + POLL_S)
        counted += sum(outcome.count for outcome in outcomes if isinstance(outcome, Counted))
        assert not any(isinstance(outcome, Trouble) for outcome in outcomes)
        was_glitch = is_glitch
    assert counted == passed


@given(st.lists(st.tuples(st.integers(0, 2**32 - 1), st.floats(0, 100)), max_size=40), st.integers(-5, 2**33))
@settings(max_examples=300, deadline=None)
def test_whatever_it_reads_it_never_counts_less_than_one_and_ends_where_it_stands(
    readings: list[tuple[int, float]], start: int
) -> None:
    subject, at = counter(start=start), 0.0
    for total, wait in readings:
        at += wait
        outcomes = subject.take(total, at)
        assert all(outcome.count > 0 for outcome in outcomes if isinstance(outcome, Counted))
    final = 12_345
    outcomes = [said for n in range(3) for said in subject.take(final, at + n)]
    assert [said.total for said in outcomes if not isinstance(said, Glitch)][-1:] in ([], [final])
    assert subject.take(final + 1, at + 3) == [Counted(final + 1, 1)]
