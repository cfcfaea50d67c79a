"""A city from its settings: people through the lanes, then each gateway by itself, so that processes share them."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from heapq import merge

from gateway.simulation.city import layout, people, troubles
from gateway.simulation.city.blame import Blame, Blind, Unseen
from gateway.simulation.city.box import Box
from gateway.simulation.city.deliveries import Delivery
from gateway.simulation.city.fate import Fate
from gateway.simulation.city.layout import Layout
from gateway.simulation.city.people import Crowd
from gateway.simulation.city.settings import Settings
from gateway.simulation.city.troubles import Troubles
from gateway.simulation.city.truth import Truth
from gateway.simulation.city.walk import Walk

Name = tuple[str, str]
"""Site and gateway."""


@dataclass
class Played:
    """What came of one gateway besides its deliveries."""

    unseen: list[Unseen] = field(default_factory=list)
    blind: list[Blind] = field(default_factory=list)
    records: int = 0
    record_bytes: int = 0


class Plan:
    """The city before its gateways have seen anything: all that is physical."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.layout: Layout = layout.lay_out(settings)
        self.crowd: Crowd = people.settle(self.layout)
        self.walk = Walk(self.layout, self.crowd)
        self.walk.run()

    @property
    def gateways(self) -> list[Name]:
        return list(self.layout.gateways)

    def play(self, name: Name, sink: Callable[[Delivery], None], given: Troubles | None = None) -> Played:
        """One gateway through all days; its deliveries go to `sink` in order of arrival. What breaks is drawn, unless
        it is given.
        """
        played = Played()

        def count(delivery: Delivery) -> None:
            if delivery.leaf != "state":
                played.records += len(delivery.lines)
                played.record_bytes += sum(map(len, delivery.lines))
            sink(delivery)

        lanes = {number: self.layout.lanes[number] for number in self.layout.gateways[name]}
        blame = Blame(self._is_bound, self._is_borrowed)
        box = Box(self.settings, *name, lanes, self.crowd.cards, blame, count)
        fate = Fate(box, troubles.draw(self.settings, *name, lanes) if given is None else given)
        box.run(self.walk.kept(name), fate.acts())
        if not box.sender.is_up:
            blame.lose(0, self.settings.end_ms)
        played.unseen, played.blind = blame.unseen, blame.blind
        return played

    def truth(self, played: list[Played], *, with_stays: bool = True) -> Truth:
        """What really happened, with what the gateways could not see of it. The stays of a large city take gigabytes;
        `walk.stays` has them one by one.
        """
        unseen = sorted((each for it in played for each in it.unseen), key=lambda each: (each.at_ms, each.person))
        blind = [each for it in played for each in it.blind]
        return Truth.of(self.layout, self.crowd, self.walk.stays() if with_stays else (), unseen, blind)

    @cached_property
    def _owned(self) -> dict[int, list[tuple[int, int, str]]]:
        """By card: from, to and person of each binding, in order."""
        cards = {self.crowd.token(number): number for number in range(len(self.crowd.cards))}
        owned: dict[int, list[tuple[int, int, str]]] = {}
        for bound in self.crowd.bindings:
            until_ms = 2**62 if bound.to_ms is None else bound.to_ms
            owned.setdefault(cards[bound.token], []).append((bound.from_ms, until_ms, bound.person))
        return {card: sorted(spans) for card, spans in owned.items()}

    def _is_bound(self, card: int, person: int, at_ms: int) -> bool:
        spans = self._owned.get(card, [])
        at = bisect_right(spans, (at_ms, 2**63, "")) - 1
        return at >= 0 and at_ms < spans[at][1] and spans[at][2] == self.crowd.people[person].id

    def _is_borrowed(self, card: int, person: int) -> bool:
        return self.crowd.people[person].shares is not None


@dataclass(frozen=True)
class City:
    """A whole city in memory."""

    plan: Plan
    by_gateway: dict[Name, list[Delivery]]
    truth: Truth

    def deliveries(self) -> Iterator[Delivery]:
        """In order of arrival."""
        return merge(*self.by_gateway.values(), key=lambda delivery: delivery.order)


def build(settings: Settings, given: Mapping[Name, Troubles] | None = None) -> City:
    """Make a small city; a large one is for `benchmarks/city.py`. `given`: what breaks at some gateways, for sure."""
    plan = Plan(settings)
    by_gateway: dict[Name, list[Delivery]] = {name: [] for name in plan.gateways}
    played = [plan.play(name, by_gateway[name].append, (given or {}).get(name)) for name in plan.gateways]
    return City(plan, by_gateway, plan.truth(played))
