"""Streams, their lines, and what is wrong with them.

On a server `records` does not refer to `streams`: it would look the same stream up for every line, and no stream is
ever deleted.
"""

from __future__ import annotations

from alembic import op
from sqlalchemy import CheckConstraint, Column, Identity, PrimaryKeyConstraint, UniqueConstraint

from traceability.database.migrations.columns import WHOLE, arrival, body, is_server, of_stream, text, whole

revision = "1"
down_revision = None


def upgrade() -> None:
    """From nothing."""
    op.create_table("ledger", *arrival(), text("id"), whole("minted_ms"), text("cause"))
    op.create_table(
        "streams",
        Column("id", WHOLE, Identity(), primary_key=True),
        text("site"),
        text("gateway"),
        text("epoch"),
        whole("receipt", default="0"),
        text("told", null=True),
        whole("behind", null=True),
        whole("held", default="0"),
        whole("first_ms"),
        whole("last_ms", null=True),
        UniqueConstraint("site", "gateway", "epoch"),
    )
    stream = whole("stream") if is_server() else of_stream()
    op.create_table(
        "records", *arrival(), stream, whole("seq"), body("hash"), body("line"), whole("at_ms"),
        UniqueConstraint("stream", "seq"),
    )  # fmt: skip
    op.create_table(
        "spans", of_stream(), whole("first"), whole("last"), whole("since_ms"),
        PrimaryKeyConstraint("stream", "first"), CheckConstraint("last >= first"), sqlite_with_rowid=False,
    )  # fmt: skip
    op.create_table(
        "conflicts", *arrival(), of_stream(), whole("seq"), body("hash"), body("line"), whole("at_ms"),
        UniqueConstraint("stream", "seq", "hash"),
    )  # fmt: skip
    op.create_table(
        "breaks", of_stream(), whole("seq"), text("held"), text("named"), whole("at_ms"),
        UniqueConstraint("stream", "seq", "named"),
    )  # fmt: skip
    op.create_table(
        "refused", of_stream(), whole("seq"), text("reason"), body("line"), whole("told", null=True), whole("at_ms"),
        UniqueConstraint("stream", "seq"),
    )  # fmt: skip
    _of_gateways()
    if is_server():
        op.create_index("records_by_arrival", "records", ["rowid"])


def _of_gateways() -> None:
    """What gateways say: of themselves, and of what they have lost."""
    op.create_table(
        "gateways",
        text("site"),
        text("gateway"),
        text("status"),
        text("epoch", null=True),
        whole("oldest", null=True),
        whole("newest", null=True),
        whole("newest_ms", null=True),
        whole("settled", null=True),
        text("head", null=True),
        whole("at_ms"),
        PrimaryKeyConstraint("site", "gateway"),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "losses",
        of_stream(),
        whole("first", null=True),
        whole("last", null=True),
        whole("count", null=True),
        text("cause"),
        of_stream("declared_by"),
        whole("declared_seq"),
        whole("at_ms"),
        UniqueConstraint("declared_by", "declared_seq"),
    )
