"""The personal-data limit: after `privacy.keep_days` the body of a record goes, settled or not.

What nobody else has leaves a tombstone, its number and hash, so that the chain around it can still be checked, and is
declared lost in the same transaction. What is settled leaves none: the centre has the line, and the hash of the last
one that went is the `prev` of the first that is held.

Old is what was committed, by a clock that was synchronised, before the limit; and, since numbers rise with time, all
below it. A record dated by a clock that nobody vouches for proves nothing: it goes when a later one that does is old.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from gateway.clock import Clock
from gateway.journal.reader import Entry
from gateway.journal.store import PRUNE_SLICE, Store
from gateway.records import Draft, Lost
from gateway.spans import Range, Spans
from gateway.wire import line_hash

VOUCHED = (b'"clock":{"state":"synced"', b'"clock":{"state":"holdover"')


class Done(Protocol):
    """Who is told, on the thread, when a slice is gone for good."""

    def __call__(self, store: Store, ranges: list[Range], *, more: bool) -> None: ...


@dataclass(frozen=True, slots=True)
class Expire:
    """The job that deletes one slice. `done` gets the ranges that were declared lost, and whether there is more."""

    keep_ms: int
    clock: Clock
    after: list[Callable[[], None]]
    done: Done

    def __call__(self, store: Store) -> list[Entry]:
        moment = self.clock.now()
        if moment.quality.state not in ("synced", "holdover"):
            return []
        old = _old(store, moment.time_ms - self.keep_ms)
        if not old:
            return []
        ranges = _bury(store, old)
        losses = [Draft(_loss(store, old, span), moment) for span in ranges]
        self.after.append(lambda: self.done(store, ranges, more=len(old) == PRUNE_SLICE))
        return store.append(losses, moment.time_ms)


def _old(store: Store, before_ms: int) -> list[Entry]:
    """The lowest records up to the last that is proved to be old; never the newest, it is the head of the chain."""
    lowest = store.made(store.newest - 1, PRUNE_SLICE)
    candidates = [seq for seq, made_ms in reversed(lowest) if made_ms < before_ms]
    last = next((seq for seq in candidates if _is_vouched(store, seq)), None)
    return [] if last is None else store.lines(lowest[0][0], last, PRUNE_SLICE, 1 << 40)


def _is_vouched(store: Store, seq: int) -> bool:
    (entry,) = store.lines(seq, seq, 1, 1)
    return any(word in entry.line for word in VOUCHED)


def _bury(store: Store, old: list[Entry]) -> list[Range]:
    """Delete them; the ranges of those that the centre has not taken, which are settled now by being declared."""
    settled, refused = store.settled(), {seq for seq, _, _ in store.quarantine()}
    unsettled = [entry for entry in old if entry.seq not in settled or entry.seq in refused]
    for entry in unsettled:
        store.bury(entry.seq, line_hash(entry.line))
    store.forget([entry.seq for entry in old])
    ranges = Spans((entry.seq, entry.seq) for entry in unsettled)
    settled.update(ranges)
    store.remember("settled", json.dumps(list(settled)))
    return list(ranges)


def _loss(store: Store, old: list[Entry], span: Range) -> Lost:
    first, last = span
    times = [_time(entry.line) for entry in old if first <= entry.seq <= last]
    count = last - first + 1
    return Lost(
        cause="expired",
        epoch=store.origin.epoch,
        first=first,
        last=last,
        count=count,
        since=times[0],
        until=times[-1],
    )


def _time(line: bytes) -> str | None:
    try:
        return str(json.loads(line)["time"])
    except (ValueError, KeyError, TypeError):
        return None
