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

SLACK_S = 1.0
TORN_S = 1.0
"""How long two words of different age must stay until it is no torn reading."""
CALM_S = 60.0
MANY_TROUBLES = 3
WAVERING_S, WAVERING_READINGS = 10.0, 20
"""After so long and so many readings of which no two agree it is no counter."""
WORD, LONG_BITS = 1 << 16, 32

RESET, SET_BACK, LEAPT, BACK, ERRATIC, STEADY = "reset", "set back", "leapt", "back", "erratic", "steady"


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


@dataclass(frozen=True, slots=True)
class Counted:
    """`count` have passed up to `total`, in the last `since_s` seconds (inf: since a time before this talk).
    `is_missed`: while nobody could ask.
    """

    total: int
    count: int
    since_s: float
    is_missed: bool = False


@dataclass(frozen=True, slots=True)
class Glitch:
    """A reading that was not believed."""

    total: int


@dataclass(frozen=True, slots=True)
class Trouble:
    """Something has happened to the counter: `kind`, such as RESET. It showed `before`, then `shown`, and is counted
    on from `total`; None: not counted for now.
    """

    kind: str
    total: int | None
    before: int | None
    shown: int

    def text(self, name: str) -> str:
        """For people; `name` says which counter."""
        match self.kind:
            case "reset":
                return f"{name} counter reset: it fell from {self.before} to {self.shown}"
            case "set back":
                return f"{name} counter set back from {self.before} to {self.shown}: nobody is counted for it"
            case "leapt":
                leap = self.shown - (self.before or 0)
                return f"{name} counter leapt by {leap}, from {self.before} to {self.shown}: nobody is counted for it"
            case "back":
                return f"{name} counter back at {self.shown}, after it had shown {self.before}"
            case "erratic":
                return f"{name} counter erratic: not counted until it has been steady for {CALM_S:.0f} s"
        return f"{name} counter steady again: counted from {self.shown} on"


@dataclass(frozen=True, slots=True)
class Base:
    """The base line: what is counted from here on."""

    total: int


Outcome = Base | Counted | Glitch | Trouble


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
    """What tells a counter from a register that only looks like one."""

    is_erratic: bool = False
    _troubles: list[float] = field(default_factory=list)
    _wavers_since: float | None = None
    _wavers: int = 0

    def believed(self) -> None:
        """A reading was believed."""
        self._wavers_since, self._wavers = None, 0

    def is_lost_in_trouble(self, at: float) -> bool:
        """Something has happened to it: whether it has been too often."""
        self._troubles = [*(then for then in self._troubles if at - then < CALM_S), at]
        return len(self._troubles) >= MANY_TROUBLES

    def is_lost_in_doubt(self, at: float) -> bool:
        """A reading agrees with none before: whether it has been so for too long."""
        self._wavers_since = at if self._wavers_since is None else self._wavers_since
        self._wavers += 1
        return (
            not self.is_erratic and self._wavers >= WAVERING_READINGS and at - self._wavers_since >= WAVERING_S
        )

    def set_erratic(self, is_erratic: bool) -> None:
        """It begins, or ends, to be erratic."""
        self.is_erratic, self._troubles = is_erratic, []
        self.believed()


@dataclass(frozen=True, slots=True)
class _Known:
    """A total that was believed; `asked`: when it was asked for, None: before this talk. `until`: how long it is
    remembered behind a trouble.
    """

    total: int
    asked: float | None
    until: float = inf


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
        self._prior: _Known | None = None
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

    def take(self, total: int, asked: float, at: float) -> list[Outcome]:
        """A reading that came at `at` and was asked for at `asked`: what it shows lies between."""
        if self._prior is not None and at > self._prior.until:
            self._prior = None
        if self._is_expected(total, at):
            return self._drop_doubt() + self._go_on(total, asked, at)
        doubt = self._doubt
        if doubt is None or self._rise(doubt.latest, total) > self._sure(doubt.asked, at):
            told = self._drop_doubt()
            self._doubt = _Doubt(total, asked, at, total, asked)
            return told + (self._distrust(total) if self._trust.is_lost_in_doubt(at) else [])
        doubt.latest, doubt.asked, doubt.seen = total, asked, doubt.seen + 1
        if doubt.seen < self._rules.confirm or at - doubt.first_at < self._patience_s(doubt):
            return []
        self._doubt = None
        told = self._believe(doubt, at)
        return told + (self._go_on(total, asked, at) if self._known is not None else [])

    def _is_expected(self, total: int, at: float) -> bool:
        if self._known is None:
            return False
        rise = self._rise(self._known.total, total)
        if rise == 0:
            return True
        return not self._is_away and rise <= min(self._sure(self._known.asked, at), inf if self._prior is None else 1)

    def _patience_s(self, doubt: _Doubt) -> float:
        if self._trust.is_erratic:
            return CALM_S
        return TORN_S if self._is_torn(doubt.first, doubt.first_at) else 0.0

    def _is_torn(self, total: int, at: float) -> bool:
        """Whether the low word is a plausible one, and the high word is too old, or too new for it."""
        if self._known is None or self._rules.bits != LONG_BITS:
            return False
        most = self._most(self._known.asked, at)
        (high, low), (high_before, low_before) = divmod(total, WORD), divmod(self._known.total, WORD)
        is_near = (high - high_before) % WORD in (0, 1) and (low - low_before) % WORD <= most
        return is_near and self._rise(self._known.total, total) > most

    def _drop_doubt(self) -> list[Outcome]:
        doubt, self._doubt = self._doubt, None
        return [Glitch(doubt.latest)] if doubt is not None else []

    def _go_on(self, total: int, asked: float, at: float) -> list[Outcome]:
        assert self._known is not None
        before, self._known, self._is_away = self._known, _Known(total, asked), False
        self._trust.believed()
        step = total - before.total if total >= before.total else int(self._rise(before.total, total))
        return [Counted(total, step, _since_s(before.asked, at))] if step else []

    def _believe(self, doubt: _Doubt, at: float) -> list[Outcome]:
        """What a confirmed reading says."""
        before, was_away = self._known, self._is_away
        total, then = doubt.first, doubt.first_at
        self._known, self._is_away = _Known(total, doubt.first_asked), False
        self._trust.believed()
        if self._trust.is_erratic:
            return self._steady(doubt)
        if before is None:
            return [Base(total)]
        if self._prior is not None and self._rise(self._prior.total, total) <= self._most(self._prior.asked, then):
            return self._come_back(self._prior, before, total, at)
        most, rise = self._most(before.asked, then), self._rise(before.total, total)
        if rise <= most:
            return [Counted(total, int(rise), _since_s(before.asked, at), was_away)] if rise else []
        if self._trust.is_lost_in_trouble(at):
            return self._distrust(total)
        is_first = self._prior is None
        self._prior = self._prior or _Known(before.total, before.asked, at + CALM_S)
        if total > before.total:
            return [Trouble(LEAPT, total, before.total, total)]
        if total > most or not is_first:
            return [Trouble(SET_BACK, total, before.total, total)]
        lower_bound = [Counted(total, total, _since_s(before.asked, at), was_away)] if total else []
        return [Trouble(RESET, 0, before.total, total), *lower_bound]

    def _come_back(self, prior: _Known, before: _Known, total: int, at: float) -> list[Outcome]:
        self._prior = None
        step, since_s = int(self._rise(prior.total, total)), _since_s(prior.asked, at)
        counted = [Counted(total, step, since_s, is_missed=prior.asked is None)] if step else []
        return [Trouble(BACK, prior.total, before.total, total), *counted]

    def _distrust(self, shown: int) -> list[Outcome]:
        before = None if self._known is None else self._known.total
        self._known = self._prior = self._doubt = None
        self._trust.set_erratic(True)
        return [Trouble(ERRATIC, None, before, shown)]

    def _steady(self, doubt: _Doubt) -> list[Outcome]:
        self._known = _Known(doubt.latest, doubt.asked)
        self._trust.set_erratic(False)
        return [Trouble(STEADY, doubt.latest, None, doubt.latest)]

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
