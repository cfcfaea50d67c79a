"""What lines say of their clocks."""

from __future__ import annotations

from alembic import op
from sqlalchemy import Column, PrimaryKeyConstraint

from traceability.database.migrations.columns import FLAG, of_stream, text, whole

revision = "2"
down_revision = "1"


def upgrade() -> None:
    """From version 1."""
    op.add_column("streams", text("previous", null=True))
    op.create_table(
        "anchors", of_stream(), whole("seq"), text("boot"), whole("boot_ns"), whole("offset_ms"), text("state"),
        whole("error_ms", null=True), PrimaryKeyConstraint("stream", "seq"), sqlite_with_rowid=False,
    )  # fmt: skip
    op.create_table(
        "boots", of_stream(), text("boot"), whole("last_ns"),
        PrimaryKeyConstraint("stream", "boot"), sqlite_with_rowid=False,
    )  # fmt: skip
    op.create_table(
        "doubts", of_stream(), whole("seq"), whole("time_ms"), text("boot"), whole("boot_ns"), text("state"),
        whole("error_ms", null=True), Column("live", FLAG, nullable=False),
        PrimaryKeyConstraint("stream", "seq"), sqlite_with_rowid=False,
    )  # fmt: skip
