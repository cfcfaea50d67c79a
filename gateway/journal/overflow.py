"""Where drafts wait while the journal has no room: durable in the emergency ring, without a number, unpublished.
How far devices were heard waits there with them, in the same order, and never outlives what it stands behind.

While anything waits here, everything new goes behind it: numbers are given in the order of arrival. As soon as there
is room all of it goes into the journal in one transaction, which also remembers which filling of the ring that was;
so a crash between that commit and the emptying of the ring doubles nothing. Once the ring is full it stays closed
until it is emptied; what is refused meanwhile is counted in its header and confessed with the rest.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gateway.clock import Moment
from gateway.journal.letters import seal, unseal
from gateway.journal.marks import DRAINED
from gateway.journal.reader import Entry
from gateway.journal.ring import Refused, Ring, count_of, find_ring
from gateway.journal.store import Store
from gateway.records import Draft, Heard, Item, Lost, drafts_of
from gateway.wire import timestamp

MAX_DEVICES = 300
ANY_DEVICE = ""


@dataclass(frozen=True, slots=True)
class Waiting:
    """What the ring holds: drafts kept and refused, bytes in use, its size (0: there is none)."""

    kept: int
    refused: int
    bytes: int
    size: int


class Overflow:
    """Owned by the journal thread. `epoch` is the one whose numbers the waiting drafts may refer to."""

    def __init__(self, journal: Path, size_bytes: int) -> None:
        self._ring = Ring(find_ring(journal), size_bytes)
        self._items: list[Item] = []
        self._epoch = ""
        self._next = 0
        self._missing = 0
        self._inherited = 0

    @property
    def is_empty(self) -> bool:
        """Whether nothing waits, and nothing has to be confessed."""
        return not (self._items or self._ring.filling.refused or self._missing or self._ring.was_damaged)

    @property
    def is_ready(self) -> bool:
        """Whether there is a ring."""
        return self._ring.is_ready

    def waiting(self) -> Waiting:
        """For people to look at; may be asked on any thread."""
        ring = self._ring
        refused = count_of(ring.filling.refused)
        return Waiting(self._next - self._missing, refused, ring.end, ring.size_bytes if ring.is_ready else 0)

    def marks(self) -> dict[str, str]:
        """How far devices were heard, as far as that waits here: later than anything in the journal."""
        return {item.device: item.mark for item in self._items if isinstance(item, Heard)}

    def prepare(self, store: Store) -> None:
        """Make the ring if it is not there yet, take up what an earlier run has left in it. Raises OSError."""
        if self._ring.is_ready:
            return
        self._ring.allocate()
        if self._ring.is_ready:
            self._take_up(store)

    def keep(self, groups: Sequence[Sequence[Item]], epoch: str) -> None:
        """Make groups durable here, or count what finds no room. Raises OSError; to be tried again with the same."""
        letters: list[tuple[int, bytes]] = []
        kept: list[tuple[Item, int]] = []
        refused: list[Draft] = []
        self._epoch = self._epoch if self._items else epoch
        place = self._next
        places: dict[int, int] = {}
        for group in groups:
            if all(item.kept is not None for item in group):
                continue  # this is another try
            drafts = drafts_of(group)
            mine = {id(draft): place + at for at, draft in enumerate(drafts)}
            letter = seal(group, places | mine, self._epoch)
            if refused or not self._has_room([*(len(done) for _, done in letters), len(letter)]):
                refused += drafts
                continue
            places |= mine
            letters.append((place, letter))
            place += len(drafts)
            kept += [(item, mine.get(id(item), place)) for item in group]
        if letters:
            self._ring.keep(letters)
        self._items += [item for item, _ in kept]
        self._next = place
        for item, at in kept:
            item.kept = at
        if refused:
            self._ring.refuse(_counted(self._ring.filling.refused, refused))

    def drain(self, store: Store, moment: Moment) -> tuple[list[Entry], list[Draft]]:
        """Inside a transaction: the entries of all that waits, and drafts that cannot become records."""
        if self._epoch != store.origin.epoch:
            self._read_again(store.origin.epoch)
        entries: list[Entry] = []
        for item in self._items:
            made_ms = item.moment.time_ms if isinstance(item, Draft) else moment.time_ms
            entries += store.append([item], made_ms)
        entries += store.append(self._confessions(moment), moment.time_ms)
        store.remember(DRAINED, str(self._ring.filling.generation))
        return entries, [draft for draft in drafts_of(self._items) if draft.seq is None]

    def undrained(self) -> None:
        """The transaction failed: nothing of it has a number."""
        for draft in drafts_of(self._items):
            draft.seq = None

    def drained(self) -> list[int]:
        """The transaction is on the disk: empty the ring; the numbers of reads an earlier run has left open in it.

        Raises OSError; to be called again until it succeeds.
        """
        self._ring.empty()
        drafts = drafts_of(self._items)
        closed = {ref.seq if isinstance(ref, Draft) else ref for draft in drafts for ref in draft.closes}
        inherited = drafts_of(self._items[: self._inherited])
        opened = [draft.seq for draft in inherited if draft.opens and draft.seq is not None]
        for item in self._items:
            item.kept = None
        self._items, self._next, self._missing = [], 0, 0
        self._inherited, self._ring.was_damaged = 0, False
        return [seq for seq in opened if seq not in closed]

    def close(self) -> None:
        """Release the file."""
        self._ring.close()

    def _take_up(self, store: Store) -> None:
        if store.meta(DRAINED) == str(self._ring.filling.generation):
            self._ring.empty()
            return
        self._read_again(store.origin.epoch)
        self._inherited = len(self._items)

    def _read_again(self, epoch: str) -> None:
        """The drafts as the file has them; those that refer into another epoch never get a number."""
        for item in self._items:
            item.kept = None
        known: dict[int, Draft] = {}
        self._items = [item for frame in self._ring.frames() for item in unseal(frame.letter, known, epoch)]
        self._epoch, self._next = epoch, max(known, default=-1) + 1
        self._missing = self._next - len(known)

    def _has_room(self, sizes: list[int]) -> bool:
        return not self._ring.filling.refused and self._ring.fits(sizes)

    def _confessions(self, moment: Moment) -> list[Draft]:
        lost = [
            Lost(device=device or None, cause="quota", count=gap["count"], since=gap["since"], until=gap["until"])
            for device, gap in self._ring.filling.refused.items()
        ]
        if self._missing or self._ring.was_damaged:
            lost.append(Lost(cause="damage", count=self._missing or None))
        return [Draft(body, moment) for body in lost]


def _counted(before: Refused, drafts: Sequence[Draft]) -> Refused:
    """One more count for the device of each draft; where there are too many devices, for all others together."""
    gaps: dict[str, dict[str, Any]] = {device: dict(gap) for device, gap in before.items()}
    for draft in drafts:
        device = draft.body.device or ANY_DEVICE
        device = device if device in gaps or len(gaps) < MAX_DEVICES else ANY_DEVICE
        at = timestamp(draft.moment.time_ms)
        gap = gaps.setdefault(device, {"count": 0, "since": at, "until": at})
        gap["count"] += 1
        gap["until"] = at
        draft.kept = None
    return gaps
