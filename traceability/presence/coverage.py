"""What was watched: for each lane and moment whether a passage would have been seen, and whether its record is here.

    observed   the gateway ran, its devices answered, its records are here without a hole
    pending    not heard yet: records are still to come, from a hole or behind the last sign of life
    blind      the gateway was down, or a device of the lane: nobody was seen, and nobody will ever be told of
    lost       it was seen and is gone: `records.lost`
    unknown    nothing is known of that time: before the first record, no gateway of that lane

An alarm (`portal.fire`, `portal.mode` emergency) makes the lanes of its portal blind: passes have no names then.
Where several hold the worst one counts: lost, blind, pending, observed, unknown. Of a lane that was moved from one
gateway to another, the one that saw most. Evidence: records in a row without a
missing number mean that the gateway lived between them; `gateway.started` behind no `gateway.stopped` means that it
died at some time since the last sign of life, a record or a heartbeat; `device.down` until `device.up`.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Literal

from traceability.presence.moments import Span

State = Literal["observed", "pending", "blind", "lost", "unknown"]
WORST: tuple[State, ...] = ("lost", "blind", "pending", "observed", "unknown")

MOST: tuple[State, ...] = ("observed", "lost", "blind", "pending", "unknown")
"""Of several gateways that served a lane, what each knows of it."""

Layer = tuple[Span, State, str]
"""A span of time, what holds in it, and why."""


@dataclass(frozen=True, slots=True, order=True)
class Covered:
    """One lane over a span of time; `why`: in a few words, empty for observed."""

    site: str
    lane: str
    span: Span
    state: State
    why: str = ""


@dataclass(frozen=True, slots=True)
class Sign:
    """A record as a sign of life: its place in its journal, its best time, `kind`: the type's middle words."""

    id: str
    known_ms: int
    at_ms: int
    site: str
    gateway: str
    epoch: str
    seq: int
    kind: str
    live: bool = True
    lane: str | None = None
    device: str | None = None
    portal: str | None = None
    reason: str | None = None
    active: bool | None = None
    lost: Lost | None = None


@dataclass(frozen=True, slots=True)
class Lost:
    """What a `records.lost` declares: numbers of an epoch, or a time, of one device or all. Unknown values None."""

    epoch: str | None
    first: int | None
    last: int | None
    from_ms: int | None
    to_ms: int | None
    device: str | None
    cause: str


@dataclass(frozen=True, slots=True)
class Beat:
    """A `state` message: the gateway lived then and had made records up to `newest` of its epoch.

    `at_ms`: when it arrived. It is never kept waiting, and the gateway's own clock may be wrong.
    """

    site: str
    gateway: str
    at_ms: int
    known_ms: int
    online: bool
    epoch: str | None = None
    newest: int | None = None


def paint(
    site: str, lane: str, window: Span, layers: Iterable[Layer], ranking: tuple[State, ...] = WORST
) -> Iterator[Covered]:
    """The layer that ranks first at each moment of the window, merged into spans without a gap."""
    nothing = (ranking.index("unknown"), "")
    changes: dict[int, list[tuple[tuple[int, str], int]]] = {}
    for span, state, why in layers:
        cut = span.cut(window)
        if cut.length_ms:
            rank = (ranking.index(state), why)
            changes.setdefault(cut.begin_ms, []).append((rank, 1))
            changes.setdefault(cut.end_ms, []).append((rank, -1))
    active: dict[tuple[int, str], int] = {}
    begin_ms, now = window.begin_ms, nothing
    for at_ms in sorted(changes):
        for rank, change in changes[at_ms]:
            active[rank] = active.get(rank, 0) + change
            if not active[rank]:
                del active[rank]
        then = min(active, default=nothing)
        if then != now:
            if at_ms > begin_ms:
                yield Covered(site, lane, Span(begin_ms, at_ms), ranking[now[0]], now[1])
            begin_ms, now = at_ms, then
    if begin_ms < window.end_ms:
        yield Covered(site, lane, Span(begin_ms, window.end_ms), ranking[now[0]], now[1])
