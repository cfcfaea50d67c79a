"""Drive a lane through its tables: tell inputs apart, look up the rule, act.

Time is an input like any other. Before an event of its lane is judged, everything that ended before it is judged
first, in the order in which it ended; so a late tick changes when a punch is written and never what it says. A
window is closed at its end by a tick, and by an event only after its end: what comes at the very end still fits.
"""

from __future__ import annotations

from dataclasses import replace

from gateway.clock import Moment
from gateway.passage import acts
from gateway.passage.evidence import Pass, Read
from gateway.passage.memory import Lane, State
from gateway.passage.table import ON_PASS, ON_READ, ON_WORLD, SILENT_AFTER, PassInput, ReadInput, WorldInput

MAX_SINGLE_PASSES = 32
MAX_WAITING = 64


def read(lane: Lane, what: Read) -> None:
    """A card was presented; its fact is written."""
    state = lane.state(what.body.side, what.at)
    what.watched &= what.at > lane.vague_until
    ON_READ[state][_read_input(lane, what)].act(lane, what)


def sensed(lane: Lane, what: Pass, flagged: bool = False) -> None:
    """Somebody went through; the fact is written. Up to `MAX_SINGLE_PASSES` people are judged one by one."""
    lane.misses = 0
    world(lane, WorldInput.SPEAKS, what.moment)
    singles = min(what.count, MAX_SINGLE_PASSES)
    for number in range(singles):
        count = 1 if number < singles - 1 else what.count - singles + 1
        _judge(lane, replace(what, count=count), flagged)


def world(lane: Lane, what: WorldInput, moment: Moment) -> None:
    """Something happened that is neither read nor pass; what does not concern the lane's state is nothing."""
    rule = ON_WORLD[lane.state("unknown", moment.mono)].get(what)
    if rule:
        rule.act(lane, moment)


def elapse(lane: Lane, moment: Moment, *, inclusive: bool) -> None:
    """Judge what ended before this moment (or at it, if inclusive), in the order in which it ended."""
    while (due := lane.due()) is not None and (due < moment.mono or (inclusive and due == moment.mono)):
        if lane.waiting and lane.waiting[0].due == due:
            overdue(lane)
        elif lane.held and lane.held[0].due == due:
            _missed(lane, lane.held[0].read.watched, WorldInput.LAPSED, moment)
        elif lane.reads and lane.reads[0].due == due:
            _window(lane, moment)
        else:
            lane.out.extend(lane.repeats.end_oldest())


def overdue(lane: Lane) -> None:
    """The oldest waiting pass has waited long enough; it is judged as of its own time."""
    what = lane.waiting.popleft()
    ON_PASS[lane.past(what.direction, what.since)][PassInput.OVERDUE].act(lane, what)


def finish(lane: Lane, moment: Moment) -> None:
    """An orderly end: nothing stays open, and nothing of it explains what may come after."""
    elapse(lane, moment, inclusive=True)
    while lane.waiting:
        overdue(lane)
    acts.give_up(lane, moment)
    while len(lane.repeats):
        lane.out.extend(lane.repeats.end_oldest())
    lane.forget_past()


def _read_input(lane: Lane, what: Read) -> ReadInput:
    denied = what.body.decision == "denied"
    if not what.draft.moment.live:
        return ReadInput.DENIED_STALE if denied else ReadInput.READ_STALE
    if lane.waiting_for(what.body.side):
        return ReadInput.DENIED_LATE if denied else ReadInput.READ_LATE
    return ReadInput.DENIED if denied else ReadInput.READ


def _judge(lane: Lane, what: Pass, flagged: bool) -> None:
    state, kind = lane.state(what.direction, what.since), PassInput.PASS
    if state in (State.EMERGENCY, State.UNSENSED):
        pass
    elif not what.moment.live:
        state, kind = lane.unsure(what), PassInput.PASS_STALE
    elif flagged:
        state, kind = lane.past(what.direction, what.since), PassInput.FLAGGED
    elif lane.late(what):
        kind = PassInput.BELATED
    elif lane.opposed(what) and not lane.fitting(what.direction):
        kind = PassInput.AGAINST
    ON_PASS[state][kind].act(lane, what)
    if len(lane.waiting) > MAX_WAITING:
        overdue(lane)


def _window(lane: Lane, moment: Moment) -> None:
    watched = lane.reads[0].watched
    if lane.hold_s:
        world(lane, WorldInput.WINDOW_HELD, moment)
    else:
        _missed(lane, watched, WorldInput.WINDOW if watched else WorldInput.WINDOW_BLIND, moment)


def _missed(lane: Lane, watched: bool, what: WorldInput, moment: Moment) -> None:
    world(lane, what, moment)
    lane.misses += watched
    if lane.misses == SILENT_AFTER:
        world(lane, WorldInput.SILENCE, moment)
