"""A presence held in memory: the `View` that tests, small sites and the reference for one in tables have.

Whatever is added, in whatever order and how often: what it says depends on the set alone. `add`, `bind` and `chart`
tell which stays they ended and which they made, for whoever keeps those elsewhere.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence

from traceability.presence.atlas import Atlas, Map
from traceability.presence.bindings import Binding, Bindings, Person
from traceability.presence.coverage import Beat, Covered, Sign
from traceability.presence.facts import (
    Counted,
    Declaration,
    Fact,
    Move,
    Punch,
    Unplaced,
    order_of,
    voided,
    youngest,
)
from traceability.presence.index import Index
from traceability.presence.moments import Span
from traceability.presence.resolve import flow_of, step_of, token_of
from traceability.presence.stays import Stay, Step
from traceability.presence.timeline import Delta, Timeline
from traceability.presence.travel import Travel
from traceability.presence.view import Passing, Place
from traceability.presence.watch import Watches


class Presence:
    """All facts of an organisation, as far as they were known at `known_at_ms`; None: all there are."""

    def __init__(self, facts: Iterable[Fact] = (), *, people: Iterable[Person] = ()) -> None:
        self.known_at_ms: int | None = None
        self.atlas = Atlas()
        self.bindings = Bindings()
        for person in people:
            self.bindings.introduce(person)
        self.watches = Watches()
        self._versions: dict[str, list[Fact]] = {}
        self._held: dict[str, Fact] = {}
        self._void: frozenset[str] = frozenset()
        self._steps: dict[str, Step] = {}
        self._flows: dict[str, Step] = {}
        self._of_token: dict[str, set[str]] = {}
        self._lines: dict[str, Timeline] = {}
        self._index = Index()
        for fact in facts:
            self.add(fact)

    def add(self, fact: Fact) -> Delta:
        """Take one fact, or a further version of one."""
        versions = self._versions.setdefault(fact.id, [])
        if fact in versions:
            return Delta()
        versions.append(fact)
        held = youngest(versions)
        if held is None or held == self._held.get(fact.id):
            return Delta()
        self._held[fact.id] = held
        token = token_of(held) if isinstance(held, Punch | Move) else None
        if token is not None:
            self._of_token.setdefault(token, set()).add(held.id)
        delta = self._place(fact.id)
        return delta.then(self._declare()) if isinstance(held, Declaration) else delta

    def bind(self, binding: Binding) -> Delta:
        """Take one binding, or a further version of one: what its token did then finds its subject anew."""
        self.bindings.add(binding)
        return self._place(*sorted(self._of_token.get(binding.token, ())))

    def introduce(self, person: Person) -> None:
        """Take what is known of a person."""
        self.bindings.introduce(person)

    def chart(self, new: Map) -> Delta:
        """Take one version of the map: what its lanes read finds its zones anew."""
        self.atlas = self.atlas.having(new)
        delta = self._place(*sorted(name for name, held in self._held.items() if isinstance(held, Punch)))
        for subject in sorted(self._lines):
            changed = self._lines[subject].derive()
            self._index.apply(changed)
            delta = delta.then(changed)
        return delta

    def watch(self, evidence: Sign | Beat) -> None:
        """Take one sign of life."""
        self.watches.add(evidence)

    def as_known_at(self, known_at_ms: int) -> Presence:
        """What was known at that moment, derived from scratch."""
        then = Presence()
        then.known_at_ms = known_at_ms
        then.atlas = self.atlas.as_known_at(known_at_ms)
        then.bindings = self.bindings.as_known_at(known_at_ms)
        then.watches = self.watches.as_known_at(known_at_ms)
        for versions in self._versions.values():
            for fact in versions:
                if fact.known_ms <= known_at_ms:
                    then.add(fact)
        return then

    # --- the view

    @property
    def stays(self) -> list[Stay]:
        """All stays of everybody, by (subject, likely beginning, id)."""
        return [stay for subject in sorted(self._lines) for stay in self._lines[subject].stays]

    def has(self, name: str) -> bool:
        """Whether a fact of that id is here, declared wrong or not."""
        return name in self._held

    def subjects_known(self) -> list[str]:
        """All who ever made a step."""
        return sorted(self._lines)

    def line(self, subject: str) -> Timeline:
        """The steps and stays of one of them. LookupError for a stranger."""
        return self._lines[subject]

    def sites(self) -> list[str]:
        return sorted({site for site, _ in self.watches.gateways})

    def person(self, subject: str) -> Person | None:
        return self.bindings.person_of(subject)

    def owner(self, token: str, at_ms: int) -> str:
        return self.bindings.subject_of(token, at_ms)

    def of_subject(self, subject: str, window: Span) -> list[Stay]:
        line = self._lines.get(subject)
        return [] if line is None else [stay for stay in line.stays if stay.extent("possible").meets(window)]

    def in_zones(self, places: Collection[Place], window: Span) -> list[Stay]:
        zones = sorted({(place.site, place.zone) for place in places})
        return sorted((stay for zone in zones for stay in self._index.during(zone, window)), key=_by_subject)

    def in_zones_each(self, asked: Sequence[tuple[Collection[Place], Span]]) -> list[list[Stay]]:
        return [self.in_zones(places, window) for places, window in asked]

    def in_site(self, site: str, window: Span) -> list[Stay]:
        zones = self._index.zones_of(site)
        return sorted((stay for zone in zones for stay in self._index.during(zone, window)), key=_by_subject)

    def unentered(self, site: str, window: Span) -> list[Stay]:
        return [stay for stay in self.in_site(site, window) if "no_entry" in stay.flags]

    def steps_of(self, subject: str, window: Span) -> list[Step]:
        line = self._lines.get(subject)
        return [] if line is None else [step for step in line.steps if _counts(step, window)]

    def passing(self, asked: Sequence[tuple[str, str, Span]]) -> list[list[Passing]]:
        return [self._passing(site, lane, window) for site, lane, window in asked]

    def flows(self, site: str, window: Span) -> list[Step]:
        found = [step for step in self._flows.values() if step.site == site and _counts(step, window)]
        return sorted(found, key=lambda step: step.order)

    def counted(self, site: str, window: Span) -> list[Counted]:
        found = [held for held in self._held.values() if isinstance(held, Counted) and held.site == site]
        found = [held for held in found if held.id not in self._void and window.holds(held.when.best_ms)]
        return sorted(found, key=order_of)

    def subjects(self, window: Span) -> list[str]:
        return [
            subject
            for subject in self.subjects_known()
            if self.of_subject(subject, window) or self.steps_of(subject, window)
        ]

    def unplaced(self) -> list[Unplaced]:
        found = [held for held in self._held.values() if isinstance(held, Unplaced) and held.id not in self._void]
        return sorted(found, key=lambda held: held.id)

    def coverage(self, site: str, window: Span) -> list[Covered]:
        return self.watches.coverage(site, window)

    def coverages(self, sites: Collection[str], window: Span) -> dict[str, list[Covered]]:
        return {site: self.watches.coverage(site, window) for site in sites}

    # --- inside

    def _passing(self, site: str, lane: str, window: Span) -> list[Passing]:
        found = [step for step in self._steps.values() if (step.site, step.lane) == (site, lane)]
        ordered = sorted((step for step in found if _counts(step, window)), key=lambda step: step.order)
        return [Passing(step.subject, step.when.best_ms) for step in ordered]

    def _declare(self) -> Delta:
        """Find out anew what is declared wrong."""
        before = self._void
        self._void = voided(held for held in self._held.values() if isinstance(held, Declaration))
        return self._place(*sorted(before ^ self._void))

    def _place(self, *names: str) -> Delta:
        """Put the steps of these facts where they belong now."""
        delta = Delta()
        for name in names:
            new, old = self._step(name), self._steps.get(name)
            if new == old:
                continue
            if old is not None:
                delta = delta.then(self._lines[old.subject].drop(old))
                del self._steps[name]
            if new is not None:
                self._steps[name] = new
                if new.subject not in self._lines:
                    self._lines[new.subject] = Timeline(travel=self._travel)
                delta = delta.then(self._lines[new.subject].put(new))
        self._index.apply(delta)
        return delta

    def _step(self, name: str) -> Step | None:
        """The step of a named subject that a fact makes now; what moves counts is put among the flows."""
        fact, void = self._held.get(name), name in self._void
        if isinstance(fact, Punch) and fact.moves_count:
            self._flows[name] = flow_of(fact, self.atlas, void=void)
        if isinstance(fact, Punch | Move):
            return step_of(fact, self.bindings, self.atlas, void=void)
        return None

    def _travel(self, at_ms: int) -> Travel:
        return self.atlas.at(at_ms).travel


def _by_subject(stay: Stay) -> tuple[str, int, str]:
    return stay.subject, stay.start.when.best_ms, stay.id


def _counts(step: Step, window: Span) -> bool:
    return step.role != "void" and window.holds(step.when.best_ms)
