"""What gateways have signed."""

from __future__ import annotations

from alembic import op

from traceability.database.migrations.columns import arrival, body, of_stream, text, whole

revision = "3"
down_revision = "2"


def upgrade() -> None:
    """From version 2."""
    op.create_table(
        "evidence",
        *arrival(),
        of_stream(),
        whole("newest"),
        body("hash"),
        text("said"),
        body("message"),
        whole("at_ms"),
    )
    op.create_index("evidence_by_seq", "evidence", ["stream", "newest"])
