"""What has to be at the centre of those who presented a card at a machine, and what it may lack, and why."""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from itertools import pairwise
from typing import Any

from people import READ, Name, People, Swipe, name_of, token, told_lines

HELD_S = 0.1
"""For so long a daemon has in hand what it has read, as docs/faults.md says, where cards reach it at once."""
RECENT = 60
"""By so many cards, told of last before something happened, is known how long a card takes there."""
ROUNDED_S = 0.01
STARTED, STOPPED = "punchgate.gateway.started.v1", "punchgate.gateway.stopped.v1"
UP, DOWN = "punchgate.device.up.v1", "punchgate.device.down.v1"
Record = Mapping[str, Any]
Heard = Sequence[tuple[float, bytes]]
Clocks = Mapping[str, tuple[float, float]]
"""By boot, between what bounds the machine's clock was ahead of this one's, in seconds."""


@dataclass
class Verdict:
    """What the centre has of all swipes.

    `held_s`: how long before somebody was killed the first was presented whom it took; `bound_s`: how long might be.
    """

    swipes: int
    told: int
    lost: list[Swipe] = field(default_factory=list)
    in_hand: list[Swipe] = field(default_factory=list)
    unwatched: list[Swipe] = field(default_factory=list)
    held_s: float = 0.0
    bound_s: float = 0.0
    remarks: list[str] = field(default_factory=list)

    def __str__(self) -> str:
        return (
            f"{self.swipes} swipes, {self.told} records told: {len(self.lost)} lost, {len(self.in_hand)} in the hand"
            f" of the killed ({1000 * self.held_s:.0f} ms, and {1000 * self.bound_s:.0f} might be),"
            f" {len(self.unwatched)} while nobody watched"
        )


@dataclass(frozen=True, slots=True)
class Outage:
    """Nobody watched between these moments, unix time."""

    since: float
    until: float


@dataclass(frozen=True, slots=True)
class Wait:
    """How long a card waited until it was told of, at `told_at`, unix time."""

    device: str
    told_at: float
    waited_s: float


def judge(people: People, exported: Sequence[bytes], heard: Heard, clocks: Clocks | None = None) -> Verdict:
    """`exported`: the lines at the centre. `heard`: what the machine's ear told, and when, unix time."""
    records = [json.loads(line) for line in exported]
    told: dict[Name, bytes] = {}
    heard_at: dict[Name, float] = {}
    for at, name, line in told_lines(heard):
        told[name] = line
        heard_at.setdefault(name, at)
    clocks = clocks or {}
    reads = [it for it in records if it["type"] == READ]
    verdict = Verdict(len(people.swipes), len(told))
    waits = list(_waits(people.swipes, reads, heard_at))
    for run, last_up, gap in absent(people.swipes, records):
        after = _between(last_up, clocks)[0] if last_up else -math.inf
        strokes = [
            it.at for it in people.strokes if it.at > after and (not it.devices or run[0].device in it.devices)
        ]
        outage = outage_of(gap, strokes, heard_at, clocks)
        _weigh(run, outage, waits, verdict)
    held = {name_of(record): line for record, line in zip(records, exported, strict=True)}
    gone = [name for name, line in told.items() if held.get(name) != line]
    if gone:
        verdict.remarks.append(f"told, and gone or changed: {gone[:9]}")
    verdict.remarks += [
        *_invented(people.swipes, reads),
        *_misdated(people.swipes, reads, heard_at, clocks),
        *_chain(exported),
    ]
    return verdict


def absent(
    swipes: Sequence[Swipe], records: Sequence[Record]
) -> Iterator[tuple[list[Swipe], Record | None, Sequence[Record]]]:
    """Swipes one after another at one reader that were not read; since when it had been up before; and what the
    records say of it between the reads on both sides."""
    for device in dict.fromkeys(it.device for it in swipes):
        kinds = (STARTED, STOPPED, UP, DOWN, READ)
        story = [it for it in records if it["type"] in kinds and it["data"].get("device", device) == device]
        places = {it["data"]["subject"]["token"]: number for number, it in enumerate(story) if it["type"] == READ}
        run: list[Swipe] = []
        behind = 0
        for it in (it for it in swipes if it.device == device):
            place = places.get(token(it.card))
            if place is None:
                run.append(it)
                continue
            if run:
                yield run, _last_up(story[:behind]), story[behind:place]
            run, behind = [], place + 1
        if run:
            yield run, _last_up(story[:behind]), story[behind:]


def _last_up(story: Sequence[Record]) -> Record | None:
    return next((it for it in reversed(story) if it["type"] == UP), None)


def outage_of(
    gap: Sequence[Record], strokes: Sequence[float], heard_at: Mapping[Name, float], clocks: Clocks
) -> Outage | None:
    """From a stroke, or an orderly stop, until the device was up for good; None: by the records there was none."""
    if not any(it["type"] in (STARTED, DOWN) for it in gap):
        return None
    began = [_between(it, clocks)[0] for it in gap if it["type"] == STOPPED]
    if sum(it["type"] == STARTED for it in gap) > len(began) or any(it["type"] == DOWN for it in gap):
        began += strokes
    ended = [min(_between(it, clocks)[1], heard_at.get(name_of(it), math.inf)) for it in gap if it["type"] == UP]
    until = max(ended) if gap[-1]["type"] != DOWN and ended else math.inf
    return Outage(min(began, default=math.inf), until)


def _weigh(run: Sequence[Swipe], outage: Outage | None, waits: Sequence[Wait], to: Verdict) -> None:
    if outage is None:
        to.lost += run
        return
    recent = [it.waited_s for it in waits if it.device == run[0].device and it.told_at < outage.since][-RECENT:]
    bound_s = HELD_S + max(recent, default=0.0)
    for it in run:
        if outage.since <= it.at <= outage.until:
            to.unwatched.append(it)
        elif outage.since - bound_s <= it.at < outage.since:
            to.in_hand.append(it)
            to.held_s, to.bound_s = max(to.held_s, outage.since - it.at), max(to.bound_s, bound_s)
        else:
            to.lost.append(it)


def _waits(swipes: Sequence[Swipe], reads: Sequence[Record], heard_at: Mapping[Name, float]) -> Iterator[Wait]:
    presented = {token(it.card): it.at for it in swipes}
    for read in reads:
        at, heard = presented.get(read["data"]["subject"]["token"]), heard_at.get(name_of(read))
        if at is not None and heard is not None:
            yield Wait(read["data"]["device"], heard, heard - at)


def _between(record: Record, clocks: Clocks) -> tuple[float, float]:
    """Bounds of the record's time by the clock of this machine."""
    at = datetime.fromisoformat(record["time"]).timestamp()
    least, most = clocks.get(record["data"]["clock"].get("boot", ""), (0.0, 0.0))
    return at - most, at - least


def _invented(swipes: Sequence[Swipe], reads: Sequence[Record]) -> Iterator[str]:
    """Each card once, at its own reader, in the order of its people."""
    places = {token(it.card): (number, it.device) for number, it in enumerate(swipes)}
    order: dict[str, list[int]] = {}
    for read in reads:
        name, device = read["data"]["subject"]["token"], read["data"]["device"]
        if name not in places or places[name][1] != device:
            yield f"invented: {device} has {name}, which nobody presented there"
        else:
            order.setdefault(device, []).append(places[name][0])
    for device, numbers in order.items():
        if any(after <= before for before, after in pairwise(numbers)):
            yield f"{device} has cards twice, or out of turn"


def _misdated(
    swipes: Sequence[Swipe], reads: Sequence[Record], heard_at: Mapping[Name, float], clocks: Clocks
) -> Iterator[str]:
    """A card was read after it was presented, and before it was told of; by what the record says of its clock."""
    presented = {token(it.card): it.at for it in swipes}
    for read in reads:
        data = read["data"]
        earliest, latest = _between(read, clocks)
        error_s = (data["clock"].get("error_ms") or 0) / 1000
        first = presented.get(data["subject"]["token"], latest)
        beyond = max(first - latest, earliest - heard_at.get(name_of(read), math.inf)) - error_s
        if beyond > ROUNDED_S:
            yield f"misdated by {beyond:.1f} s: {data['seq']} at {data['device']}, {data['clock']}"


def _chain(exported: Sequence[bytes]) -> Iterator[str]:
    """Each line names the one before it."""
    for before, after in pairwise(exported):
        (epoch, seq), data = name_of(json.loads(before)), json.loads(after)["data"]
        if (data["epoch"], data["seq"]) != (epoch, seq + 1):
            yield f"chain: {data['epoch']} {data['seq']} follows {epoch} {seq}"
        elif data["prev"] != hashlib.sha256(before).hexdigest():
            yield f"chain: {data['seq']} does not name the line before it"
