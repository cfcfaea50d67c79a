"""A lane under other rules, or with other devices: what goes over, and what ends.

Reads that wait for a pass end as at a stop, ambiguous, for nobody knows what they would have been under the new
rules; a pass that comes soon may still be of one of them. All else is about people, not about rules, and goes over: a
pass that waits for its read, what explains the next one, a card that is still held at a reader, an alarm.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from gateway.clock import Moment
from gateway.passage import acts, pairing
from gateway.passage.memory import Lane
from gateway.passage.repeats import Repeats
from gateway.passage.rules import DeviceRules, LaneRules
from gateway.records import Draft


def new_lane(rules: LaneRules, devices: Iterable[DeviceRules], out: list[Draft]) -> Lane:
    """A lane without a past; `devices` are all of the gateway, `out` is where its drafts go."""
    mine = [device for device in devices if device.lane == rules.id]
    mapped = {device.id for device in mine if device.maps_passes}
    sensors = mapped or {device.id for device in mine if "passage" in device.emits}
    readers = {device.id for device in mine if device.reads_cards}
    return Lane(
        rules,
        rules.place,
        out,
        frozenset(sensors),
        frozenset(readers),
        Repeats(rules.repeat_window_s),
        max((device.latency_s for device in mine if device.id in sensors), default=0.0),
    )


def hand_over(old: Lane, new: Lane, devices: Sequence[str], moment: Moment) -> None:
    """`devices` are the ids of those that stay on the lane."""
    pairing.elapse(old, moment, inclusive=True)
    acts.abandon(old, moment)
    new.emergency = old.emergency
    new.up |= old.up & set(devices)
    new.deaf_until, new.vague_until = old.deaf_until, old.vague_until
    is_paired = new.rules.sensor != "none"
    for _ in range(len(old.waiting)):
        if is_paired and old.waiting[0].device in devices:
            new.waiting.append(old.waiting.popleft())
        else:
            pairing.overdue(old)
    if is_paired:
        new.completed = old.completed
        new.denied.extend(old.denied)
        new.unclear.extend(old.unclear)
    if new.sensors == old.sensors:
        new.silent, new.misses = old.silent, old.misses
    new.out.extend(old.repeats.hand_over(new.repeats, devices))
