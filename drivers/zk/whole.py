"""A log that came in one piece, as old firmware sends it, and any terminal a short one."""

from __future__ import annotations

from drivers.events import Event
from drivers.zk.pull import Pull

SLICE = 2000


def take_whole(pull: Pull, data: bytes, at: float) -> list[Event]:
    """Give `pull`, begun, what it wants of the log. Of a long one only some SLICE entries are to be told at once; the
    rest is read again.
    """
    events: list[Event] = []
    while (wanted := pull.wants()) is not None and not pull.holds(SLICE):
        start, size = wanted
        if len(data) < start + size:
            pull.is_strange = True
            break
        events += pull.take(data[start : start + size], at)
    return events
