"""Presence among millions of stays: stays by zone and time, whole blocks of signs summed up, who names which lane.

The new tables are filled from the signs that are there; blocks are known since the last of their signs was.
"""

from __future__ import annotations

from alembic import op
from sqlalchemy import Connection, PrimaryKeyConstraint
from sqlalchemy import text as words

from traceability.database.migrations.columns import text, whole

revision = "8"
down_revision = "7"

STILL = 2**53
DAY_MS = 86_400_000


def upgrade() -> None:
    """From version 7."""
    op.create_table(
        "named", whole("stream"), whole("seq"), whole("known_from"), text("lane", null=True),
        text("device", null=True), text("portal", null=True), PrimaryKeyConstraint("stream", "seq"),
        sqlite_with_rowid=False,
    )  # fmt: skip
    op.create_table(
        "blocks", whole("stream"), whole("block"), whole("known_from"), whole("known_to"),
        *(whole(name, null=True) for name in ("begin_ms", "end_ms", "live_begin_ms", "live_end_ms")),
        PrimaryKeyConstraint("stream", "block", "known_from"), sqlite_with_rowid=False,
    )  # fmt: skip
    op.drop_index("stays_in_zone", "stays")
    op.create_index("stays_in_zone", "stays", ["site", "zone", "known_to", "first_ms"])
    long = words(f"last_ms - first_ms >= {DAY_MS}")
    op.create_index(
        "stays_that_last", "stays", ["site", "zone", "known_to", "last_ms"], sqlite_where=long, postgresql_where=long
    )
    op.create_index("entries_by_name", "entries", ["kind", "name"])
    sum_up(op.get_bind())


def sum_up(connection: Connection) -> None:
    """Fill the new tables from the signs."""
    live = "live" if connection.dialect.name == "postgresql" else "live = 1"
    connection.execute(words(_NAMED))
    connection.execute(words(_BLOCKS.format(live=live)))


_NAMED = """
INSERT INTO named (stream, seq, known_from, lane, device, portal)
SELECT stream, seq, known_from, lane, device, portal FROM (
    SELECT stream, seq, known_from, lane, device, portal,
        row_number() OVER (PARTITION BY stream, lane, device, portal ORDER BY known_from, seq) AS nth
    FROM signs WHERE lane IS NOT NULL AND best_ms IS NOT NULL
) ordered WHERE nth = 1
"""
_BLOCKS = f"""
INSERT INTO blocks (stream, block, known_from, known_to, begin_ms, end_ms, live_begin_ms, live_end_ms)
SELECT stream, seq / 1024, max(known_from), {STILL}, min(best_ms), max(best_ms),
    min(CASE WHEN {{live}} THEN best_ms END), max(CASE WHEN {{live}} THEN best_ms END)
FROM signs WHERE known_to = {STILL} GROUP BY stream, seq / 1024
HAVING count(*) = 1024 AND max(CASE WHEN kind IN ('gateway.started', 'gateway.stopped') THEN 1 ELSE 0 END) = 0
"""
