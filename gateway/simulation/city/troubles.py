"""What breaks at a gateway, and when: drawn for each one from its own chance.

Nothing of it is told to the walk: people go on, and what no record can tell of them is written down by the box.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from random import Random
from typing import Literal

from gateway.simulation.city.layout import LanePlan
from gateway.simulation.city.settings import DAY, HOUR, MINUTE, SECOND, Settings

Clock = Literal["good", "unset", "restored"]
Loss = Literal["nothing", "damage"]


@dataclass(frozen=True, slots=True)
class Span:
    """From a moment up to, not including, another."""

    from_ms: int
    to_ms: int

    def holds(self, at_ms: int) -> bool:
        return self.from_ms <= at_ms < self.to_ms


@dataclass(frozen=True, slots=True)
class Death:
    """No gateway for a span. Afterwards its clock is good, or `unset` (1970) or `restored` (off by `skew_ms`) for
    `wrong_ms`, then synchronised. `loses` its journal's unsent end, or nothing. A power cut is a new boot.
    """

    span: Span
    is_power_cut: bool
    clock: Clock = "good"
    wrong_ms: int = 0
    skew_ms: int = 0
    loses: Loss = "nothing"


@dataclass(frozen=True, slots=True)
class Silence:
    """A device gives nothing for a span. `said`: the gateway knows that it is gone."""

    span: Span
    lane: int
    device: str
    said: bool


@dataclass(frozen=True, slots=True)
class Troubles:
    """All that breaks at one gateway. `outages`: no way to the centre; in a `pruned` one the older half of what waits
    is given up. `full`: the journal takes no readings. `holdovers`: nobody corrects the clock.
    """

    outages: tuple[Span, ...] = ()
    pruned: tuple[Span, ...] = ()
    deaths: tuple[Death, ...] = ()
    silences: tuple[Silence, ...] = ()
    full: tuple[Span, ...] = ()
    holdovers: tuple[Span, ...] = ()


NONE = Troubles()


@dataclass(slots=True)
class _Calendar:
    """Spans that do not touch each other."""

    begin_ms: int
    end_ms: int
    rng: Random
    taken: list[Span] = field(default_factory=list)

    def some(self, rate: float, shortest_ms: int, longest_ms: int) -> Iterator[Span]:
        """About `rate` a day, where there is room; by day more often than not, since there are people then."""
        expected = rate * (self.end_ms - self.begin_ms) / DAY
        count = int(expected) + (self.rng.random() < expected % 1)
        for _ in range(count):
            length_ms = self.rng.randrange(shortest_ms, longest_ms)
            span = self._place(min(length_ms, (self.end_ms - self.begin_ms) // 4))
            if span is not None:
                yield span

    def _place(self, length_ms: int) -> Span | None:
        for _ in range(20):
            day_ms = self.begin_ms + self.rng.randrange((self.end_ms - self.begin_ms) // DAY) * DAY
            from_ms = day_ms + round(self.rng.triangular(HOUR, 23 * HOUR, 10 * HOUR))
            span = Span(from_ms, from_ms + length_ms)
            wide = Span(span.from_ms - 10 * MINUTE, span.to_ms + 10 * MINUTE)
            if span.to_ms < self.end_ms - HOUR and not any(
                wide.from_ms < other.to_ms and other.from_ms < wide.to_ms for other in self.taken
            ):
                self.taken.append(span)
                return span
        return None


def draw(settings: Settings, site: str, gateway: str, lanes: dict[int, LanePlan]) -> Troubles:
    """What happens to a gateway in this city."""
    if settings.calm:
        return NONE
    rng = settings.random("troubles", site, gateway)
    calendar = _Calendar(settings.begin_ms, settings.end_ms, rng)
    pruned = tuple(calendar.some(0.01, 6 * HOUR, 7 * DAY))
    outages = tuple(calendar.some(0.02, 2 * DAY, 7 * DAY)) + tuple(calendar.some(0.15, 10 * MINUTE, 8 * HOUR))
    deaths = tuple(_death(rng, span) for span in calendar.some(0.12, 30 * SECOND, 3 * HOUR))
    full = tuple(calendar.some(0.03, 5 * MINUTE, HOUR))
    silences = tuple(_silence(rng, lanes, span) for span in calendar.some(0.15, 10 * MINUTE, 10 * HOUR))
    holdovers = tuple(calendar.some(0.05, HOUR, DAY))
    ending_in_damage = tuple(
        Span(death.span.from_ms - HOUR, death.span.from_ms + 20 * SECOND)
        for death in deaths
        if death.loses == "damage"
    )
    return Troubles((*outages, *ending_in_damage), pruned, deaths, silences, full, holdovers)


def _death(rng: Random, span: Span) -> Death:
    kind = rng.choice(("kill", "cut", "unset", "restored", "damage"))
    wrong_ms = rng.randrange(2 * MINUTE, 40 * MINUTE)
    match kind:
        case "unset":
            return Death(span, is_power_cut=True, clock="unset", wrong_ms=wrong_ms)
        case "restored":
            return Death(span, True, "restored", wrong_ms, rng.choice((-1, 1)) * rng.randrange(MINUTE, 20 * MINUTE))
        case "damage":
            return Death(span, is_power_cut=True, loses="damage")
        case _:
            return Death(span, is_power_cut=kind == "cut")


def _silence(rng: Random, lanes: dict[int, LanePlan], span: Span) -> Silence:
    number = rng.choice(sorted(lanes))
    plan = lanes[number]
    device = rng.choice(plan.devices()).id
    return Silence(span, number, device, said=device != plan.arm or rng.random() < 0.6)
