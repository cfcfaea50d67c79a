"""What the kept testimony is worth now: each signed head against the key, the stored line and the chain before it.

Nothing the ledger says of itself is believed here: what it noted must be what the message says, the hash of a line is
computed from its bytes, and the chain is walked line by line. A testimony *holds* if the gateway's key fits, the line
it names is here with that hash, and every line from `since` to there names the one before. `since` is 1 if the whole
epoch is here; where lines are missing or changed, what lies before the last such place is not proved.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import Any, Literal

from sqlalchemy import select

from gateway.errors import Rejected
from gateway.wire import line_hash, read_line, timestamp
from traceability.database import Connection, Database, tables
from traceability.export import Wanted, streams
from traceability.sign import Forged, GatewayKeys
from traceability.streams import Key

SLICE_ROWS = 1000

Signature = Literal["valid", "invalid", "no key"]
Stored = Literal["same", "other", "missing"]


@dataclass(frozen=True, slots=True)
class Proof:
    """One signed head. `said` is the gateway's clock, `received` the centre's; `since` as above, None: no proof."""

    site: str
    gateway: str
    epoch: str
    newest: int
    said: str
    received: str
    signature: Signature
    line: Stored
    since: int | None
    message: str

    @property
    def is_finding(self) -> bool:
        """Whether somebody should look: it is not the gateway's, or it is, and the lines are not what it said."""
        return self.signature == "invalid" or self.line == "other"

    def as_dict(self) -> dict[str, Any]:
        """As `--json` prints it; `message` is the evidence itself, byte for byte."""
        return asdict(self) | {"holds": self.signature == "valid" and self.line == "same"}

    def text(self) -> str:
        """As a person reads it."""
        verdict = f"proves {self.since}..{self.newest}" if self.since is not None else f"does not prove {self.newest}"
        stored = {"same": "line is here", "other": "ANOTHER LINE IS HERE", "missing": "line is not here"}[self.line]
        said = f"said {self.said}  received {self.received}  signature {self.signature}  {stored}"
        return f"{self.site}/{self.gateway}/{self.epoch}  {verdict}  {said}"


def prove(
    database: Database, keys: GatewayKeys, site: str | None = None, gateway: str | None = None
) -> Iterator[Proof]:
    """The testimonies in order of site, gateway, epoch and number. Raises Unavailable, NotDurable."""
    with database.reading() as connection:
        wanted = connection.execute(streams(Wanted(site, gateway))).all()
        for stream, in_site, in_gateway, epoch in wanted:
            yield from _of_stream(connection, stream, Key(in_site, in_gateway, epoch), keys)


def _of_stream(connection: Connection, stream: int, key: Key, keys: GatewayKeys) -> Iterator[Proof]:
    walk = _Walk(connection, stream)
    said_of = tables.evidence.c
    wanted = select(said_of.newest, said_of.hash, said_of.said, said_of.message, said_of.at_ms)
    rows = connection.execute(wanted.where(said_of.stream == stream).order_by(said_of.newest, said_of.rowid)).all()
    for newest, head, said, message, at_ms in rows:
        signature = _signature(keys, key, (newest, head.hex(), said), message)
        stored = walk.stored(newest, head.hex())
        is_proof = signature == "valid" and stored == "same"
        yield Proof(
            site=key.site,
            gateway=key.gateway,
            epoch=key.epoch,
            newest=newest,
            said=said,
            received=timestamp(at_ms),
            signature=signature,
            line=stored,
            since=walk.since if is_proof else None,
            message=message.decode(errors="replace"),
        )


def _signature(keys: GatewayKeys, key: Key, noted: tuple[int, str, str], message: bytes) -> Signature:
    """Of the message, and whether what the ledger noted of it (number, hash, time) is what is signed."""
    try:
        if not keys.check(key.site, key.gateway, message):
            return "no key"
        words = json.loads(message)
        signed = (words.get("epoch"), words.get("newest"), words.get("head"), words.get("time", ""))
        return "valid" if signed == (key.epoch, *noted) else "invalid"
    except Forged:
        return "invalid"


class _Walk:
    """Goes along the lines of a stream once, however many testimonies ask; each slice is read by itself."""

    def __init__(self, connection: Connection, stream: int) -> None:
        self._connection = connection
        self._stream = stream
        self._at = 0
        self._hash: str | None = None
        self.since = 1
        """The first line from which on the chain holds to where the walk stands."""

    def stored(self, seq: int, head: str) -> Stored:
        """Whether the line under this number, not below those asked before, has this hash."""
        while self._at < seq and self._step(seq):
            pass
        if self._at != seq or self._hash is None:
            return "missing"
        return "same" if self._hash == head else "other"

    def _step(self, seq: int) -> bool:
        records = tables.records.c
        kept = select(records.seq, records.line).where(records.stream == self._stream, records.line != b"")
        between = kept.where(records.seq > self._at, records.seq <= seq)
        rows = self._connection.execute(between.order_by(records.seq).limit(SLICE_ROWS)).all()
        for number, line in rows:
            if number != self._at + 1 or (self._hash is not None and _prev(line) != self._hash):
                self.since = number
            self._at, self._hash = number, line_hash(line)
        return bool(rows)


def _prev(line: bytes) -> str | None:
    try:
        return read_line(line).prev
    except Rejected:
        return None
