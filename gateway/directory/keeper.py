"""Presence over restarts and over what the journal gives up: a snapshot, and the records behind it.

The snapshot is a whole file, written now and then by the daemon; who asks (`punchgate roster`) reads it and the
records that came after it from the journal, so the answer is of now, with or without a daemon or a network. Where the
journal no longer holds what lies between the two, the presence says from when on it is complete.
"""

from __future__ import annotations

import json
from pathlib import Path

from gateway import whole_file
from gateway.directory.presence import Presence
from gateway.errors import NotDurable
from gateway.journal import Reader, find_journal
from gateway.journal.schema import Error

FILE_NAME = "presence.json"
SLICE, SLICE_BYTES = 2000, 4 * 1024 * 1024


def load(state_dir: Path) -> Presence:
    """The snapshot; an empty one if there is none or it cannot be read: the journal tells what it still holds."""
    try:
        return Presence.of(json.loads((state_dir / FILE_NAME).read_bytes()))
    except (OSError, ValueError, TypeError, KeyError, AttributeError, RecursionError):
        return Presence()


def save(presence: Presence, state_dir: Path) -> None:
    """Replace the snapshot. Raises NotDurable."""
    presence.forget()
    whole_file.put(state_dir / FILE_NAME, json.dumps(presence.as_dict()).encode(), 0o600)


def catch_up(presence: Presence, state_dir: Path) -> Presence:
    """Take what the journal has behind it. Raises NotDurable if there is no journal or it cannot be read."""
    path = find_journal(state_dir)
    reader = Reader(path)
    try:
        epoch = reader.meta("epoch") or ""
        while True:
            after = presence.seq if presence.epoch == epoch else 0
            entries = reader.lines(after + 1, 2**63 - 1, SLICE, SLICE_BYTES)
            if not entries:
                return presence
            for entry in entries:
                presence.take(epoch, entry.seq, entry.line)
    except Error as error:
        raise NotDurable(f"{path}: cannot be read: {error}") from error
    finally:
        reader.close()
