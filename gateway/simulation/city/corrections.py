"""What an operator finds out later and tells: who left by the fire door, which punch never happened."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Literal

from gateway.simulation.city.blame import Unseen
from gateway.simulation.city.layout import NOWHERE
from gateway.simulation.city.settings import HOUR, MINUTE, OUTSIDE, Settings

FOUND_OUT = 0.5


@dataclass(frozen=True, slots=True)
class Correction:
    """A move of a person at `at_ms` to a zone of a site, or a record that tells what did not happen (`target`).
    The centre is told at `known_ms`.
    """

    kind: Literal["move", "did_not_occur"]
    known_ms: int
    at_ms: int
    person: str
    site: str
    to_zone: str | None
    target: str | None


def correct(settings: Settings, unseen: Iterable[Unseen]) -> Iterator[Correction]:
    """About half of what can be found out, a morning or so later."""
    rng = settings.random("corrections")
    for it in unseen:
        if it.why == "fire_door" and it.target == NOWHERE and rng.random() < FOUND_OUT:
            known_ms = it.at_ms + rng.randrange(8 * HOUR, 30 * HOUR)
            yield Correction("move", known_ms, it.at_ms, it.person, it.origin[0], OUTSIDE, None)
        elif it.why == "walked_away" and rng.random() < FOUND_OUT:
            known_ms = it.at_ms + rng.randrange(5 * MINUTE, 20 * HOUR)
            yield Correction("did_not_occur", known_ms, it.at_ms, it.person, it.site, None, it.record)
