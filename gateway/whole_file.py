"""A file that is written whole, on the medium, and unless said otherwise for its owner only, or not at all.

A service's folder holds what the service must be able to open: what root makes there, by a command that an operator
gives, belongs to whom the folder belongs, as SQLite has it with the files beside a database.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from stat import S_ISREG
from typing import IO

from gateway.errors import NotDurable

PUBLIC = 0o644


@contextmanager
def whole_file(
    path: Path, mode: int = 0o600, group: int | None = None, *, of_service: bool = False
) -> Iterator[IO[bytes]]:
    """A file that appears under its name only when all of it is on the medium; with `group` it gets that group id,
    `of_service` the owner of its folder. It takes the place of a file and of nothing else. Raises NotDurable.
    """
    _require_place(path)
    part = path.with_name(f".{path.name}.part")
    try:
        with os.fdopen(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW, 0o600), "wb") as file:
            yield file
            file.flush()
            os.fchmod(file.fileno(), mode)
            if group is not None:
                os.fchown(file.fileno(), -1, group)
            if of_service:
                _give(file.fileno(), path.parent)
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


def put_of_service(path: Path, data: bytes, mode: int = PUBLIC) -> None:
    """Replace a file of a service's folder by these bytes. Raises NotDurable."""
    with whole_file(path, mode, of_service=True) as file:
        file.write(data)


def open_of_service(path: Path, flags: int = 0) -> int:
    """Open a file of a service's folder to read, write and lock; made if it is not there. Raises OSError."""
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW | flags, 0o640)
    if os.fstat(descriptor).st_size == 0:
        _give(descriptor, path.parent)
    return descriptor


def make_folder_of_service(path: Path, mode: int = 0o750) -> None:
    """Make a folder, and those above it, if they are not there. Raises OSError."""
    if not path.is_dir():
        make_folder_of_service(path.parent, mode)
        path.mkdir(mode, exist_ok=True)
        descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
        try:
            _give(descriptor, path.parent)
        finally:
            os.close(descriptor)


def _require_place(path: Path) -> None:
    """A rename would put a file in the place of /dev/null, for the whole machine."""
    with suppress(OSError):
        if not S_ISREG(path.stat().st_mode):
            raise NotDurable(f"{path}: is there and is no file; nothing was written", remedy="name another file")


def _give(descriptor: int, folder: Path) -> None:
    if os.geteuid() == 0:
        owner = folder.stat()
        os.fchown(descriptor, owner.st_uid, owner.st_gid)


def _sync_folder(folder: Path) -> None:
    """The new name too is to survive an unplugged stick; not every file system can sync a folder."""
    with suppress(OSError):
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
