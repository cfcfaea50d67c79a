"""The oracle: what was presented against what the centre exports. Everything is computed from the contract alone.

A frame may be absent for two reasons that were marked when they happened (see wire.py): in the hand of a process that
was killed, or on the line when the plug was pulled. There is a third where a full disk made the gateway let go of
settled records *and* the centre lost them by a backup: then it must be declared, by number, and what is absent must
be of the time of the hole and no more than the hole had numbers.
"""

from __future__ import annotations

import hashlib
import json
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from end_to_end.ear import token

from gateway.simulation.oracle import beyond_s
from gateway.simulation.wire import Frame

LATE_S = 0.25
"""What `time` may differ from the write beyond the stated error: two cores, a dozen processes, a real kernel."""
READ, PUNCH, PASS, LOST = (
    f"punchgate.{kind}.v1" for kind in ("credential.read", "punch", "passage.sensed", "records.lost")
)
HOLE_S = 3.0
"""What was presented may have been numbered later by so much: a full disk keeps it in the emergency ring."""
COUNTED = (
    "faults",
    "frames",
    "records",
    "lost",
    "invented",
    "duplicated",
    "misdated",
    "in_hand",
    "in_hand_late",
    "with_plug",
    "declared",
)
CLOSING = frozenset({"completed", "assumed", "not_taken", "ambiguous", "denied"})


@dataclass(slots=True)
class Verdict:
    """Figures of one episode or of several, and a line for whatever is wrong."""

    faults: int = 0
    frames: int = 0
    records: int = 0
    lost: int = 0
    invented: int = 0
    duplicated: int = 0
    misdated: int = 0
    in_hand: int = 0
    in_hand_late: int = 0
    with_plug: int = 0
    declared: int = 0
    held_s: float = 0.0
    worst_s: float = 0.0
    remarks: list[str] = field(default_factory=list)

    def add(self, other: Verdict) -> None:
        """Sum up episodes."""
        for name in COUNTED:
            setattr(self, name, getattr(self, name) + getattr(other, name))
        self.held_s, self.worst_s = max(self.held_s, other.held_s), max(self.worst_s, other.worst_s)
        self.remarks += other.remarks

    def __str__(self) -> str:
        return (
            f"{self.faults} faults, {self.frames} frames, {self.records} records: {self.lost} lost, "
            f"{self.invented} invented, {self.duplicated} duplicated, {self.misdated} misdated; absent and excused: "
            f"{self.in_hand} in the hand of the killed (for {self.held_s * 1000:.0f} ms at most; "
            f"{self.in_hand_late} of them had waited and were read at once), "
            f"{self.with_plug} on a line unplugged; {self.declared} records declared lost; "
            f"times at most {self.worst_s * 1000:.0f} ms beyond the stated error"
        )


@dataclass(slots=True)
class Holes:
    """Numbers that are not at the centre and were declared lost. Each can be the excuse of one absence."""

    seqs: set[int] = field(default_factory=set)
    spans: list[tuple[float, float]] = field(default_factory=list)
    used: int = 0

    def excuse(self, at: float | None = None) -> bool:
        """Whether what was presented then may be in a hole."""
        of_its_time = at is None or any(first <= at <= last for first, last in self.spans)
        if self.used == len(self.seqs) or not of_its_time:
            return False
        self.used += 1
        return True


def judge(
    presented: Mapping[str, Sequence[Frame]], lines: Sequence[bytes], arm: str = "arm", may_prune: bool = False
) -> Verdict:
    """`presented` by device; the frames of `arm` are passes, all others cards of their own.

    `may_prune`: the gateway had to make room and the centre was restored, so records may have been declared lost.
    """
    verdict = Verdict(frames=sum(map(len, presented.values())), records=len(lines))
    events = [json.loads(line) for line in lines]
    by_type: dict[str, list[dict[str, Any]]] = defaultdict(list)
    for event in events:
        by_type[event["type"]].append(event)
    for name, count in Counter(event["id"] for event in events).items():
        if count > 1:
            verdict.duplicated += count - 1
            verdict.remarks.append(f"duplicated: {name} is there {count} times")
    holes = _judge_chain(verdict, events, lines, _declared(by_type[LOST]) if may_prune else set())
    for device, frames in presented.items():
        mine = [event for event in by_type[PASS if device == arm else READ] if event["data"]["device"] == device]
        mine.sort(key=lambda event: event["data"]["seq"])
        (_judge_passes if device == arm else _judge_reads)(verdict, holes, device, frames, mine)
    strangers = {event["data"]["device"] for event in by_type[READ] + by_type[PASS]} - presented.keys()
    if strangers:
        verdict.invented += len(strangers)
        verdict.remarks.append(f"invented: records of {strangers}")
    _judge_punches(verdict, holes, by_type[READ], by_type[PUNCH])
    return verdict


def _declared(losses: Iterable[dict[str, Any]]) -> set[int]:
    """The numbers that were settled, given up for room, and then missing at a restored centre."""
    lost = [event["data"]["lost"] for event in losses]
    return {seq for it in lost if it["cause"] == "pruned" for seq in range(it["first"], it["last"] + 1)}


def _judge_chain(
    verdict: Verdict, events: Sequence[dict[str, Any]], lines: Sequence[bytes], declared: set[int]
) -> Holes:
    """One epoch, numbers without holes from 1 but for declared ones, each line naming the bytes before it."""
    holes = Holes()
    if len(epochs := {event["data"]["epoch"] for event in events}) != 1:
        verdict.remarks.append(f"chain: {len(epochs)} epochs, where nothing here may end one")
    prev, expected, before_s = "0" * 64, 1, 0.0
    for event, line in zip(events, lines, strict=True):
        at_s = datetime.fromisoformat(event["time"]).timestamp()
        if event["data"]["seq"] != expected:
            hole = set(range(expected, event["data"]["seq"]))
            if hole and hole <= declared:
                verdict.declared += len(hole)
                holes.seqs |= hole
                holes.spans.append((before_s - HOLE_S, at_s + HOLE_S))
            else:
                verdict.lost += len(hole)
                verdict.remarks.append(f"chain: {event['data']['seq']} where {expected} should be")
        elif event["data"]["prev"] != prev:
            verdict.remarks.append(f"chain: {expected} does not name the line before it")
        prev, expected, before_s = hashlib.sha256(line).hexdigest(), event["data"]["seq"] + 1, at_s
    return holes


def _judge_reads(
    verdict: Verdict, holes: Holes, device: str, frames: Sequence[Frame], reads: Sequence[dict[str, Any]]
) -> None:
    """Each card once, in the order of presentation, at its time."""
    place = {token(frame.what): number for number, frame in enumerate(frames)}
    found = Counter(event["data"]["subject"]["token"] for event in reads)
    for name, count in found.items():
        if name not in place:
            verdict.invented += count
            verdict.remarks.append(f"invented: {device} has read {name}, which nobody presented there")
        elif count > 1:
            verdict.duplicated += count - 1
            verdict.remarks.append(f"duplicated: {_of(device, frames[place[name]])} is there {count} times")
    for name, number in place.items():
        if name not in found:
            _absent(verdict, holes, device, frames[number])
    known = [event for event in reads if event["data"]["subject"]["token"] in place]
    order = [place[event["data"]["subject"]["token"]] for event in known]
    if order != sorted(order):
        verdict.remarks.append(f"order: {device} has its cards in another order than they were presented")
    for event, number in zip(known, order, strict=True):
        beyond = beyond_s(event, frames[number].at)
        verdict.worst_s = max(verdict.worst_s, beyond)
        if beyond > LATE_S:
            verdict.misdated += 1
            verdict.remarks.append(f"misdated: {_of(device, frames[number])} by {beyond:.3f} s: {_dating(event)}")


def _judge_passes(
    verdict: Verdict, holes: Holes, device: str, frames: Sequence[Frame], passes: Sequence[dict[str, Any]]
) -> None:
    """Passes have no name: they are counted, and each must have been presented when it says it was."""
    absent, excused = len(frames) - len(passes), [frame for frame in frames if frame.fate]
    if absent < 0:
        verdict.invented -= absent
        verdict.remarks.append(f"invented: {-absent} passes of {device} more than there were")
    lost = sum(not holes.excuse() for _ in range(absent - len(excused)))
    if lost:
        verdict.lost += lost
        verdict.remarks.append(f"lost: {lost} passes of {device}")
    if absent > 0:
        in_hand = sum(frame.fate == "hand" for frame in excused)
        verdict.in_hand += min(absent, in_hand)
        verdict.with_plug += max(0, min(absent, len(excused)) - in_hand)
    for event in passes:
        beyond = min((beyond_s(event, frame.at) for frame in frames), default=LATE_S)
        if beyond > LATE_S:
            verdict.misdated += 1
            verdict.remarks.append(f"misdated: no pass of {device} within {beyond:.3f} s of {_dating(event)}")


def _judge_punches(
    verdict: Verdict, holes: Holes, reads: Iterable[dict[str, Any]], punches: Iterable[dict[str, Any]]
) -> None:
    """Every read is closed by exactly one punch, and none speaks of a read that is not there."""
    closed: Counter[int] = Counter()
    named: set[int] = set()
    for event in punches:
        data = event["data"]
        if data["refs"]["read"] is not None:
            named.add(data["refs"]["read"])
            closed[data["refs"]["read"]] += data["outcome"] in CLOSING
    numbers = {event["data"]["seq"] for event in reads}
    if open_reads := sorted(seq for seq in numbers if not closed[seq] and not holes.excuse()):
        verdict.lost += len(open_reads)
        verdict.remarks.append(f"lost: the punches of the reads {open_reads[:9]}")
    if twice := sorted(seq for seq, count in closed.items() if count > 1):
        verdict.duplicated += len(twice)
        verdict.remarks.append(f"duplicated: punches of the reads {twice[:9]}")
    if unread := sorted(named - numbers - holes.seqs):
        verdict.invented += len(unread)
        verdict.remarks.append(f"invented: punches of {unread[:9]}, which are no reads")


def _absent(verdict: Verdict, holes: Holes, device: str, frame: Frame) -> None:
    if frame.fate == "hand":
        verdict.in_hand += 1
        verdict.in_hand_late += frame.had_waited
        verdict.held_s = max(verdict.held_s, frame.held_s)
    elif frame.fate == "plug":
        verdict.with_plug += 1
    elif not holes.excuse(at=frame.at):
        verdict.lost += 1
        verdict.remarks.append(f"lost: {_of(device, frame)}, read at {frame.taken_at}")


def _of(device: str, frame: Frame) -> str:
    return f"{frame.what} at {device}, {frame.at:.3f}"


def _dating(event: dict[str, Any]) -> str:
    data = event["data"]
    return f"{event['time']}, {data['clock']}, seq {data['seq']}, live {data['live']}"
