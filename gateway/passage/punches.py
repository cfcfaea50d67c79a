"""How the three kinds of punches are made: of a read, of a pass, of both.

A punch is dated by its pass, else by its read; it names the reader's device if a read is in it, else the sensor's.
Its direction is the sensor's word, else the side on which the reader stands, else unknown.
"""

from __future__ import annotations

from gateway.passage.evidence import Pass, Read, Trace
from gateway.records import Basis, Confidence, Direction, Draft, Outcome, Place, Punch, Ref, Side, Subject


def heading(sensed: Direction, side: Direction | Side) -> tuple[Direction, Basis]:
    """Direction of a movement and what it rests on."""
    if sensed != "unknown":
        return sensed, "pass_sensor"
    if side in ("both", "unknown"):
        return "unknown", "none"
    return ("in" if side == "in" else "out"), "reader_side"


def of_both(read: Read, sensed: Pass, confidence: Confidence, burst: Ref | None) -> Draft:
    """A read completed by a pass."""
    body = read.body
    direction, basis = heading(sensed.direction, body.side)
    punch = Punch(
        device=body.device,
        place=body.place,
        driver=body.driver,
        direction=direction,
        basis=basis,
        subject=body.subject,
        outcome="completed",
        confidence=confidence,
        read=read.draft,
        passes=(sensed.draft,),
        burst=burst,
        repeats=read.repeats,
    )
    return Draft(punch, sensed.moment, closes=read.closing())


def of_read(read: Read, outcome: Outcome, confidence: Confidence, candidates: tuple[Ref, ...] = ()) -> Draft:
    """What became of a read without a pass; its direction is where the card's owner wanted to go."""
    body = read.body
    direction, basis = heading("unknown", body.side)
    punch = Punch(
        device=body.device,
        place=body.place,
        driver=body.driver,
        direction=direction,
        basis=basis,
        subject=body.subject,
        outcome=outcome,
        confidence=confidence,
        read=read.draft,
        candidates=candidates,
        repeats=read.repeats,
    )
    return Draft(punch, read.draft.moment, closes=read.closing())


def of_pass(
    sensed: Pass,
    place: Place,
    outcome: Outcome,
    confidence: Confidence,
    linked: Trace | None = None,
    candidates: tuple[Ref, ...] = (),
) -> Draft:
    """A pass of somebody nobody knows; `linked` is the read it hangs on without being its owner's for certain."""
    direction, basis = heading(sensed.direction, linked.direction if linked else "unknown")
    punch = Punch(
        device=linked.device if linked else sensed.device,
        place=place,
        driver=linked.driver if linked else sensed.driver,
        direction=direction,
        basis=basis,
        subject=Subject("anonymous", count=sensed.count),
        outcome=outcome,
        confidence=confidence,
        read=linked.ref if linked else None,
        passes=(sensed.draft,),
        candidates=candidates,
    )
    return Draft(punch, sensed.moment)
