"""Who is on the site, from presence and directory, with the honest remainder."""

from __future__ import annotations

from collections.abc import Set
from dataclasses import asdict, dataclass
from typing import Any

from gateway.directory.directory import Directory
from gateway.directory.presence import Gap, Presence


@dataclass(frozen=True, slots=True)
class Present:
    """One who is here. `who`: the person's id, else the visit's, else the token; `zone` None: nobody knows where."""

    who: str
    kind: str | None
    token: str
    zone: str | None
    lane: str
    at_ms: int
    dated: bool
    outcome: str
    doubts: int


@dataclass(frozen=True, slots=True)
class OnSite:
    """Times in unix ms. `unnamed`: by zone, who came without a name minus who went, since it is complete."""

    site: str
    gateway: str
    at_ms: int
    last_ms: int
    complete_ms: int | None
    people: list[Present]
    unnamed: dict[str, int]
    undirected: int
    ambiguous: int
    fire_ms: int | None
    gaps: list[Gap]

    def as_dict(self) -> dict[str, Any]:
        """For machines."""
        return asdict(self)

    def by_zone(self) -> dict[str, int]:
        """How many people with a name in each zone; those nobody knows where under `?`."""
        zones: dict[str, int] = {}
        for person in self.people:
            zones[person.zone or "?"] = zones.get(person.zone or "?", 0) + 1
        return zones


def on_site(
    names: tuple[str, str], presence: Presence, directory: Directory, outside: Set[str], now_ms: int
) -> OnSite:
    """The latest seen first. `names` are site and gateway, `outside` the zones that are not on the site."""
    people = [
        _present(token, each.zone, each, directory)
        for token, each in presence.people.items()
        if each.zone not in outside
    ]
    people.sort(key=lambda person: person.at_ms, reverse=True)
    unnamed = {zone: count for zone, count in sorted(presence.unnamed.items()) if count and zone not in outside}
    return OnSite(
        *names,
        now_ms,
        presence.last_ms,
        presence.complete_ms,
        people,
        unnamed,
        presence.undirected,
        presence.ambiguous,
        presence.fire_ms,
        list(presence.gaps),
    )


def _present(token: str, zone: str | None, seen: Any, directory: Directory) -> Present:
    person, visit = directory.person(token, seen.at_ms), directory.visit(token, seen.at_ms)
    who, kind = token, None
    if person is not None:
        who, kind = person.person, person.kind
    elif visit is not None:
        who, kind = visit.visit, "visit"
    return Present(who, kind, token, zone, seen.lane, seen.at_ms, seen.dated, seen.outcome, seen.doubts)
