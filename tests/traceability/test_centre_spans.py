from __future__ import annotations

import functools

from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import create_engine

from traceability import spans
from traceability.database import Connection, tables
from traceability.migration import bring_forward
from traceability.spans import Hole, Tail

ranges = st.tuples(st.integers(1, 60), st.integers(0, 9)).map(lambda pair: (pair[0], pair[0] + pair[1]))


@functools.cache
def made() -> Connection:
    connection = create_engine("sqlite://").connect()
    bring_forward(connection, 0)
    return connection


def fresh() -> Connection:
    made().execute(tables.spans.delete())
    return made()


@given(st.lists(ranges, max_size=40))
def test_spans_hold_exactly_the_seqs_that_were_covered_in_as_few_rows_as_can_be(
    covered: list[tuple[int, int]],
) -> None:
    connection, model = fresh(), set[int]()
    for first, last in covered:
        spans.cover(connection, 1, first, last, 0)
        model |= set(range(first, last + 1))
        assert [(span.first, span.last) for span in spans.read(connection, 1)] == list(spans.runs(model))
        assert spans.top(connection, 1) == max(model)
        assert spans.through(connection, 1) == next(seq for seq in range(100) if seq + 1 not in model)


@given(st.lists(ranges, min_size=1, max_size=25))
def test_a_hole_is_as_old_as_the_first_moment_one_of_its_seqs_was_missing(covered: list[tuple[int, int]]) -> None:
    connection, model, missing_since = fresh(), set[int](), dict[int, int]()
    for now, (first, last) in enumerate(covered, start=1):
        spans.cover(connection, 1, first, last, now)
        model |= set(range(first, last + 1))
        for seq in range(1, max(model)):
            if seq not in model:
                missing_since.setdefault(seq, now)
    for hole in spans.holes(spans.read(connection, 1), None):
        assert {missing_since[seq] for seq in range(hole.first, hole.last + 1)} == {hole.since_ms}


def test_a_tail_the_gateway_told_of_is_a_hole_at_the_end() -> None:
    connection = fresh()
    spans.cover(connection, 1, 1, 4, 10)
    assert list(spans.holes(spans.read(connection, 1), Tail(9, 50))) == [Hole(5, 9, 50, 4)]
    assert list(spans.holes(spans.read(connection, 1), Tail(4, 50))) == []
    assert list(spans.holes([], Tail(2, 50))) == [Hole(1, 2, 50, 0)]


def test_an_epoch_in_order_is_one_row_however_long_it_is() -> None:
    connection = fresh()
    for first in range(1, 2001, 200):
        spans.cover(connection, 1, first, first + 199, 0)
    assert len(spans.read(connection, 1)) == 1
