"""Hold somebody's answers against the truth. The rule: right wherever records could tell, flagged wherever not.

`fold` is the plainest centre there can be: each punch that moves puts its card's owner where it says. In a calm city
that is the truth; in others it shows what a real centre is for.
"""

from __future__ import annotations

import json
from bisect import bisect_right
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from gateway.simulation.city.deliveries import Delivery
from gateway.simulation.city.layout import LanePlan, Layout, Place
from gateway.simulation.city.settings import OUTSIDE
from gateway.simulation.city.truth import Truth
from gateway.simulation.city.walk import TrueStay


@dataclass(frozen=True, slots=True)
class Claim:
    """Where somebody is said to be, None outside; `flagged`: the answer says itself that it may be wrong."""

    place: Place | None
    flagged: bool = False


Claims = Callable[[str, int], Claim]
"""Of a person at a moment (unix ms)."""


@dataclass
class Verdict:
    """How many answers, by what records could tell and what was said. Only `wrong` and `unflagged` are failures:
    wrong though records told it, and wrong without a flag where they did not.
    """

    agreed: int = 0
    overcautious: int = 0
    wrong: int = 0
    flagged: int = 0
    lucky: int = 0
    unflagged: int = 0
    examples: list[str] = field(default_factory=list)

    @property
    def total(self) -> int:
        return self.agreed + self.overcautious + self.wrong + self.flagged + self.lucky + self.unflagged

    def lines(self) -> Iterator[str]:
        """For people: the share of each."""
        names = {
            "agreed": "records told it, and the answer is right",
            "overcautious": "right, though flagged without need",
            "wrong": "RECORDS TOLD IT AND THE ANSWER IS WRONG",
            "flagged": "records could not tell, and the answer says so",
            "lucky": "records could not tell, and the answer is right without a flag",
            "unflagged": "RECORDS COULD NOT TELL, WRONG AND NOT FLAGGED",
        }
        for name, meaning in names.items():
            number: int = getattr(self, name)
            yield f"{number / max(1, self.total):8.3%}  {number:8}  {meaning}"


def compare(truth: Truth, claims: Claims, samples: Iterable[tuple[str, int]], examples: int = 10) -> Verdict:
    """Ask for each person at each moment."""
    verdict = Verdict()
    for person, at_ms in samples:
        place, doubt, claim = truth.place_of(person, at_ms), truth.doubt(person, at_ms), claims(person, at_ms)
        is_right = claim.place == place
        if doubt is None:
            kind = ("overcautious" if claim.flagged else "agreed") if is_right else "wrong"
        else:
            kind = "flagged" if claim.flagged else "lucky" if is_right else "unflagged"
        setattr(verdict, kind, getattr(verdict, kind) + 1)
        if kind in ("wrong", "unflagged") and len(verdict.examples) < examples:
            verdict.examples.append(f"{kind}: {person} at {at_ms} is at {place}, not {claim.place} ({doubt})")
    return verdict


def samples(truth: Truth, begin_ms: int, end_ms: int, every_ms: int) -> Iterator[tuple[str, int]]:
    """Everybody, every so often."""
    for at_ms in range(begin_ms, end_ms, every_ms):
        for person in truth.persons:
            yield person, at_ms


# --- the plainest centre


@dataclass(frozen=True, slots=True)
class Step:
    """A punch that moves: at its own time (unix ms), to a place; None: outside."""

    at_ms: int
    name: str
    token: str
    place: Place | None


def steps(layout: Layout, deliveries: Iterable[Delivery]) -> list[Step]:
    """The punches that move, each once, in order of their time."""
    lanes = {(lane.site, lane.rules.id): lane for lane in layout.lanes}
    punches: dict[str, dict[str, Any]] = {}
    offsets: dict[str, int] = {}
    for delivery in deliveries:
        for line in delivery.lines if delivery.leaf != "state" else ():
            if b'"punchgate.clock.anchor.v1"' in line:
                anchor = json.loads(line)["data"]
                if anchor["quality"]["state"] == "synced":
                    offsets[anchor["boot"]] = anchor["offset_ms"]
            elif b'"punchgate.punch.v1"' in line:
                event = json.loads(line)
                punches[event["id"]] = event
    found = [_step(event, lanes, offsets) for event in punches.values() if _moves(event["data"])]
    return sorted(found, key=lambda step: (step.at_ms, step.name))


def _moves(data: dict[str, Any]) -> bool:
    return data["outcome"] in ("completed", "assumed") and data["direction"] != "unknown"


def _step(event: dict[str, Any], lanes: dict[tuple[str, str], LanePlan], offsets: dict[str, int]) -> Step:
    """By its own clock, or where that was not good by the anchor of its boot."""
    data = event["data"]
    clock = data["clock"]
    at_ms = round(datetime.fromisoformat(event["time"]).timestamp() * 1000)
    if clock["state"] in ("unset", "restored") and clock["boot"] in offsets:
        at_ms = offsets[clock["boot"]] + clock["boot_ns"] // 1_000_000
    outer, inner = lanes[data["site"], data["lane"]].places_at(at_ms)
    place = inner if data["direction"] == "in" else outer
    return Step(at_ms, event["id"], data["subject"]["token"], None if place[1] == OUTSIDE else place)


def fold(truth: Truth, moves: Iterable[Step]) -> list[TrueStay]:
    """Everybody's stays as the punches have it, in the form of the truth."""
    owners: dict[str, list[tuple[int, int, str]]] = {}
    for bound in truth.bindings:
        until_ms = 2**62 if bound.to_ms is None else bound.to_ms
        owners.setdefault(bound.token, []).append((bound.from_ms, until_ms, bound.person))
    here: dict[str, tuple[Place, int]] = {}
    stays = []
    for move in moves:
        person = next((who for begin, end, who in owners.get(move.token, ()) if begin <= move.at_ms < end), None)
        if person is None:
            continue
        if person in here:
            place, since_ms = here.pop(person)
            stays.append(TrueStay(person, *place, since_ms, move.at_ms))
        if move.place is not None:
            here[person] = (move.place, move.at_ms)
    stays += [TrueStay(person, *place, since_ms, None) for person, (place, since_ms) in here.items()]
    return sorted(stays, key=lambda stay: (stay.from_ms, stay.person))


def claims_of(stays: Iterable[TrueStay]) -> Claims:
    """What a fold says, never flagged."""
    found: dict[str, list[TrueStay]] = {}
    for stay in stays:
        found.setdefault(stay.person, []).append(stay)

    def claim(person: str, at_ms: int) -> Claim:
        mine = found.get(person, [])
        at = bisect_right(mine, at_ms, key=lambda stay: stay.from_ms) - 1
        is_there = at >= 0 and (mine[at].to_ms is None or at_ms < (mine[at].to_ms or 0))
        return Claim((mine[at].site, mine[at].zone) if is_there else None)

    return claim
