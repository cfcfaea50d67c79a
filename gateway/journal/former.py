"""A journal that was written under another name: the box was renamed, or its card cloned and the clone renamed.

Nobody takes the records of one gateway from another, so they cannot go out from here. The file is set aside as it is,
to be carried by hand, and under the name of now a journal begins that follows none. How far the devices with a memory
were heard is true under any name.
"""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from gateway.errors import Rejected
from gateway.journal.aside import set_aside
from gateway.journal.reader import Reader
from gateway.journal.store import Store
from gateway.wire import read_line

Name = tuple[str, str]


@dataclass(frozen=True, slots=True)
class Former:
    """Whose it was (site/gateway), where it lies now, and how many records of it the centre has not confirmed."""

    name: str
    path: Path
    unsettled: int

    def alarm(self) -> str | None:
        """What a person should do; nothing if all of it is with the centre."""
        if not self.unsettled:
            return None
        return (
            f"the journal here was that of {self.name}, and the centre has not confirmed {self.unsettled} records of"
            f" it; carry them: punchgate journal export --journal {self.path} --unsettled -o FILE"
        )


def name_in(reader: Reader) -> Name | None:
    """Site and gateway of the newest record; None: there is none yet, or it cannot be read."""
    _, newest = reader.bounds()
    with suppress(Rejected):
        for entry in reader.lines(newest, newest, 1, 1):
            line = read_line(entry.line)
            return line.site, line.gateway
    return None


def leave(store: Store, name: Name, names: tuple[str, str, str]) -> tuple[Store, Former]:
    """Set the file of `store` aside and begin one under `names`. Raises sqlite3.Error, OSError."""
    unsettled = sum(last - first + 1 for first, last in store.settled().gaps(store.oldest, store.newest))
    path, epoch, beside = store.path, store.origin.epoch, store.kept_beside
    store.close()
    former = Former("/".join(name), set_aside(path, epoch), unsettled)
    fresh = Store(path, names)
    with fresh.transaction():
        for key, value in beside.items():
            fresh.remember(key, value)
    return fresh, former
