"""People at the gates: a seeded population, what each of them does, and what that should leave behind.

`plan` is a pure function from lanes, people and a random generator to steps: bytes for a device at a time, each with
the fact it is evidence of. Played facts are the oracle's log. The plan keeps the physics honest, so that the oracle
never has to guess: one person at a time in a lane; nobody passes within 0.6 s of the last (a turnstile board's second
frame within 0.5 s is the same pass); after somebody has walked away the next waits until the arm has locked again;
a card comes back to the same reader either at once (a repeat) or long after the repeat window (a new read).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from random import Random
from typing import Literal

from gateway.records import Outcome
from gateway.simulation.devices import READERS, Heading, Reader, Sent, Turnstile, ghost, noise, truncated

NOISE_LEAD_S = 0.12
STEP_ASIDE_S = 0.3
LEAVES_AGAIN = 0.12
VISITORS = 0.06
NOISY_DRIVERS = ("em4100",)


class Habit(StrEnum):
    """What somebody does at a gate."""

    PLAIN = "plain"
    TWICE = "presents the card twice"
    HOLDS = "holds the card at the reader"
    WALKS_AWAY = "presents the card and walks away"
    TAILGATED = "is followed through by somebody without a card"


HABITS: dict[Habit, int] = {
    Habit.PLAIN: 76,
    Habit.TWICE: 7,
    Habit.HOLDS: 8,
    Habit.WALKS_AWAY: 4,
    Habit.TAILGATED: 5,
}


@dataclass(frozen=True, slots=True)
class Person:
    """Somebody with a card, or a visitor with a code on a telephone."""

    card: str
    visitor: bool = False


@dataclass(frozen=True, slots=True)
class Post:
    """A simulated reader with its name in the configuration."""

    device: str
    reader: Reader


@dataclass(frozen=True, slots=True)
class Gate:
    """One lane: a reader on each side, perhaps a scanner for visitors, perhaps a turnstile that reports passes."""

    lane: str
    readers: dict[Heading, Post]
    scanner: Post | None = None
    board: str | None = None
    turnstile: Turnstile = field(default_factory=Turnstile)


@dataclass(frozen=True, slots=True)
class Fact:
    """What physically happened: a first frame (`read`), a further frame of the same presentation, or a pass."""

    kind: Literal["read", "repeat", "pass"]
    lane: str
    device: str
    heading: Heading
    outcome: Outcome
    scheme: str | None = None
    value: str | None = None


@dataclass(frozen=True, slots=True)
class Step:
    """Bytes for a device at `at_s` seconds of the play, and what they are evidence of (None: noise)."""

    at_s: float
    device: str
    data: bytes
    fact: Fact | None = None


def population(count: int, rng: Random, *, visitors: bool = True) -> list[Person]:
    """`count` people with distinct cards; a few are visitors."""
    seen: set[str] = set()
    people: list[Person] = []
    while len(people) < count:
        visitor = visitors and rng.random() < VISITORS
        card = READERS["gm65" if visitor else "rdm6300"].new_card(rng)
        if card not in seen:
            seen.add(card)
            people.append(Person(card, visitor))
    return people


def plan(
    gates: Sequence[Gate],
    people: Sequence[Person],
    rng: Random,
    *,
    heading: Heading = "in",
    idle_s: float = 0.1,
    noise_share: float = 0.03,
    pass_timeout_s: float = 3.0,
    start_s: float = 0.5,
) -> list[Step]:
    """Everybody goes through once, some go out again; queues form at the lane that is free first.

    `idle_s` is the mean time a lane stands free between two people at the height of the peak; before and after it
    up to three times that. Steps are ordered by time.
    """
    free_at = {gate.lane: start_s + n * 0.1 for n, gate in enumerate(gates)}
    errands = list(_errands(people, rng, heading))
    steps: list[Step] = []
    for n, (person, way) in enumerate(errands):
        gate = min((g for g in gates if not person.visitor or g.scanner), key=lambda g: free_at[g.lane])
        calm = 1 + 4 * abs(n / len(errands) - 0.5)
        visit = _Visit(gate, way, rng, free_at[gate.lane] + rng.expovariate(1 / (idle_s * calm)), pass_timeout_s)
        if rng.random() < noise_share:
            visit.disturb(person)
        visit.act(person, _habit(rng, person, gate))
        steps += visit.steps
        free_at[gate.lane] = visit.clock_s
    return sorted(steps, key=lambda step: step.at_s)


def _errands(people: Sequence[Person], rng: Random, heading: Heading) -> Iterator[tuple[Person, Heading]]:
    """Everybody once in order; some of them back the other way twenty people later."""
    back: Heading = "out" if heading == "in" else "in"
    returning: list[tuple[int, Person]] = []
    for n, person in enumerate(people):
        yield person, heading
        if not person.visitor and rng.random() < LEAVES_AGAIN:
            returning.append((n + 20, person))
        if returning and returning[0][0] <= n:
            yield returning.pop(0)[1], back
    for _, person in returning:
        yield person, back


def _habit(rng: Random, person: Person, gate: Gate) -> Habit:
    if person.visitor:
        return Habit.PLAIN
    habit = rng.choices(list(HABITS), weights=list(HABITS.values()))[0]
    needs_arm = habit in (Habit.WALKS_AWAY, Habit.TAILGATED)
    return Habit.PLAIN if needs_arm and gate.board is None else habit


class _Visit:
    """One person at one gate: collects the steps while its clock runs."""

    def __init__(self, gate: Gate, heading: Heading, rng: Random, start_s: float, pass_timeout_s: float) -> None:
        self.gate, self.heading, self.rng = gate, heading, rng
        self.clock_s = start_s
        self.pass_timeout_s = pass_timeout_s
        self.steps: list[Step] = []

    def act(self, person: Person, habit: Habit) -> None:
        """Present the card in the person's way, then go through or not."""
        post = self._post(person)
        outcome: Outcome = "assumed" if self.gate.board is None else "completed"
        if habit is Habit.WALKS_AWAY:
            outcome = "not_taken"
        held_s = self._between(0.8, 1.8) if habit is Habit.HOLDS else self._between(0, 0.2)
        self._present(post, person, outcome, held_s=held_s)
        if habit is Habit.TWICE:
            self.clock_s += self._between(0.4, 0.9)
            self._present(post, person, outcome, held_s=self._between(0, 0.2), again=True)
        if habit is Habit.WALKS_AWAY:
            self._wait_for_the_arm()
        elif self.gate.board is not None:
            self._go_through(outcome)
            if habit is Habit.TAILGATED:
                self.clock_s += STEP_ASIDE_S
                self._go_through("tailgate")
        self.clock_s += STEP_ASIDE_S if self.gate.board else STEP_ASIDE_S / 2

    def disturb(self, person: Person) -> None:
        """Something that is no frame comes in just before."""
        post = self._post(person)
        if post.reader.driver in NOISY_DRIVERS:
            frame = post.reader.encode(post.reader.new_card(self.rng))
            spoilt = self.rng.choice((ghost(frame, self.rng), truncated(frame, self.rng), noise(self.rng)))
            self.steps.append(Step(self.clock_s, post.device, spoilt))
            self.clock_s += NOISE_LEAD_S

    def _post(self, person: Person) -> Post:
        if person.visitor and self.gate.scanner is not None:
            return self.gate.scanner
        return self.gate.readers[self.heading]

    def _present(self, post: Post, person: Person, outcome: Outcome, *, held_s: float, again: bool = False) -> None:
        sends = post.reader.present(person.card, held_s, self.rng)
        for n, sent in enumerate(sends):
            kind: Literal["read", "repeat"] = "repeat" if n or again else "read"
            scheme, value = post.reader.scheme, person.card
            fact = Fact(kind, self.gate.lane, post.device, self.heading, outcome, scheme, value)
            self._add(sent, post.device, fact)
        self.clock_s += sends[-1].after_s

    def _go_through(self, outcome: Outcome) -> None:
        if self.gate.board is None:
            return
        self.clock_s += self._between(0.3, 0.5)
        for n, sent in enumerate(self.gate.turnstile.passed(self.heading)):
            fact = Fact("pass", self.gate.lane, self.gate.board, self.heading, outcome)
            self._add(sent, self.gate.board, None if n else fact)

    def _wait_for_the_arm(self) -> None:
        if self.gate.board is not None:
            self.clock_s += self.pass_timeout_s
            self._add(self.gate.turnstile.timed_out()[0], self.gate.board, None)
            self.clock_s += STEP_ASIDE_S

    def _add(self, sent: Sent, device: str, fact: Fact | None) -> None:
        self.steps.append(Step(self.clock_s + sent.after_s, device, sent.data, fact))

    def _between(self, least: float, most: float) -> float:
        return self.rng.uniform(least, most)
