"""Journals that cannot be used any more are set aside under another name, never deleted."""

from __future__ import annotations

import contextlib
from pathlib import Path

from gateway.errors import NotDurable
from gateway.journal.marks import legible
from gateway.journal.reader import Reader
from gateway.journal.schema import Error
from gateway.journal.store import Previous


def set_aside(path: Path, epoch: str) -> Path:
    """Rename a journal file and its companions so that a new epoch can begin; returns the new name."""
    aside = free_name(path, epoch)
    for suffix in ("", "-wal", "-shm"):
        companion = Path(f"{path}{suffix}")
        if companion.exists():
            companion.rename(f"{aside}{suffix}")
    return aside


def free_name(path: Path, epoch: str) -> Path:
    """A name beside the journal under which one of this epoch can be set aside; nothing has it yet."""
    aside, number = path.with_name(f"journal-{epoch}.aside"), 1
    while aside.exists():
        number += 1
        aside = path.with_name(f"journal-{epoch}.aside-{number}")
    return aside


def salvage(path: Path) -> Previous:
    """What a damaged file still says of itself: its epoch, and how far it was settled. Its end is not believed."""
    with contextlib.suppress(Error, ValueError, NotDurable):
        reader = Reader(path)
        try:
            settled = reader.settled().through()
            return Previous(reader.meta("epoch"), settled=settled, beside=_beside(reader))
        finally:
            reader.close()
    return Previous()


def _beside(reader: Reader) -> dict[str, str]:
    """What stood beside the records, if that can still be read: as it was written last."""
    with contextlib.suppress(Error, ValueError):
        return legible(reader.beside())
    return {}
