"""What no record can tell by name, written down where it happened: that part of the truth is a gateway's fate."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

from gateway.simulation.city.layout import LanePlan, Place
from gateway.simulation.city.people import id_of
from gateway.simulation.city.walk import Crossing


@dataclass(frozen=True, slots=True)
class Unseen:
    """A crossing that no record tells of this person (true unix ms); why: `fire_door`, `tailgate`, `one_sided`,
    `device_down`, `silent_sensor`, `gateway_dead`, `lost`, `shared_card`, `unbound`, or `walked_away`: a record tells
    it (`record`), and it never happened.
    """

    person: str
    at_ms: int
    site: str
    lane: str
    origin: Place
    target: Place
    why: str
    record: str | None = None


@dataclass(frozen=True, slots=True)
class Blind:
    """A gateway, one lane, or one device of it was blind for a span, and why: the words of `Unseen`; `clock_unset`
    and `clock_restored` are spans in which it saw and did not know the time.
    """

    site: str
    gateway: str
    lane: str | None
    device: str | None
    from_ms: int
    to_ms: int
    why: str


class Blame:
    """Keeps both for one gateway. What is seen while nothing gets out may be lost after all, until `settle`."""

    def __init__(self, is_bound: Callable[[int, int, int], bool], is_borrowed: Callable[[int, int], bool]) -> None:
        self.unseen: list[Unseen] = []
        self.blind: list[Blind] = []
        self._is_bound = is_bound
        self._is_borrowed = is_borrowed
        self._open: list[Unseen] = []

    def miss(self, plan: LanePlan, it: Crossing, at_ms: int, why: str, record: str | None = None) -> None:
        """It is told by no record."""
        self.unseen.append(_unseen(plan, it, at_ms, why, record))

    def see(self, plan: LanePlan, it: Crossing, at_ms: int) -> None:
        """A record tells it; whether it says whose it was depends on the card."""
        if self._is_borrowed(it.card, it.person):
            self.miss(plan, it, at_ms, "shared_card")
        elif not self._is_bound(it.card, it.person, at_ms):
            self.miss(plan, it, at_ms, "unbound")
        else:
            self._open.append(_unseen(plan, it, at_ms, "lost", None))

    def lose(self, from_ms: int, to_ms: int) -> None:
        """What was seen in between, both ends included, has not come through."""
        self.unseen += [it for it in self._open if from_ms <= it.at_ms <= to_ms]

    def settle(self) -> None:
        """What was seen has come through, but for what is lost."""
        self._open.clear()


def _unseen(plan: LanePlan, it: Crossing, at_ms: int, why: str, record: str | None) -> Unseen:
    outer, inner = plan.places_at(at_ms)
    unseen = Unseen(id_of(it.person), at_ms, plan.site, plan.rules.id, outer, inner, why, record)
    return unseen if it.is_in else replace(unseen, origin=inner, target=outer)
