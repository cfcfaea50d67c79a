"""The personal-data limit: after `centre.keep_days` the body of a record goes, its number and hash stay.

What is left is a tombstone: an empty line beside the hash that was written down when it came. So the number stays
accounted for, a repeat is still known as one, and the line behind it can still be checked against it. Age is counted
from the arrival here, by this clock: a record of 1970 is not old.

Records are looked at in the order they came, so each is looked at once, and a slice at a time, so that nobody waits.
"""

from __future__ import annotations

from collections import Counter
from itertools import takewhile

from sqlalchemy import bindparam, select, update

from traceability.database import tables
from traceability.database.portable import hold
from traceability.streams import Tx

SLICE_ROWS = 2000
TOMBSTONE = b""


def expire(tx: Tx, keep_ms: int) -> int:
    """Empty the bodies of one slice of what is older than that; how many records it was."""
    limit = tx.now_ms - keep_ms
    upto = tx.connection.execute(_UPTO).scalar_one()
    rows = tx.connection.execute(_NEXT.limit(SLICE_ROWS), {"upto": upto}).all()
    old = list(takewhile(lambda row: row.at_ms < limit, rows))
    if old:
        _bury(tx, upto, old[-1].rowid, Counter(row.stream for row in old))
    for emptied in _BESIDE:
        tx.connection.execute(emptied, {"limit": limit})
    return len(old)


def _bury(tx: Tx, after: int, last: int, streams: Counter[int]) -> None:
    names = tx.connection.execute(_NAMES, {"ids": list(streams)})
    hold(tx.connection, [(site, gateway) for site, gateway in names])
    tx.connection.execute(_BURY, {"after": after, "upto": last})
    for stream, count in streams.items():
        tx.connection.execute(_COUNT, {"of": stream, "more": count})
    tx.connection.execute(_REACHED, {"last": last})


_RECORDS, _STREAMS, _EXPIRY = tables.records.c, tables.streams.c, tables.expiry.c
_UPTO = select(_EXPIRY.upto).with_for_update()
_NEXT = (
    select(_RECORDS.rowid, _RECORDS.stream, _RECORDS.at_ms)
    .where(_RECORDS.rowid > bindparam("upto"))
    .order_by(_RECORDS.rowid)
)
_NAMES = select(_STREAMS.site, _STREAMS.gateway).where(_STREAMS.id.in_(bindparam("ids", expanding=True)))
_BURY = (
    update(tables.records)
    .where(_RECORDS.rowid > bindparam("after"), _RECORDS.rowid <= bindparam("upto"))
    .values(line=TOMBSTONE)
)
_COUNT = (
    update(tables.streams).where(_STREAMS.id == bindparam("of")).values(expired=_STREAMS.expired + bindparam("more"))
)
_REACHED = update(tables.expiry).values(upto=bindparam("last"))
_BESIDE = [
    update(table).where(table.c.at_ms < bindparam("limit"), table.c.line != TOMBSTONE).values(line=TOMBSTONE)
    for table in (tables.conflicts, tables.refused)
]
