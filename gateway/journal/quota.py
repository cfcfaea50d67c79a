"""How full the journal may get: settled records make room first; unsettled ones are never thrown away.

When even that is not enough, new drafts wait in the emergency ring (`overflow`). What cannot be taken at all is
counted by device, and confessed as `records.lost` as soon as there is room, before anything else is written. That
count is kept in the file, in the transaction that refuses, so it is right however often a transaction is tried and
whoever is killed in between.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from gateway.clock import Clock
from gateway.journal.ladder import Level, Room
from gateway.journal.marks import REFUSED
from gateway.journal.reader import Entry
from gateway.journal.store import Limits, Store, Trouble
from gateway.records import Draft, LossCause, Lost
from gateway.wire import timestamp

ROOM_AGAIN = 0.98
MEASURE_EVERY = 64
MEASURE_EVERY_S = 5.0


class Quota:
    """Owned by the journal thread. `full`: `max_bytes` are reached; `no_room`: the disk refuses to give more."""

    def __init__(self, limits: Limits, clock: Clock) -> None:
        self.full = False
        self.no_room = False
        self.room = Room(0, limits.max_bytes, limits.max_bytes)
        self.level: Level = "ok"
        self._limits = limits
        self._clock = clock
        self._calls = 0
        self._due = 0.0

    def measure(self, store: Store) -> None:
        """Notice that the journal is full, or has room again; looks at the file now and then."""
        self._calls += 1
        now = self._clock.mono()
        if not (self.full or self.no_room) and self._calls % MEASURE_EVERY != 1 and now < self._due:
            return
        self._due = now + MEASURE_EVERY_S
        enough = self._limits.max_bytes * (ROOM_AGAIN if self.full else 1.0)
        if store.used_bytes() >= enough:
            self.make_room(store)
        self.room = store.room(self._limits.max_bytes)
        self.full = self.room.used >= enough
        self.level = self.room.level(self.level)

    def prune(self, store: Store) -> int:
        """Delete one slice of what is settled and older than it has to be kept; how many went."""
        return store.prune(self._clock.unix_ms() - self._limits.keep_settled_ms)

    def refuse(self, store: Store, drafts: Sequence[Draft], cause: LossCause) -> None:
        """Inside a transaction: count drafts that cannot be taken; they have no number."""
        if not drafts:
            return
        gaps = _gaps(store)
        for draft in drafts:
            draft.seq = None
            key = json.dumps([draft.body.device, cause])
            at = timestamp(draft.moment.time_ms)
            known = gaps.get(key, {"count": 0, "since": at})
            gaps[key] = known | {"count": known["count"] + 1, "until": at}
        store.remember(REFUSED, json.dumps(gaps))

    def confess(self, store: Store) -> list[Entry]:
        """Inside a transaction: write what had to be refused, once there is room."""
        if self.full or not (gaps := _gaps(store)):
            return []
        moment = self._clock.now()
        store.remember(REFUSED, "{}")
        drafts = [Draft(_confession(key, gap), moment) for key, gap in gaps.items()]
        return store.append(drafts, moment.time_ms)

    def trouble(self) -> Trouble | None:
        """What to say of it."""
        if self.full:
            return Trouble("quota", f"journal is full: {self._limits.max_bytes} bytes in use")
        return Trouble("quota", "no room on the disk") if self.no_room else None

    def make_room(self, store: Store) -> None:
        """Go well below the limit at once, or `full` would stay until the next slice is due."""
        while store.used_bytes() >= self._limits.max_bytes * ROOM_AGAIN and store.prune(2**62) > 0:
            pass


def _gaps(store: Store) -> dict[str, dict[str, Any]]:
    gaps: dict[str, dict[str, Any]] = json.loads(store.meta(REFUSED) or "{}")
    return gaps


def _confession(key: str, gap: dict[str, Any]) -> Lost:
    device, cause = json.loads(key)
    return Lost(device=device, cause=cause, count=gap["count"], since=gap["since"], until=gap["until"])
