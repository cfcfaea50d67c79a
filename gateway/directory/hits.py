"""A read of a token that somebody watches for: `list.hit`, in the transaction of the read itself.

Where nobody vouches for the clock, no bound of a list can be judged: then every list counts, and `in_time` is null.
"""

from __future__ import annotations

from collections.abc import Sequence

from gateway.directory.directory import Directory, within
from gateway.records import CredentialRead, Draft, Item, Notice

BELIEVED = ("synced", "holdover")


def with_hits(items: Sequence[Item], directory: Directory) -> Sequence[Item]:
    """The items, and behind each read what it hits."""
    marked: list[Item] = []
    for item in items:
        marked.append(item)
        if isinstance(item, Draft) and isinstance(item.body, CredentialRead):
            marked += _hits(item, item.body, directory)
    return marked if len(marked) > len(items) else items


def _hits(read: Draft, body: CredentialRead, directory: Directory) -> list[Item]:
    token, moment = body.subject.token, read.moment
    if token is None:
        return []
    is_dated = moment.quality.state in BELIEVED
    return [
        Draft(
            Notice(
                kind="list.hit",
                device=body.device,
                lane=body.place.lane,
                portal=body.place.portal,
                read=read,
                details={"list": name, "token": token, "in_time": True if is_dated else None},
            ),
            moment,
        )
        for name, window in directory.watched(token)
        if not is_dated or within(window, moment.time_ms)
    ]
