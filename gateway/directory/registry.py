"""The device registry: one small document for each device this site has ever had. The only importer of TinyDB.

TinyDB rewrites its whole file for each change, which is right for a few documents changed a few times a day and wrong
for punches (see README). Its stock storage truncates the file before it writes; this one writes a temporary file,
syncs it and renames it, so a kill or a power cut leaves the old document or the new one, never half of one. A disk
that takes its time, or takes nothing, holds up a thread of its own and nobody else.
"""

from __future__ import annotations

import contextlib
import json
import os
import threading
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import structlog
from tinydb import TinyDB, where
from tinydb.queries import QueryInstance
from tinydb.storages import Storage
from tinydb.table import Table

FILE_NAME = "devices.json"
CLOSE_TIMEOUT_S = 1.0
WAIT_TIMEOUT_S = 1.0

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Lost:
    """Since when nobody listens to a device: CLOCK_BOOTTIME in ns within a boot, and unix time in ms by a wall
    clock in this state (empty: an earlier version did not say).
    """

    boot: str
    boot_ns: int
    time_ms: int
    state: str = ""


class AtomicStorage(Storage):
    """A JSON file that is replaced, never rewritten in place, soon after the document in memory was."""

    def __init__(self, path: str) -> None:
        self._path = Path(path)
        self._text: str | None = None
        self._changed = threading.Event()
        self._tried = threading.Condition()
        self._version = self._tried_version = 0
        self._closing = False
        self._writer = threading.Thread(target=self._keep_writing, name="registry", daemon=True)

    def read(self) -> dict[str, dict[str, Any]] | None:
        """The whole document; None if there is none, or it is unreadable: it is then set aside."""
        if self._text is not None:
            return dict(json.loads(self._text))
        try:
            document = json.loads(self._path.read_text(encoding="utf-8"))
        except FileNotFoundError:
            return None
        except (ValueError, RecursionError, OSError):
            document = None
        if _is_database(document):
            return dict(document)
        with contextlib.suppress(OSError):
            self._path.replace(self._path.with_suffix(".damaged"))
        return None

    def write(self, data: dict[str, dict[str, Any]]) -> None:
        """Replace the document."""
        self._text = json.dumps(data, ensure_ascii=False, indent=1, sort_keys=True)
        self._version += 1
        self._changed.set()
        if not self._writer.is_alive():
            self._writer.start()

    def wait(self, timeout_s: float) -> None:
        """Until the document as it is now is on the disk, or the disk has refused it."""
        with self._tried:
            self._tried.wait_for(lambda: self._tried_version == self._version, timeout_s)

    def close(self) -> None:
        """Write what is not written yet; a disk that does not take it is left alone."""
        self._closing = True
        self._changed.set()
        if self._writer.is_alive():
            self._writer.join(CLOSE_TIMEOUT_S)

    def _keep_writing(self) -> None:
        """A disk that does not take a document must not stop the listening: the next one is tried again."""
        while self._changed.wait():
            closing = self._closing
            self._changed.clear()
            version = self._version
            try:
                self._replace(self._text or "{}")
            except OSError as error:
                log.error("registry.unwritten", reason=str(error))
            with self._tried:
                self._tried_version = version
                self._tried.notify_all()
            if closing:
                return

    def _replace(self, text: str) -> None:
        temporary = self._path.with_suffix(".new")
        with temporary.open("w", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        temporary.rename(self._path)
        folder = os.open(self._path.parent, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)


def database(storage: AtomicStorage) -> TinyDB:
    """The tables in a file."""
    return TinyDB(storage=lambda: storage)


def has(member: str, value: str) -> QueryInstance:
    """The documents where it says so."""
    query: QueryInstance = where(member) == value
    return query


class Registry:
    """What is on which port, since when, when it was last seen. Times are RFC 3339."""

    def __init__(self, state_dir: Path) -> None:
        self._storage = AtomicStorage(str(state_dir / FILE_NAME))
        self._database = database(self._storage)

    def seen(self, device: str, driver: str, port: str, at: str) -> None:
        """The device answers on this port now."""
        known = self._known(device)
        same = (known.get("driver"), known.get("port")) == (driver, port)
        since = known.get("since", at) if same else at
        document = {"device": device, "driver": driver, "port": port, "since": since, "last_seen": at, "lost": None}
        self._write(lambda table: table.upsert(document, has("device", device)))

    def lost(self, devices: Sequence[str], since: Lost) -> None:
        """Nobody listens to these since then; only known devices, and those lost already stay as they are."""
        alone = [device for device in devices if (known := self._known(device)) and not known.get("lost")]
        if alone:
            self._write(lambda table: table.update({"lost": asdict(since)}, where("device").one_of(alone)))

    def wait(self) -> None:
        """Until all that was said so far is on the disk; a disk that takes its time or refuses is not waited for."""
        self._storage.wait(WAIT_TIMEOUT_S)

    def lost_at(self, device: str) -> Lost | None:
        """Since when nobody listens to it, if that is known."""
        lost = self._known(device).get("lost")
        try:
            return Lost(**lost) if isinstance(lost, dict) else None
        except TypeError:
            return None

    def _known(self, device: str) -> dict[str, Any]:
        document = self._database.table("devices").get(has("device", device))
        return dict(document) if isinstance(document, dict) else {}

    def _write(self, change: Callable[[Table], object]) -> None:
        change(self._database.table("devices"))

    def all(self) -> list[dict[str, Any]]:
        """All documents, by device."""
        return sorted((dict(document) for document in self._database.table("devices")), key=_device)

    def close(self) -> None:
        """Release the file."""
        self._database.close()


def _device(document: dict[str, Any]) -> str:
    return str(document.get("device"))


def _is_database(document: object) -> bool:
    """Whether TinyDB can work with it: tables of documents, by number."""
    return isinstance(document, dict) and all(
        isinstance(table, dict) and all(key.isdecimal() and isinstance(one, dict) for key, one in table.items())
        for table in document.values()
    )
