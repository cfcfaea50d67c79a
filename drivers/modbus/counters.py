"""A counter as it is read, and how many have passed: what to believe of a register.

    nothing ──reading──> doubted ──the next readings agree──> believed ──a plausible step──> believed, counted
                            ▲                                    │
                            └───────── a fall, or a leap ────────┘       back to the plausible: it was a glitch

The first reading is doubted like any other that cannot be checked against the one before: a base line that is wrong
would be counted. What is plausible is the speed of people: `max_rate` a second, and one second's worth more. A fall
that stays is a reset if what the counter shows now can have passed since; else somebody has set it, and it is only
the new base line. Widths are 16 and 32 bits, and running over is a step like any other.
"""

from __future__ import annotations

from dataclasses import dataclass

SLACK_S = 1.0
AWAY_S = 2.0
"""Who has not asked for so long cannot say when somebody passed."""
RESET = "counter reset"
SET_BACK = "counter set back"
LEAPT = "counter leapt"


@dataclass(frozen=True, slots=True)
class Counted:
    """`count` have passed up to `total`; `missed`: before this talk began, or in the last `since_s` seconds if the
    reading before was so long ago; None: just now.
    """

    total: int
    count: int
    missed: bool = False
    since_s: float | None = None


@dataclass(frozen=True, slots=True)
class Glitch:
    """A reading that was not believed: noise in the register."""

    total: int


@dataclass(frozen=True, slots=True)
class Trouble:
    """Something has happened to the counter, which is counted on from `total`."""

    total: int
    reason: str


@dataclass(frozen=True, slots=True)
class Base:
    """The base line: what is counted from here on."""

    total: int


Outcome = Base | Counted | Glitch | Trouble


@dataclass(slots=True)
class _Doubt:
    first: int
    first_at: float
    latest: int
    at: float
    seen: int = 1


class Counter:
    """One counter of `bits` bits. `reset_max`: what a counter that fell while nobody looked is believed to show."""

    def __init__(self, bits: int, *, max_rate: float, confirm: int, reset_max: int) -> None:
        self._modulus = 1 << bits
        self._max_rate = max_rate
        self._confirm = confirm
        self._reset_max = reset_max
        self.start(None)

    def start(self, total: int | None) -> None:
        """Begin again: `total` was told last, by somebody who looked at an unknown time; None: nothing was."""
        self._total = total if total is not None and 0 <= total < self._modulus else None
        self._at: float | None = None
        self._doubt: _Doubt | None = None

    def take(self, total: int, at: float) -> list[Outcome]:
        """A reading."""
        if self._total is not None and self._at is not None:
            step = self._step(self._total, total)
            if step <= self._allowed(at - self._at):
                return self._settle() + self._go_on(total, at)
        doubt = self._doubt
        if doubt is None or self._step(doubt.latest, total) > self._allowed(at - doubt.at):
            told = self._settle()
            self._doubt = _Doubt(total, at, total, at)
            return told
        doubt.latest, doubt.at, doubt.seen = total, at, doubt.seen + 1
        if doubt.seen < self._confirm:
            return []
        self._doubt = None
        told = self._believe(doubt.first, doubt.first_at)
        self._total = doubt.first
        return told + self._go_on(total, at)

    def _settle(self) -> list[Outcome]:
        doubt, self._doubt = self._doubt, None
        return [Glitch(doubt.latest)] if doubt is not None else []

    def _go_on(self, total: int, at: float) -> list[Outcome]:
        assert self._total is not None
        step = self._step(self._total, total)
        away_s = self._away_s(at)
        self._total, self._at = total, at
        return [Counted(total, step, since_s=away_s)] if step else []

    def _believe(self, total: int, at: float) -> list[Outcome]:
        """What a confirmed reading says that is no plausible step."""
        before, is_missed = self._total, self._at is None
        if before is None:
            return [Base(total)]
        if total == before:
            return []
        most = self._reset_max if self._at is None else self._allowed(at - self._at)
        step = self._step(before, total)
        if is_missed and (total > before or step <= most):
            return [Counted(total, step, missed=True)]
        if total > before:
            return [Trouble(before, LEAPT), Counted(total, step, since_s=self._away_s(at))]
        if total > most:
            return [Trouble(total, SET_BACK)]
        away_s = None if is_missed else self._away_s(at)
        lower_bound: list[Outcome] = [Counted(total, total, missed=is_missed, since_s=away_s)] if total else []
        return [Trouble(0, RESET), *lower_bound]

    def _away_s(self, at: float) -> float | None:
        return None if self._at is None or at - self._at <= AWAY_S else at - self._at

    def _step(self, before: int, after: int) -> int:
        return (after - before) % self._modulus

    def _allowed(self, seconds: float) -> float:
        return self._max_rate * (max(0.0, seconds) + SLACK_S)
