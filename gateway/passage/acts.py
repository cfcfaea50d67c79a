"""What the transition table can make a lane do. The first line of an act is its line in the documentation.

Acts on a read get the read, acts on a pass get the pass; acts of time and of the world get the moment. The facts
(credential.read, passage.sensed) are already written when an act begins.
"""

from __future__ import annotations

from collections import deque
from dataclasses import replace
from math import inf

from gateway.clock import Moment
from gateway.passage import punches
from gateway.passage.evidence import Held, Pass, Read, Trace, fits
from gateway.passage.memory import MAX_OPEN, Lane
from gateway.records import Confidence, Draft, Notice, Outcome, Ref

# --- reads


def open_read(lane: Lane, read: Read) -> None:
    """Open the read: its window begins."""
    if len(lane.reads) >= MAX_OPEN:
        leave_ambiguous(lane, read.draft.moment)
    read.draft.opens = True
    lane.join(read)


def meet(lane: Lane, read: Read) -> None:
    """Complete the read with the pass that waited for it (as `complete`)."""
    sensed = lane.waiting_for(read.body.side)[0]
    lane.waiting.remove(sensed)
    lane.join(read)
    _complete(lane, read, sensed)


def assume(lane: Lane, read: Read) -> None:
    """Punch `assumed` at once, in the read's transaction: nobody can say more on this lane."""
    lane.out.append(punches.of_read(read, "assumed", "assumed"))
    if lane.silent:
        lane.unclear.append(_trace(read))


def deny(lane: Lane, read: Read) -> None:
    """Punch `denied` at once and remember the read for a pass that comes nevertheless."""
    deny_only(lane, read)
    lane.denied.append(_trace(read))


def deny_only(lane: Lane, read: Read) -> None:
    """Punch `denied` at once; passes are not its business."""
    lane.out.append(punches.of_read(read, "denied", "confirmed"))


def deny_late(lane: Lane, read: Read) -> None:
    """Punch `denied`, and `forced` for the pass that waited and was of this read."""
    deny_only(lane, read)
    trace = _trace(read)
    lane.denied.append(replace(trace, sure_from=trace.sure_from - lane.rules.reorder_s))
    sensed = lane.waiting_for(read.body.side)[0]
    lane.waiting.remove(sensed)
    force(lane, sensed)


def doubt(lane: Lane, read: Read) -> None:
    """Punch `ambiguous` at once: when the card was presented, or what followed, nobody watched."""
    lane.out.append(punches.of_read(read, "ambiguous", "ambiguous", (read.draft,)))
    lane.unclear.append(_trace(read))


# --- passes


def complete(lane: Lane, sensed: Pass) -> None:
    """Complete the oldest open read it fits: `completed`, `confirmed` if that read was alone, else `assumed`."""
    _complete(lane, lane.fitting(sensed.direction)[0], sensed)


def complete_late(lane: Lane, sensed: Pass) -> None:
    """Complete the oldest held read it fits, `assumed`: it may have been made when the window was over."""
    held = lane.late(sensed)[0]
    earlier = lane.doubts(sensed.direction, sensed.since)
    lane.share(held, sensed)
    lane.held.remove(held)
    is_shared = held.is_shared or lane.late(sensed) or lane.fitting(sensed.direction)
    burst = (*earlier, held.first)[0] if earlier or is_shared else None
    _spend(lane, held.read, sensed, "assumed", burst, ordered=False)


def wrong_way(lane: Lane, sensed: Pass) -> None:
    """Punch `wrong_way`, linked to the oldest read that is open, or held, which stays so."""
    opposed = lane.opposed(sensed)
    assert opposed is not None
    trace = _trace(opposed)
    lane.out.append(punches.of_pass(sensed, lane.place, "wrong_way", _confidence(lane, trace, sensed), trace))


def wait(lane: Lane, sensed: Pass) -> None:
    """Let it wait `reorder_s` for a read that comes late."""
    lane.waiting.append(sensed)


def tailgate(lane: Lane, sensed: Pass) -> None:
    """Punch `tailgate` linked to the completed read; on a free lane `anonymous`."""
    if lane.rules.mode == "free":
        count_only(lane, sensed)
    else:
        completed = lane.completed
        assert completed is not None
        confidence = _confidence(lane, completed, sensed)
        lane.out.append(punches.of_pass(sensed, lane.place, "tailgate", confidence, completed))


def force(lane: Lane, sensed: Pass) -> None:
    """Punch `forced`, linked to the oldest denied read, which explains one pass and no more."""
    denials = lane.denials(sensed.direction, sensed.since)
    lane.denied.remove(denials[0])
    sure = [_confidence(lane, denial, sensed) for denial in denials]
    confidence = sure[0] if len(sure) == 1 else "assumed"
    lane.out.append(punches.of_pass(sensed, lane.place, "forced", confidence, denials[0]))


def unread(lane: Lane, sensed: Pass) -> None:
    """Punch `forced` on a controlled lane, `anonymous` on a free one; unsure if a read could have been missed."""
    heard = sensed.moment.live and lane.heard(sensed.since)
    outcome: Outcome = "anonymous" if lane.rules.mode == "free" else "forced"
    lane.out.append(punches.of_pass(sensed, lane.place, outcome, "confirmed" if heard else "ambiguous"))


def question(lane: Lane, sensed: Pass) -> None:
    """Punch `ambiguous` with the reads it may be of as candidates."""
    still_open = [held.read.draft for held in lane.late(sensed)]
    still_open += [read.draft for read in lane.fitting(sensed.direction)]
    candidates: tuple[Ref, ...] = (*lane.doubts(sensed.direction, sensed.since), *still_open)
    lane.out.append(punches.of_pass(sensed, lane.place, "ambiguous", "ambiguous", candidates=candidates))


def count_only(lane: Lane, sensed: Pass) -> None:
    """Punch `anonymous` at once, whatever was read."""
    lane.out.append(punches.of_pass(sensed, lane.place, "anonymous", "confirmed"))


def note(lane: Lane, sensed: Pass) -> None:
    """Leave the fact alone: reads of this lane are punched as `assumed`, a second count would be one too many."""


# --- time and the world


def not_taken(lane: Lane, moment: Moment) -> None:
    """Close the oldest open read as `not_taken`."""
    read = lane.reads[0]
    lane.out.append(punches.of_read(read, "not_taken", "confirmed"))
    lane.settle(read)


def leave_ambiguous(lane: Lane, moment: Moment) -> None:
    """Close the oldest open read as `ambiguous` with the reads of its burst as candidates."""
    read = lane.reads[0]
    lane.out.append(punches.of_read(read, "ambiguous", "ambiguous", lane.candidates(read)))
    lane.settle(read)


def hold(lane: Lane, moment: Moment) -> None:
    """Hold the oldest open read: of a pass within its window the sensor may still tell."""
    if len(lane.held) >= MAX_OPEN:
        _leave_held(lane, lane.held.popleft())
    lane.set_aside()


def decide(lane: Lane, moment: Moment) -> None:
    """Close the oldest held read: `not_taken` if it was alone and watched, else `ambiguous` with its candidates."""
    held = lane.held.popleft()
    if held.read.watched and not held.is_shared:
        lane.out.append(punches.of_read(held.read, "not_taken", "confirmed"))
    else:
        _leave_held(lane, held)
    lane.unclear.append(_trace(held.read))  # for a pass that is told even later


def unwatch(lane: Lane, moment: Moment) -> None:
    """Mark the reads that are open or held: their windows were not watched throughout."""
    for read in (*(held.read for held in lane.held), *lane.reads):
        read.watched = False


def fall_back(lane: Lane, moment: Moment) -> None:
    """Write `device.fault`, close what is open as `ambiguous`, and assume from now on."""
    rules = lane.rules
    device = next(iter(lane.sensors)) if len(lane.sensors) == 1 else None
    reason = f"no pass sensed over {lane.misses} reads"
    fault = Notice(kind="device.fault", device=device, lane=rules.id, portal=rules.portal, reason=reason)
    lane.out.append(Draft(fault, moment))
    abandon(lane, moment)
    lane.silent = True


def wake(lane: Lane, moment: Moment) -> None:
    """Believe the sensor again, then judge the pass anew."""
    lane.silent = False


def surrender(lane: Lane, moment: Moment) -> None:
    """Let waiting passes be `anonymous`, close what is open as `ambiguous`, forget the past."""
    while lane.waiting:
        count_only(lane, lane.waiting.popleft())
    abandon(lane, moment)
    lane.forget_past()
    lane.emergency = True


def resume(lane: Lane, moment: Moment) -> None:
    """Pair again."""
    lane.emergency = False
    if lane.hold_s:
        lane.deaf_until = max(lane.deaf_until, moment.mono)  # what is told now may have been before


def give_up(lane: Lane, moment: Moment) -> None:
    """Close every read that is open or held as ambiguous."""
    while lane.held:
        _leave_held(lane, lane.held.popleft())
    while lane.reads:
        leave_ambiguous(lane, moment)


# --- what several acts share


def _complete(lane: Lane, read: Read, sensed: Pass) -> None:
    """If the pass may have been before the read, or another's, the owner may be about to go all the same."""
    earlier = lane.doubts(sensed.direction, sensed.since)
    alone = len(lane.burst) == 1 and not earlier
    overtaken_s = lane.rules.reorder_s if read.at > sensed.moment.mono else 0.0
    ordered = sensed.late_s == 0 or read.at <= sensed.since + overtaken_s
    confidence: Confidence = "confirmed" if alone and ordered and read.watched else "assumed"
    burst = None if alone else (*earlier, lane.first)[0]
    lane.settle(read)
    _spend(lane, read, sensed, confidence, burst, ordered=ordered)
    if not ordered or (earlier and lane.hold_s):
        lane.unclear.append(_trace(read))


def _spend(lane: Lane, read: Read, sensed: Pass, confidence: Confidence, burst: Ref | None, *, ordered: bool) -> None:
    """A completion puts earlier denials out of mind that the same pass would have fitted."""
    lane.out.append(punches.of_both(read, sensed, confidence, burst))
    direction, _ = punches.heading(sensed.direction, read.body.side)
    if confidence != "confirmed":
        _await_reads(lane, sensed)
    timeout_s = lane.rules.pass_timeout_s
    lane.completed = Trace(
        read.draft,
        read.body.device,
        read.body.driver,
        direction,
        sensed.moment.mono + timeout_s,
        min(read.at, sensed.since) if ordered else inf,
        sensed.since + timeout_s,
    )
    for denial in [trace for trace in lane.denied if fits(trace.direction, sensed.direction)]:
        lane.denied.remove(denial)


def abandon(lane: Lane, moment: Moment) -> None:
    """Close every read as ambiguous; a pass that comes soon may still be of one of them."""
    lane.unclear.extend(_trace(held.read) for held in lane.held)
    lane.unclear.extend(_trace(read) for read in lane.reads)
    give_up(lane, moment)


def _leave_held(lane: Lane, held: Held) -> None:
    lane.out.append(punches.of_read(held.read, "ambiguous", "ambiguous", held.burst))


def _confidence(lane: Lane, trace: Trace, sensed: Pass) -> Confidence:
    if not (lane.hold_s or sensed.late_s) or trace.surely(sensed):
        return "confirmed"
    _await_reads(lane, sensed)
    return "assumed"


def _await_reads(lane: Lane, sensed: Pass) -> None:
    """What a pass was taken for may be wrong where its time is not known: it may be of a read that is to
    come, or have been one of those that were denied.
    """
    if lane.hold_s or sensed.late_s:
        lane.vague_until = max(lane.vague_until, sensed.due)
        lane.denied = deque((replace(trace, sure_from=inf) for trace in lane.denied), lane.denied.maxlen)


def _trace(read: Read) -> Trace:
    """Nothing is sure of a read that was not watched throughout."""
    sure_from = read.at if read.watched else inf
    return Trace(read.draft, read.body.device, read.body.driver, read.body.side, read.due, sure_from)
