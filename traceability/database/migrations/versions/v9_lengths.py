"""Stays by zone and time in three indices, by how long they last: who asks looks back no further than that.

Each ends with the other end of the stay, so that no row is read that does not meet the time asked for. And signs that
tell something by how long they were known, heartbeats by the newest record they name.
"""

from __future__ import annotations

from alembic import op
from sqlalchemy import text as words

revision = "9"
down_revision = "8"

QUARTER_MS, DAY_MS = 900_000, 86_400_000


def upgrade() -> None:
    """From version 8."""
    op.drop_index("stays_in_zone", "stays")
    op.drop_index("stays_that_last", "stays")
    _index("stays_that_pass", f"last_ms - first_ms < {QUARTER_MS}", "first_ms", "last_ms")
    stay = f"last_ms - first_ms >= {QUARTER_MS} AND last_ms - first_ms < {DAY_MS}"
    _index("stays_in_zone", stay, "first_ms", "last_ms")
    _index("stays_that_last", f"last_ms - first_ms >= {DAY_MS}", "last_ms", "first_ms")
    op.drop_index("signs_that_tell", "signs")
    told = words("body IS NOT NULL")
    columns = ["stream", "known_to", "seq", "known_from"]
    op.create_index("signs_that_tell", "signs", columns, sqlite_where=told, postgresql_where=told)
    op.create_index("beats_by_newest", "beats", ["site", "gateway", "epoch", "newest", "online", "at_ms"])


def _index(name: str, where: str, *times: str) -> None:
    columns = ["site", "zone", "known_to", *times]
    op.create_index(name, "stays", columns, sqlite_where=words(where), postgresql_where=words(where))
