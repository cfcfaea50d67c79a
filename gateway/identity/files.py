"""Keys and certificates as files: whole and on the disk, or as they were."""

from __future__ import annotations

import os
from pathlib import Path

from gateway.errors import NotDurable

PUBLIC = 0o644


def put(path: Path, data: bytes, mode: int = PUBLIC, group: int | None = None) -> Path:
    """Replace a file; with `group` it belongs to that group id. Raises NotDurable."""
    part = path.with_name(f".{path.name}.part")
    try:
        with os.fdopen(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW, mode), "wb") as file:
            os.fchmod(file.fileno(), mode)
            if group is not None:
                os.fchown(file.fileno(), -1, group)
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        part.replace(path)
    except OSError as error:
        raise NotDurable(f"{path}: {error.strerror or error}", remedy="run it as root, or make room there") from error
    return path
