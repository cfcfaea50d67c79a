"""Presence: what operators say, and what is derived from the lines.

What is derived refers to nothing: it can be thrown away and derived anew.
"""

from __future__ import annotations

from alembic import op
from sqlalchemy import Column, Identity, PrimaryKeyConstraint
from sqlalchemy import text as words

from traceability.database.migrations.columns import FLAG, WHOLE, text, whole

revision = "6"
down_revision = "5"


def upgrade() -> None:
    """From version 5."""
    op.create_table(
        "entries", Column("number", WHOLE, Identity(), primary_key=True), text("name"), text("kind"), text("body"),
        whole("said_ms"), whole("known_ms", null=True),
    )  # fmt: skip
    op.create_table(
        "signs", whole("stream"), whole("seq"), *_known(), whole("best_ms", null=True),
        whole("earliest_ms", null=True), whole("latest_ms", null=True), text("kind"),
        Column("live", FLAG, nullable=False), text("lane", null=True),
        text("device", null=True), text("portal", null=True), text("body", null=True), text("why", null=True),
        PrimaryKeyConstraint("stream", "seq", "known_from"), sqlite_with_rowid=False,
    )  # fmt: skip
    op.create_table(
        "steps", text("name"), text("subject"), *_known(), text("token", null=True), text("site"),
        text("lane", null=True), text("role"), whole("best_ms"), text("body"),
        PrimaryKeyConstraint("name", "subject", "known_from"),
    )  # fmt: skip
    op.create_table(
        "stays", text("subject"), text("name"), *_known(), text("site"), text("zone"), whole("first_ms"),
        whole("last_ms"), text("body"), PrimaryKeyConstraint("subject", "name", "known_from"),
    )  # fmt: skip
    op.create_table(
        "beats", text("site"), text("gateway"), whole("at_ms"), Column("online", FLAG, nullable=False),
        text("epoch", null=True), whole("newest", null=True),
        PrimaryKeyConstraint("site", "gateway", "at_ms"), sqlite_with_rowid=False,
    )  # fmt: skip
    op.create_table("derived", Column("number", WHOLE, primary_key=True), whole("upto"), whole("known_ms"))
    op.create_index("signs_by_time", "signs", ["stream", "best_ms"])
    _index("signs_that_tell", "signs", ["stream", "seq"], "body IS NOT NULL")
    op.create_index("steps_of_subject", "steps", ["subject", "best_ms"])
    _index("steps_of_token", "steps", ["token"], "token IS NOT NULL")
    op.create_index("steps_at_lane", "steps", ["site", "lane", "best_ms"])
    op.create_index("stays_of_subject", "stays", ["subject", "first_ms"])
    op.create_index("stays_in_zone", "stays", ["site", "zone", "last_ms", "first_ms"])
    _index("entries_waiting", "entries", ["number"], "known_ms IS NULL")


def _known() -> tuple[Column[int], Column[int]]:
    return whole("known_from"), whole("known_to")


def _index(name: str, table: str, columns: list[str], where: str) -> None:
    op.create_index(name, table, columns, sqlite_where=words(where), postgresql_where=words(where))
