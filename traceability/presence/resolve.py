"""From facts to steps: whose a punch was, where it led, and what it can move."""

from __future__ import annotations

from traceability.presence.atlas import Atlas
from traceability.presence.bindings import CARD, Bindings
from traceability.presence.facts import PERSONAL, Move, Punch
from traceability.presence.stays import How, Role, Step


def step_of(fact: Punch | Move, bindings: Bindings, atlas: Atlas, *, void: bool = False) -> Step | None:
    """The step a fact makes; None: it names nobody. `void`: it is declared wrong."""
    token = token_of(fact)
    if isinstance(fact, Move):
        return Step(
            fact.id,
            fact.when,
            fact.subject if token is None else bindings.subject_of(token, fact.when.best_ms),
            fact.site,
            fact.from_zone,
            fact.to_zone,
            "void" if void else "moved",
            "operator",
        )
    if token is None:
        return None
    zones = (fact.from_zone, fact.to_zone)
    site, outer, inner = atlas.placed(fact.site, fact.lane, fact.direction, zones, fact.when.best_ms)
    role: Role = "void" if void else _role(fact, inner)
    how: How = "assumed" if fact.outcome == "assumed" else "passed"
    return Step(
        fact.id,
        fact.when,
        bindings.subject_of(token, fact.when.best_ms),
        site,
        outer,
        inner if role in {"moved", "maybe"} else None,
        role,
        how,
        fact.lane,
        fact.portal,
        fact.count,
        fact.outcome,
    )


def token_of(fact: Punch | Move) -> str | None:
    """The card by which a fact names its subject; None: it names nobody, or a person."""
    if isinstance(fact, Move):
        return fact.subject.removeprefix(CARD) if fact.subject.startswith(CARD) else None
    return fact.token if fact.kind in PERSONAL else None


def flow_of(punch: Punch, atlas: Atlas, *, void: bool = False) -> Step:
    """A punch that moves a count, as a step of nobody."""
    zones = (punch.from_zone, punch.to_zone)
    site, outer, inner = atlas.placed(punch.site, punch.lane, punch.direction, zones, punch.when.best_ms)
    role: Role = "void" if void else "moved"
    return Step(
        punch.id,
        punch.when,
        "",
        site,
        outer,
        inner,
        role,
        "passed",
        punch.lane,
        punch.portal,
        punch.count,
        punch.outcome,
    )


def _role(punch: Punch, to_zone: str | None) -> Role:
    if to_zone is None or punch.direction not in {"in", "out"}:
        return "seen"
    if punch.moves_person:
        return "moved"
    return "maybe" if punch.outcome == "ambiguous" else "seen"
