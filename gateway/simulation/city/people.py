"""Who there is: people with cards, and to whom a card is bound from when.

Most cards are bound to their one owner from the first day. In a city that is not calm some are not bound at all, some
are bound later (dated back, or not), and some are used by two people. Visitors get a card of the site for a day.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Literal

from drivers.events import CardRead
from gateway.simulation.city.layout import Layout
from gateway.simulation.city.settings import DAY, PRIVACY

Kind = Literal["staff", "shift", "guard", "courier", "visitor", "cleaner", "crew"]
SHARES: dict[Kind, float] = {
    "staff": 0.6,
    "shift": 0.15,
    "guard": 0.04,
    "courier": 0.02,
    "visitor": 0.09,
    "cleaner": 0.04,
    "crew": 0.06,
}
SECOND_CARD, UNKNOWN_CARD, BOUND_LATER, SHARED_CARD = 0.05, 0.01, 0.03, 0.004


@dataclass(frozen=True, slots=True)
class Person:
    """`cards`: numbers of the cards used; `home`: the site, `wheel`: the lane of a crew. `shares`: whose card too."""

    number: int
    kind: Kind
    home: int
    cards: tuple[int, ...]
    wheel: int | None = None
    shares: int | None = None

    @property
    def id(self) -> str:
        return id_of(self.number)

    @property
    def employer(self) -> str:
        """Cleaners, guards and couriers are sent by firms of their own."""
        firms = {"cleaner": "clean", "guard": "watch", "courier": "post", "visitor": "guest", "crew": "line"}
        return firms.get(self.kind, "works")


@dataclass(frozen=True, slots=True)
class Bound:
    """A card is somebody's from a date up to, not including, another; the centre is told at `known_ms`."""

    token: str
    person: str
    from_ms: int
    to_ms: int | None
    known_ms: int


@dataclass
class Crowd:
    """People, card numbers (`em4100` values) and bindings. `pools`: the visitors' cards of each site."""

    people: list[Person] = field(default_factory=list)
    cards: list[str] = field(default_factory=list)
    bindings: list[Bound] = field(default_factory=list)
    pools: list[list[int]] = field(default_factory=list)

    def token(self, card: int) -> str:
        """What a gateway makes of it."""
        return token_of(self.cards[card])


def id_of(number: int) -> str:
    """The id of a person."""
    return f"p{number:06}"


def token_of(value: str) -> str:
    """The token of a card, by the product's own words."""
    token = PRIVACY.subject(read_of(value), ()).token
    assert token is not None
    return token


def read_of(value: str, decision: Literal["granted", "denied"] | None = None) -> CardRead:
    """What a reader says of it."""
    return CardRead(scheme="em4100", value=value, bits=40, decision=decision)


def settle(layout: Layout) -> Crowd:
    """The people of a city."""
    settings = layout.settings
    rng, crowd = settings.random("people"), Crowd()
    kinds = list(_kinds(settings.people))
    rng.shuffle(kinds)
    crowd.pools = [[] for _ in range(settings.sites)]
    for number, kind in enumerate(kinds):
        home = number % settings.sites
        wheel = layout.wheels[number % len(layout.wheels)] if kind == "crew" else None
        sharer = _sharer(crowd, kind) if not settings.calm and rng.random() < SHARED_CARD else None
        if kind == "visitor":
            cards: tuple[int, ...] = ()
        elif sharer is not None:
            cards = crowd.people[sharer].cards
        else:
            cards = tuple(_new_card(crowd) for _ in range(2 if rng.random() < SECOND_CARD else 1))
        crowd.people.append(Person(number, kind, home, cards, wheel, sharer))
        if sharer is None:
            crowd.bindings.extend(_bindings(layout, crowd, crowd.people[-1]))
    return crowd


def lend(layout: Layout, crowd: Crowd, person: Person, site: int, day: int, place_in_line: int) -> int:
    """A visitor's card of a site for a day; the binding is written. Returns the card."""
    pool = crowd.pools[site]
    while len(pool) <= place_in_line:
        pool.append(_new_card(crowd))
    from_ms = layout.settings.midnight_ms(day)
    until_ms = layout.settings.midnight_ms(day + 1)
    crowd.bindings.append(Bound(crowd.token(pool[place_in_line]), person.id, from_ms, until_ms, from_ms))
    return pool[place_in_line]


def _kinds(count: int) -> Iterator[Kind]:
    """As many of each as their share says, at least one, in a city that has so many."""
    left = count
    for kind, share in reversed(SHARES.items()):
        wanted = left if kind == "staff" else min(left, max(1, round(count * share)))
        yield from [kind] * wanted
        left -= wanted


def _new_card(crowd: Crowd) -> int:
    """Numbers that no two cards have, and that do not run on."""
    number = len(crowd.cards)
    crowd.cards.append(f"{(number * 0x9E3779B1 + 0x0C000621A5) % 2**40:010X}")
    return number


def _sharer(crowd: Crowd, kind: Kind) -> int | None:
    """A colleague whose card may be used too: of the same kind, with a single card that is his own."""
    for other in reversed(crowd.people[-200:]):
        if other.kind == kind and len(other.cards) == 1 and other.shares is None:
            return other.number
    return None


def _bindings(layout: Layout, crowd: Crowd, person: Person) -> Iterator[Bound]:
    settings = layout.settings
    long_ago = settings.begin_ms - 30 * DAY
    rng = settings.random("bound", person.number)
    for card in person.cards:
        chance = 1.0 if settings.calm else rng.random()
        if chance < UNKNOWN_CARD:
            continue
        if chance < UNKNOWN_CARD + BOUND_LATER:
            known_ms = settings.begin_ms + rng.randrange(1, 1 + settings.days * DAY)
            from_ms = long_ago if rng.random() < 0.5 else known_ms
            yield Bound(crowd.token(card), person.id, from_ms, None, known_ms)
        else:
            yield Bound(crowd.token(card), person.id, long_ago, None, long_ago)
