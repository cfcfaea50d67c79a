"""What is known, one thing at a time: punches out of records, and what an operator says; a set without an order.

A fact has an `id`, for ever, and `known_ms`, when the centre came to know it in this version: a record dated better
by an anchor that came later is a further version under the same id. Of the versions known at some moment the youngest
counts; the same fact twice is once. An operator never changes a fact: a `Declaration` says that one did not occur, or
that its data were incorrect, and a `Move` or a further declaration says what is right instead (EPCIS calls these
error declarations and corrective events).
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

from traceability.presence.moments import When

OUTSIDE = "outside"
"""The zone around all sites: one for the whole organisation."""

Order = tuple[int, str, int, str]
Reason = Literal["did_not_occur", "incorrect_data"]

MOVES_PERSON = frozenset({"completed", "assumed"})
MOVES_COUNT = frozenset({"anonymous", "forced", "tailgate"})
PERSONAL = frozenset({"credential", "group", "vehicle"})


@dataclass(frozen=True, slots=True)
class Punch:
    """A punch record. Zones are those of the movement, None where the direction is unknown; `refs` are record ids."""

    id: str
    known_ms: int
    when: When
    site: str
    portal: str
    lane: str
    direction: str
    from_zone: str | None
    to_zone: str | None
    kind: str
    token: str | None
    outcome: str
    confidence: str = "confirmed"
    count: int = 1
    device: str | None = None
    refs: tuple[str, ...] = ()

    @property
    def moves_person(self) -> bool:
        """Whether it moves whom it names. A direction that is unknown moves nobody: it is a sighting."""
        known = self.direction in {"in", "out"} and self.token is not None
        return known and self.outcome in MOVES_PERSON and self.kind in PERSONAL

    @property
    def moves_count(self) -> bool:
        """Whether somebody without a name went through."""
        return self.direction in {"in", "out"} and self.outcome in MOVES_COUNT


@dataclass(frozen=True, slots=True)
class Move:
    """An operator says where a subject went. `from_zone` None: wherever it was before."""

    id: str
    known_ms: int
    when: When
    subject: str
    site: str
    to_zone: str
    from_zone: str | None = None


@dataclass(frozen=True, slots=True)
class Counted:
    """An operator counted the people without a name in a zone; counts start from there."""

    id: str
    known_ms: int
    when: When
    site: str
    zone: str
    count: int


@dataclass(frozen=True, slots=True)
class Declaration:
    """An operator says that a fact is wrong. `instead`: ids of the facts that tell it right."""

    id: str
    known_ms: int
    target: str
    reason: Reason
    instead: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Unplaced:
    """A record that moves nobody because of what is wrong with it; said aloud by the question for gaps."""

    id: str
    known_ms: int
    why: Literal["undated", "unreadable"]


Fact = Punch | Move | Counted | Declaration | Unplaced


def order_of(fact: Punch | Move | Counted) -> Order:
    """The one order of facts: by best time, then by record."""
    return order(fact.when.best_ms, fact.id)


def order(best_ms: int, name: str) -> Order:
    """As `order_of`; within a stream by its numbers."""
    stream, _, seq = name.rpartition("/")
    return best_ms, stream, int(seq) if seq.isdecimal() else 0, name


def stream_of(name: str) -> str:
    """What a record's id has before its number: site, gateway, epoch."""
    return name.rpartition("/")[0]


def youngest(versions: Iterable[Fact], known_at_ms: int | None = None) -> Fact | None:
    """Of versions of one fact the one that counts at that moment; None: none was known."""
    known = [fact for fact in versions if known_at_ms is None or fact.known_ms <= known_at_ms]
    return max(known, key=lambda fact: (fact.known_ms, repr(fact)), default=None)


def voided(declarations: Iterable[Declaration]) -> frozenset[str]:
    """Ids of the facts, declarations included, that are declared wrong.

    A declaration can undo one that was made before it, never one after: so there is always one answer.
    """
    void: set[str] = set()
    later: set[str] = set()
    for declaration in sorted(declarations, key=lambda each: (each.known_ms, each.id), reverse=True):
        if declaration.id not in void and declaration.target not in later:
            void.add(declaration.target)
        later.add(declaration.id)
    return frozenset(void)
