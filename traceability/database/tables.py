"""The ledger's tables as they are now, for statements; `migrations` makes them, and brings earlier ones forward.

- `records`: the lines, bytes unchanged. `(stream, seq)` is their name for ever, which makes repeats harmless.
- `streams`: one row per (site, gateway, epoch). `receipt` counts the receipts given, `told` is the ledger id in the
  last one, `behind` what the gateway had settled beyond us when we were found restored from a backup.
- `spans`: which seqs of a stream are accounted for (committed, refused or declared lost), merged, so that `through`,
  `seen` and the holes are read from a few rows. `since_ms`: when the hole before the span was first seen.
- `gateways`: the last state message of each gateway. `newest_ms`: since when `newest` has been ahead of us.
- `conflicts`: other bytes under a name that was taken; both are kept. `breaks`: where the hash chain does not fit.
- `refused`: lines we will never take; `told` is the receipt that said so first. `losses`: declared lost.
- `repeats`: how many lines of a stream came again with one commit.
- `anchors`, `boots`, `doubts`: what records say of their clocks, see `clocks`; `streams.previous`: the epoch before.
  `doubts.waited_ms` null: the gateway did not say.
- `evidence`: signed heads as the gateway sent them, see `evidence`; `said` is its time, `hash` that of line `newest`.
- `expiry`: up to which row bodies have been emptied (see `expiry`); `streams.expired` counts them.
- `ledger`: the random id of this database, the last row counts; a new one is minted when a backup was restored.

All times are unix milliseconds of the centre's clock. `rowid` is the order of arrival: SQLite has it of itself.
"""

from __future__ import annotations

from sqlalchemy import BigInteger, Boolean, Column, Dialect, Identity, Integer, LargeBinary, MetaData, Table, Text

BIG = BigInteger().with_variant(Integer(), "sqlite")
FLAG = Boolean().with_variant(Integer(), "sqlite")


class Bytes(LargeBinary):
    """bytes, which both drivers take and give as they are."""

    cache_ok = True

    def bind_processor(self, dialect: Dialect) -> None:
        """Nothing to do."""

    def result_processor(self, dialect: Dialect, coltype: object) -> None:
        """Nothing to do."""


metadata = MetaData()


def _row() -> Column[int]:
    return Column("rowid", BIG, Identity(), system=True)


ledger = Table(
    "ledger",
    metadata,
    _row(),
    Column("id", Text, nullable=False),
    Column("minted_ms", BIG, nullable=False),
    Column("cause", Text, nullable=False),
)
streams = Table(
    "streams",
    metadata,
    Column("id", BIG, Identity(), primary_key=True),
    Column("site", Text, nullable=False),
    Column("gateway", Text, nullable=False),
    Column("epoch", Text, nullable=False),
    Column("receipt", BIG, nullable=False),
    Column("told", Text),
    Column("behind", BIG),
    Column("held", BIG, nullable=False),
    Column("first_ms", BIG, nullable=False),
    Column("last_ms", BIG),
    Column("previous", Text),
    Column("expired", BIG, nullable=False),
)
records = Table(
    "records",
    metadata,
    _row(),
    Column("stream", BIG, primary_key=True),
    Column("seq", BIG, primary_key=True),
    Column("hash", Bytes, nullable=False),
    Column("line", Bytes, nullable=False),
    Column("at_ms", BIG, nullable=False),
)
spans = Table(
    "spans",
    metadata,
    Column("stream", BIG, primary_key=True),
    Column("first", BIG, primary_key=True),
    Column("last", BIG, nullable=False),
    Column("since_ms", BIG, nullable=False),
)
gateways = Table(
    "gateways",
    metadata,
    Column("site", Text, primary_key=True),
    Column("gateway", Text, primary_key=True),
    Column("status", Text, nullable=False),
    Column("epoch", Text),
    Column("oldest", BIG),
    Column("newest", BIG),
    Column("newest_ms", BIG),
    Column("settled", BIG),
    Column("head", Text),
    Column("at_ms", BIG, nullable=False),
)
conflicts = Table(
    "conflicts",
    metadata,
    _row(),
    Column("stream", BIG, primary_key=True),
    Column("seq", BIG, primary_key=True),
    Column("hash", Bytes, primary_key=True),
    Column("line", Bytes, nullable=False),
    Column("at_ms", BIG, nullable=False),
)
breaks = Table(
    "breaks",
    metadata,
    Column("stream", BIG, primary_key=True),
    Column("seq", BIG, primary_key=True),
    Column("held", Text, nullable=False),
    Column("named", Text, primary_key=True),
    Column("at_ms", BIG, nullable=False),
)
refused = Table(
    "refused",
    metadata,
    Column("stream", BIG, primary_key=True),
    Column("seq", BIG, primary_key=True),
    Column("reason", Text, nullable=False),
    Column("line", Bytes, nullable=False),
    Column("told", BIG),
    Column("at_ms", BIG, nullable=False),
)
losses = Table(
    "losses",
    metadata,
    Column("stream", BIG, nullable=False),
    Column("first", BIG),
    Column("last", BIG),
    Column("count", BIG),
    Column("cause", Text, nullable=False),
    Column("declared_by", BIG, primary_key=True),
    Column("declared_seq", BIG, primary_key=True),
    Column("at_ms", BIG, nullable=False),
)
anchors = Table(
    "anchors",
    metadata,
    Column("stream", BIG, primary_key=True),
    Column("seq", BIG, primary_key=True),
    Column("boot", Text, nullable=False),
    Column("boot_ns", BIG, nullable=False),
    Column("offset_ms", BIG, nullable=False),
    Column("state", Text, nullable=False),
    Column("error_ms", BIG),
)
boots = Table(
    "boots",
    metadata,
    Column("stream", BIG, primary_key=True),
    Column("boot", Text, primary_key=True),
    Column("last_ns", BIG, nullable=False),
)
doubts = Table(
    "doubts",
    metadata,
    Column("stream", BIG, primary_key=True),
    Column("seq", BIG, primary_key=True),
    Column("time_ms", BIG, nullable=False),
    Column("boot", Text, nullable=False),
    Column("boot_ns", BIG, nullable=False),
    Column("state", Text, nullable=False),
    Column("error_ms", BIG),
    Column("live", FLAG, nullable=False),
    Column("waited_ms", BIG),
    Column("device_error_ms", BIG, nullable=False),
)
evidence = Table(
    "evidence",
    metadata,
    _row(),
    Column("stream", BIG, nullable=False),
    Column("newest", BIG, nullable=False),
    Column("hash", Bytes, nullable=False),
    Column("said", Text, nullable=False),
    Column("message", Bytes, nullable=False),
    Column("at_ms", BIG, nullable=False),
)
expiry = Table("expiry", metadata, Column("upto", BIG, nullable=False))
repeats = Table(
    "repeats",
    metadata,
    Column("stream", BIG, primary_key=True),
    Column("at_ms", BIG, primary_key=True),
    Column("count", BIG, nullable=False),
)
