"""What a driver says: one event for each valid frame, one for each thing it had to refuse.

An event speaks of bytes and of nothing else: no clock, no lane, no person. `fields` holds what the decoder knows
beyond the common words (addresses, printed forms of a number, counters); it never overrides a common word.
`unit` is the index of the configured device the event belongs to (0 on a plain line; None: a device on the bus
that nobody configured).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import ClassVar, Literal

Flaw = Literal["length", "start", "integrity", "format", "noise", "overflow"]
Decision = Literal["granted", "denied"]


@dataclass(frozen=True, slots=True)
class Origin:
    """What a device with a memory says of the time: it happened `age_s` before the event was told, give or take
    `error_s`. `device_time` is the device's own reading, ISO 8601 without a zone, not corrected; it need not be a
    date.
    """

    age_s: float
    device_time: str
    error_s: float = 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """Common part of all events; `event` is the word that `punchgate decode` prints.

    `origin` stands in events that come from a device's own memory. `since_s` stands in those that happened at some
    time in the last so many seconds: what a device shows that is asked has come since the question (when it was
    asked) whose answer said that nothing was held, or how things stood then; `math.inf`: since before this talk, so
    the driver cannot know. None: now, as a device says that speaks by itself. `mark` is what the unit's driver wants
    back with START so that nothing is told twice: it is kept in the same transaction as the record.
    """

    event: ClassVar[str] = "event"
    unit: int | None = 0
    origin: Origin | None = None
    since_s: float | None = None
    mark: str | None = None
    fields: Mapping[str, object] = field(default_factory=dict)

    def words(self) -> dict[str, object]:
        """The event's own keys, in printing order, without `fields`."""
        return {}

    def as_dict(self) -> dict[str, object]:
        """The JSON object `punchgate decode` prints: `event`, the own words, then the decoder's fields."""
        own: dict[str, object] = {"event": self.event, **self.words()}
        return own | {key: value for key, value in self.fields.items() if key not in own}


@dataclass(frozen=True, slots=True, kw_only=True)
class CardRead(Event):
    """A card was presented. `value` is text in the scheme's form, leading zeros included; `bits` its data bits.

    A driver that knows it for the same presentation as before says so in the field `repeat`: it is counted, and is no
    new read.
    """

    event: ClassVar[str] = "card_read"
    scheme: str
    value: str
    bits: int | None
    decision: Decision | None = None

    @property
    def is_repeat(self) -> bool:
        """Whether the driver knows it for the same presentation."""
        return self.fields.get("repeat") is True

    def words(self) -> dict[str, object]:
        return {"scheme": self.scheme, "value": self.value, "bits": self.bits, "decision": self.decision}


@dataclass(frozen=True, slots=True, kw_only=True)
class DocumentRead(CardRead):
    """An identity document, told with what is printed on it (in `fields`) because the visitor desk asks for it."""

    event: ClassVar[str] = "document_read"


@dataclass(frozen=True, slots=True, kw_only=True)
class Scan(Event):
    """A code was scanned; `value` is its text, opaque to us."""

    event: ClassVar[str] = "scan"
    value: str

    def words(self) -> dict[str, object]:
        return {"value": self.value}


@dataclass(frozen=True, slots=True, kw_only=True)
class Passage(Event):
    """`count` people went through. `direction` is the device's own word (`left`); the site maps it to in or out."""

    event: ClassVar[str] = "passage"
    direction: str
    count: int = 1

    def words(self) -> dict[str, object]:
        return {"direction": self.direction, "count": self.count}


@dataclass(frozen=True, slots=True, kw_only=True)
class Input(Event):
    """A contact changed; `input` is the device's name for it (`0`), mapped by the site to pass_in, fire, …"""

    event: ClassVar[str] = "input"
    input: str
    active: bool

    @property
    def is_found(self) -> bool:
        """Whether this is how the contact was found at the first look (field `first`): since when, nobody knows."""
        return self.fields.get("first") is True

    def words(self) -> dict[str, object]:
        return {"input": self.input, "active": self.active}


@dataclass(frozen=True, slots=True, kw_only=True)
class DeviceChange(Event):
    """The device speaks of itself: `kind` is up, down, tamper, fault, timeout, mode, …

    `since_s` of `down`: seconds since the last answer; `math.inf`: there was none in this talk.
    """

    event: ClassVar[str] = "device"
    kind: str
    reason: str | None = None

    def words(self) -> dict[str, object]:
        return {"kind": self.kind, "reason": self.reason}


@dataclass(frozen=True, slots=True, kw_only=True)
class Frame(Event):
    """A valid frame that says nothing of its own: acknowledgements, repeats, the host's own side on a bus."""

    event: ClassVar[str] = "frame"
    name: str

    def words(self) -> dict[str, object]:
        return {"name": self.name}


@dataclass(frozen=True, slots=True, kw_only=True)
class BadFrame(Event):
    """`bytes` bytes were refused for `flaw`. Content is never repeated here: it could hold a card number."""

    event: ClassVar[str] = "bad_frame"
    flaw: Flaw
    bytes: int

    def words(self) -> dict[str, object]:
        return {"flaw": self.flaw, "bytes": self.bytes}


@dataclass(frozen=True, slots=True, kw_only=True)
class Incomplete(Event):
    """At the end of the input `bytes` bytes wait for more."""

    event: ClassVar[str] = "incomplete"
    bytes: int

    def words(self) -> dict[str, object]:
        return {"bytes": self.bytes}
