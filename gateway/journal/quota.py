"""How full the journal may get: settled records make room first; unsettled ones are never thrown away.

When even that is not enough, new drafts are refused and counted by device, and as soon as there is room again the
gap is confessed as `records.lost` (cause `quota`) before anything else is written.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from gateway.clock import Clock, Moment
from gateway.journal.store import PRUNE_SLICE, Entry, Limits, Store, Trouble
from gateway.records import Draft, Lost
from gateway.wire import timestamp

ROOM_AGAIN = 0.98
MEASURE_EVERY = 64


@dataclass(frozen=True, slots=True)
class _Gap:
    count: int
    since: Moment
    until: Moment


class Quota:
    """Owned by the journal thread."""

    def __init__(self, limits: Limits, clock: Clock) -> None:
        self.full = False
        self._limits = limits
        self._clock = clock
        self._gaps: dict[str | None, _Gap] = {}
        self._calls = 0

    def measure(self, store: Store) -> None:
        """Notice that the journal is full, or has room again; looks at the file now and then."""
        self._calls += 1
        if not self.full and self._calls % MEASURE_EVERY != 1:
            return
        used = store.used_bytes()
        if used >= self._limits.max_bytes:
            self._make_room(store)
            used = store.used_bytes()
        self.full = used >= self._limits.max_bytes * (ROOM_AGAIN if self.full else 1.0)

    def prune(self, store: Store) -> None:
        """Delete what is settled and older than it has to be kept."""
        before = self._clock.unix_ms() - self._limits.keep_settled_ms
        while store.prune(before) == PRUNE_SLICE:
            pass

    def refuse(self, drafts: Sequence[Draft]) -> None:
        """Count drafts that the full journal cannot take."""
        for draft in drafts:
            device = draft.body.device
            gap = self._gaps.get(device)
            self._gaps[device] = (
                _Gap(1, draft.moment, draft.moment)
                if gap is None
                else replace(gap, count=gap.count + 1, until=draft.moment)
            )

    def confess(self, store: Store) -> list[Entry]:
        """Inside a transaction: write what had to be refused, once there is room."""
        if self.full or not self._gaps:
            return []
        drafts = [_confession(device, gap) for device, gap in self._gaps.items()]
        return store.append(drafts, self._clock.unix_ms())

    def confessed(self) -> None:
        """The transaction that confessed is durable."""
        if not self.full:
            self._gaps.clear()

    def trouble(self) -> Trouble | None:
        """What to say of it."""
        return Trouble("quota", f"journal is full: {self._limits.max_bytes} bytes in use") if self.full else None

    def _make_room(self, store: Store) -> None:
        while store.used_bytes() >= self._limits.max_bytes and store.prune(2**62) > 0:
            pass


def _confession(device: str | None, gap: _Gap) -> Draft:
    body = Lost(
        device=device,
        cause="quota",
        count=gap.count,
        since=timestamp(gap.since.time_ms),
        until=timestamp(gap.until.time_ms),
    )
    return Draft(body, gap.until)
