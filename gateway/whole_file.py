"""A file that is written whole, on the medium, and unless said otherwise for its owner only, or not at all."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO

from gateway.errors import NotDurable

PUBLIC = 0o644


@contextmanager
def whole_file(path: Path, mode: int = 0o600, group: int | None = None) -> Iterator[IO[bytes]]:
    """A file that appears under its name only when all of it is on the medium; with `group` it gets that group id."""
    part = path.with_name(f".{path.name}.part")
    try:
        with os.fdopen(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW, 0o600), "wb") as file:
            yield file
            file.flush()
            os.fchmod(file.fileno(), mode)
            if group is not None:
                os.fchown(file.fileno(), -1, group)
            os.fsync(file.fileno())
        part.rename(path)
        _sync_folder(path.parent)
    except BaseException as error:
        with suppress(OSError):
            part.unlink()
        if isinstance(error, OSError):
            remedy = "make room there, or name another file"
            raise NotDurable(f"{path}: {error.strerror or error}; nothing was written", remedy=remedy) from error
        raise


def put(path: Path, data: bytes, mode: int = PUBLIC, group: int | None = None) -> Path:
    """Replace a file by these bytes. Raises NotDurable."""
    with whole_file(path, mode, group) as file:
        file.write(data)
    return path


def _sync_folder(folder: Path) -> None:
    """The new name too is to survive an unplugged stick; not every file system can sync a folder."""
    with suppress(OSError):
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
