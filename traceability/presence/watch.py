"""The evidence of one gateway made into layers of coverage; see `coverage` for what they mean."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import pairwise

from traceability.presence.coverage import MOST, Beat, Covered, Layer, Lost, Sign, paint
from traceability.presence.moments import FUTURE, PAST, Span

SILENT = "no pass sensed"
STARTED, STOPPED = "gateway.started", "gateway.stopped"
FIRE, MODE = "portal.fire", "portal.mode"
Key = tuple[str, str]


@dataclass(frozen=True, slots=True, order=True)
class Run:
    """Records in a row of one life of a gateway: seqs and times of the first and the last, how it began and ended."""

    begin_ms: int
    end_ms: int
    epoch: str
    first: int
    last: int
    started: bool
    stopped: bool


@dataclass(slots=True)
class Watch:
    """The signs and heartbeats of one gateway; in any order, twice, late.

    `runs`: of all its records, where `signs` are only those that tell more than that it lived; None: they are all.
    """

    signs: set[Sign] = field(default_factory=set)
    beats: set[Beat] = field(default_factory=set)
    runs: Sequence[Run] | None = None
    _layers: dict[str, list[Layer]] | None = None

    def add(self, evidence: Sign | Beat) -> None:
        """Take one; the same again changes nothing."""
        if isinstance(evidence, Sign):
            self.signs.add(evidence)
        else:
            self.beats.add(evidence)
        self._layers = None

    def of_lanes(self) -> dict[str, list[Layer]]:
        """The layers of each lane that any of the signs names."""
        if self._layers is None:
            self._layers = self._of_lanes()
        return self._layers

    def _of_lanes(self) -> dict[str, list[Layer]]:
        signs = _held(self.signs)
        runs = list(runs_of(signs)) if self.runs is None else sorted(self.runs)
        lanes = sorted({sign.lane for sign in signs if sign.lane is not None})
        common = [*self._lives(runs), *_losses(signs, runs, None)]
        return {lane: [*common, *_losses(signs, runs, lane), *_of_lane(signs, lane)] for lane in lanes}

    def _lives(self, runs: Sequence[Run]) -> Iterator[Layer]:
        for run, after in pairwise(runs):
            yield Span(run.begin_ms, run.end_ms), "observed", ""
            yield from self._between(run, after)
        for run in runs[-1:]:
            yield Span(run.begin_ms, run.end_ms), "observed", ""
            yield from self._tail(run)

    def _between(self, run: Run, after: Run) -> Iterator[Layer]:
        """What is known of the time between two runs."""
        alive_ms = self._alive_ms(run, after.begin_ms)
        if after.epoch == run.epoch and after.first > run.last + 1:
            yield Span(run.end_ms, after.begin_ms), "pending", f"{run.last + 1}–{after.first - 1} are missing"
            return
        if after.epoch != run.epoch and (after.first > 1 or self._newest(run) > run.last):
            yield Span(run.end_ms, after.begin_ms), "pending", "the end or the beginning of a journal is missing"
        yield Span(run.end_ms, alive_ms), "observed", ""
        yield (
            Span(alive_ms, after.begin_ms),
            "blind",
            "the gateway was stopped" if run.stopped else "the gateway died",
        )

    def _tail(self, run: Run) -> Iterator[Layer]:
        """What is known behind the last record."""
        if run.stopped:
            yield Span(run.end_ms, FUTURE), "blind", "the gateway was stopped"
            return
        alive_ms = self._alive_ms(run, FUTURE)
        yield Span(run.end_ms, alive_ms), "observed", ""
        yield Span(alive_ms, FUTURE), "pending", "not heard since"

    def _alive_ms(self, run: Run, before_ms: int) -> int:
        """The last time it was heard with nothing recorded beyond the run."""
        beats = [
            beat.at_ms
            for beat in self.beats
            if beat.online
            and run.end_ms <= beat.at_ms <= before_ms
            and (beat.epoch, beat.newest) == (run.epoch, run.last)
        ]
        return run.end_ms if run.stopped else max(beats, default=run.end_ms)

    def _newest(self, run: Run) -> int:
        return max((beat.newest or 0 for beat in self.beats if beat.epoch == run.epoch), default=0)


@dataclass(slots=True)
class Watches:
    """All gateways."""

    gateways: dict[Key, Watch] = field(default_factory=dict)

    def add(self, evidence: Sign | Beat) -> None:
        """Take one sign of life; the same again changes nothing."""
        self.gateways.setdefault((evidence.site, evidence.gateway), Watch()).add(evidence)

    def coverage(self, site: str, window: Span) -> list[Covered]:
        """Of all lanes of a site, by (lane, begin)."""
        layers: dict[str, list[Layer]] = {}
        for (place, _), watch in sorted(self.gateways.items(), key=lambda each: each[0]):
            if place == site:
                for lane, found in watch.of_lanes().items():
                    seen = paint(site, lane, window, found)
                    layers.setdefault(lane, []).extend((each.span, each.state, each.why) for each in seen)
        return [covered for lane in sorted(layers) for covered in paint(site, lane, window, layers[lane], MOST)]

    def as_known_at(self, known_at_ms: int) -> Watches:
        """What was known at that moment."""
        then = Watches()
        for watch in self.gateways.values():
            known: list[Sign | Beat] = [*watch.signs, *watch.beats]
            for evidence in known:
                if evidence.known_ms <= known_at_ms:
                    then.add(evidence)
        return then


def runs_of(signs: Iterable[Sign]) -> Iterator[Run]:
    """Signs of one gateway as runs, in order of time. What is told from a device's memory has no time of its own."""
    by_epoch: dict[str, list[Sign]] = {}
    for sign in signs:
        by_epoch.setdefault(sign.epoch, []).append(sign)
    runs: list[Run] = []
    for of_epoch in by_epoch.values():
        row: list[Sign] = []
        for sign in sorted(of_epoch, key=lambda each: each.seq):
            if row and (sign.seq != row[-1].seq + 1 or sign.kind == STARTED):
                runs += _run(row)
                row = []
            row.append(sign)
        runs += _run(row)
    yield from sorted(runs)


def _run(row: Sequence[Sign]) -> list[Run]:
    times = [sign.at_ms for sign in row if sign.live] or [sign.at_ms for sign in row]
    if not times:
        return []
    first, last = row[0], row[-1]
    stopped = last.kind == STOPPED
    return [Run(min(times), max(times), first.epoch, first.seq, last.seq, first.kind == STARTED, stopped)]


def _held(signs: Iterable[Sign]) -> list[Sign]:
    """Of versions of one record the youngest, in order of time."""
    held: dict[str, Sign] = {}
    for sign in sorted(signs, key=lambda each: (each.known_ms, repr(each))):
        held[sign.id] = sign
    return sorted(held.values(), key=lambda each: (each.at_ms, each.epoch, each.seq))


def _of_lane(signs: Sequence[Sign], lane: str) -> Iterator[Layer]:
    yield from _devices(signs, lane)
    yield from _alarms(signs, lane)
    yield from _silences(signs, lane)


def _devices(signs: Sequence[Sign], lane: str) -> Iterator[Layer]:
    """When a device of the lane was down; after a start until it is heard."""
    devices = sorted({sign.device for sign in signs if sign.lane == lane and sign.device is not None})
    for device in devices:
        down_ms: int | None = None
        why = ""
        for sign in signs:
            if sign.kind == STARTED or (sign.device == device and sign.kind == "device.down"):
                if down_ms is None:
                    down_ms = sign.at_ms
                    why = f"{device} was down" if sign.kind != STARTED else f"{device} was not heard after the start"
            elif sign.device == device and sign.live and down_ms is not None:
                yield Span(down_ms, sign.at_ms), "blind", why
                down_ms = None
        if down_ms is not None:
            yield Span(down_ms, FUTURE), "blind", why


def _alarms(signs: Sequence[Sign], lane: str) -> Iterator[Layer]:
    """When an alarm took the names from all who passed the portal of the lane."""
    portals = {sign.portal for sign in signs if sign.lane == lane and sign.portal is not None}
    for kind in (FIRE, MODE):
        since_ms: int | None = None
        for sign in (each for each in signs if each.kind == kind and each.portal in portals):
            on = sign.active is True if kind == FIRE else sign.reason == "emergency"
            if on and since_ms is None:
                since_ms = sign.at_ms
            elif not on and since_ms is not None:
                yield Span(since_ms, sign.at_ms), "blind", "an alarm: passes have no names"
                since_ms = None
        if since_ms is not None:
            yield Span(since_ms, FUTURE), "blind", "an alarm: passes have no names"


def _silences(signs: Sequence[Sign], lane: str) -> Iterator[Layer]:
    """When a sensor was there and sensed nobody: since the last pass, or the start, until that was found out."""
    since_ms: int | None = None
    for sign in signs:
        if sign.kind == STARTED or (sign.kind == "passage.sensed" and sign.lane == lane and sign.live):
            since_ms = sign.at_ms
        is_found = sign.kind == "device.fault" and sign.lane == lane and (sign.reason or "").startswith(SILENT)
        if is_found and since_ms is not None:
            yield Span(since_ms, sign.at_ms), "blind", "the sensor was silent"


def _losses(signs: Sequence[Sign], runs: Sequence[Run], lane: str | None) -> Iterator[Layer]:
    """What was declared lost: for all lanes (None), or for the one whose device it names."""
    devices = {sign.device for sign in signs if sign.lane == lane and sign.device is not None}
    for sign in signs:
        lost = sign.lost
        if lost is None or not (lost.device is None if lane is None else lost.device in devices):
            continue
        if _has_come(runs, lost):
            continue
        begin_ms, end_ms = _bounds(runs, lost.epoch, lost.first, lost.last)
        begin_ms = lost.from_ms if lost.from_ms is not None else begin_ms
        end_ms = lost.to_ms if lost.to_ms is not None else end_ms
        yield Span(begin_ms, sign.at_ms if end_ms is None else end_ms), "lost", f"records lost: {lost.cause}"


def _has_come(runs: Sequence[Run], lost: Lost) -> bool:
    """Whether all the numbers declared lost are here after all."""
    first, last = lost.first, lost.last
    if first is None or last is None:
        return False
    return any(run.epoch == lost.epoch and run.first <= first and last <= run.last for run in runs)


def _bounds(runs: Sequence[Run], epoch: str | None, first: int | None, last: int | None) -> tuple[int, int | None]:
    """The times around numbers that are not there."""
    before = [run.end_ms for run in runs if run.epoch == epoch and first is not None and run.last < first]
    after = [run.begin_ms for run in runs if run.epoch == epoch and last is not None and run.first > last]
    return max(before, default=PAST), min(after, default=None)
