"""What a restored gateway begins with, made beside its place: a new epoch that says what the one before had.

Whoever made the backup may have gone on under its epoch, so that epoch's numbers are used up: its records are kept,
set aside, and not one is ever added to them. The new one begins as after every copy of a journal, with a
`records.lost` that names the old epoch and how far it was settled; devices go on from their marks.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from gateway.clock import Moment
from gateway.directory import Registry
from gateway.errors import NotDurable, Rejected
from gateway.journal import Entry, Previous, Reader, Store
from gateway.journal.chain import require_record
from gateway.journal.marks import DRAINED, PREFIX
from gateway.journal.ring import peek
from gateway.journal.schema import Error, sync
from gateway.unwatched import Unwatched
from gateway.wire import GENESIS, line_hash, read_line


def begin_after(
    copy: Path, journal: Path, names: tuple[str, str, str], moment: Moment
) -> tuple[Previous, Entry | None]:
    """Make `journal`, the epoch after the one in `copy`; what that one was, and its newest record.

    Raises Rejected if the copy cannot be read, sqlite3.Error or OSError if the new one cannot be written.
    """
    previous, last = _look(copy)
    store = Store(journal, names)
    try:
        store.begin(previous, moment)
        store.sign_off()
    finally:
        store.close()
    sync(journal)
    return previous, last


def alone_since(folder: Path, last: Entry | None) -> None:
    """In the registry in this folder, note that nobody is known to have listened to the devices since that record."""
    registry = Registry(folder)
    try:
        Unwatched(registry).begin(last, [str(document.get("device")) for document in registry.all()])
    finally:
        registry.close()


def _look(copy: Path) -> tuple[Previous, Entry | None]:
    try:
        reader = Reader(copy)
        try:
            epoch, newest = reader.meta("epoch") or "", reader.bounds()[1]
            tail = reader.lines(newest, newest, 1, 1)
            for entry in tail:
                require_record(entry, epoch)
            head = line_hash(tail[0].line) if tail else GENESIS
            settled, beside = reader.settled().through(), reader.beside()
            last = tail[0] if tail else None
        finally:
            reader.close()
    except (Error, ValueError, TypeError, LookupError) as error:
        raise Rejected(f"its journal cannot be used: {error}", remedy="take another backup") from error
    return Previous(epoch, newest, head, settled, is_copy=True, beside=_marks(beside)), last


def _marks(beside: Mapping[str, str]) -> dict[str, str]:
    """What was refused is for whoever made the backup to confess, and its ring stays there."""
    return {key: value for key, value in beside.items() if key.startswith(PREFIX)}


@dataclass(frozen=True, slots=True)
class Before:
    """What can still be read of a journal that a restore sets aside: its epoch, whose it is (site and gateway), and
    which filling of the emergency ring it has taken in last."""

    epoch: str = "unknown"
    names: tuple[str, str] | None = None
    drained: str | None = None


def look_back(journal: Path) -> Before:
    """Of a journal that cannot be read, nothing."""
    with suppress(Error, Rejected, NotDurable, LookupError):
        reader = Reader(journal)
        try:
            newest = reader.bounds()[1]
            line = read_line(reader.lines(newest, newest, 1, 1)[0].line)
            return Before(line.epoch, (line.site, line.gateway), reader.meta(DRAINED))
        finally:
            reader.close()
    return Before()


def is_drained(before: Before, ring: Path) -> bool:
    """Whether what the emergency ring holds is in that journal already: no other one may take it in again."""
    with suppress(OSError, ValueError):
        filling, frames, _ = peek(ring)
        return bool(frames or filling.refused) and before.drained == str(filling.generation)
    return False
