"""What one driver makes of some bytes, as figures: how many it explains, with how many frames, and what those prove.

A valid frame proves as much as its start marks and checks (`proof_bits`). A frame that was cut or damaged proves
something too: how little other bytes would have looked like the beginning of one. That is measured, the same for all
drivers: its first bytes are replaced by random ones, one at a time, and where most replacements are refused the byte
that was there is no chance.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from math import log2
from random import Random
from typing import Any

from drivers.contract import Driver, DriverSpec
from drivers.events import BadFrame, CardRead, DeviceChange, Event, Frame, Incomplete, Input, Passage, Scan

Chunk = tuple[float, bytes]
"""When bytes arrived, in seconds on any monotonic clock, and the bytes."""

BROKEN = ("integrity", "length", "format", "overflow")
EXACT = ("integrity", "incomplete")
"""What says of a refused frame that it was right so far; the other flaws say less."""
INEXACT_BITS = 8.0
LINE_ENDS = (b"\r", b"\n", b"\t", b"\x03")
HEAD_BYTES = 8
SAMPLES = 32
CHANCE_BITS = 2.0
REST_MAX_BYTES = 2048
UNNAMED = ("unknown", "unconfigured")


@dataclass(frozen=True, slots=True)
class Evidence:
    """Figures of one driver over one recording; `begun_bits`: what cut and damaged frames prove where none is whole.

    `frames` counts valid frames, `named` those of them that the driver has a meaning for, `facts` what people did, by
    kind; `broken` the frames refused, by flaw, `waiting` the bytes of one that is not complete.
    """

    total_bytes: int
    explained_bytes: int
    frames: int
    named: int
    facts: Counter[str]
    broken: Counter[str]
    waiting: int
    proof_bits: int
    begun_bits: float = 0.0

    @property
    def share(self) -> float:
        """Part of the bytes that valid frames explain."""
        return self.explained_bytes / self.total_bytes if self.total_bytes else 0.0


def weigh(spec: DriverSpec, options: Any, chunks: Sequence[Chunk]) -> Evidence:
    """What a driver with these options makes of a recording, without asking anything."""
    events = decoded(spec.new(options), chunks)
    data = b"".join(data for _, data in chunks)
    found = count(events, len(data), spec.proof_bits_with(options))
    if found.frames:
        return found
    begun = _begun_bits(spec, options, events, data)
    return Evidence(found.total_bytes, 0, 0, 0, found.facts, found.broken, found.waiting, found.proof_bits, begun)


def decoded(driver: Driver, chunks: Iterable[Chunk]) -> list[Event]:
    """All events of a recording, to its end."""
    events: list[Event] = []
    for at, data in chunks:
        events += driver.poll(at)
        events += driver.feed(data, at)
    return events + driver.close()


def count(events: Iterable[Event], total_bytes: int, proof_bits: int) -> Evidence:
    """The figures of events that came from `total_bytes` bytes."""
    frames = named = refused = waiting = 0
    facts: Counter[str] = Counter()
    broken: Counter[str] = Counter()
    for event in events:
        match event:
            case BadFrame():
                refused += event.bytes
                broken[event.flaw] += event.flaw in BROKEN
            case Incomplete():
                waiting += event.bytes
            case DeviceChange(kind="up" | "down"):
                pass
            case _:
                frames += 1
                named += not (isinstance(event, Frame) and event.name in UNNAMED)
                if word := _fact(event):
                    facts[word] += 1
    explained = max(0, total_bytes - refused - waiting) if frames else 0
    return Evidence(total_bytes, explained, frames, named, +facts, +broken, waiting, proof_bits)


def _fact(event: Event) -> str | None:
    """What people did, in the plural."""
    match event:
        case Scan():
            return "codes"
        case CardRead():
            return "cards"
        case Passage():
            return "passages"
        case Input():
            return "inputs"
    return None


def _begun_bits(spec: DriverSpec, options: Any, events: list[Event], data: bytes) -> float:
    """What the largest cut or damaged frame of a recording without a valid one proves, in bits."""
    begun: tuple[int, str, int] | None = None
    offset, flaw = 0, ""
    for event in events:
        match event:
            case BadFrame(bytes=size):
                flaw = event.flaw
                if flaw in BROKEN and (begun is None or size > begun[2]):
                    begun = offset, flaw, size
                offset += size
            case Incomplete(bytes=size):
                offset = len(data) - size
                if begun is None or size >= begun[2]:
                    begun = offset, "incomplete", size
    if begun is None or begun[2] > REST_MAX_BYTES:
        return 0.0
    offset, flaw, size = begun
    rest = data[offset : offset + size]
    marks = _mark_bits(spec, options, rest, flaw) * size / len(data)
    marks = marks if flaw in EXACT else min(marks, INEXACT_BITS)
    return marks + (_completed(spec, options, rest) if flaw == "incomplete" else 0.0)


def _mark_bits(spec: DriverSpec, options: Any, rest: bytes, flaw: str) -> float:
    """How much the first bytes of `rest` are those of a frame: the sum over those that few others could replace."""
    rng = Random(1)
    bits = 0.0
    for position in range(min(HEAD_BYTES, len(rest))):
        alike = 0
        for _ in range(SAMPLES):
            other = rest[:position] + bytes([rng.randrange(256)]) + rest[position + 1 :]
            alike += _looks_alike(spec, options, other, flaw, len(rest))
        surprise = -log2((alike + 1) / (SAMPLES + 1))
        bits += surprise if surprise >= CHANCE_BITS else 0.0
    return bits


def _looks_alike(spec: DriverSpec, options: Any, data: bytes, flaw: str, size: int) -> bool:
    """Whether these bytes are as much a frame: a wrong check says that the rest is right, the other flaws less."""
    for event in decoded(spec.new(options), [(0.0, data)]):
        match event:
            case BadFrame(flaw=other, bytes=count) if other == flaw or (other in BROKEN and flaw not in EXACT):
                return count >= size
            case Incomplete(bytes=count) if flaw != "integrity":
                return count >= size
    return False


def _completed(spec: DriverSpec, options: Any, rest: bytes) -> float:
    """Whether a line end would make a frame of it: worth a quarter of one."""
    for end in LINE_ENDS:
        found = count(decoded(spec.new(options), [(0.0, rest + end)]), len(rest) + 1, 0)
        if found.frames and found.explained_bytes >= len(rest):
            return spec.proof_bits_with(options) / 4
    return 0.0
