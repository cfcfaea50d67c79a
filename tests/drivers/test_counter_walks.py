"""Counters on random walks: noise, torn words, silence, restarts, resets and stable garbage invent nobody; where
nothing hid them, everybody is told, and each within the time that is said of him.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from math import inf

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from drivers.counted import Counted, Glitch, Trouble
from drivers.counter import Counter, Rules

POLL_S, ANSWER_S = 0.05, 0.01
FAR = 700
"""Garbage is so much further off than `most_missed`."""
GARBAGE = 50_000
"""No walk comes so far."""
RULES = [Rules(bits=16), Rules(bits=32), Rules(sure=0), Rules(sure=2), Rules(bits=32, confirm=3)]
STEPS = st.tuples(st.integers(0, 2), st.integers(0, 1), st.integers(0, 2**32 - 1))
"""How many pass before a reading is taken, how many on its way, and a number for what else happens."""
QUIET = ("read", "read", "read", "lost", "noise", "torn", "silence", "restart")
WILD = (*QUIET, "reset", "garbage")


@dataclass
class Board:
    """A register that people count up, and the one who reads it; `owed`: when those passed who are not told yet."""

    rules: Rules
    total: int
    at: float = 0.0
    was: int = 0
    mark: int | None = None
    passed: int = 0
    told: int = 0
    troubles: int = 0
    owed: deque[float] = field(default_factory=deque)

    def __post_init__(self) -> None:
        self.modulus = 1 << (self.rules.bits or 40)
        self.counter = Counter(self.rules)
        self.was = self.total

    def let_through(self, people: int) -> None:
        self.was, self.total = self.total, (self.total + people) % self.modulus
        self.passed += people
        self.owed.extend([self.at] * people)

    def read(self, people_before: int = 0, people_after: int = 0, shown: int | None = None) -> None:
        asked, self.at = self.at, self.at + ANSWER_S / 2
        self.let_through(people_before)
        value = self.total if shown is None else shown
        self.let_through(people_after)
        self.at += ANSWER_S / 2
        for said in self.counter.take(value, asked, self.at):
            self.mark = self.mark if isinstance(said, Glitch) else said.total
            self.troubles += isinstance(said, Trouble)
            if isinstance(said, Counted):
                self._tell(said)
        self.at += POLL_S - ANSWER_S

    def _tell(self, said: Counted) -> None:
        assert said.count > 0
        self.told += said.count
        assert self.told <= self.passed, "somebody was invented"
        for _ in range(said.count):
            at = self.owed.popleft()
            assert self.troubles or self.at - said.since_s <= at + 1e-9, "he passed earlier than is said"

    def far_off(self, number: int) -> int:
        """A value that no walk comes near to, above or below."""
        if self.rules.bits is None:
            return self.total + FAR + number % 10**6
        return (self.total + FAR + number % (self.modulus - 2 * FAR - 1)) % self.modulus

    def torn(self, is_high_first: bool) -> int:
        (high, low), (old_high, old_low) = divmod(self.total, 1 << 16), divmod(self.was, 1 << 16)
        return high << 16 | old_low if is_high_first else old_high << 16 | low

    def step(self, what: str, before: int, after: int, number: int) -> None:
        match what:
            case "read":
                self.read(before, after)
            case "lost":
                self.let_through(before)
                self.at += 0.2
            case "noise":
                self.read(before, after, self.far_off(number))
            case "torn":
                self.let_through(before)
                self.read(0, after, self.torn(number % 2 == 0) if self.rules.bits == 32 else None)
            case "silence":
                self.let_through(before)
                self.at += number % 100
                self.counter.pause()
            case "restart":
                self.let_through(before)
                self.at += number % 100
                self.counter.pause() if self.mark is None else self.counter.start(self.mark)
            case "reset":
                self.total = self.was = 0
                self.read(before, after)
            case "garbage":
                for n in range(2 + number % 20):
                    self.read(before * (n == 1), after * (n == 2), GARBAGE + number % 20 * FAR)
                for _ in range(self.rules.confirm):
                    self.read()
        self.at += (before + after) / self.rules.max_rate
        if what in ("noise", "torn"):
            for _ in range(self.rules.confirm):
                self.read()


@pytest.mark.parametrize("rules", RULES, ids=str)
@given(st.integers(0, 2**32 - 1), st.lists(st.tuples(st.sampled_from(QUIET), STEPS), max_size=60))
@settings(max_examples=150, deadline=None)
def test_everybody_is_told_once_and_passed_when_it_is_said(
    rules: Rules, first: int, story: list[tuple[str, tuple[int, int, int]]]
) -> None:
    """Widths run over, words are torn, restarts hand the mark back: nobody is lost by that."""
    near_the_end = first % 100 if first % 3 else 0
    board = Board(
        rules, (first if not near_the_end else (first & 0xFFFF0000) - near_the_end) % (1 << (rules.bits or 30))
    )
    for _ in range(rules.confirm):
        board.read()
    for what, (before, after, number) in story:
        board.step(what, before, after, number)
    for _ in range(2 * rules.confirm):
        board.read()
    assert (board.told, board.troubles) == (board.passed, 0)
    assert not board.owed


@pytest.mark.parametrize("rules", RULES, ids=str)
@given(st.integers(600, 20_000), st.lists(st.tuples(st.sampled_from(WILD), STEPS), max_size=60))
@settings(max_examples=150, deadline=None)
def test_resets_and_garbage_that_stays_invent_nobody(
    rules: Rules, first: int, story: list[tuple[str, tuple[int, int, int]]]
) -> None:
    """`Board` refuses whatever is told beyond those who have passed."""
    board = Board(rules, first)
    for _ in range(rules.confirm):
        board.read()
    for what, (before, after, number) in story:
        board.step(what, before, after, number)
    for _ in range(2 * rules.confirm):
        board.read()


@pytest.mark.parametrize("rules", RULES, ids=str)
@given(st.integers(600, 20_000), st.lists(st.tuples(st.booleans(), STEPS), max_size=10))
@settings(max_examples=150, deadline=None)
def test_garbage_that_stays_and_goes_again_costs_nobody(
    rules: Rules, first: int, story: list[tuple[bool, tuple[int, int, int]]]
) -> None:
    board = Board(rules, first)
    for _ in range(rules.confirm):
        board.read()
    for is_garbage, (before, after, number) in story:
        board.step("garbage" if is_garbage else "read", before, after, number)
        board.at += 61.0 * is_garbage
    for _ in range(2 * rules.confirm):
        board.read()
    assert board.told == board.passed


@given(
    st.lists(st.tuples(st.integers(0, 2**32 - 1), st.floats(0, 100)), max_size=40),
    st.integers(-5, 2**33) | st.none(),
    st.sampled_from(RULES),
)
@settings(max_examples=300, deadline=None)
def test_whatever_it_reads_it_counts_no_more_than_is_plausible_and_goes_on_from_where_it_stands(
    readings: list[tuple[int, float]], start: int | None, rules: Rules
) -> None:
    counter, at = Counter(rules), 0.0
    counter.start(start)
    for total, wait in readings:
        at += wait
        for said in counter.take(total % (1 << (rules.bits or 32)), at, at):
            assert not isinstance(said, Counted) or (0 < said.count <= rules.most_missed and 0 <= said.since_s <= inf)
    for n in range(1500):
        counter.take(12_345, at + n / 10, at + n / 10)
    at += 200.0
    outcomes = [said for n in range(3) for said in counter.take(12_346, at + n, at + n)]
    assert [said.count for said in outcomes if isinstance(said, Counted)] == [1]
