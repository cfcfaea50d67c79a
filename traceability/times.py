"""When every record happened: the stored lines with their own time and what is known better by now.

Read like the export, in slices, so a long answer does not keep the ledger from being written. What is dated by
anchors is dated by those that are here when the question is asked; one that comes later may say it better.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, fields
from typing import Any, get_args

from sqlalchemy import bindparam, select

from gateway.wire import Line, read_line, timestamp
from traceability import clocks
from traceability.anchors import Anchor, Reading
from traceability.database import Connection, Database, tables
from traceability.dating import Basis, Chronicle, Dated
from traceability.export import Wanted, pieces
from traceability.growing import Growing


@dataclass(frozen=True, slots=True)
class Time:
    """One record: its name and type, the time it carries, when it happened."""

    id: str
    type: str
    time: str
    dated: Dated

    def as_dict(self) -> dict[str, Any]:
        """As `--json` prints it."""
        return {"id": self.id, "type": self.type, "time": self.time, "dated": as_dict(self.dated)}

    def text(self) -> str:
        """As a person reads it."""
        return f"{self.id}  {self.time}  {_told(self.dated)}"


def tell(database: Database, wanted: Wanted) -> Iterator[list[Time]]:
    """The records in the order of the export. Raises Unavailable, NotDurable."""
    with database.reading() as connection:
        before, chronicle = ("", ""), Chronicle([], {})
        for name, lines in pieces(connection, wanted):
            if name != before:
                before, chronicle = name, chronicle_of(connection, *name)
            yield [_time(line, chronicle) for line in map(read_line, lines)]


def chronicle_of(connection: Connection, site: str, gateway: str) -> Chronicle:
    """The boots of one gateway, over all its epochs."""
    return story_of(connection, site, gateway)[0]


def story_of(connection: Connection, site: str, gateway: str) -> tuple[Growing, dict[str, tuple[int, int]]]:
    """The same, as something that grows; and of each epoch its chain, and its position in that."""
    streams = connection.execute(_EPOCHS, {"site": site, "gateway": gateway}).all()
    places = _places([(epoch, previous) for _, epoch, previous in streams])
    anchors: list[Anchor] = []
    last_ns: dict[str, int] = {}
    for stream, epoch, _ in streams:
        name = f"{site}/{gateway}/{epoch}"
        anchors += [
            Anchor(f"{name}/{seq}", boot, boot_ns, offset_ms, state, error_ms, (*places[epoch], seq))
            for seq, boot, boot_ns, offset_ms, state, error_ms in connection.execute(_ANCHORS, {"of": stream})
        ]
        for boot, boot_ns in connection.execute(_BOOTS, {"of": stream}):
            last_ns[boot] = max(boot_ns, last_ns.get(boot, 0))
    return Growing(anchors, last_ns), places


def count(connection: Connection, stream: int, held: int, chronicle: Chronicle) -> dict[str, int]:
    """How the records of a stream are dated, by basis."""
    bases: Counter[str] = Counter(dict.fromkeys(get_args(Basis), 0))
    doubts = 0
    for row in connection.execute(_DOUBTS, {"of": stream}):
        doubts += 1
        bases[chronicle.date(Reading(*row)).basis] += 1
    bases["clock"] += held - doubts
    return dict(bases)


def as_dict(dated: Dated) -> dict[str, Any]:
    """`dated` as programs get it; times are UTC, RFC 3339."""
    return {
        "time": _stamp(dated.time_ms),
        "error_ms": dated.error_ms,
        "earliest": _stamp(dated.earliest_ms),
        "latest": _stamp(dated.latest_ms),
        "basis": dated.basis,
        "quality": dated.quality,
        "by": dated.by,
        "between": None if dated.between is None else list(dated.between),
    }


def _time(line: Line, chronicle: Chronicle) -> Time:
    name = f"{line.site}/{line.gateway}/{line.epoch}/{line.seq}"
    return Time(name, line.type, line.time, chronicle.date(clocks.reading_of(line)))


def _places(epochs: Sequence[tuple[str, str | None]]) -> dict[str, tuple[int, int]]:
    """Chain and position of each epoch, from pairs of an epoch and the one it says it follows.

    What follows something that is not here, or that another one follows already, as the second of two cloned boxes
    does, begins a chain of its own: nothing is known of its order to the others.
    """
    known = dict(epochs)
    followers: dict[str, str] = {}
    for epoch, before in epochs:
        if before in known:
            followers.setdefault(before, epoch)
    behind = set(followers.values())
    first = [epoch for epoch in known if epoch not in behind]
    places: dict[str, tuple[int, int]] = {}
    for chain, begin in enumerate([*first, *known]):
        at: str | None = begin
        position = 0
        while at is not None and at not in places:
            places[at] = (chain, position)
            at, position = followers.get(at), position + 1
    return places


def _stamp(time_ms: int | None) -> str | None:
    try:
        return None if time_ms is None else timestamp(time_ms)
    except (ValueError, OverflowError):
        return None


def _told(dated: Dated) -> str:
    between = f"between {_stamp(dated.earliest_ms) or '?'} and {_stamp(dated.latest_ms) or '?'}"
    if dated.time_ms is None:
        return f"{between}, by the order"
    error = f"± {dated.error_ms / 1000:.3f} s" if dated.error_ms is not None else f"± ?, {between}"
    witness = f"anchor {dated.by}" if dated.by else "its own clock"
    return f"{_stamp(dated.time_ms)} {error}, by {witness}, {dated.quality}"


_STREAMS, _ANCHOR, _BOOT, _DOUBT = (
    table.c for table in (tables.streams, tables.anchors, tables.boots, tables.doubts)
)
_EPOCHS = (
    select(_STREAMS.id, _STREAMS.epoch, _STREAMS.previous)
    .where(_STREAMS.site == bindparam("site"), _STREAMS.gateway == bindparam("gateway"))
    .order_by(_STREAMS.first_ms, _STREAMS.id)
)
_ANCHORS = select(
    _ANCHOR.seq, _ANCHOR.boot, _ANCHOR.boot_ns, _ANCHOR.offset_ms, _ANCHOR.state, _ANCHOR.error_ms
).where(_ANCHOR.stream == bindparam("of"))
_BOOTS = select(_BOOT.boot, _BOOT.last_ns).where(_BOOT.stream == bindparam("of"))
_DOUBTS = select(*(_DOUBT[field.name] for field in fields(Reading) if field.name != "since")).where(
    _DOUBT.stream == bindparam("of")
)
