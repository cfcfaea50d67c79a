"""A chronicle that grows: an anchor more, a later moment of a boot; and which readings that may date otherwise.

Who has dated readings by it need not look at all of them again: an anchor tells nothing new of what lies beyond its
neighbours, and of what no clock vouches for only the boots beside it know better. In the usual case, one more anchor
behind all others of a clock that is right, that is what came since the anchor before.
"""

from __future__ import annotations

from bisect import insort
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from operator import attrgetter

from traceability.anchors import Anchor, Boot, boot_of, find_edges
from traceability.dating import Chronicle

Range = tuple[int, int]
"""From one boot_ns to another, both within."""
WHOLE: Range = (-(2**63), 2**63 - 1)
NOTHING: Range = (0, -1)


@dataclass(slots=True)
class Stirred:
    """What may be dated otherwise since it was asked the last time, by boot.

    `ranges`: of readings, all of them within; `boots`: those of which anything is known better, for what names a
    moment of them.
    """

    ranges: dict[str, Range] = field(default_factory=dict)
    boots: set[str] = field(default_factory=set)

    def note(self, boot: str, reach: Range) -> None:
        """Of a boot these readings, and what is known of it."""
        self.boots.add(boot)
        if reach != NOTHING:
            first, last = self.ranges.get(boot, reach)
            self.ranges[boot] = min(first, reach[0]), max(last, reach[1])


class Growing(Chronicle):
    """Dates as a chronicle of all that was added to it, whichever came first."""

    def __init__(self, anchors: Iterable[Anchor], last_ns: Mapping[str, int]) -> None:
        super().__init__(anchors, last_ns)
        self._last_ns = dict(last_ns)
        self._ids = {anchor.id for boot in self._boots.values() for anchor in boot.anchors}
        self._ends = self._last_boots()
        self._stirred = Stirred()

    def add(self, anchor: Anchor) -> None:
        """One more; the same again changes nothing."""
        if anchor.id in self._ids:
            return
        self._ids.add(anchor.id)
        held = self._boots.get(anchor.boot, Boot([], 0))
        anchors = [*held.anchors]
        insort(anchors, anchor, key=attrgetter("boot_ns"))
        boot = boot_of(anchors, max(held.last_ns, self._last_ns.get(anchor.boot, 0)))
        boot.after, boot.before = held.after, held.before
        self._boots[anchor.boot] = boot
        self._stirred.note(anchor.boot, _reach(held, boot, anchor))
        self._find_edges()

    def tick(self, boot: str, boot_ns: int) -> None:
        """A boot has come as far as this."""
        if boot_ns <= self._last_ns.get(boot, 0):
            return
        self._last_ns[boot] = boot_ns
        known = self._boots.get(boot)
        if known is None or boot_ns <= known.last_ns:
            return
        known.last_ns = boot_ns
        if known.before is not None:
            self._stirred.note(boot, WHOLE if _leans(known) else NOTHING)
        if boot not in self._ends:
            self._find_edges()

    def stirred(self) -> Stirred:
        """What may be dated otherwise; from now on it is taken to be known."""
        stirred, self._stirred = self._stirred, Stirred()
        return stirred

    # --- inside

    def _find_edges(self) -> None:
        held = {name: _edges(boot) for name, boot in self._boots.items()}
        for boot in self._boots.values():
            boot.after = boot.before = None
        find_edges(self._boots.values())
        for name, boot in self._boots.items():
            if _edges(boot) != held[name]:
                self._stirred.note(name, WHOLE if _leans(boot) else NOTHING)
        self._ends = self._last_boots()

    def _last_boots(self) -> set[str]:
        """Those behind which nothing comes: how far they have come matters to no other one."""
        ends: dict[int, tuple[tuple[int, int, int], str]] = {}
        for name, boot in self._boots.items():
            ends[boot.place[0]] = max(ends.get(boot.place[0], (boot.place, name)), (boot.place, name))
        return {name for _, name in ends.values()}


def _reach(held: Boot, boot: Boot, new: Anchor) -> Range:
    """Which readings of a boot an anchor more may date otherwise."""
    if new.state != "synced":
        return NOTHING if held.groups else WHOLE
    without = [[anchor for anchor in group if anchor is not new] for group in boot.groups]
    if without != held.groups:
        return WHOLE
    group, at = next((group, at) for group in boot.groups for at, anchor in enumerate(group) if anchor is new)
    before = group[at - 1].boot_ns if at else WHOLE[0]
    behind = group[at + 1].boot_ns if at + 1 < len(group) else WHOLE[1]
    return before, behind


def _leans(boot: Boot) -> bool:
    """Whether a reading of it may have to be dated by the order of the boots: no clock vouches for all of it."""
    return not boot.groups or any(anchor.error_ms is None for group in boot.groups for anchor in group)


def _edges(boot: Boot) -> tuple[int | None, int | None]:
    after, before = boot.after, boot.before
    return None if after is None else after.time_ms, None if before is None else before.time_ms
