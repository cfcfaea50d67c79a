"""Whom the contacts of somebody met afterwards, in the order of time, until they were isolated."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import partial

from traceability.presence.answers import Scope, scope_of
from traceability.presence.contacts import Bounds, Contact, Contacts, Rules, contacts, met
from traceability.presence.moments import Span
from traceability.presence.view import View


@dataclass(frozen=True, slots=True)
class SecondContact:
    """A contact of a contact, behind the first contact with `by`; `by` is the one met first."""

    subject: str
    by: str
    met_ms: int
    contact: Contact


@dataclass(frozen=True, slots=True)
class SecondDegree:
    """Whom the contacts met after they had met the subject, until they were isolated. `possible`: one of the two
    meetings, or both, or that they were in this order, is no more than possible.
    """

    scope: Scope
    subject: str
    first: Contacts
    second: tuple[SecondContact, ...]
    possible: tuple[SecondContact, ...]


@dataclass(slots=True)
class _Chain:
    """What was found so far; `known`: who is of the first degree."""

    known: frozenset[str]
    likely: dict[str, SecondContact] = field(default_factory=dict)
    possible: dict[str, SecondContact] = field(default_factory=dict)

    def is_settled(self, subject: str, link_is_likely: bool, since_ms: int) -> bool:
        """Whether a link that was met at `since_ms` has nothing to add: nobody is met before that by its means."""
        if subject in self.known or (not link_is_likely and subject in self.likely):
            return True
        held = (self.likely if link_is_likely else self.possible).get(subject)
        return held is not None and held.contact.first_ms <= since_ms

    def add(self, link: Contact, each: Contact, is_likely: bool) -> None:
        found = self.likely if is_likely else self.possible
        held = found.get(each.subject)
        if held is None or each.first_ms < held.contact.first_ms:
            found[each.subject] = SecondContact(each.subject, link.subject, link.first_ms, each)


def second_degree(
    view: View, subject: str, window: Span, isolated: Mapping[str, int] | None = None, rules: Rules | None = None
) -> SecondDegree:
    """Contacts of the contacts, in order of time. `isolated`: from when on somebody met nobody, unix ms."""
    until_ms, rules = isolated or {}, rules or Rules()
    first = contacts(view, subject, _before(window, until_ms.get(subject)), rules, Bounds(until_ms))
    likely = {each.subject for each in first.contacts}
    chain = _Chain(frozenset({subject, *likely}))
    sites = set(first.scope.sites)
    for link in sorted((*first.contacts, *first.possible), key=lambda each: (each.first_ms, each.subject)):
        later, is_likely = (
            _before(Span(link.first_ms, window.end_ms), until_ms.get(link.subject)),
            link.subject in likely,
        )
        if not later.length_ms:
            continue
        stays = view.of_subject(link.subject, later)
        sites |= {stay.site for stay in stays}
        settled = partial(chain.is_settled, link_is_likely=is_likely, since_ms=later.begin_ms)
        bounds = Bounds(until_ms, settled, link.first_likely_ms)
        likely_met, possibly_met, _ = met(view, link.subject, stays, later, rules, bounds)
        for each in likely_met:
            chain.add(link, each, is_likely)
        for each in possibly_met:
            chain.add(link, each, is_likely=False)
    return SecondDegree(
        scope_of(view, sites, first.scope.looked_at, window.end_ms),
        subject,
        first,
        tuple(sorted(chain.likely.values(), key=_by_time)),
        tuple(sorted((each for each in chain.possible.values() if each.subject not in chain.likely), key=_by_time)),
    )


def _before(window: Span, at_ms: int | None) -> Span:
    return window if at_ms is None else Span(window.begin_ms, max(window.begin_ms, min(window.end_ms, at_ms)))


def _by_time(each: SecondContact) -> tuple[int, str]:
    return each.contact.first_ms, each.subject
