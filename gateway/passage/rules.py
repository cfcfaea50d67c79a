"""What the passage station is told: lanes, devices, and how to make a token of a card.

All of it is frozen and free of configuration classes: the composition root fills it from the settings, tests from
literals. Units are in the names; directions have been resolved from a driver's aliases before they come here.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Literal

from drivers import cards, events
from gateway.records import Place, Side, Subject

PASS_INPUTS = frozenset({"pass_in", "pass_out"})
NEVER_CLEAR = frozenset({"cn-id", "scan"})


@dataclass(frozen=True, slots=True)
class LaneRules:
    """One physical passage, both ways. `pass_timeout_s` is how long a read waits for its pass, `repeat_window_s`
    how long the same card is the same presentation (0: off), `reorder_s` how far a pass may overtake its read.
    """

    id: str
    portal: str
    from_zone: str
    to_zone: str
    mode: Literal["controlled", "free"]
    sensor: Literal["none", "one", "per_direction"]
    pass_timeout_s: float
    repeat_window_s: float
    reorder_s: float

    @property
    def place(self) -> Place:
        """The lane as records name it."""
        return Place(self.portal, self.id, self.from_zone, self.to_zone)


@dataclass(frozen=True, slots=True)
class DeviceRules:
    """One device on a lane. `emits` as the driver's spec says; `directions` maps the device's words to in or out,
    `inputs` its contacts to pass_in, pass_out, fire, held, forced, tamper; `view` as in the configuration.
    `latency_s`: how long after it happened an event of it may be told, when all goes well; 0: it speaks by itself.
    """

    id: str
    driver: str
    lane: str
    side: Side
    view: str
    emits: frozenset[str]
    directions: Mapping[str, str] = field(default_factory=dict)
    inputs: Mapping[str, str] = field(default_factory=dict)
    latency_s: float = 0.0

    @property
    def reads_cards(self) -> bool:
        """Whether reads of its lane are lost while it is."""
        return "credential" in self.emits

    @property
    def maps_passes(self) -> bool:
        """Whether somebody said which of its words or contacts are passes."""
        return bool(self.directions) or not PASS_INPUTS.isdisjoint(self.inputs.values())


@dataclass(frozen=True, slots=True)
class Privacy:
    """How a credential becomes a token: HMAC under the organisation's 32-byte key, after the device's view.

    `clear` adds the raw number for consumers that need it, never for resident ID numbers and scanned texts.
    """

    key_id: str
    key: bytes = field(repr=False)
    clear: bool = False

    def subject(self, event: events.CardRead | events.Scan, view: tuple[str, ...]) -> Subject:
        """Who was presented, as far as the edge may know. A view is for card numbers; a scanned text has none."""
        if isinstance(event, events.Scan):
            return self._subject("scan", event.value, None)
        return self._subject(*cards.view(event.scheme, event.value, event.bits, view))

    def today(self, subject: Subject) -> Subject:
        """What may be said now of somebody of an earlier run, which may have said more."""
        return subject if self.clear else replace(subject, value=None)

    def _subject(self, scheme: str, value: str, bits: int | None) -> Subject:
        token = cards.token(self.key, self.key_id, scheme, value)
        clear = value if self.clear and scheme not in NEVER_CLEAR else None
        return Subject("credential", token, scheme, bits, value=clear)
