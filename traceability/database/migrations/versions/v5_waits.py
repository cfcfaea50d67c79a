"""How long a record had been waiting, and what a device's memory may be wrong by."""

from __future__ import annotations

from alembic import op

from traceability.database.migrations.columns import whole

revision = "5"
down_revision = "4"


def upgrade() -> None:
    """From version 4."""
    op.add_column("doubts", whole("waited_ms", null=True))
    op.add_column("doubts", whole("device_error_ms", default="0"))
