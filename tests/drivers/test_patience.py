"""How long a silent unit is left alone."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from drivers.patience import Patience


def test_a_silent_unit_is_left_alone_for_1_2_4_and_4_seconds_and_for_none_once_it_answers() -> None:
    patience = Patience()
    waits = []
    for at in (10.0, 20.0, 30.0, 40.0):
        patience.missed(at)
        waits.append(patience.not_before - at)
    assert waits == [1.0, 2.0, 4.0, 4.0]
    patience.answered()
    assert patience.not_before <= 0.0
    patience.missed(50.0)
    assert patience.not_before == 51.0, "the next silence begins with the first wait"


@given(st.floats(0.1, 5.0), st.floats(1.0, 4.0), st.lists(st.booleans(), max_size=30))
def test_no_wait_is_shorter_than_the_first_or_longer_than_the_last(
    first_s: float, factor: float, answers: list[bool]
) -> None:
    patience = Patience(first_s, first_s * factor)
    for is_answered in answers:
        if is_answered:
            patience.answered()
        else:
            patience.missed(0.0)
            assert first_s <= patience.not_before <= first_s * factor
