"""Cards that must be found nowhere: every form in which their numbers could be written down."""

from __future__ import annotations

import base64
import gzip
import json
import re
import sqlite3
import zlib
from collections.abc import Iterable, Iterator
from contextlib import closing, suppress
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

MIRROR = bytes(int(f"{byte:08b}"[::-1], 2) for byte in range(256))
LEAST_DIGITS = 6
CHANCE_DIGITS = 10
"""So many hex digits in a row are no accident of a hash; fewer count only if nothing of the kind is beside them."""
CHANCE_BYTES = 5
EMPTY = re.compile(rb"\0{64,}")


@dataclass(frozen=True)
class Canary:
    """One card: who reads it, the number as typed at the device, and its bytes if it is one."""

    name: str
    word: str
    number: bytes = b""

    def is_in(self, data: bytes) -> bool:
        """Whether any of the forms is."""
        return any(form in data and (bounded is None or bounded.search(data)) for form, bounded in self._forms)

    @cached_property
    def _forms(self) -> list[tuple[bytes, re.Pattern[bytes] | None]]:
        """Each form, and what it must match besides where it could be an accident."""
        raw = [(data, None) for data in self._raw() if len(data) >= CHANCE_BYTES]
        return [*raw, *((text.encode(), _bounded(text)) for text in self._texts() if len(text) >= LEAST_DIGITS)]

    def _raw(self) -> Iterator[bytes]:
        """The whole number, its low 4 and 3 bytes; also turned round, and with mirrored bits."""
        for size in {len(self.number), min(4, len(self.number)), min(3, len(self.number))} - {0}:
            for data in (self.number[-size:], self.number[-size:][::-1]):
                yield from (data, data.translate(MIRROR))

    def _texts(self) -> set[str]:
        """As read, and backwards; hex, decimal, with blanks and colons, base64, the ASCII digits as hex; Wiegand."""
        texts = {self.word, self.word[::-1], self.word.lstrip("0")}
        for data in self._raw():
            number = str(int.from_bytes(data, "big"))
            texts |= {data.hex(), number, number.zfill(10), data.hex(" "), data.hex(":"), data.hex("-")}
            texts |= {base64.b64encode(data).decode().rstrip("=")} if len(data) >= CHANCE_BYTES else set()
        texts |= {form.encode().hex() for form in (self.word, self.word.lower())}
        texts.add(json.dumps(self.word)[1:-1])
        texts.add(base64.b64encode(self.word.encode()).decode().rstrip("="))
        if len(self.number) >= 3:
            facility, card = self.number[-3], int.from_bytes(self.number[-2:], "big")
            texts |= {f"{facility:03d}{mark}{card:05d}" for mark in ("", ",", ";", ":", "/", "-", " ")}
            texts.add(f"{int.from_bytes(self.number[-3:], 'big'):08d}")
        return texts | {text.upper() for text in texts} | {text.lower() for text in texts}


def found(places: Iterable[tuple[str, bytes]], canaries: Iterable[Canary]) -> set[tuple[str, str]]:
    """The name of each canary that is somewhere, and where."""
    canaries = list(canaries)
    return {(canary.name, place) for place, data in places for canary in canaries if canary.is_in(data)}


def contents(folder: Path) -> Iterator[tuple[str, bytes]]:
    """All files below: their bytes, what is packed also unpacked, of a database every value as SQLite reads it."""
    for path in sorted(folder.rglob("*")):
        if path.is_file() and not path.is_symlink():
            data, name = path.read_bytes(), str(path.relative_to(folder))
            yield name, EMPTY.sub(bytes(16), data)
            if data[:2] == b"\x1f\x8b":
                with suppress(OSError, EOFError, zlib.error):
                    yield f"{name} unpacked", EMPTY.sub(bytes(16), gzip.decompress(data))
            if data[:15] == b"SQLite format 3":
                yield f"{name} rows", b"\n".join(_rows(path))


def _rows(path: Path) -> Iterator[bytes]:
    with closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as database:
        for (table,) in database.execute("SELECT name FROM sqlite_master WHERE type='table'").fetchall():
            for row in database.execute(f"SELECT * FROM {table}"):
                yield from (value if isinstance(value, bytes) else str(value).encode() for value in row)


def _bounded(text: str) -> re.Pattern[bytes] | None:
    is_short = len(text) < CHANCE_DIGITS and text.isalnum()
    if not (is_short or text.isdigit()):
        return None
    return re.compile(b"(?<![0-9A-Za-z.])" + re.escape(text.encode()) + b"(?![0-9A-Za-z])")
