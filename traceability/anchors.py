"""The boots of one gateway as its anchors tell them: which clock was good when, and in which order they came.

An anchor is written the moment it is read, so anchors, unlike what pairing closes later, stand in the ledger in the
order in which they happened. All arithmetic of bounds is here; what follows from it for a record is `dating`'s.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from operator import attrgetter

STEP_MS = 500
UNSEEN_MS = 500
DRIFT_PPM = 100
NS_PER_MS = 1_000_000


@dataclass(frozen=True, slots=True)
class Reading:
    """What a record says of its moment: unix ms, CLOCK_BOOTTIME in ns, how good the wall clock was.

    It happened up to `waited_ms` earlier and not later, and what a device remembered also up to `device_error_ms`
    earlier or later; `error_ms` includes both. Gateways of old do not say how long something had waited (None): what
    they say of the error may be that. `since`: it happened after this moment of an earlier boot (its id, boot_ns).
    """

    time_ms: int
    boot: str
    boot_ns: int
    state: str
    error_ms: int | None = None
    live: bool = True
    waited_ms: int | None = None
    device_error_ms: int = 0
    since: tuple[str, int] | None = None

    @property
    def earlier_ms(self) -> int:
        """How much earlier than its moment it may have happened, whatever the wall clock said."""
        if self.waited_ms is None:
            return max(self.error_ms or 0, self.device_error_ms)
        return self.waited_ms + self.device_error_ms

    @property
    def later_ms(self) -> int:
        """Likewise how much later. A wait that is not said cannot be told from the error of a clock in holdover."""
        if self.waited_ms is None and self.state == "holdover":
            return self.earlier_ms
        return self.device_error_ms

    @property
    def offset_ms(self) -> int:
        """Wall clock minus CLOCK_BOOTTIME."""
        return self.time_ms - self.boot_ns // NS_PER_MS


@dataclass(frozen=True, slots=True)
class Anchor:
    """An offset said aloud; `id` is the record's, `place` its position in the gateway's story: chain, then order."""

    id: str
    boot: str
    boot_ns: int
    offset_ms: int
    state: str
    error_ms: int | None = None
    place: tuple[int, int, int] = (0, 0, 0)

    def at(self, boot_ns: int) -> int:
        """The time at another moment of the same boot, unix ms."""
        return self.offset_ms + boot_ns // NS_PER_MS

    def error_at(self, boot_ns: int) -> int | None:
        """Bound of the error of that time in ms; None: nobody knows."""
        if self.state != "synced" or self.error_ms is None:
            return None
        return self.error_ms + UNSEEN_MS + drift_ms(boot_ns - self.boot_ns)


@dataclass(frozen=True, slots=True)
class Edge:
    """A certain moment of another boot, and the anchor that proves it."""

    time_ms: int
    by: str


@dataclass(slots=True)
class Boot:
    """One boot: its anchors by boot_ns, those that are `synced` in groups of one offset, its last known moment.

    `set_last`: the last anchor of a clock that somebody had set.
    """

    anchors: list[Anchor]
    last_ns: int
    set_last: Anchor | None = None
    groups: list[list[Anchor]] = field(default_factory=list)
    after: Edge | None = None
    before: Edge | None = None

    @property
    def place(self) -> tuple[int, int, int]:
        """Where in the gateway's story it began; an anchor is written when it is read, other records may be later."""
        return min(anchor.place for anchor in self.anchors)

    def nearest(self, boot_ns: int) -> list[Anchor]:
        """Of each group the anchor nearest to a moment; the nearest of all first."""
        found = [_nearest(group, boot_ns) for group in self.groups]
        return sorted(found, key=lambda anchor: abs(anchor.boot_ns - boot_ns))

    def earliest(self, boot_ns: int) -> int | None:
        """Unix ms before which a moment of this boot cannot have been, by its own clocks or by the boots before."""
        told = [
            anchor.at(boot_ns) - error_ms
            for anchor in self.nearest(boot_ns)
            if (error_ms := anchor.error_at(boot_ns)) is not None
        ]
        if told or self.after is None:
            return min(told, default=None)
        return self.after.time_ms + boot_ns // NS_PER_MS - drift_ms(boot_ns)

    def last_set(self, reading: Reading) -> Anchor | None:
        """The last anchor of a clock that somebody had set; of a clock that was set, only a later one counts."""
        found = self.set_last
        if found is None or (reading.state != "unset" and found.boot_ns <= reading.boot_ns):
            return None
        return found


def boots_of(anchors: Iterable[Anchor], last_ns: Mapping[str, int]) -> dict[str, Boot]:
    """By their ids, each with what is certain of the others; `last_ns`: the last known moment of each boot."""
    by_boot: dict[str, list[Anchor]] = {}
    for anchor in sorted(anchors, key=attrgetter("boot_ns")):
        by_boot.setdefault(anchor.boot, []).append(anchor)
    boots = {name: boot_of(of_boot, last_ns.get(name, 0)) for name, of_boot in by_boot.items()}
    find_edges(boots.values())
    return boots


def drift_ms(apart_ns: int) -> int:
    """How far CLOCK_BOOTTIME may have gone wrong in that time, rounded up."""
    return -(-abs(apart_ns) * DRIFT_PPM // (NS_PER_MS * 1_000_000))


def boot_of(anchors: list[Anchor], last_ns: int) -> Boot:
    """Of anchors of one boot in order, as long as nothing is known of the others."""
    were_set = [anchor for anchor in anchors if anchor.state != "unset"]
    return Boot(anchors, max(last_ns, anchors[-1].boot_ns), were_set[-1] if were_set else None, _groups(anchors))


def find_edges(boots: Iterable[Boot]) -> None:
    """For all boots of a gateway: what is certain of those before and of those behind, within one chain of epochs."""
    ordered = sorted(boots, key=attrgetter("place"))
    past: dict[int, Edge] = {}
    for boot in ordered:
        boot.after = past.get(boot.place[0])
        edge = _end(boot)
        if edge is not None and (boot.after is None or edge.time_ms > boot.after.time_ms):
            past[boot.place[0]] = edge
    future: dict[int, Edge] = {}
    for boot in reversed(ordered):
        boot.before = future.get(boot.place[0])
        edge = _beginning(boot)
        if edge is not None and (boot.before is None or edge.time_ms < boot.before.time_ms):
            future[boot.place[0]] = edge


def _end(boot: Boot) -> Edge | None:
    """The last known moment of a boot was at this time or later."""
    edges = [
        Edge(anchor.at(boot.last_ns) - error_ms, anchor.id)
        for anchor in boot.nearest(boot.last_ns)
        if (error_ms := anchor.error_at(boot.last_ns)) is not None
    ]
    return min(edges, key=attrgetter("time_ms"), default=None)


def _beginning(boot: Boot) -> Edge | None:
    """A boot began at this time or earlier."""
    edges = [
        Edge(anchor.at(0) + error_ms, anchor.id)
        for anchor in boot.nearest(0)
        if (error_ms := anchor.error_at(0)) is not None
    ]
    return max(edges, key=attrgetter("time_ms"), default=None)


def _groups(anchors: Sequence[Anchor]) -> list[list[Anchor]]:
    """The `synced` ones, in runs that agree."""
    groups: list[list[Anchor]] = []
    for anchor in anchors:
        if anchor.state != "synced":
            continue
        if groups and abs(groups[-1][0].offset_ms - anchor.offset_ms) <= STEP_MS:
            groups[-1].append(anchor)
        else:
            groups.append([anchor])
    return groups


def _nearest(anchors: Sequence[Anchor], boot_ns: int) -> Anchor:
    at = bisect_left(anchors, boot_ns, key=attrgetter("boot_ns"))
    return min(anchors[max(0, at - 1) : at + 1], key=lambda anchor: abs(anchor.boot_ns - boot_ns))
