"""The drill's verdict: every frame that a port took against every record that the centre has, fault by fault.

A card belongs to the stroke during which it was presented; a record of a pass, which names nobody, to the stroke in
which it got its number (between two strokes everything is read and written down). A frame may be absent for two
reasons only, both marked when they happened from what the kernel said: it was in the hand of a process that was
killed, or on the line when the plug was pulled (see wire.py).

A time is wrong if it is further from the truth than the record says (how long it had waited, and the error of its
clock) and what a busy machine needs. While the clock was set the truth is what `clock.anchor` says afterwards of the
record's `boot_ns`, as the centre would.
"""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from gateway.simulation.oracle import beyond_s
from gateway.simulation.wire import Frame

LATE_S = 1.0
"""What a time may be off beyond its stated error: a laptop has other things to do than to read ports."""
CLOSING = frozenset({"completed", "assumed", "not_taken", "ambiguous", "denied"})
WRONG = ("lost", "invented", "duplicated", "misdated")
SUMMED = ("struck", "frames", *WRONG, "in_hand", "on_plug")
NEVER = 2**63

Event = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Played:
    """One stroke as it was played: frames by device, the last number of its records, mend to first record in s.

    `struck` is False if it was interrupted before.
    """

    fault: str
    frames: Mapping[str, Sequence[Frame]]
    through: int
    first_s: float | None = None
    struck: bool = True


@dataclass(slots=True)
class Row:
    """Figures of one kind of fault; `first_s` is the longest."""

    fault: str
    struck: int = 0
    frames: int = 0
    lost: int = 0
    invented: int = 0
    duplicated: int = 0
    misdated: int = 0
    in_hand: int = 0
    on_plug: int = 0
    first_s: float | None = None


@dataclass(slots=True)
class Verdict:
    """A row for each fault, and a line for whatever is wrong."""

    rows: dict[str, Row] = field(default_factory=dict)
    records: int = 0
    remarks: list[str] = field(default_factory=list)

    def total(self, name: str) -> int:
        """The sum of one column."""
        return sum(getattr(row, name) for row in self.rows.values())

    @property
    def clean(self) -> bool:
        return not self.remarks and not any(self.total(name) for name in WRONG)

    @property
    def line(self) -> str:
        words = [f"{self.total('struck')} faults", f"{self.total('frames')} frames"]
        return "drill: " + ", ".join(words + [f"{self.total(name)} {name}" for name in WRONG])

    def wrong(self, fault: str, name: str, what: str, count: int = 1) -> None:
        """So many are lost, invented, duplicated or misdated."""
        row = self.rows.setdefault(fault, Row(fault))
        setattr(row, name, getattr(row, name) + count)
        self.remarks.append(f"{name}: {what} ({fault})")


def judge(played: Sequence[Played], lines: Sequence[bytes], token: Callable[[str], str], boards: set[str]) -> Verdict:
    """Compare what was played with the lines of `centre export`. The frames of `boards` are passes.

    `token` is what the centre knows a card by. ValueError: a line is not JSON.
    """
    verdict = Verdict(records=len(lines))
    for stroke in played:
        row = verdict.rows.setdefault(stroke.fault, Row(stroke.fault))
        row.struck += stroke.struck
        row.frames += sum(map(len, stroke.frames.values()))
        if stroke.first_s is not None:
            row.first_s = max(row.first_s or 0.0, stroke.first_s)
    events = [json.loads(line) for line in lines]
    court = _Court(verdict, played, _anchors(events))
    court.judge_chain(events, lines)
    unique = list({event["id"]: event for event in events}.values())
    by_type: dict[str, list[Event]] = {}
    for event in unique:
        by_type.setdefault(event["type"].removeprefix("punchgate.").removesuffix(".v1"), []).append(event)
    reads = by_type.get("credential.read", [])
    court.judge_reads(reads, token, boards)
    court.judge_passes(by_type.get("passage.sensed", []), boards)
    court.judge_punches(reads, by_type.get("punch", []))
    for event in by_type.get("credential.repeated", []):
        verdict.wrong(court.fault_of(event), "invented", f"a repeat, {event['id']}")
    return verdict


class _Court:
    """The parts of one judgement."""

    def __init__(self, verdict: Verdict, played: Sequence[Played], offsets_ms: Mapping[str, int]) -> None:
        self._verdict, self._played, self._offsets_ms = verdict, played, offsets_ms

    def fault_of(self, event: Event) -> str:
        """The stroke in which a record got its number; what comes after the last belongs to the last."""
        seq = event["data"]["seq"]
        return next((stroke.fault for stroke in self._played if seq <= stroke.through), self._played[-1].fault)

    def judge_chain(self, events: Sequence[Event], lines: Sequence[bytes]) -> None:
        """One epoch, numbers without holes from 1, no name twice, each line naming the bytes before it."""
        for name, count in Counter(event["id"] for event in events).items():
            if count > 1:
                event = next(event for event in events if event["id"] == name)
                self._verdict.wrong(self.fault_of(event), "duplicated", f"{name} is there {count} times", count - 1)
        if len(epochs := {event["data"]["epoch"] for event in events}) != 1:
            self._verdict.remarks.append(f"chain: {len(epochs)} epochs, where nothing here may end one")
        prev, expected = "0" * 64, 1
        for event, line in zip(events, lines, strict=True):
            seq = event["data"]["seq"]
            if seq > expected:
                self._verdict.remarks.append(f"chain: {seq} where {expected} should be")
            elif seq == expected and event["data"]["prev"] != prev:
                self._verdict.remarks.append(f"chain: {seq} does not name the line before it")
            prev, expected = hashlib.sha256(line).hexdigest(), seq + 1

    def judge_reads(self, reads: Sequence[Event], token: Callable[[str], str], boards: set[str]) -> None:
        """Each card once, at its device, in the order of presentation, at its time."""
        places = {
            (device, token(frame.what)): (stroke.fault, frame)
            for stroke in self._played
            for device, frames in stroke.frames.items()
            if device not in boards
            for frame in frames
        }
        found: Counter[tuple[str, str]] = Counter()
        latest: dict[str, float] = {}
        for event in sorted(reads, key=lambda event: event["data"]["seq"]):
            device = event["data"]["device"]
            name = device, event["data"]["subject"]["token"]
            if name not in places:
                self._verdict.wrong(self.fault_of(event), "invented", f"{event['id']} of {device}, which nobody sent")
                continue
            fault, frame = places[name]
            found[name] += 1
            if found[name] > 1:
                self._verdict.wrong(fault, "duplicated", f"{event['id']}: {_of(device, frame)}")
            elif frame.at < latest.get(device, 0.0):
                self._verdict.remarks.append(f"order: {event['id']}: {_of(device, frame)} ({fault})")
            latest[device] = max(latest.get(device, 0.0), frame.at)
            self._judge_time(fault, event, [frame])
        for name in places.keys() - found.keys():
            fault, frame = places[name]
            self._absent(fault, name[0], [frame], 1)

    def judge_passes(self, passes: Sequence[Event], boards: set[str]) -> None:
        """Passes name nobody: they are counted in each stroke, and must have been when they say they were."""
        after = 0
        for stroke in self._played:
            last = stroke is self._played[-1]
            mine = [event for event in passes if after < event["data"]["seq"] <= (NEVER if last else stroke.through)]
            after = stroke.through
            for board in sorted(boards):
                frames = stroke.frames.get(board, ())
                here = [event for event in mine if event["data"]["device"] == board]
                count = sum(event["data"]["count"] for event in here)
                if count > len(frames):
                    self._verdict.wrong(stroke.fault, "invented", f"passes at {board}", count - len(frames))
                self._absent(stroke.fault, board, frames, len(frames) - count)
                for event in here:
                    self._judge_time(stroke.fault, event, frames)
            for event in mine:
                if event["data"]["device"] not in boards:
                    self._verdict.wrong(stroke.fault, "invented", f"{event['id']} of a stranger")

    def judge_punches(self, reads: Iterable[Event], punches: Iterable[Event]) -> None:
        """Every read is closed by exactly one punch, and none speaks of a read that is not there."""
        by_seq = {event["data"]["seq"]: event for event in reads}
        closed: Counter[int] = Counter()
        for event in punches:
            read = event["data"]["refs"]["read"]
            if read is not None and read not in by_seq:
                self._verdict.wrong(self.fault_of(event), "invented", f"{event['id']}, a punch of no read")
            elif read is not None and event["data"]["outcome"] in CLOSING:
                closed[read] += 1
        for seq, event in by_seq.items():
            if closed[seq] == 0:
                self._verdict.wrong(self.fault_of(event), "lost", f"the punch of {event['id']}")
            elif closed[seq] > 1:
                self._verdict.wrong(
                    self.fault_of(event), "duplicated", f"the punch of {event['id']}", closed[seq] - 1
                )

    def _absent(self, fault: str, device: str, frames: Sequence[Frame], count: int) -> None:
        """So many of these frames are not there; as many as have an excuse are excused."""
        row = self._verdict.rows[fault]
        for fate, column in (("hand", "in_hand"), ("plug", "on_plug")):
            excused = max(0, min(count, sum(frame.fate == fate for frame in frames)))
            setattr(row, column, getattr(row, column) + excused)
            count -= excused
        if count > 0:
            what = _of(device, frames[0]) if len(frames) == 1 else f"passes at {device}"
            self._verdict.wrong(fault, "lost", what, count)

    def _judge_time(self, fault: str, event: Event, frames: Iterable[Frame]) -> None:
        clock, said = event["data"]["clock"], None
        if fault == "clock" and clock["boot"] in self._offsets_ms:
            said = self._offsets_ms[clock["boot"]] / 1e3 + clock["boot_ns"] / 1e9
        off_s = min((beyond_s(event, frame.at, said) for frame in frames), default=float("inf"))
        if off_s > LATE_S:
            self._verdict.wrong(fault, "misdated", f"{event['id']} by {off_s:.3f} s beyond what it says: {clock}")


def _anchors(events: Iterable[Event]) -> dict[str, int]:
    """By boot, what the last anchor says when it began, unix ms."""
    anchors = sorted((event["data"] for event in events if "clock.anchor" in event["type"]), key=lambda it: it["seq"])
    return {data["boot"]: data["offset_ms"] for data in anchors}


def _of(device: str, frame: Frame) -> str:
    return f"{frame.what} at {device}, {frame.at:.3f}"
