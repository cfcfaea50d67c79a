"""The station that makes records durable: one SQLite file, one writing connection, one thread."""

from gateway.journal.journal import Journal, Listeners, Opened
from gateway.journal.store import Entry, Limits, Previous, Reader, Stats, Store, Trouble, find_journal

__all__ = [
    "Entry",
    "Journal",
    "Limits",
    "Listeners",
    "Opened",
    "Previous",
    "Reader",
    "Stats",
    "Store",
    "Trouble",
    "find_journal",
]
