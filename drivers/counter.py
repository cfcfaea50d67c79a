"""A counter as it is read now and then: how many have passed, and what to believe.

    nothing ──reading──> doubted ──the next readings agree──> believed ──a plausible step──> believed, counted
                            ▲                                    │
                            └─ a fall, a leap, after an absence ─┘       back to the plausible: it was a glitch

A difference is people if people can have made it: `max_rate` a second since the reading before was asked for, and one
second's worth more, but `most_missed` at the most, however long nobody asked. What is confirmed and is not plausible
is a new base line, and is said, and nobody is made of it:

    more than that          leapt: garbage, another map, somebody's hand
    a fall to little        reset: what it shows now has passed since, at the least
    any other fall          set back
    back from one of those  the counter before goes on, so that a doubtful minute costs and adds nobody
    three in a minute       erratic: no counter at all, until it has been steady for a minute

One class for registers of 16 and 32 bits, which run over, are guarded by a check and can be torn between two words,
and for totals that are read as text, whose width nobody knows and which no check guards: `Rules` say which.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from math import inf

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

SLACK_S = 1.0
TORN_S = 1.0
"""How long two words of different age must stay until it is no torn reading."""
TROUBLED_S = 1.0
"""A counter that had trouble is read so often until it is over."""
MANY_TROUBLES = 3
WAVERING_S, WAVERING_READINGS = 10.0, 20
"""After so long and so many readings of which no two agree it is no counter."""
WORD, LONG_BITS = 1 << 16, 32


@dataclass(frozen=True, slots=True)
class Rules:
    """`bits`: its width, None: unknown, it never runs over. `max_rate`: people a second. `most_missed`: how many are
    believed at once at all. `confirm`: how many readings must agree where one is doubted. `sure`: how many more need
    no second reading; None: as many as are plausible.
    """

    bits: int | None = None
    max_rate: float = 10.0
    most_missed: int = 500
    confirm: int = 2
    sure: int | None = None


@dataclass(slots=True)
class _Doubt:
    first: int
    first_asked: float
    first_at: float
    latest: int
    asked: float
    seen: int = 1


@dataclass(slots=True)
class _Trust:
    """Tells a counter from a register that only looks like one, and keeps that one silent."""

    _erratic_until: float | None = None
    _troubles: list[float] = field(default_factory=list)
    _wavers_since: float = 0.0
    _wavers: int = 0

    @property
    def is_erratic(self) -> bool:
        """Whether nothing is told of it."""
        return self._erratic_until is not None

    def judge(
        self, outcomes: list[Outcome], known: int | None, shown: int, is_doubtful: bool, at: float
    ) -> list[Outcome]:
        """What is told of these outcomes of a reading; `known` is the total that is believed behind them."""
        is_fallen = any(isinstance(outcome, Trouble) and outcome.kind != BACK for outcome in outcomes)
        recent = [then for then in self._troubles if at - then < CALM_S] + [at] * is_fallen
        self._troubles = recent[-MANY_TROUBLES:]
        is_lost = len(self._troubles) >= MANY_TROUBLES or (is_fallen and self.is_erratic)
        if is_lost or self._is_wavering(is_doubtful, at):
            was_erratic, self._erratic_until = self.is_erratic, at + CALM_S
            return _glitches(outcomes) + ([] if was_erratic else [Trouble(ERRATIC, None, None, shown)])
        if self._erratic_until is None:
            return outcomes
        if at < self._erratic_until or is_doubtful or known is None:
            return _glitches(outcomes)
        self._erratic_until = None
        return [*_glitches(outcomes), Trouble(STEADY, known, None, known)]

    def _is_wavering(self, is_doubtful: bool, at: float) -> bool:
        """Whether for a long time no two readings have agreed."""
        if not is_doubtful:
            self._wavers = 0
            return False
        self._wavers_since = self._wavers_since if self._wavers else at
        self._wavers += 1
        return self._wavers >= WAVERING_READINGS and at - self._wavers_since >= WAVERING_S


def _glitches(outcomes: list[Outcome]) -> list[Outcome]:
    return [outcome for outcome in outcomes if isinstance(outcome, Glitch)]


@dataclass(frozen=True, slots=True)
class _Known:
    """A total that was believed; `asked`: when it was asked for, None: before this talk."""

    total: int
    asked: float | None


@dataclass(slots=True)
class _Prior:
    """What was believed before a trouble, for a while; `told`: how many were told since then."""

    total: int
    asked: float | None
    until: float
    told: int = 0


class Counter:
    """One counter; all times are seconds on one monotonic clock."""

    def __init__(self, rules: Rules) -> None:
        self._rules = rules
        self._modulus = None if rules.bits is None else 1 << rules.bits
        self.start(None)

    def start(self, total: int | None) -> None:
        """Begin again: `total` was told last, by somebody who looked at an unknown time; None: nothing was."""
        is_possible = total is not None and 0 <= total < (self._modulus or inf)
        self._known = _Known(total, None) if total is not None and is_possible else None
        self._prior: _Prior | None = None
        self._is_away = True
        self._doubt: _Doubt | None = None
        self._trust = _Trust()

    def pause(self) -> None:
        """Nobody could ask for a while: the next reading is doubted, and what it brings was missed."""
        self._is_away = True

    @property
    def is_doubtful(self) -> bool:
        """Whether another reading is wanted, the sooner the better."""
        return self._doubt is not None and not self._trust.is_erratic

    @property
    def again_s(self) -> float:
        """How soon another reading is wanted: at once in doubt, now and then while a trouble may be taken back."""
        if self.is_doubtful:
            return 0.0
        return inf if self._prior is None or self._trust.is_erratic else TROUBLED_S

    def take(self, total: int, asked: float, at: float) -> list[Outcome]:
        """A reading that came at `at` and was asked for at `asked`: what it shows lies between."""
        if self._prior is not None and at > self._prior.until:
            self._prior = None
        outcomes = self._outcomes(total, asked, at)
        if self._prior is not None:
            self._prior.told += sum(outcome.count for outcome in outcomes if isinstance(outcome, Counted))
        known = None if self._known is None else self._known.total
        return self._trust.judge(outcomes, known, total, self._doubt is not None, at)

    def _outcomes(self, total: int, asked: float, at: float) -> list[Outcome]:
        if self._is_expected(total, at):
            return self._drop_doubt() + self._go_on(total, asked, at)
        doubt = self._doubt
        if doubt is None or not self._agrees(doubt, total, at):
            told = self._drop_doubt()
            self._doubt = _Doubt(total, asked, at, total, asked)
            return told
        doubt.latest, doubt.asked, doubt.seen = total, asked, doubt.seen + 1
        if doubt.seen < self._rules.confirm or at - doubt.first_at < self._patience_s(doubt):
            return []
        self._doubt = None
        return self._believe(doubt, at) + self._go_on(total, asked, at)

    def _is_expected(self, total: int, at: float) -> bool:
        if self._known is None:
            return False
        rise = self._rise(self._known.total, total)
        if rise == 0:
            return True
        return not self._is_away and rise <= min(self._sure(self._known.asked, at), inf if self._prior is None else 1)

    def _agrees(self, doubt: _Doubt, total: int, at: float) -> bool:
        """Whether it goes on from the doubted one. Two far apart always seem to; what goes on from the total that was
        believed refutes one that did not.
        """
        if self._is_plausible(total, at) and not self._is_plausible(doubt.latest, at):
            return False
        return self._rise(doubt.latest, total) <= self._sure(doubt.asked, at)

    def _is_plausible(self, total: int, at: float) -> bool:
        known = self._known
        return known is not None and self._rise(known.total, total) <= self._most(known.asked, at)

    def _patience_s(self, doubt: _Doubt) -> float:
        return TORN_S if self._is_torn(doubt.first, doubt.first_at) else 0.0

    def _is_torn(self, total: int, at: float) -> bool:
        """Whether the low word is a plausible one, and the high word is too old, or too new for it."""
        if self._known is None or self._rules.bits != LONG_BITS or self._is_back(total, at):
            return False
        most = self._most(self._known.asked, at)
        (high, low), (high_before, low_before) = divmod(total, WORD), divmod(self._known.total, WORD)
        is_near = (high - high_before) % WORD in (0, 1) and (low - low_before) % WORD <= most
        return is_near and self._rise(self._known.total, total) > most

    def _is_back(self, total: int, at: float) -> bool:
        """Whether the counter from before the trouble goes on."""
        prior = self._prior
        return prior is not None and self._rise(prior.total, total) <= self._most(prior.asked, at)

    def _drop_doubt(self) -> list[Outcome]:
        doubt, self._doubt = self._doubt, None
        return [Glitch(doubt.latest)] if doubt is not None else []

    def _go_on(self, total: int, asked: float, at: float) -> list[Outcome]:
        assert self._known is not None
        before, self._known, self._is_away = self._known, _Known(total, asked), False
        step = total - before.total if self._modulus is None else (total - before.total) % self._modulus
        return [Counted(total, step, _since_s(before.asked, at))] if step else []

    def _believe(self, doubt: _Doubt, at: float) -> list[Outcome]:
        """What a confirmed reading says."""
        before, was_away, prior = self._known, self._is_away, self._prior
        total, then = doubt.first, doubt.first_at
        self._known, self._is_away = _Known(total, doubt.first_asked), False
        if before is None:
            return [Base(total)]
        if prior is not None and self._is_back(total, then):
            return self._come_back(prior, before, total, at)
        most, rise = self._most(before.asked, then), self._rise(before.total, total)
        if rise <= most:
            return [Counted(total, int(rise), _since_s(before.asked, at), was_away)] if rise else []
        self._prior = prior or _Prior(before.total, before.asked, at + CALM_S)
        if total > before.total:
            return [Trouble(LEAPT, total, before.total, total)]
        if total > most or prior is not None:
            return [Trouble(SET_BACK, total, before.total, total)]
        lower_bound = [Counted(total, total, _since_s(before.asked, at), was_away)] if total else []
        return [Trouble(RESET, 0, before.total, total), *lower_bound]

    def _come_back(self, prior: _Prior, before: _Known, total: int, at: float) -> list[Outcome]:
        self._prior = None
        step, since_s = total - prior.total - prior.told, _since_s(prior.asked, at)
        counted = [Counted(total, step, since_s, is_missed=prior.asked is None)] if step > 0 else []
        return [Trouble(BACK, min(total, prior.total + prior.told), before.total, total), *counted]

    def _rise(self, before: int, after: int) -> float:
        """By how much it rose, over its end if it has one; inf: it fell. Behind a trouble nothing runs over."""
        if after >= before:
            return after - before
        return inf if self._modulus is None or self._prior is not None else after - before + self._modulus

    def _most(self, asked: float | None, at: float) -> float:
        """How many can have passed since then."""
        if asked is None:
            return self._rules.most_missed
        return min(self._rules.most_missed, self._rules.max_rate * (max(0.0, at - asked) + SLACK_S))

    def _sure(self, asked: float | None, at: float) -> float:
        """How many more are believed at once."""
        most = self._most(asked, at)
        return most if self._rules.sure is None else min(most, self._rules.sure)


def _since_s(asked: float | None, at: float) -> float:
    return inf if asked is None else max(0.0, at - asked)
