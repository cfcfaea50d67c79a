"""A journal whose file was deleted, or replaced by another, under the running daemon: it is still open and whole.

Nothing tells a process that a file it has open has lost its name, and what is written into it then is gone with the
process. So the name is looked at now and then, and what is open is written anew under it; what lies there then is set
aside.
"""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

import structlog

from gateway.clock import Clock
from gateway.journal.aside import set_aside
from gateway.journal.reader import Reader, file_id
from gateway.journal.schema import Error, mute, sync

LOOK_EVERY_S = 5.0
MOST_IN_A_ROW = 3
"""A file system that gives a file another number each time it is asked says nothing by it."""

log = structlog.get_logger()


class Seat:
    """The journal's name in its folder, owned by the journal thread; `taken` whenever its file was opened."""

    def __init__(self, path: Path, clock: Clock) -> None:
        self._path = path
        self._clock = clock
        self._files = self._now()
        self._looked_at = clock.mono()
        self._in_a_row = 0

    def taken(self) -> None:
        """The file that has the name now is the one that is open."""
        self._files = self._now()

    def is_lost(self) -> bool:
        """Whether another file has the name by now, or none, or its log's; looks every LOOK_EVERY_S, and no more if
        it was so each time although it had been taken back.
        """
        now = self._clock.mono()
        if now - self._looked_at < LOOK_EVERY_S or self._in_a_row >= MOST_IN_A_ROW:
            return False
        self._looked_at = now
        if self._now() != self._files:
            return True
        self._in_a_row = 0
        return False

    def take_back(self, store: Reader) -> bool:
        """Write what is open under its name; it has to be opened anew then. False: the disk does not take it."""
        fresh = self._path.with_name(f"{self._path.name}.new")
        try:
            fresh.unlink(missing_ok=True)
            store.copy_to(fresh, mute)
            set_aside(self._path, "replaced")
            fresh.rename(self._path)
            sync(self._path.parent)
        except (Error, OSError):
            with suppress(OSError):
                fresh.unlink(missing_ok=True)
            return False
        log.error("journal.deleted", path=str(self._path))
        self._in_a_row += 1
        if self._in_a_row == MOST_IN_A_ROW:
            log.error("journal.unwatched", path=str(self._path))
        return True

    def _now(self) -> tuple[object, object]:
        return file_id(self._path), file_id(Path(f"{self._path}-wal"))
