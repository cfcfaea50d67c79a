"""How far bodies have been emptied."""

from __future__ import annotations

from alembic import op

from traceability.database.migrations.columns import whole

revision = "4"
down_revision = "3"


def upgrade() -> None:
    """From version 3."""
    op.add_column("streams", whole("expired", default="0"))
    op.bulk_insert(op.create_table("expiry", whole("upto")), [{"upto": 0}])
