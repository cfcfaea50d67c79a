"""The words of a ledger transaction: which stream, what happened to it, what somebody must look at."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from functools import cache
from typing import Any

from sqlalchemy import and_, bindparam, select

from traceability.database import Connection, tables
from traceability.database.portable import ask, given

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
    """One transaction: its connection, its time in unix ms, what else may be done while a server takes lines in, and
    what it did so far, by kind."""

    connection: Connection
    now_ms: int
    meanwhile: Callable[[], None] | None = None
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
    return streams_of(tx, [key])[key]


def streams_of(tx: Tx, keys: Iterable[Key]) -> dict[Key, int]:
    """The rows of these streams; of those that are heard of first they are made."""
    wanted = list(dict.fromkeys(keys))
    rows = ask(tx.connection, _known, [(key.site, key.gateway, key.epoch) for key in wanted])
    found = {Key(site, gateway, epoch): int(stream) for stream, site, gateway, epoch in rows}
    for key in wanted:
        if key not in found:
            names = {"site": key.site, "gateway": key.gateway, "epoch": key.epoch, "first_ms": tx.now_ms}
            found[key] = int(tx.connection.execute(_NEW, names).scalar_one())
    return found


_STREAMS = tables.streams.c
_NEW = (
    tables.streams.insert()
    .values(site=bindparam("site"), gateway=bindparam("gateway"), epoch=bindparam("epoch"))
    .values(first_ms=bindparam("first_ms"))
    .returning(_STREAMS.id)
)


@cache
def _known(dialect: str) -> Any:
    names = (_STREAMS.site, _STREAMS.gateway, _STREAMS.epoch)
    asked = given(dialect, *names)
    same = and_(*(column == asked.c[column.name] for column in names))
    return select(_STREAMS.id, *names).join_from(asked, tables.streams, same)
