"""Who carries which credential, from when to when; two people on one card at one time are a conflict, never a guess.

A binding is an operator's fact: it has `known_ms` and is never changed, only withdrawn or ended by a later version
under the same id. A token without a binding at the moment of a punch is a subject of its own, `card/TOKEN`, and stays
one for that moment for ever unless a binding is dated back. Bound, it is `person/ID`, whichever card was used.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from itertools import combinations
from typing import Literal

from traceability.presence.moments import FUTURE, Span

CARD, PERSON = "card/", "person/"


@dataclass(frozen=True, slots=True)
class Person:
    """What is known of a person: an id, never a name; `unit`: who answers for them. A change is a new version."""

    id: str
    kind: str = "employee"
    employer: str | None = None
    unit: str | None = None
    known_ms: int = 0

    @property
    def subject(self) -> str:
        return PERSON + self.id


@dataclass(frozen=True, slots=True)
class Binding:
    """A token is a person's from `from_ms` up to `to_ms` (None: until further notice). `withdrawn`: it never was."""

    id: str
    known_ms: int
    token: str
    person: str
    from_ms: int
    to_ms: int | None = None
    withdrawn: bool = False

    @property
    def span(self) -> Span:
        return Span(self.from_ms, FUTURE if self.to_ms is None else self.to_ms)


@dataclass(frozen=True, slots=True)
class Conflict:
    """Two people on one card at one time."""

    token: str
    first: Binding
    second: Binding
    span: Span


@dataclass(slots=True)
class Bindings:
    """All bindings and people, in versions; asked as of a moment of the world and of a moment of knowledge."""

    _people: dict[str, list[Person]] = field(default_factory=dict)
    _versions: dict[str, dict[str, list[Binding]]] = field(default_factory=dict)
    _held: dict[str, list[Binding]] = field(default_factory=dict, repr=False, compare=False)
    """By all that is known, of tokens that were asked for."""

    def add(self, binding: Binding) -> None:
        """Keep it; the same again changes nothing. ValueError for a span that ends before it begins."""
        if binding.to_ms is not None and binding.to_ms <= binding.from_ms:
            raise ValueError(f"binding {binding.id}: it ends before it begins")
        versions = self._versions.setdefault(binding.token, {}).setdefault(binding.id, [])
        if binding not in versions:
            versions.append(binding)
            self._held.pop(binding.token, None)

    def introduce(self, person: Person) -> None:
        """Keep what is known of a person; the same again changes nothing."""
        versions = self._people.setdefault(person.id, [])
        if person not in versions:
            versions.append(person)

    def refuse(self, binding: Binding) -> list[Conflict]:
        """What a new binding would contradict: the door at which an operator's mistake is stopped."""
        others = [other for other in self.of_token(binding.token) if other.id != binding.id]
        return [] if binding.withdrawn else [found for other in others for found in _clash(other, binding)]

    def of_token(self, token: str, known_at_ms: int | None = None) -> list[Binding]:
        """The bindings of a token that hold, by their beginning."""
        found = (_youngest(each, known_at_ms) for each in self._versions.get(token, {}).values())
        held = [binding for binding in found if binding is not None and not binding.withdrawn]
        return sorted(held, key=lambda binding: (binding.from_ms, binding.id))

    def _last(self, token: str) -> list[Binding]:
        if token in self._versions and token not in self._held:
            self._held[token] = self.of_token(token)
        return self._held.get(token, [])

    def conflicts(self, known_at_ms: int | None = None) -> list[Conflict]:
        """All contradictions there are, by token."""
        return [
            found
            for token in sorted(self._versions)
            for first, second in combinations(self.of_token(token, known_at_ms), 2)
            for found in _clash(first, second)
        ]

    def subject_of(self, token: str, at_ms: int, known_at_ms: int | None = None) -> str:
        """Whose the token was; the token itself if it was nobody's, or two people's at once."""
        held = self._last(token) if known_at_ms is None else self.of_token(token, known_at_ms)
        people = {each.person for each in held if each.span.holds(at_ms)}
        return PERSON + people.pop() if len(people) == 1 else CARD + token

    def tokens_of(self, subject: str, known_at_ms: int | None = None) -> list[str]:
        """The tokens that were ever a subject's."""
        if subject.startswith(CARD):
            return [subject.removeprefix(CARD)]
        person = subject.removeprefix(PERSON)
        return [
            token
            for token in sorted(self._versions)
            if any(held.person == person for held in self.of_token(token, known_at_ms))
        ]

    def person_of(self, subject: str) -> Person | None:
        """What is known of a subject; None: an unresolved card, or a person nobody has told of."""
        versions = self._people.get(subject.removeprefix(PERSON), []) if subject.startswith(PERSON) else []
        if len(versions) < 2:
            return versions[0] if versions else None
        return max(versions, key=lambda each: (each.known_ms, repr(each)))

    def state_of(self, token: str, at_ms: int) -> Literal["bound", "unresolved", "conflict"]:
        """How well a token is known at a moment."""
        people = {held.person for held in self.of_token(token) if held.span.holds(at_ms)}
        return "unresolved" if not people else "bound" if len(people) == 1 else "conflict"

    def as_known_at(self, known_at_ms: int) -> Bindings:
        """What was known at that moment."""
        then = Bindings()
        for person in (each for versions in self._people.values() for each in versions):
            if person.known_ms <= known_at_ms:
                then.introduce(person)
        for versions in self._versions.values():
            for each in versions.values():
                for binding in each:
                    if binding.known_ms <= known_at_ms:
                        then.add(binding)
        return then


def _youngest(versions: Iterable[Binding], known_at_ms: int | None) -> Binding | None:
    known = [each for each in versions if known_at_ms is None or each.known_ms <= known_at_ms]
    return max(known, key=lambda each: (each.known_ms, repr(each)), default=None)


def _clash(first: Binding, second: Binding) -> list[Conflict]:
    common = first.span.cut(second.span)
    if first.person == second.person or not common.length_ms:
        return []
    return [Conflict(first.token, first, second, common)]
