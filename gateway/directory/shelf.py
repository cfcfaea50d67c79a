"""The centre's documents as they came, on the disk: a restart without a network knows what this one knew."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gateway.directory.registry import AtomicStorage, database, has

FILE_NAME = "directory.json"
WAIT_S = 5.0
TABLE = "documents"


@dataclass(frozen=True, slots=True)
class Kept:
    """A document by its topic, with the bytes that were signed (as text)."""

    leaf: str
    version: int
    payload: str


class Shelf:
    """Not for two threads at a time."""

    def __init__(self, state_dir: Path) -> None:
        self._storage = AtomicStorage(str(state_dir / FILE_NAME))
        self._table = database(self._storage).table(TABLE)

    def all(self) -> list[Kept]:
        """What is there; what cannot be understood is left out."""
        return [kept for row in self._table if (kept := _kept(dict(row))) is not None]

    def put(self, leaf: str, version: int, payload: str) -> None:
        """Keep this in place of the one before, and wait until it is on the disk."""
        self._table.upsert({"leaf": leaf, "version": version, "payload": payload}, has("leaf", leaf))
        self._storage.wait(WAIT_S)

    def close(self) -> None:
        """Release the file."""
        self._storage.close()


def _kept(row: dict[str, Any]) -> Kept | None:
    leaf, version, payload = row.get("leaf"), row.get("version"), row.get("payload")
    if isinstance(leaf, str) and isinstance(version, int) and isinstance(payload, str):
        return Kept(leaf, version, payload)
    return None
