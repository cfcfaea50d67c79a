"""The words of a ledger transaction: which stream, what happened to it, what somebody must look at."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

from sqlalchemy import bindparam, select

from traceability.database import Connection, tables

MAX_SEQ = 2**53 - 1
"""Beyond it JSON numbers stop being exact, and RFC 8785 refuses to sign them."""


@dataclass(frozen=True, slots=True, order=True)
class Key:
    """One epoch of one gateway: the unit of numbering, of the hash chain and of receipts."""

    site: str
    gateway: str
    epoch: str

    def __str__(self) -> str:
        return f"{self.site}/{self.gateway}/{self.epoch}"


@dataclass(frozen=True, slots=True)
class Alarm:
    """Something a person must look at; `event` is the log event. Said once the transaction is committed."""

    event: str
    stream: Key
    fields: dict[str, object]


@dataclass(slots=True)
class Tx:
    """One transaction: its connection, its time in unix ms, and what it did so far, by kind."""

    connection: Connection
    now_ms: int
    counts: Counter[str] = field(default_factory=Counter)
    alarms: list[Alarm] = field(default_factory=list)

    def alarm(self, event: str, stream: Key, **fields: object) -> None:
        """Remember to raise an alarm after the commit."""
        self.alarms.append(Alarm(event, stream, fields))


def plain(text: str) -> str:
    """Text that any database takes: NUL and halves of surrogate pairs, which JSON can say, become `?`."""
    return text.replace("\0", "?").encode(errors="replace").decode()


def stream_of(tx: Tx, key: Key) -> int:
    """The row of a stream, made when the stream is heard of first."""
    names = {"site": key.site, "gateway": key.gateway, "epoch": key.epoch}
    stream = tx.connection.scalar(_KNOWN, names)
    if stream is None:
        stream = tx.connection.execute(_NEW, names | {"first_ms": tx.now_ms}).scalar_one()
    return int(stream)


_STREAMS = tables.streams.c
_KNOWN = select(_STREAMS.id).where(
    _STREAMS.site == bindparam("site"),
    _STREAMS.gateway == bindparam("gateway"),
    _STREAMS.epoch == bindparam("epoch"),
)
_NEW = (
    tables.streams.insert()
    .values(site=bindparam("site"), gateway=bindparam("gateway"), epoch=bindparam("epoch"))
    .values(first_ms=bindparam("first_ms"))
    .returning(_STREAMS.id)
)
