"""What the ledger has of each gateway and epoch, and what it knows it has not.

Reads the database only, so it answers beside a running centre and without one. Holes younger than 5 s are batches
still on their way and are left out. A finding is what somebody should look at: a hole, two lines under one name, a
broken chain. Losses and refusals are listed but are no finding: they stay for ever and were said when they happened.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import Any

from sqlalchemy import Row, bindparam, func, select

from gateway.errors import Unavailable
from gateway.wire import timestamp
from traceability import spans, states, times
from traceability.database import Connection, Database, tables
from traceability.dating import Chronicle
from traceability.receipts import HOLE_AGE_MS
from traceability.streams import Key

MAX_SHOWN = 20


@dataclass(frozen=True, slots=True)
class Range:
    """Seqs, both ends included."""

    first: int
    last: int


@dataclass(frozen=True, slots=True)
class Loss:
    """What a gateway declared lost; `arrived`: how many of them came after all. Unknown values are None."""

    first: int | None
    last: int | None
    count: int | None
    cause: str
    arrived: int


@dataclass(frozen=True, slots=True)
class Refusal:
    """A record that will never be taken."""

    seq: int
    reason: str


@dataclass(frozen=True, slots=True)
class Heard:
    """The gateway's last word; `current`: whether it is in this epoch now. Times are UTC, RFC 3339."""

    status: str
    current: bool
    newest: int | None
    settled: int | None
    time: str


@dataclass(frozen=True, slots=True)
class Coverage:
    """One epoch of one gateway. `conflicts` and `breaks` are seqs. `held` counts lines, `expired` those of them whose
    body is gone since, `dated` all of them by basis.
    """

    site: str
    gateway: str
    epoch: str
    through: int
    seen: int
    held: int
    expired: int
    missing: list[Range]
    lost: list[Loss]
    refused: list[Refusal]
    conflicts: list[int]
    breaks: list[int]
    dated: dict[str, int]
    last_arrival: str | None
    state: Heard | None

    @property
    def is_finding(self) -> bool:
        """Whether somebody should look at it."""
        return bool(self.missing or self.conflicts or self.breaks)


@dataclass(frozen=True, slots=True)
class Report:
    """The whole ledger, ordered by site, gateway, epoch."""

    ledger: str
    streams: list[Coverage]

    def as_dict(self) -> dict[str, Any]:
        """As `--json` prints it."""
        return asdict(self)

    def lines(self) -> Iterator[str]:
        """As a person reads it."""
        yield f"ledger {self.ledger}"
        for stream in self.streams:
            yield from _lines(stream)


def survey(database: Database, now_ms: int) -> Report:
    """Read the coverage of a ledger. Raises Unavailable, NotDurable."""
    with database.reading(at_once=True) as connection:
        ledger = states.last_id(connection)
        if ledger is None:
            raise Unavailable(f"{database.name}: the ledger is empty")
        rows = connection.execute(_STREAMS).all()
        names = dict.fromkeys((row.site, row.gateway) for row in rows)
        chronicles = {name: times.chronicle_of(connection, *name) for name in names}
        return Report(ledger, [_coverage(connection, row, chronicles[row.site, row.gateway], now_ms) for row in rows])


def _coverage(connection: Connection, row: Row[Any], chronicle: Chronicle, now_ms: int) -> Coverage:
    stream, key = row.id, Key(row.site, row.gateway, row.epoch)
    missing = spans.holes(spans.read(connection, stream), states.last_tail(connection, key))
    return Coverage(
        site=key.site,
        gateway=key.gateway,
        epoch=key.epoch,
        through=spans.through(connection, stream),
        seen=spans.top(connection, stream),
        held=row.held,
        expired=row.expired,
        missing=[Range(hole.first, hole.last) for hole in missing if now_ms - hole.since_ms >= HOLE_AGE_MS],
        lost=[Loss(*loss) for loss in connection.execute(_LOST, {"of": stream})],
        refused=[Refusal(*refusal) for refusal in connection.execute(_REFUSED, {"of": stream})],
        conflicts=list(connection.scalars(_CONFLICTS, {"of": stream})),
        breaks=list(connection.scalars(_BREAKS, {"of": stream})),
        dated=times.count(connection, stream, row.held, chronicle),
        last_arrival=None if row.last_ms is None else timestamp(row.last_ms),
        state=_heard(connection, key),
    )


def _heard(connection: Connection, key: Key) -> Heard | None:
    row = connection.execute(_STATE, {"site": key.site, "gateway": key.gateway}).one_or_none()
    if row is None:
        return None
    return Heard(row.status, row.epoch == key.epoch, row.newest, row.settled, timestamp(row.at_ms))


_OF, _RECORD, _LOSS = bindparam("of", type_=tables.BIG), tables.records.c, tables.losses.c
_STREAMS = select(tables.streams).order_by(tables.streams.c.site, tables.streams.c.gateway, tables.streams.c.epoch)
_ARRIVED = (
    select(func.count())
    .where(_RECORD.stream == _LOSS.stream, _RECORD.seq.between(_LOSS.first, _LOSS.last))
    .scalar_subquery()
)
_LOST = (
    select(_LOSS.first, _LOSS.last, _LOSS["count"], _LOSS.cause, _ARRIVED)
    .where(_LOSS.stream == _OF)
    .order_by(_LOSS.first.nulls_first(), _LOSS.declared_seq)
)
_REFUSED = (
    select(tables.refused.c.seq, tables.refused.c.reason)
    .where(tables.refused.c.stream == _OF)
    .order_by(tables.refused.c.seq)
)
_CONFLICTS, _BREAKS = (
    select(table.c.seq).where(table.c.stream == _OF).distinct().order_by(table.c.seq)
    for table in (tables.conflicts, tables.breaks)
)
_GATEWAY = tables.gateways.c
_STATE = select(_GATEWAY.status, _GATEWAY.epoch, _GATEWAY.newest, _GATEWAY.settled, _GATEWAY.at_ms).where(
    _GATEWAY.site == bindparam("site"), _GATEWAY.gateway == bindparam("gateway")
)


# --- for people


def _lines(stream: Coverage) -> Iterator[str]:
    status = "not heard" if stream.state is None else stream.state.status if stream.state.current else "former epoch"
    yield (
        f"{stream.site}/{stream.gateway}/{stream.epoch}  {status}  through {stream.through}  seen {stream.seen}"
        f"  held {stream.held}  last arrival {stream.last_arrival or 'never'}"
    )
    if stream.dated["anchor"] or stream.dated["order"]:
        yield "  dated by " + ", ".join(f"{basis} {count}" for basis, count in stream.dated.items())
    if stream.expired:
        yield f"  expired {stream.expired}: number and hash are here, the body is gone"
    yield from _few("missing", [_range(hole.first, hole.last) for hole in stream.missing])
    yield from _few("lost", [_loss(loss) for loss in stream.lost])
    yield from _few("refused", [f"{refusal.seq}: {refusal.reason}" for refusal in stream.refused])
    yield from _few("conflict", [f"{seq}: other bytes under the same name, both kept" for seq in stream.conflicts])
    yield from _few("chain broken", [f"{seq} does not follow {seq - 1}" for seq in stream.breaks])


def _few(title: str, entries: list[str]) -> Iterator[str]:
    yield from (f"  {title} {entry}" for entry in entries[:MAX_SHOWN])
    if len(entries) > MAX_SHOWN:
        yield f"  {title} … and {len(entries) - MAX_SHOWN} more; --json lists all"


def _range(first: int, last: int) -> str:
    return f"{first}–{last} ({last - first + 1})"


def _loss(loss: Loss) -> str:
    where = "of unknown numbers" if loss.first is None or loss.last is None else _range(loss.first, loss.last)
    arrived = f", {loss.arrived} arrived after all" if loss.arrived else ""
    return f"{where}: {loss.cause}{arrived}"
