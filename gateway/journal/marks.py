"""How far each device with a memory of its own was heard: what its driver is told again at the next start.

A mark is kept in the transaction of the record it belongs to, so that after any fall nothing is told twice and
nothing is left out. The mark before stays until the newer one is known to be durable: a commit that failed may have
left its mark behind without its record.
"""

from __future__ import annotations

import json
from collections.abc import Iterable

PREFIX = "mark:"


def advanced(kept: str | None, durable: int, seq: int, mark: str) -> str:
    """What to keep once `mark` came with record `seq`, while records up to `durable` are on the disk."""
    marks = [[seq, mark]]
    if (before := _last(kept, durable)) is not None:
        marks.insert(0, before)
    return json.dumps(marks, ensure_ascii=False)


def latest(rows: Iterable[tuple[str, str]], newest: int) -> dict[str, str]:
    """The marks by device, from rows of key and value, as of record `newest`."""
    found = {key.removeprefix(PREFIX): _last(kept, newest) for key, kept in rows}
    return {device: str(last[1]) for device, last in found.items() if last is not None}


def rewound(kept: str, newest: int) -> str:
    """What stays if the records after `newest` are taken back."""
    last = _last(kept, newest)
    return json.dumps([] if last is None else [last], ensure_ascii=False)


def _last(kept: str | None, newest: int) -> list[object] | None:
    marks: list[list[object]] = json.loads(kept or "[]")
    return next((pair for pair in reversed(marks) if isinstance(pair[0], int) and pair[0] <= newest), None)
