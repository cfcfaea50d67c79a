"""The station that makes records durable: one SQLite file, one writing connection, one thread."""

from gateway.journal.journal import Journal, Listeners, Opened
from gateway.journal.reader import Entry, Reader, Stats, find_journal
from gateway.journal.store import Limits, Previous, Store, Trouble

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
