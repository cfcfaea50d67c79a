"""What is new in a log that has been read whole, and where it goes on.

    all that it held is known       what is not among it is new, wherever it stands
    the place is found by its tail  what stands behind it is new, up to the oldest entry that is left, over the end of
                                    a full log to its beginning; a log that has moved to the front has dropped
                                    entries, and goes on at its end
    nothing of the tail is left     somebody has cleared the log, or all was overwritten: all is new
    the tail stands in other order  the terminal does not append: what is not older than the newest entry told is new,
                                    except those of its second already told

Where more was overwritten than is kept of the oldest, or it is not sure where a full log goes on, nobody can tell
what is new from what was told before: entries dated later than all that were told are new; the others are not told,
and it is said that some may be lost.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Literal

from drivers.zk.cursor import AMID, KEY_BYTES, NO_COPY, Cursor
from drivers.zk.index import Index

CLEARED = "somebody has cleared the log"
OVERTAKEN = "the log is full, and none of the entries told last is left: others may be lost"
GONE = "none of the entries told last is left: the log was cleared or overwritten, and others may be lost"
DOUBTFUL = "it is not known how much of the log was overwritten: entries may be lost"

MOST_DROPPED = 1000
"""So many of its oldest entries a full log may drop at once; one that has more room than that was not full."""

Full = Literal["no", "maybe", "yes"]
Found = Literal["in place", "moved", "cleared", "unordered"]


@dataclass(frozen=True, slots=True)
class News:
    """`place` is before the first new entry. The `new` ones from there on are told one by one, the first of the log
    behind the last; or, if `only` says which, all at once, and then the place is `behind`. `reason`: what to say.
    """

    place: Cursor
    new: int = 0
    only: tuple[int, ...] | None = None
    behind: Cursor | None = None
    reason: str | None = None


def full_log(size: int, room: int | None) -> Full:
    """Whether a log of `size` entries with room for so many (None: it is not told) has no more."""
    return "maybe" if room is None else "yes" if size >= room else "no"


def news(index: Index, told: Cursor, held: bytearray | None, room: int | None) -> News:
    """What is new; `held`: the keys of all entries the log held when all of it was told, None: not known."""
    size = len(index)
    full = full_log(size, room)
    if not size:
        return News(Cursor(), reason=CLEARED if told.count else None)
    if held is not None and held == index.keys:
        return _none(index, told, full)
    known = _cut(held) if held is not None else set(told.oldest) if told.knows_all else None
    if known is not None:
        return _not_among(known, index, told, room)
    found, start = find(index, told, is_ring=full != "no")
    if found == "moved" and told.copy and full != "no" and index.last(told.tail[-1]) is None:
        return _in_doubt(index, told, None, None, full)
    if found == "moved" or full == "no" or (found == "cleared" and size < told.size):
        return _by_tail(index, told, found, start, room)
    if found == "in place":
        new = told.news_in([index.key(i % size) for i in range(start, start + size)])
        has_grown = full == "maybe" and size > told.size
        is_same = told.copy.rstrip(AMID) == index.copy
        if new is not None and _is_later(index, told, start + new, size - new):
            return _in_doubt(index, told, start, new, full)
        if new is not None and (not told.copy or has_grown or is_same or (new and told.is_proved)):
            return _run(index, told, start, new, is_sure=not is_same)
        return _in_doubt(index, told, start, new, full)
    if found == "unordered" and full == "maybe":
        return _by_tail(index, told, found, start, room)
    if found == "cleared" and not told.copy and all(index.last(key) is None for key in told.oldest):
        return _all(index, room)
    return _in_doubt(index, told, None, None, full)


def ascending(numbers: tuple[int, ...]) -> list[range]:
    """The ranges that have numbers in them, each up to where they go back to smaller ones: at the end of a log."""
    backs = [0, *(i for i in range(1, len(numbers)) if numbers[i] < numbers[i - 1]), len(numbers)]
    return [range(numbers[a], numbers[b - 1] + 1) for a, b in pairwise(backs) if b > a]


def find(index: Index, told: Cursor, *, is_ring: bool) -> tuple[Found, int]:
    """Where the place is, and the number of the first entry that may be new; `is_ring`: the first entry of the log
    may have come behind the last.
    """
    places = [at for at in (index.last(key) for key in told.tail) if at is not None]
    if not places:
        return ("cleared", 0) if told.count else ("in place", 0)
    leaps = sum(after < before for before, after in pairwise(places))
    is_ordered = not leaps or (is_ring and leaps == 1 and places[-1] < places[0])
    if not is_ordered or places[-1] + 1 > told.count:
        return "unordered", 0
    return "in place" if places[-1] + 1 == told.count else "moved", places[-1] + 1


def shortened(told: Cursor, gone: int, new: int, room: int | None) -> str | None:
    """What to say if entries are gone that were told, and `new` ones came; a full log loses them by itself, one or
    many at a time.
    """
    is_usual = gone <= new if room is None else told.size + new > room or told.size >= room
    if gone <= 0 or is_usual:
        return None
    what = "the log was shortened" if room is None else "somebody has shortened the log"
    return f"{what}: {gone} of the entries known before are gone"


def _cut(keys: bytearray) -> set[str]:
    return {keys[at : at + KEY_BYTES].hex() for at in range(0, len(keys), KEY_BYTES)}


def _not_among(known: set[str], index: Index, told: Cursor, room: int | None) -> News:
    size, full = len(index), full_log(len(index), room)
    new = [i for i in range(size) if index.key(i) not in known]
    if len(new) == size and (known or full == "yes"):
        return _all(index, room)
    reason = shortened(told, len(known) - size + len(new), len(new), room)
    if not new:
        return replace(_none(index, told, full), reason=reason)
    run = _one_run(new, size, full)
    if run is None:
        return _at_once(index, told, new, size, reason)
    is_sure = full == "no" or told.is_proved
    return replace(_run(index, told, run, len(new), is_sure=is_sure), reason=reason)


def _none(index: Index, told: Cursor, full: Full) -> News:
    found, start = find(index, told, is_ring=full != "no")
    is_there = full != "no" and found in ("in place", "moved")
    is_sure = full == "no" or (is_there and not told.copy)
    return _run(index, told, start if is_there else 0, 0, is_sure=is_sure)


def _one_run(new: list[int], size: int, full: Full) -> int | None:
    """Where the new ones begin, if they stand together; the first entry of a full log comes behind its last."""
    if new[-1] - new[0] == len(new) - 1:
        return new[0] if full != "no" or new[-1] == size - 1 else None
    breaks = [after for before, after in pairwise(new) if after != before + 1]
    is_over_the_end = new[0] == 0 and new[-1] == size - 1 and len(breaks) == 1
    return breaks[0] if is_over_the_end and full != "no" else None


def _by_tail(index: Index, told: Cursor, found: Found, start: int, room: int | None) -> News:
    """A log that goes on at its end."""
    size = len(index)
    if found == "cleared":
        return _all(index, room)
    if found == "unordered":
        return _at_once(index, told, index.untold(told), size, None)
    behind = [index.key(i) for i in range(start, size)]
    new = told.news_in(behind)
    if new is None and not set(told.oldest).isdisjoint(behind):
        return _in_doubt(index, told, None, None, full_log(size, room))
    run = _run(index, told, start, size - start if new is None else new, is_sure=True)
    return replace(run, reason=shortened(told, told.count - start, size - start, room))


def _is_later(index: Index, told: Cursor, start: int, count: int) -> bool:
    """Whether one of the entries from `start` on is dated later than all that were told."""
    size = len(index)
    return any(index.stamps[i % size] > told.top for i in range(start, start + count))


def _run(index: Index, told: Cursor, start: int, new: int, *, is_sure: bool) -> News:
    copy = "" if is_sure else index.copy + AMID * (new > 0)
    return News(_as_told(index.place(start % len(index), new, copy=copy), told), new)


def _all(index: Index, room: int | None) -> News:
    """All is new; where a full log has been overwritten nobody knows where it goes on."""
    size = len(index)
    full = full_log(size, room)
    copy = "" if full == "no" else index.copy + AMID
    is_cleared = room is not None and size < room - MOST_DROPPED
    reason = CLEARED if is_cleared else OVERTAKEN if full == "yes" else GONE
    return News(Cursor(size=size, copy=copy), size, reason=reason)


def _at_once(index: Index, told: Cursor, new: Iterable[int], end: int, reason: str | None) -> News:
    """New ones that do not stand together, or are not all of them: told at once, before the place is known again."""
    behind = _as_told(index.place(end % len(index), 0, copy=index.copy), told)
    only = tuple(new)
    return News(told if only else behind, only=only, behind=behind, reason=reason)


def _in_doubt(index: Index, told: Cursor, start: int | None, new: int | None, full: Full) -> News:
    """A full log of which it cannot be told what is new; `new` stand together from `start` on, if that is known."""
    size = len(index)
    known = {*told.tail, *told.oldest}
    later = [i for i, stamp in enumerate(index.stamps) if stamp > told.top and index.key(i) not in known]
    run: list[int] = []
    if start is not None:
        certain = _certain(index, told, start) if new is None else new
        is_all_gone = not told.copy and all(index.last(key) is None for key in told.oldest)
        latest = max(((i - start) % size + 1 for i in later), default=0) if is_all_gone else 0
        run = [(start + i) % size for i in range(max(certain, latest))]
    found = sorted({*run, *later}, key=lambda i: (i - (start or 0)) % size)
    is_quiet = told.copy == NO_COPY and (full == "maybe" or set(index.untold(told)) <= set(run))
    reason = None if is_quiet else DOUBTFUL
    return _at_once(index, told, found, size if start is None else start + len(run), reason)


def _certain(index: Index, told: Cursor, start: int) -> int:
    """How many entries from `start` on have come since: those that were added, and those where an entry stood that is
    known and gone.
    """
    size, known = len(index), {*told.tail, *told.oldest}
    is_at_end = told.count >= told.size or not told.oldest
    most = len(told.oldest) + (size - start) * is_at_end
    return next((i for i in range(min(most, size)) if index.key((start + i) % size) in known), min(most, size))


def _as_told(place: Cursor, told: Cursor) -> Cursor:
    return replace(place, newest=told.newest, at=told.at)
