"""People who go to work for weeks, as rows of the tables of presence: many stays without a ledger behind them.

Each person goes from `outside` through a lobby to an office, many to the canteen and back, and out again; some
crossings nobody saw. The stays are those that the rule of `presence` makes of the steps. One seed, one population.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from itertools import groupby
from operator import attrgetter
from random import Random

from routine import WEEK_MS, routine_of

from traceability.presence.coverage import Sign
from traceability.presence.moments import DAY_MS, FUTURE, HOUR_MS, MINUTE_MS, When
from traceability.presence.stays import Stay, Step
from traceability.presence.timeline import Timeline
from traceability.whereabouts.rows import Row, sign_row, stay_row, step_row

MONDAY_MS = 1_767_571_200_000
ERROR_MS, KNOWN_AFTER_MS = 12, 1000
OFFICE_PEOPLE, CANTEEN_PEOPLE, LANES_OF_GATEWAY = 80, 2500, 8
UNSEEN, AWAY, LUNCH, NIGHT = 0.005, 0.08, 0.5, 0.05
EPOCH = "5c1f0a9be2d74f11"
STAYS_A_WEEK = 23.2
"""Of one person, about."""

Crossing = tuple[int, int, str, str, str]
"""When, who, by which lane, from where, to where."""


@dataclass(frozen=True, slots=True)
class Lane:
    id: str
    stream: int
    gateway: str


@dataclass(slots=True)
class Site:
    """`first`: the number of its first person; streams are numbered from `stream` on."""

    id: str
    first: int
    people: int
    stream: int
    lanes: dict[str, Lane] = field(default_factory=dict)
    zones: dict[str, tuple[str, str]] = field(default_factory=dict)
    """By lane: from and to of a movement in."""
    newest: dict[str, int] = field(default_factory=dict)

    def __post_init__(self) -> None:
        names = [(f"gate-{n}", ("outside", f"lobby-{n}")) for n in range(self.halls)]
        names += [(f"door-{n}", (f"lobby-{n % self.halls}", f"office-{n}")) for n in range(self.offices)]
        names += [(f"hatch-{n}", (f"lobby-{n}", f"canteen-{n}")) for n in range(self.halls)]
        for number, (name, zones) in enumerate(names):
            box = number // LANES_OF_GATEWAY
            self.lanes[name] = Lane(name, self.stream + box, f"edge-{box:02}")
            self.zones[name] = zones
        self.newest = {lane.gateway: 0 for lane in self.lanes.values()}

    @property
    def halls(self) -> int:
        """Lobbies with a canteen each."""
        return -(-self.people // CANTEEN_PEOPLE)

    @property
    def offices(self) -> int:
        return -(-self.people // OFFICE_PEOPLE)

    @property
    def gateways(self) -> dict[str, int]:
        """Names and streams."""
        return {lane.gateway: lane.stream for lane in self.lanes.values()}


@dataclass(slots=True)
class Rows:
    """Of one site and one week, by table."""

    signs: list[Row] = field(default_factory=list)
    steps: list[Row] = field(default_factory=list)
    stays: list[Row] = field(default_factory=list)
    beats: list[Row] = field(default_factory=list)

    @property
    def held(self) -> int:
        """Stays that are believed still."""
        return sum(row["known_to"] == FUTURE for row in self.stays)


def sites_of(count: int, people: int, biggest: int) -> list[Site]:
    """One big site, and the others of one size."""
    sites, first, stream = [], 0, 1
    for number in range(count):
        size = biggest if number == 0 else (people - biggest) // (count - 1)
        sites.append(Site(f"s{number:02}", first, size, stream))
        first += size
        stream += len(sites[-1].gateways)
    return sites


def subject_of(person: int) -> str:
    return f"person/p{person:05}"


def weeks_of(site: Site, weeks: int, now_ms: int, watched_ms: int) -> Iterator[Rows]:
    """The rows of each week, up to `now_ms`, which is in the last one: a week of its own, the others are the first
    again. Of the time before `watched_ms` there are the stays, and nothing else."""
    first = _rows(site, MONDAY_MS, now_ms)
    a_week = dict(site.newest)
    held = [routine_of(row, a_week) for row in first.stays if row["known_to"] == FUTURE]
    for week in range(weeks - 1):
        if MONDAY_MS + WEEK_MS * (week + 1) > watched_ms:
            yield _watched(_again(site, first, a_week, week), watched_ms)
        else:
            yield Rows(stays=[each.again(week) for each in held])
    site.newest = {gateway: seq * (weeks - 1) for gateway, seq in a_week.items()}
    yield _watched(_rows(site, MONDAY_MS + WEEK_MS * (weeks - 1), now_ms), watched_ms)


def _again(site: Site, first: Rows, a_week: Mapping[str, int], week: int) -> Rows:
    of_stream = {stream: gateway for gateway, stream in site.gateways.items()}
    return Rows(
        [routine_of(row, a_week, of_stream[int(str(row["stream"]))]).again(week) for row in first.signs],
        [routine_of(row, a_week).again(week) for row in first.steps],
        [routine_of(row, a_week).again(week) for row in first.stays],
        [routine_of(row, a_week, str(row["gateway"])).again(week) for row in first.beats],
    )


def _watched(rows: Rows, watched_ms: int) -> Rows:
    """Without what nobody looks at any more."""
    rows.signs = [row for row in rows.signs if int(str(row["best_ms"])) >= watched_ms]
    rows.steps = [row for row in rows.steps if int(str(row["best_ms"])) >= watched_ms]
    rows.beats = [row for row in rows.beats if int(str(row["at_ms"])) >= watched_ms]
    rows.stays = [row for row in rows.stays if row["known_to"] == FUTURE or int(str(row["known_from"])) >= watched_ms]
    return rows


def _rows(site: Site, begin_ms: int, now_ms: int) -> Rows:
    """One week."""
    end_ms = min(begin_ms + WEEK_MS, now_ms)
    crossings = sorted(_week(site, begin_ms, Random(f"{site.id}/{begin_ms}")))
    rows = Rows()
    _lives(site, rows, begin_ms)
    steps = _steps(site, rows, [each for each in crossings if each[0] < end_ms])
    _beats(site, rows, begin_ms, end_ms)
    for _, own in groupby(sorted(steps, key=attrgetter("subject")), key=attrgetter("subject")):
        for stay in Timeline(own).stays:
            _stay(rows, stay)
    return rows


def _week(site: Site, begin_ms: int, chance: Random) -> Iterator[Crossing]:
    for person in range(site.first, site.first + site.people):
        at_night = chance.random() < NIGHT
        way: list[Crossing] = []
        for day in range(5):
            if chance.random() >= AWAY:
                way += _day(site, person, begin_ms + day * DAY_MS, chance, at_night=at_night)
        yield from (each for each in way[:-1] if chance.random() >= UNSEEN)
        yield from way[-1:]


def _day(site: Site, person: int, day_ms: int, chance: Random, *, at_night: bool) -> Iterator[Crossing]:
    office = (person - site.first) % site.offices
    hall = office % site.halls
    lobby, room, canteen = f"lobby-{hall}", f"office-{office}", f"canteen-{hall}"
    at_ms = day_ms + round(chance.gauss(21 if at_night else 8, 0.6) * HOUR_MS)

    def walk(lane: str, here: str, there: str, minutes: float) -> Crossing:
        nonlocal at_ms
        at_ms += max(5000, round(chance.gauss(minutes, minutes / 4) * MINUTE_MS))
        return at_ms, person, lane, here, there

    gate, door, hatch = f"gate-{hall}", f"door-{office}", f"hatch-{hall}"
    yield walk(gate, "outside", lobby, 1)
    yield walk(door, lobby, room, 1.5)
    if chance.random() < LUNCH:
        yield walk(door, room, lobby, 240)
        yield walk(hatch, lobby, canteen, 1)
        yield walk(hatch, canteen, lobby, 30)
        yield walk(door, lobby, room, 1)
        yield walk(door, room, lobby, 230)
    else:
        yield walk(door, room, lobby, 480)
    yield walk(gate, lobby, "outside", 1)


def _steps(site: Site, rows: Rows, crossings: list[Crossing]) -> list[Step]:
    steps = []
    for at_ms, person, name, here, there in crossings:
        lane = site.lanes[name]
        seq = site.newest[lane.gateway] + 3
        site.newest[lane.gateway] = seq
        when = When(at_ms, at_ms - ERROR_MS, at_ms + ERROR_MS)
        step = Step(
            f"{site.id}/{lane.gateway}/{EPOCH}/{seq}", when, subject_of(person), site.id, here, there,
            lane=name, portal=name, outcome="completed",
        )  # fmt: skip
        steps.append(step)
        rows.steps.append(step_row(step, f"k1:{person:05}", at_ms + KNOWN_AFTER_MS))
        device = f"{name}-in" if there == site.zones[name][1] else f"{name}-out"
        kinds = (("credential.read", device), ("passage.sensed", f"{name}-sensor"), ("punch", device))
        for back, (kind, which) in enumerate(kinds):
            rows.signs.append(_sign(site, lane, seq - 2 + back, at_ms, kind, lane=name, device=which))
    return steps


def _lives(site: Site, rows: Rows, begin_ms: int) -> None:
    """Each gateway starts anew once a week, and one of its readers is away for a while."""
    for gateway in sorted(site.gateways):
        lanes = [lane for lane in site.lanes.values() if lane.gateway == gateway]
        told = [("gateway.stopped", None, None), ("gateway.started", None, None)]
        for lane in lanes:
            told += [("device.up", lane.id, f"{lane.id}-{what}") for what in ("in", "out", "sensor")]
        told += [(kind, lanes[0].id, f"{lanes[0].id}-in") for kind in ("device.down", "device.up")]
        for number, (kind, name, device) in enumerate(told):
            site.newest[gateway] += 1
            at_ms = begin_ms + 1000 * number
            rows.signs.append(_sign(site, lanes[0], site.newest[gateway], at_ms, kind, lane=name, device=device))


def _sign(site: Site, at: Lane, seq: int, at_ms: int, kind: str, **named: str | None) -> Row:
    known_ms = at_ms + KNOWN_AFTER_MS
    name = f"{site.id}/{at.gateway}/{EPOCH}/{seq}"
    sign = Sign(name, known_ms, at_ms, site.id, at.gateway, EPOCH, seq, kind, portal=named["lane"], **named)
    dates = (at_ms, at_ms - ERROR_MS, at_ms + ERROR_MS)
    return sign_row((at.stream, seq), dates, sign, known_ms, kind=kind, live=True)


def _beats(site: Site, rows: Rows, begin_ms: int, end_ms: int) -> None:
    """One a minute, with the newest number there was then."""
    for gateway, stream in site.gateways.items():
        seqs = iter([row for row in rows.signs if row["stream"] == stream])
        after, newest = next(seqs, None), 0
        for at_ms in range(begin_ms, end_ms, MINUTE_MS):
            while after is not None and int(str(after["best_ms"])) <= at_ms:
                newest, after = int(str(after["seq"])), next(seqs, None)
            row = {"site": site.id, "gateway": gateway, "at_ms": at_ms, "online": True}
            rows.beats.append(row | {"epoch": EPOCH, "newest": newest})


def _stay(rows: Rows, stay: Stay) -> None:
    """As it is known now, and as it was known while it was open."""
    begin_ms = stay.start.when.best_ms + KNOWN_AFTER_MS
    if stay.end is None:
        rows.stays.append(stay_row(stay, begin_ms))
        return
    end_ms = max(begin_ms, stay.end.when.best_ms + KNOWN_AFTER_MS)
    rows.stays.append(stay_row(stay, end_ms))
    if end_ms > begin_ms:
        was = stay_row(replace(stay, end=None, seen=stay.start.when), begin_ms)
        rows.stays.append(was | {"known_to": end_ms})
