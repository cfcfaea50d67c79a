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
    """The marks by device. Raises ValueError, TypeError, LookupError for what nobody of us has written.

    An earlier version kept the mark before as well, until the newer one was known to be durable.
    """
    found = {key.removeprefix(PREFIX): json.loads(kept) for key, kept in beside.items() if key.startswith(PREFIX)}
    return {device: _mark(marks[-1]) for device, marks in found.items() if marks != []}


def legible(beside: Mapping[str, str]) -> dict[str, str]:
    """What of a damaged file's values can be believed: those that are of the right form."""
    return {key: value for key, value in beside.items() if _is_legible(key, value)}


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


def _mark(filed: list[object]) -> str:
    _, mark = filed
    if not isinstance(mark, str):
        raise TypeError(f"mark {mark!r}")
    return mark
