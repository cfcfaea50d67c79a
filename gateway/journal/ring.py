"""The emergency ring: a file beside the journal whose room is allocated before it is needed.

Where the journal cannot grow, this file can still be written, for nothing of it has to be allocated: frames are laid
one behind the other in place and synced. Emptying it is one write of the header.

    0        header, twice: crc32 · length · JSON {"serial", "generation", "refused"}
    128 KiB  frames: generation (8 bytes) · place of its first draft · length · crc32 · bytes; each at a multiple of
             16 bytes

A frame counts only with the generation of the header: 62 random bits, new each time the ring is emptied. So no frame
of an earlier filling is ever read again, and the journal can remember which filling it has taken. A frame that is
torn at the end was never told to anybody; one that is broken in the middle is missed by the places behind it.
"""

from __future__ import annotations

import json
import os
import secrets
import struct
import zlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gateway.errors import NotDurable

FILE_NAME = "journal.ring"
RING_BYTES = 4 * 1024 * 1024
SLOT_BYTES = 64 * 1024
FRAMES_AT = 2 * SLOT_BYTES
ALIGNMENT = 16
SLOT = struct.Struct(">II")
FRAME = struct.Struct(">QQII")

Refused = dict[str, dict[str, Any]]


@dataclass(frozen=True, slots=True)
class Frame:
    """What was kept together: the place of its first draft, its bytes, where the next frame may begin."""

    place: int
    letter: bytes
    end: int


@dataclass(frozen=True, slots=True)
class Filling:
    """The ring's header: which filling this is, and what had to be refused since it was full."""

    serial: int
    generation: int
    refused: Refused


def find_ring(journal: Path) -> Path:
    """Where the ring of a journal lies."""
    return journal.with_name(FILE_NAME)


class Ring:
    """The file, for the one who writes it; `filling` is its header, `was_damaged` that none could be read."""

    def __init__(self, path: Path, size_bytes: int = RING_BYTES) -> None:
        self.path = path
        self.size_bytes = size_bytes
        self.filling = Filling(0, 0, {})
        self.end = FRAMES_AT
        self.was_damaged = False
        self._file: int | None = None

    @property
    def is_ready(self) -> bool:
        """Whether its room is there."""
        return self._file is not None

    def allocate(self) -> None:
        """Open the file, make it and its room where it is not there yet. Raises OSError."""
        if self._file is not None or not self.size_bytes:
            return
        file = os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o640)
        try:
            if (filling := _filling(file)) is None:
                self.was_damaged = any(os.pread(file, FRAMES_AT, 0))
                self._make(file)
                filling = Filling(0, _generation(), {})
                self._file = file
                self._write_filling(filling)
            self._file, self.filling = file, filling
        except BaseException:
            self._file = None
            os.close(file)
            raise

    def frames(self) -> Iterator[Frame]:
        """The frames of this filling, in order; afterwards new ones go behind them. Raises OSError."""
        data = b"" if self._file is None else os.pread(self._file, self.size_bytes, 0)
        for frame in _frames(data, self.filling.generation):
            self.end = frame.end
            yield frame

    def fits(self, sizes: list[int]) -> bool:
        """Whether frames of so many bytes still find room."""
        return self.is_ready and self.end + sum(_aligned(FRAME.size + size) for size in sizes) <= self.size_bytes

    def keep(self, letters: list[tuple[int, bytes]]) -> None:
        """Make frames durable; each with the place of its first draft. Raises OSError, and then nothing was kept.

        Whoever tries again writes the same bytes to the same place: that is a new write, not a second sync.
        """
        if self._file is None:
            raise NotDurable(f"{self.path}: there is no emergency ring")
        data = bytearray()
        for place, letter in letters:
            name = (self.filling.generation, place, len(letter))
            head = FRAME.pack(*name, _check(*name, letter))
            data += (head + letter).ljust(_aligned(FRAME.size + len(letter)), b"\0")
        _write(self._file, bytes(data), self.end)
        self.end += len(data)

    def refuse(self, refused: Refused) -> None:
        """Make durable what had to be refused so far. Raises OSError."""
        self._write_filling(Filling(self.filling.serial + 1, self.filling.generation, refused))

    def empty(self) -> None:
        """Begin a new filling: nothing kept, nothing refused. Raises OSError."""
        self._write_filling(Filling(self.filling.serial + 1, _generation(), {}))
        self.end = FRAMES_AT

    def close(self) -> None:
        """Release the file."""
        if self._file is not None:
            os.close(self._file)
            self._file = None

    def _make(self, file: int) -> None:
        """Allocate, and write it all once: blocks that were only promised may need room again when they are used."""
        try:
            os.posix_fallocate(file, 0, self.size_bytes)
            _write(file, bytes(self.size_bytes), 0)
        except OSError:
            os.ftruncate(file, 0)
            raise
        folder = os.open(self.path.parent, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(file)
            os.fsync(folder)
        finally:
            os.close(folder)

    def _write_filling(self, filling: Filling) -> None:
        if self._file is None:
            return
        words = {"serial": filling.serial, "generation": filling.generation, "refused": filling.refused}
        text = json.dumps(words, separators=(",", ":")).encode()
        slot = SLOT.pack(zlib.crc32(text), len(text)) + text
        if len(slot) > SLOT_BYTES:
            raise NotDurable(f"{self.path}: header of {len(slot)} bytes")
        for at in (0, SLOT_BYTES):  # one after the other: one of them is always whole
            _write(self._file, slot, at)
        self.filling = filling


def peek(path: Path) -> tuple[Filling, list[Frame], int]:
    """A ring beside the running daemon: its header, its frames, its size. Raises OSError."""
    file = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        size = os.fstat(file).st_size
        filling = _filling(file) or Filling(0, 0, {})
        return filling, list(_frames(os.pread(file, size, 0), filling.generation)), size
    finally:
        os.close(file)


def count_of(refused: Mapping[str, Mapping[str, Any]]) -> int:
    """How many drafts were refused."""
    return sum(int(gap["count"]) for gap in refused.values())


def _filling(file: int) -> Filling | None:
    """The newer of the two headers that are whole; None for a new file, or one that was never finished."""
    found = [filling for at in (0, SLOT_BYTES) if (filling := _slot(os.pread(file, SLOT_BYTES, at)))]
    return max(found, key=lambda filling: filling.serial, default=None)


def _slot(data: bytes) -> Filling | None:
    if len(data) < SLOT.size:
        return None
    check, length = SLOT.unpack_from(data)
    text = data[SLOT.size : SLOT.size + length]
    if not length or len(text) != length or zlib.crc32(text) != check:
        return None
    words = json.loads(text)
    return Filling(words["serial"], words["generation"], words["refused"])


def _frames(data: bytes, generation: int) -> Iterator[Frame]:
    """All whole frames; after a broken one the search goes on at the next that bears the generation."""
    mark, at = generation.to_bytes(8, "big"), FRAMES_AT
    while (at := data.find(mark, at)) >= 0:
        frame = None if at % ALIGNMENT else _frame(data, at)
        at += ALIGNMENT - at % ALIGNMENT if frame is None else frame.end - at
        if frame is not None:
            yield frame


def _frame(data: bytes, at: int) -> Frame | None:
    if at + FRAME.size > len(data):
        return None
    generation, place, length, check = FRAME.unpack_from(data, at)
    letter = data[at + FRAME.size : at + FRAME.size + length]
    if len(letter) != length or _check(generation, place, length, letter) != check:
        return None
    return Frame(place, letter, at + _aligned(FRAME.size + length))


def _check(generation: int, place: int, length: int, letter: bytes) -> int:
    """The CRC of a frame: of all that stands before it and behind it."""
    return zlib.crc32(letter, zlib.crc32(FRAME.pack(generation, place, length, 0)))


def _aligned(size: int) -> int:
    return -(-size // ALIGNMENT) * ALIGNMENT


def _generation() -> int:
    return secrets.randbits(62) | 1 << 62


def _write(file: int, data: bytes, at: int) -> None:
    """All of it, on the disk."""
    written = 0
    while written < len(data):
        written += os.pwrite(file, data[written:], at + written)
    os.fdatasync(file)
