"""The passage station: events of devices in, facts and punches out, in the order in which they become known.

It owns no clock, port or journal. Each call gets the moment at which something happened and returns the drafts that
belong into one transaction; `deadline` says when `tick` is wanted next. A device counts as absent until `device_up`:
a window that nobody is known to watch is not watched.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from math import isfinite

from drivers import cards, events
from gateway.clock import Moment
from gateway.passage import pairing, recovery
from gateway.passage.changing import hand_over, new_lane
from gateway.passage.evidence import Pass, Read
from gateway.passage.memory import Lane
from gateway.passage.recovery import OpenRead
from gateway.passage.rules import DeviceRules, LaneRules, Privacy
from gateway.passage.table import WorldInput
from gateway.records import CredentialRead, Direction, Draft, Notice, PassageSensed

NOTICES = {"fire": "portal.fire", "held": "portal.held", "forced": "portal.forced", "tamper": "device.tamper"}
PASSES: dict[str, Direction] = {"pass_in": "in", "pass_out": "out"}
EMERGENCY_MODE = "emergency"


@dataclass(slots=True, eq=False)
class _Device:
    rules: DeviceRules
    lane: Lane
    view: tuple[str, ...]
    active: set[str] = field(default_factory=set)


class Passage:
    """All lanes of a gateway. Unknown device ids raise KeyError: the composition root knows its devices."""

    def __init__(self, lanes: Sequence[LaneRules], devices: Sequence[DeviceRules], privacy: Privacy) -> None:
        self._out: list[Draft] = []
        self._privacy = privacy
        self._lanes = {rules.id: new_lane(rules, devices, self._out) for rules in lanes}
        self._devices = {rules.id: self._device(rules) for rules in devices}
        self._fires: dict[str, set[tuple[str, str]]] = {rules.portal: set() for rules in lanes}

    def handle(self, device_id: str, event: events.Event, moment: Moment) -> list[Draft]:
        """What a driver said at `moment`. Frames that say nothing and refused bytes give no drafts."""
        device = self._devices[device_id]
        self._elapse(device, moment)
        match event:
            case events.CardRead() | events.Scan():
                self._read(device, event, moment)
            case events.Passage():
                direction = _direction(device.rules.directions.get(event.direction))
                flagged = event.fields.get("tailgate") is True
                self._pass(device, direction, event.count, moment, _late_s(device, event), flagged)
            case events.Input():
                self._input(device, event, moment)
            case events.DeviceChange():
                self._change(device, event, moment)
        return self._drain()

    def tick(self, moment: Moment) -> list[Draft]:
        """Let time pass: close windows, end waits and runs of repeats that are due."""
        for lane in self._lanes.values():
            pairing.elapse(lane, moment, inclusive=True)
        return self._drain()

    def deadline(self) -> float | None:
        """When `tick` is wanted next, in monotonic seconds; None: not before something happens."""
        dues = (lane.due() for lane in self._lanes.values())
        return min((due for due in dues if due is not None), default=None)

    def token(self, device_id: str, event: events.CardRead | events.Scan) -> str | None:
        """What stands for this card in records of this device."""
        return self._privacy.subject(event, self._devices[device_id].view).token

    def device_up(self, device_id: str, moment: Moment) -> list[Draft]:
        """The device is there: a sensor watches; what a reader said before may still be unheard for one window."""
        device = self._devices[device_id]
        self._elapse(device, moment)
        _appear(device, moment)
        return self._drain()

    def device_down(self, device_id: str, moment: Moment, reason: str) -> list[Draft]:
        """The device is lost (the caller records why): a sensor watches no more, a reader may miss reads."""
        device = self._devices[device_id]
        self._elapse(device, moment)
        _disappear(device, moment)
        return self._drain()

    def recover(self, open_reads: Sequence[OpenRead], moment: Moment) -> list[Draft]:
        """Close the reads a crash left open: ambiguous, always, on lanes that are no more too."""
        for lane_id in {read.lane: None for read in open_reads}:
            here = [read for read in open_reads if read.lane == lane_id]
            together = [replace(read, subject=self._privacy.today(read.subject)) for read in here]
            self._out.extend(recovery.close(together, self._lanes.get(lane_id), moment.mono))
        return self._drain()

    def stop(self, moment: Moment) -> list[Draft]:
        """An orderly end: nothing is left open, so the next start has nothing to wonder about. The station may go on
        in a new epoch: no later draft refers to one from before.
        """
        for lane in self._lanes.values():
            pairing.finish(lane, moment)
        return self._drain()

    def change(self, lanes: Sequence[LaneRules], devices: Sequence[DeviceRules], moment: Moment) -> list[Draft]:
        """Go on under these rules. A lane of which nothing has changed does not notice; one that is no more ends as
        at a stop. The caller has told `device_down` of devices that have lost their port.
        """
        old_lanes, old_devices = self._lanes, self._devices
        self._lanes = {rules.id: self._changed(rules, devices, moment) for rules in lanes}
        for name in old_lanes.keys() - self._lanes.keys():
            pairing.finish(old_lanes[name], moment)
        self._devices = {rules.id: self._device(rules) for rules in devices}
        for name in self._devices.keys() & old_devices.keys():
            old, new = old_devices[name], self._devices[name]
            new.active |= old.active if old.rules.driver == new.rules.driver else set()
            if old.rules.lane != new.rules.lane and name in old.lane.up:
                _appear(new, moment)
        self._burn(moment)
        return self._drain()

    def _changed(self, rules: LaneRules, devices: Sequence[DeviceRules], moment: Moment) -> Lane:
        old = self._lanes.get(rules.id)
        before = {name: device.rules for name, device in self._devices.items() if device.rules.lane == rules.id}
        now = {device.id: device for device in devices if device.lane == rules.id}
        if old is not None and old.rules == rules and before == now:
            return old
        lane = new_lane(rules, devices, self._out)
        if old is not None:
            hand_over(old, lane, [name for name in now if name in before], moment)
        return lane

    def _burn(self, moment: Moment) -> None:
        """Fire and emergency, as far as there is still a device that says so."""
        fires: dict[str, set[tuple[str, str]]] = {lane.rules.portal: set() for lane in self._lanes.values()}
        for device in self._devices.values():
            portal = device.lane.rules.portal
            sources = {"mode", *(name for name, meaning in device.rules.inputs.items() if meaning == "fire")}
            fires[portal] |= self._fires.get(portal, set()) & {(device.rules.id, source) for source in sources}
        self._fires = fires
        for lane in self._lanes.values():
            if lane.emergency != bool(fires[lane.rules.portal]):
                pairing.elapse(lane, moment, inclusive=False)
                pairing.world(lane, WorldInput.CLEAR if lane.emergency else WorldInput.FIRE, moment)

    def _device(self, rules: DeviceRules) -> _Device:
        return _Device(rules, self._lanes[rules.lane], cards.parse_view(rules.view))

    def _elapse(self, device: _Device, moment: Moment) -> None:
        pairing.elapse(device.lane, moment, inclusive=False)

    def _drain(self) -> list[Draft]:
        drafts = self._out.copy()
        self._out.clear()
        return drafts

    def _read(self, device: _Device, event: events.CardRead | events.Scan, moment: Moment) -> None:
        lane, rules = device.lane, device.rules
        subject = self._privacy.subject(event, device.view)
        decision = event.decision if isinstance(event, events.CardRead) else None
        key = (rules.id, subject.token, decision == "denied")
        is_frame = moment.device_time is None  # what a device wrote down is a presentation, not a frame of one
        if is_frame and lane.repeats.again(key, moment):
            return
        if isinstance(event, events.CardRead) and event.is_repeat:
            return
        body = CredentialRead(
            device=rules.id,
            place=lane.place,
            driver=rules.driver,
            side=rules.side,
            subject=subject,
            decision=decision,
        )
        read = Read(Draft(body, moment), body, moment.mono + lane.rules.pass_timeout_s, lane.watched())
        self._out.append(read.draft)
        if is_frame:
            self._out.extend(lane.repeats.begin(key, read))
        pairing.read(lane, read)

    def _pass(
        self,
        device: _Device,
        direction: Direction,
        count: int,
        moment: Moment,
        late_s: float,
        flagged: bool = False,
    ) -> None:
        lane, rules = device.lane, device.rules
        if lane.rules.sensor == "one":
            direction = "unknown"
        body = PassageSensed(device=rules.id, place=lane.place, driver=rules.driver, direction=direction, count=count)
        draft = Draft(body, moment)
        self._out.append(draft)
        due = moment.mono + lane.rules.reorder_s
        pairing.sensed(lane, Pass(draft, rules.id, rules.driver, direction, count, due, late_s), flagged)

    def _input(self, device: _Device, event: events.Input, moment: Moment) -> None:
        meaning = device.rules.inputs.get(event.input)
        if meaning is None or event.active == (event.input in device.active):
            return
        device.active ^= {event.input}
        if meaning in PASSES:
            if event.active and not event.is_found:
                self._pass(device, PASSES[meaning], 1, moment, _late_s(device, event))
        elif event.active or meaning != "forced":
            found = {"found": True} if event.is_found else {}
            self._notice(device, NOTICES[meaning], moment, details={"active": event.active, **found})
        if meaning == "fire":
            self._alarm(device, event.input, event.active, moment)

    def _change(self, device: _Device, event: events.DeviceChange, moment: Moment) -> None:
        kind = "portal.mode" if event.kind == "mode" else f"device.{event.kind}"
        active = event.fields.get("active")
        details: dict[str, object] = {"active": active} if isinstance(active, bool) else {}
        self._notice(device, kind, moment, reason=event.reason, details=details)
        if event.kind == "mode":
            self._alarm(device, "mode", event.reason == EMERGENCY_MODE, moment)
        elif event.kind == "up":
            _appear(device, moment)
        elif event.kind == "down":
            _disappear(device, moment)

    def _notice(
        self,
        device: _Device,
        kind: str,
        moment: Moment,
        *,
        reason: str | None = None,
        details: dict[str, object] | None = None,
    ) -> None:
        place = device.lane.place
        notice = Notice(
            kind=kind,
            device=device.rules.id,
            lane=place.lane,
            portal=place.portal,
            reason=reason,
            details=details or {},
        )
        self._out.append(Draft(notice, moment))

    def _alarm(self, device: _Device, source: str, active: bool, moment: Moment) -> None:
        """Fire and emergency are the portal's: it burns while any of its inputs says so."""
        portal = device.lane.rules.portal
        fires, name = self._fires[portal], (device.rules.id, source)
        burning = bool(fires)
        if active:
            fires.add(name)
        else:
            fires.discard(name)
        if bool(fires) == burning:
            return
        for lane in self._lanes.values():
            if lane.rules.portal == portal:
                pairing.elapse(lane, moment, inclusive=False)
                pairing.world(lane, WorldInput.FIRE if active else WorldInput.CLEAR, moment)


def _direction(word: str | None) -> Direction:
    return "in" if word == "in" else "out" if word == "out" else "unknown"


def _late_s(device: _Device, event: events.Event) -> float:
    """How long before it was told an event may have happened; what the driver says of this one goes first."""
    since_s = event.since_s
    return device.rules.latency_s if since_s is None or not isfinite(since_s) else max(0.0, since_s)


def _appear(device: _Device, moment: Moment) -> None:
    lane = device.lane
    if device.rules.reads_cards and device.rules.id not in lane.up:
        lane.deaf_until = moment.mono + lane.rules.pass_timeout_s
    lane.up.add(device.rules.id)


def _disappear(device: _Device, moment: Moment) -> None:
    device.lane.up.discard(device.rules.id)
    if device.rules.id in device.lane.sensors:
        pairing.world(device.lane, WorldInput.LOST, moment)
