"""How many lines came again, and when."""

from __future__ import annotations

from alembic import op
from sqlalchemy import PrimaryKeyConstraint

from traceability.database.migrations.columns import whole

revision = "7"
down_revision = "6"


def upgrade() -> None:
    """From version 6."""
    op.create_table(
        "repeats", whole("stream"), whole("at_ms"), whole("count"), PrimaryKeyConstraint("stream", "at_ms")
    )
