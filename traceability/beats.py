"""Heartbeats kept: that a gateway lived at a moment, and how far it had come.

A state message comes every 30 s; one a minute is enough, and each that says something else. `at_ms` is when it came.
"""

from __future__ import annotations

from sqlalchemy import select

from traceability.database.portable import put
from traceability.streams import Tx
from traceability.whereabouts.tables import beats

EVERY_MS = 60_000


def note(tx: Tx, site: str, gateway: str, *, online: bool, epoch: str | None, newest: int | None) -> None:
    """Keep it, unless the last one said the same less than a minute ago."""
    c = beats.c
    own = (c.site == site, c.gateway == gateway)
    query = select(c.at_ms, c.online, c.epoch, c.newest).where(*own).order_by(c.at_ms.desc()).limit(1)
    last = tx.connection.execute(query).first()
    if last is not None:
        at_ms, *said = last
        if [bool(said[0]), said[1], said[2]] == [online, epoch, newest] and tx.now_ms - at_ms < EVERY_MS:
            return
    row = {"site": site, "gateway": gateway, "at_ms": tx.now_ms, "online": online, "epoch": epoch, "newest": newest}
    put(tx.connection, beats, [row])
