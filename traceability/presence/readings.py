"""What pairing anew rests on: reads and passes with the time of their boot, and the rules of a lane."""

from __future__ import annotations

from dataclasses import dataclass

from traceability.presence.moments import When


@dataclass(frozen=True, slots=True)
class Reading:
    """A `credential.read`: `life` names the boot, `tick_ms` the time in it; `denied`: the device said no."""

    id: str
    known_ms: int
    when: When
    life: str
    tick_ms: float
    site: str
    portal: str
    lane: str
    side: str
    token: str
    kind: str = "credential"
    count: int = 1
    denied: bool = False
    live: bool = True
    device: str | None = None


@dataclass(frozen=True, slots=True)
class Passing:
    """A `passage.sensed`: `count` people, in a direction or an unknown one."""

    id: str
    known_ms: int
    when: When
    life: str
    tick_ms: float
    site: str
    portal: str
    lane: str
    direction: str
    count: int = 1
    live: bool = True
    device: str | None = None


@dataclass(frozen=True, slots=True)
class Rules:
    """What the lane is, and the parameters to try."""

    from_zone: str
    to_zone: str
    controlled: bool = True
    has_sensor: bool = True
    pass_timeout_ms: float = 5000
    reorder_ms: float = 300
