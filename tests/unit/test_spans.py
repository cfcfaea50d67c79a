"""Spans against the plain set they stand for."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from gateway.spans import Range, Spans

NUMBERS = st.integers(-3, 30)
RANGES = st.tuples(NUMBERS, NUMBERS)


def plain(ranges: list[Range]) -> set[int]:
    return {number for first, last in ranges for number in range(first, last + 1)}


class SpansAreASet(RuleBasedStateMachine):
    def __init__(self) -> None:
        super().__init__()
        self.spans, self.model = Spans(), set[int]()

    @rule(span=RANGES)
    def add(self, span: Range) -> None:
        self.spans.add(*span)
        self.model |= plain([span])

    @rule(span=RANGES)
    def remove(self, span: Range) -> None:
        self.spans.remove(*span)
        self.model -= plain([span])

    @rule(ranges=st.lists(RANGES, max_size=4))
    def update(self, ranges: list[Range]) -> None:
        self.spans.update(ranges)
        self.model |= plain(ranges)

    @rule(ranges=st.lists(RANGES, max_size=4))
    def subtract(self, ranges: list[Range]) -> None:
        self.spans.subtract(ranges)
        self.model -= plain(ranges)

    @rule()
    def subtract_itself(self) -> None:
        self.spans.subtract(self.spans)
        self.model.clear()

    @rule(span=RANGES)
    def ask(self, span: Range) -> None:
        asked = plain([span])
        for ranges, expected in [
            (self.spans.within(*span), asked & self.model),
            (self.spans.gaps(*span), asked - self.model),
        ]:
            assert plain(ranges) == expected
            assert all(first <= last for first, last in ranges)
            assert ranges == sorted(ranges)

    @invariant()
    def holds_the_same_numbers(self) -> None:
        ranges = list(self.spans)
        assert plain(ranges) == self.model
        assert all(first <= last for first, last in ranges)
        assert all(ranges[at][1] + 1 < ranges[at + 1][0] for at in range(len(ranges) - 1))
        assert len(self.spans) == len(self.model)
        assert bool(self.spans) == bool(self.model)
        assert self.spans.lowest() == min(self.model, default=None)
        assert self.spans.highest() == max(self.model, default=None)
        assert all((number in self.spans) == (number in self.model) for number in range(-5, 35))

    @invariant()
    def through_is_the_end_of_the_run_from_one(self) -> None:
        through = 0
        while through + 1 in self.model:
            through += 1
        assert self.spans.through() == through


SpansAreASet.TestCase.settings = settings(max_examples=40, stateful_step_count=30, deadline=None)
TestSpansAreASet = SpansAreASet.TestCase


@given(st.lists(RANGES, max_size=8))
def test_a_copy_is_equal_and_independent(ranges: list[Range]) -> None:
    spans = Spans(ranges)
    copy = spans.copy()
    assert copy == spans
    copy.add(1000, 1000)
    assert copy != spans


@given(st.permutations(range(12)))
def test_the_order_of_adding_does_not_matter(order: list[int]) -> None:
    spans = Spans()
    for number in order:
        spans.add(number, number)
    assert list(spans) == [(0, 11)]
