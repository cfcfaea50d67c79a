"""Rows that are committed later than ones of higher numbers are taken into account, however late."""

from __future__ import annotations

import random

from hypothesis import given
from hypothesis import strategies as st

from traceability.whereabouts.arrivals import IN_FLIGHT_MS, NEAR_ROWS, Arrivals


def test_what_is_missing_among_the_rows_is_looked_at_again() -> None:
    arrivals = Arrivals()
    arrivals.looked(0, [1, 2, 5, *range(500, 600), 1000], 1000, 0, 7)
    assert arrivals.missing() == [(3, 499), (600, 999)], "holes that are near each other are one"
    assert (arrivals.since(0), arrivals.upto()) == (1000, 2)
    arrivals.came([3, 4, 600])
    assert arrivals.missing() == [(6, 499), (601, 999)]
    arrivals.came([*range(6, 500), *range(601, 1000)])
    assert (arrivals.missing(), arrivals.upto()) == ([], 1000)


def test_a_hole_is_given_up_when_nothing_runs_that_could_fill_it_and_a_while_after() -> None:
    arrivals = Arrivals()
    arrivals.looked(0, [1, 3], 3, 0, 7)
    arrivals.give_up(10 * IN_FLIGHT_MS, 6)
    assert arrivals.missing() == [(2, 2)], "transaction 6 still runs"
    arrivals.give_up(IN_FLIGHT_MS - 1, 7)
    assert arrivals.missing() == [(2, 2)], "it was found a moment ago"
    arrivals.give_up(IN_FLIGHT_MS, 7)
    assert (arrivals.missing(), arrivals.upto()) == ([], 3)


def test_others_may_have_gone_further() -> None:
    arrivals = Arrivals()
    arrivals.looked(0, [1, 2], 2, 0, 7)
    assert (arrivals.since(5), arrivals.since(1)) == (5, 2)


@given(st.randoms(use_true_random=False), st.integers(1, 20))
def test_every_row_is_looked_at_while_it_is_there(chance: random.Random, limit: int) -> None:
    """Rows come in any order, some never; each that comes is looked at by the end, whatever was seen before."""
    rows = list(range(1, chance.randrange(2, 300)))
    coming = sorted(rows, key=lambda row: row + chance.randrange(NEAR_ROWS))
    arrivals, there, taken = Arrivals(), set[int](), set[int]()
    while coming or there - taken:
        come, coming = coming[: chance.randrange(9)], coming[9 if chance.random() < 0.5 else 3 :]
        there |= set(come)
        since = arrivals.since(0)
        late = [row for row in sorted(there - taken) if any(a <= row <= b for a, b in arrivals.missing())]
        behind = sorted(row for row in there if row > since)[:limit]
        arrivals.came(late)
        arrivals.looked(since, behind, behind[-1] if behind else since, 0, 7)
        taken |= {*late, *behind}
        assert all(row in taken for row in there if row <= arrivals.upto())
    assert taken == there
