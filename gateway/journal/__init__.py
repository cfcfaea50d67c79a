"""The station that makes records durable: one SQLite file, one writing connection, one thread."""

from gateway.journal.journal import Fullness, Journal, Listeners
from gateway.journal.ladder import Level, Room
from gateway.journal.opened import Opened
from gateway.journal.reader import Entry, Reader, Stats, find_journal
from gateway.journal.store import Limits, Previous, Store, Trouble

__all__ = [
    "Entry",
    "Fullness",
    "Journal",
    "Level",
    "Limits",
    "Listeners",
    "Opened",
    "Previous",
    "Reader",
    "Room",
    "Stats",
    "Store",
    "Trouble",
    "find_journal",
]
