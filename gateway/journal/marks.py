"""What is kept beside the records and must be as old as they are: how far each device with a memory of its own was
heard, which filling of the emergency ring was taken, and what was refused.

It changes in the transaction of the records it belongs to, and where a commit that failed is taken back, so is this:
what is left of it would else say that something is here, or was said, that is not.

A mark is text of a driver; it is filed with the number of the newest record at that time.
"""

from __future__ import annotations

import json
from collections.abc import Mapping

PREFIX = "mark:"
DRAINED = "drained"
REFUSED = "refused"


def is_beside(key: str) -> bool:
    """Whether this value stands or falls with the records written in its transaction."""
    return key in (DRAINED, REFUSED) or key.startswith(PREFIX)


def filed(seq: int, mark: str) -> str:
    """What to keep of a mark that came when record `seq` was the newest."""
    return json.dumps([[seq, mark]], ensure_ascii=False)


def marks_in(beside: Mapping[str, str]) -> dict[str, str]:
    """The marks by device. Raises ValueError, TypeError, LookupError for what nobody of us has written."""
    found = {key.removeprefix(PREFIX): json.loads(kept) for key, kept in beside.items() if key.startswith(PREFIX)}
    return {device: _mark(marks[-1]) for device, marks in found.items() if marks != []}


def resolved(beside: Mapping[str, str], newest: int | None) -> dict[str, str]:
    """The same with one mark a device, as of record `newest`; None: nobody knows which record that is.

    An earlier version kept the mark before as well, until the newer one was known to be durable: a commit that failed
    could leave a mark behind without its record. In doubt the older one counts: what is told twice can be seen.
    Raises as `marks_in`.
    """
    return {key: _only(value, newest) if key.startswith(PREFIX) else value for key, value in beside.items()}


def legible(beside: Mapping[str, str]) -> dict[str, str]:
    """What of a damaged file's values can be believed: those that are of the right form."""
    return resolved({key: value for key, value in beside.items() if _is_legible(key, value)}, None)


def _is_legible(key: str, value: str) -> bool:
    try:
        if key == REFUSED:
            gaps = json.loads(value).items()
            return all(_is_gap(name, gap) for name, gap in gaps)
        return key == DRAINED or (is_beside(key) and bool(marks_in({key: value})))
    except (ValueError, TypeError, LookupError, AttributeError):
        return False


def _is_gap(name: str, gap: Mapping[str, object]) -> bool:
    _, cause = json.loads(name)
    return isinstance(cause, str) and type(gap["count"]) is int and {"since", "until"} <= gap.keys()


def _only(kept: str, newest: int | None) -> str:
    marks = json.loads(kept)
    if len(marks) < 2:
        return kept
    durable = [pair for pair in marks if newest is not None and pair[0] <= newest]
    seq, mark = (durable or marks[:1])[-1]
    return filed(seq, mark)


def _mark(filed: list[object]) -> str:
    _, mark = filed
    if not isinstance(mark, str):
        raise TypeError(f"mark {mark!r}")
    return mark
