"""A small copy beside the journal: which epoch it is, and how far the devices with a memory were heard.

It is for the day when the journal is unreadable or gone. A driver that knows no mark may pass over what its device
had kept meanwhile; with a mark that is too old it tells some of it again, which is said (`journal.marks`). So the
copy may be older than the journal, and is never newer: it is written after commits, not too often, whole or not at
all.
"""

from __future__ import annotations

import contextlib
import json
import os
import zlib
from collections.abc import Mapping
from pathlib import Path

from gateway.clock import Clock
from gateway.journal.marks import PREFIX, legible
from gateway.journal.store import Previous, Store

FILE_NAME = "journal.marks"
COPY_EVERY_S = 60.0

Words = tuple[str, Mapping[str, str]]


class Copy:
    """Owned by the journal thread."""

    def __init__(self, journal: Path, clock: Clock) -> None:
        self.path = journal.with_name(FILE_NAME)
        self._clock = clock
        self._written: Words | None = None
        self._epoch = ""
        self._due = 0.0

    def load(self) -> Previous:
        """What it says of the journal; nothing if it is not there, or not whole."""
        with contextlib.suppress(OSError, ValueError, TypeError, LookupError, AttributeError, RecursionError):
            words = json.loads(self.path.read_bytes())
            if words.pop("check") == _check(words) and isinstance(words["epoch"], str):
                self._written = (words["epoch"], words["marks"])
                return Previous(words["epoch"], beside=legible(words["marks"]))
        return Previous()

    def follow(self, store: Store, *, at_once: bool = False) -> None:
        """Write down what the store has durably, if that is news and the last time was long enough ago.

        A disk that does not take it is asked again when it is due: this is a copy, the journal goes on without.
        """
        marks = {key: value for key, value in store.kept_beside.items() if key.startswith(PREFIX)}
        words = (store.origin.epoch, marks)
        if words == self._written:
            return
        is_new_epoch, now = self._epoch != words[0], self._clock.mono()
        if at_once or is_new_epoch or now >= self._due:
            self._epoch, self._due = words[0], now + COPY_EVERY_S
            with contextlib.suppress(OSError):
                self._write(words)
                self._written = words

    def _write(self, words: Words) -> None:
        said: dict[str, object] = {"epoch": words[0], "marks": dict(words[1])}
        part = self.path.with_name(f"{FILE_NAME}.part")
        with part.open("wb") as out:
            out.write(json.dumps(said | {"check": _check(said)}).encode())
            out.flush()
            os.fsync(out.fileno())
        part.replace(self.path)
        folder = os.open(self.path.parent, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)


def _check(words: object) -> int:
    return zlib.crc32(json.dumps(words, sort_keys=True).encode())
