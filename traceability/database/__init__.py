"""Where the ledger is kept: an SQLite file or a PostgreSQL server, behind one seam.

    with database.writing() as connection:    one transaction, committed and synced when the block ends
    with database.reading() as connection:    questions; nothing can be written

Both give a connection of SQLAlchemy Core, and what runs on it runs on either: statements over `tables`, and for the
few things the two say differently `portable`. `migrations` makes the tables. Nothing above this package knows which
of the two it stands on.
"""

from traceability.database.base import Connection, Database
from traceability.database.opening import open_database

__all__ = ["Connection", "Database", "open_database"]
