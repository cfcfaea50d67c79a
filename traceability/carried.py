"""Records that came by hand: a file of `punchgate journal export`, taken as if the broker had brought it.

The whole file is checked before the first line is taken, and its signature where the gateway's key is known. Names
and dedup are those of the network: what is here already is a repeat, so a file may be taken twice, beside the running
centre, or after its records came by themselves. The gateway hears of it by the receipts it gets when it is back on
the network.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from typing import IO

from gateway.carry import CarryReader, Head
from traceability.ledger import Ledger
from traceability.sign import NO_KEYS, GatewayKeys
from traceability.streams import Alarm

GROUP_LINES = 500
MAX_ALARMS = 20


@dataclass(slots=True)
class Taken:
    """What became of the lines of a file: by fate (new, repeated, conflicts, refused, …), and the first alarms."""

    head: Head
    lines: int = 0
    counts: Counter[str] = field(default_factory=Counter)
    alarms: list[Alarm] = field(default_factory=list)

    @property
    def is_finding(self) -> bool:
        """Whether somebody should look: not every line is in the ledger as it was carried."""
        return any(self.counts[fate] for fate in ("conflicts", "refused", "nameless", "breaks"))


def take(ledger: Ledger, file: IO[bytes], progress: Callable[[int], None], keys: GatewayKeys = NO_KEYS) -> Taken:
    """Take the lines of a file, a group at a time; `progress` gets how many are committed.

    Raises Rejected for a file that is not whole, or not signed by a gateway that should have, and then nothing was
    taken; NotDurable; OSError while reading it.
    """
    whole = CarryReader(file)
    for _ in whole:
        pass
    keys.check(whole.head.site, whole.head.gateway, whole.seal)
    file.seek(0)
    carried = CarryReader(file)
    taken = Taken(carried.head)
    for lines in _groups(carried):
        with ledger.group([(carried.head.site, carried.head.gateway)]) as group:
            group.take(carried.head.site, carried.head.gateway, lines)
        taken.lines += len(lines)
        taken.counts.update(group.counts)
        taken.alarms += group.alarms[: MAX_ALARMS - len(taken.alarms)]
        progress(taken.lines)
    return taken


def _groups(lines: Iterable[bytes]) -> Iterator[list[bytes]]:
    group: list[bytes] = []
    for line in lines:
        group.append(line)
        if len(group) == GROUP_LINES:
            yield group
            group = []
    if group:
        yield group
