"""What the ledger has of each gateway and epoch, and what it knows it has not.

Reads the database only, so it answers beside a running centre and without one. Holes younger than 5 s are batches
still on their way and are left out. A finding is what somebody should look at: a hole, two lines under one name, a
broken chain. Losses and refusals are listed but are no finding: they stay for ever and were said when they happened.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from gateway.errors import Unavailable
from gateway.wire import timestamp
from traceability import spans, times
from traceability.database import Connection, reading
from traceability.dating import Chronicle
from traceability.receipts import HOLE_AGE_MS

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


def survey(path: Path, now_ms: int) -> Report:
    """Read the coverage of a ledger. Raises Unavailable, NotDurable."""
    with reading(path) as connection:
        connection.execute("BEGIN")
        row = connection.execute("SELECT id FROM ledger ORDER BY rowid DESC LIMIT 1").fetchone()
        if row is None:
            raise Unavailable(f"{path}: the ledger is empty")
        streams = connection.execute(
            "SELECT id, site, gateway, epoch, held, expired, last_ms FROM streams ORDER BY site, gateway, epoch"
        ).fetchall()
        names = dict.fromkeys((site, gateway) for _, site, gateway, *_ in streams)
        chronicles = {name: times.chronicle_of(connection, *name) for name in names}
        return Report(row[0], [_coverage(connection, row, chronicles[row[1], row[2]], now_ms) for row in streams])


def _coverage(connection: Connection, row: tuple[Any, ...], chronicle: Chronicle, now_ms: int) -> Coverage:
    stream, site, gateway, epoch, held, expired, last_ms = row
    state = _heard(connection, site, gateway, epoch)
    missing = spans.holes(spans.read(connection, stream), _tail(connection, site, gateway, epoch))
    return Coverage(
        site=site,
        gateway=gateway,
        epoch=epoch,
        through=spans.through(connection, stream),
        seen=spans.top(connection, stream),
        held=held,
        expired=expired,
        missing=[Range(hole.first, hole.last) for hole in missing if now_ms - hole.since_ms >= HOLE_AGE_MS],
        lost=_lost(connection, stream),
        refused=[Refusal(*row) for row in _select(connection, "seq, reason", "refused", stream)],
        conflicts=[seq for (seq,) in _select(connection, "DISTINCT seq", "conflicts", stream)],
        breaks=[seq for (seq,) in _select(connection, "DISTINCT seq", "breaks", stream)],
        dated=times.count(connection, stream, held, chronicle),
        last_arrival=None if last_ms is None else timestamp(last_ms),
        state=state,
    )


def _select(connection: Connection, columns: str, table: str, stream: int) -> list[tuple[Any, ...]]:
    return connection.execute(f"SELECT {columns} FROM {table} WHERE stream = ? ORDER BY seq", (stream,)).fetchall()


def _lost(connection: Connection, stream: int) -> list[Loss]:
    rows = connection.execute(
        "SELECT first, last, count, cause, "
        "(SELECT count(*) FROM records r WHERE r.stream = l.stream AND r.seq BETWEEN l.first AND l.last) "
        "FROM losses l WHERE stream = ? ORDER BY first, declared_seq",
        (stream,),
    )
    return [Loss(*row) for row in rows]


def _heard(connection: Connection, site: str, gateway: str, epoch: str) -> Heard | None:
    row = connection.execute(
        "SELECT status, epoch, newest, settled, at_ms FROM gateways WHERE site = ? AND gateway = ?", (site, gateway)
    ).fetchone()
    if row is None:
        return None
    status, now_in, newest, settled, at_ms = row
    return Heard(status, now_in == epoch, newest, settled, timestamp(at_ms))


def _tail(connection: Connection, site: str, gateway: str, epoch: str) -> spans.Tail | None:
    row = connection.execute(
        "SELECT newest, newest_ms FROM gateways WHERE site = ? AND gateway = ? AND epoch = ? AND newest IS NOT NULL",
        (site, gateway, epoch),
    ).fetchone()
    return spans.Tail(*row) if row else None


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
