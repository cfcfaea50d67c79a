"""Words that several revisions share: what SQLite and PostgreSQL call differently."""

from __future__ import annotations

from alembic import op
from sqlalchemy import BigInteger, Boolean, Column, ForeignKey, Identity, Integer, LargeBinary, Text

__all__ = ["FLAG", "WHOLE", "arrival", "body", "is_server", "of_stream", "text", "whole"]

WHOLE = BigInteger().with_variant(Integer(), "sqlite")
FLAG = Boolean().with_variant(Integer(), "sqlite")


def is_server() -> bool:
    """Whether it is PostgreSQL that is being changed."""
    return op.get_bind().dialect.name == "postgresql"


def arrival() -> list[Column[int]]:
    """`rowid`, the order of arrival; SQLite has it of itself."""
    return [Column("rowid", BigInteger, Identity(), nullable=False)] if is_server() else []


def of_stream(name: str = "stream", *, null: bool = False) -> Column[int]:
    return Column(name, WHOLE, ForeignKey("streams.id"), nullable=null)


def whole(name: str, *, null: bool = False, default: str | None = None) -> Column[int]:
    return Column(name, WHOLE, nullable=null, server_default=default)


def text(name: str, *, null: bool = False) -> Column[str]:
    """On a server, too, in the order of its bytes, and not by the rules of some language."""
    return Column(name, Text().with_variant(Text(collation="C"), "postgresql"), nullable=null)


def body(name: str) -> Column[bytes]:
    return Column(name, LargeBinary, nullable=False)
