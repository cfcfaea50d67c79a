"""A recording that speaks of other cards, and the proof that it does.

Valid frames are rewritten by their family, what belongs to none is blanked (drivers.redaction). Then the result is
examined: no original number is in it, written in any way we know, and it says the same kinds of things. What was
asked goes through the same hands as what was answered, in the order of the line, since it may name a card too.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from typing import Any

from drivers.contract import DriverSpec
from drivers.events import BadFrame, CardRead, DeviceChange, Event, Frame, Incomplete, Input, Passage, Scan
from drivers.redaction import CannotRewrite, rewrite_timed
from gateway.bench.evidence import decoded
from gateway.bench.recording import Piece, Recording
from gateway.bench.swapping import Swapper
from gateway.errors import PunchgateError

TRIES = 5
"""A short number may turn up by chance in what replaced another; with a fresh key it does not."""
SHORTEST_BYTES = 3
NUMBER_FIELDS = ("uid", "epc", "value")
"""Fields of a frame in which drivers tell a card's number."""
TEXT_ENCODINGS = ("utf-8", "gbk", "utf-16-le")


class NotRedacted(PunchgateError):
    """Numbers might remain, so nothing is kept; the message says why."""


def needs_raw(spec: DriverSpec, options: Any) -> bool:
    """Whether a recording of this device would hold card numbers that nobody can replace."""
    return "credential" in spec.emits_with(options) and spec.redact_with(options) is None


def redacted(recording: Recording, spec: DriverSpec, options: Any) -> Recording:
    """The recording with other cards in it, chunk by chunk as long as before. NotRedacted says why not."""
    if needs_raw(spec, options):
        raise NotRedacted(
            f"the driver {spec.name} cannot replace card numbers", remedy="--raw keeps them, and says so in the file"
        )
    reason = ""
    for _ in range(TRIES):
        made = _rewritten(recording, spec, options)
        reason = _objection(recording, made, spec, options)
        if not reason:
            return made
    raise NotRedacted(f"the card numbers could not be replaced: {reason}", remedy="--raw keeps them")


def _rewritten(recording: Recording, spec: DriverSpec, options: Any) -> Recording:
    redact = spec.redact_with(options)
    chunks = recording.both_ways
    swap = Swapper()
    try:
        data = rewrite_timed(spec.new(options), chunks, lambda frame: redact(frame, swap) if redact else frame)
    except (CannotRewrite, ValueError, LookupError) as error:
        raise NotRedacted(f"the card numbers could not be replaced: {error}", remedy="--raw keeps them") from error
    if len(data) != sum(len(chunk) for _, chunk in chunks):
        raise NotRedacted(f"the driver {spec.name} changed the length of a frame", remedy="--raw keeps the numbers")
    return replace(recording, pieces=tuple(_cut(recording.pieces, data)), redacted=True)


def _cut(pieces: Sequence[Piece], data: bytes) -> Iterator[Piece]:
    at = 0
    for piece in pieces:
        yield replace(piece, data=data[at : at + len(piece.data)])
        at += len(piece.data)


def _objection(before: Recording, after: Recording, spec: DriverSpec, options: Any) -> str:
    """Why the result must not be kept; empty: it may."""
    said = _facts(decoded(spec.new(options), before.both_ways))
    says = _facts(decoded(spec.new(options), after.both_ways))
    if [_kind(event) for event in said] != [_kind(event) for event in says]:
        return "what they became is not read as the same events"
    numbers = _numbers(said)
    if numbers & _numbers(says):
        return "a number is still there"
    data = b"".join(piece.data for piece in after.pieces).upper()
    for number in numbers:
        if any(form.upper() in data for form in forms(number)):
            return "a number is still there, written another way"
    return ""


def _facts(events: Iterable[Event]) -> list[Event]:
    return [event for event in events if not isinstance(event, (BadFrame, Incomplete))]


def _numbers(events: Sequence[Event]) -> set[str]:
    """The numbers that are told, in frames that are no reads of their own too: repeats, stale cards, weak tags."""
    told = {event.value for event in events if isinstance(event, (CardRead, Scan))}
    for event in events:
        if isinstance(event, Frame):
            words = (getattr(event, "value", None), *(event.fields.get(name) for name in NUMBER_FIELDS))
            told |= {word.upper() for word in words if isinstance(word, str) and forms(word)}
    return told


def _kind(event: Event) -> tuple[object, ...]:
    """What an event says, without who it was."""
    match event:
        case CardRead():
            return event.event, event.unit, event.scheme, event.bits, event.decision
        case Passage():
            return event.event, event.unit, event.direction, event.count
        case Input():
            return event.event, event.unit, event.input, event.active
        case DeviceChange():
            return event.event, event.unit, event.kind
        case Frame():
            return event.event, event.unit, event.name
    return event.event, event.unit


def forms(number: str) -> set[bytes]:
    """How a number may be written: as text, as bytes in either order, and as a binary number in either order."""
    made = set()
    for encoding in TEXT_ENCODINGS:
        made.add(number.encode(encoding, "ignore"))
    digits = number if len(number) % 2 == 0 else f"0{number}"
    try:
        raw = bytes.fromhex(digits)
        made |= {raw, raw[::-1]}
    except ValueError:
        pass
    if number.isascii() and number.isdecimal():
        size = (int(number).bit_length() + 7) // 8
        raw = int(number).to_bytes(size, "big")
        made |= {raw, raw[::-1]}
    return {form for form in made if len(form) >= SHORTEST_BYTES and form.strip(b"\0\xff")}
