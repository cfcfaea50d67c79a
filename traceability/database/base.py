"""What a database is to the ledger."""

from __future__ import annotations

from abc import ABC, abstractmethod
from contextlib import AbstractContextManager
from pathlib import Path

from sqlalchemy.engine import Connection

__all__ = ["MISTAKE", "VERSION", "Connection", "Database"]

VERSION = 9
"""Of the tables: the number of the last revision in `migrations`."""


MISTAKE = (
    "not the disk: two rows contradict each other, a mistake of punchgate; nothing was written, please report it"
)
"""The remedy where a database says that a row cannot be."""


class Database(ABC):
    """Belongs to one thread; any number of processes may have one on the same ledger.

    `copied` is the copy of a file that was brought forward; None: there was no need, or it is no file.
    """

    copied: Path | None = None

    @property
    @abstractmethod
    def name(self) -> str:
        """How people are told of it; never with a password."""

    @abstractmethod
    def writing(self) -> AbstractContextManager[Connection]:
        """One transaction; committed and synced when the block ends. The tables are made or brought forward first.

        Raises NotDurable if it could not be made durable: then nothing of it is in the ledger, or, where the
        connection was lost in the middle of the commit, nobody knows; the same lines are a repeat then. After any
        error the connection is thrown away. Raises Misconfigured while it was never opened and a person must mend it.
        """

    @abstractmethod
    def reading(self, *, at_once: bool = False) -> AbstractContextManager[Connection]:
        """A connection that cannot write; each statement sees what is committed then, or, `at_once`, all the same.

        Raises Unavailable without a ledger, NotDurable if it cannot be read, Misconfigured.
        """

    @abstractmethod
    def sketching(self) -> AbstractContextManager[Connection]:
        """A connection of its own, for temporary tables (see `shadows`). Its first statement begins a transaction.

        Raises as `reading` does.
        """

    @abstractmethod
    def close(self) -> None:
        """Let go of it. It may be used again."""
