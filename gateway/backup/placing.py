"""Files in their place: written whole, set aside rather than overwritten, and given to whom they belong."""

from __future__ import annotations

import os
import shutil
from contextlib import suppress
from pathlib import Path


def aside(path: Path) -> Path:
    """Another name beside it, which nothing has yet."""
    name, number = path.with_name(f"{path.name}.aside"), 1
    while os.path.lexists(name):
        number += 1
        name = path.with_name(f"{path.name}.aside-{number}")
    path.rename(name)
    return name


def write(path: Path, data: bytes, mode: int) -> None:
    """A new file with all of `data`, on the medium, whatever was there before. Raises OSError."""
    with suppress(FileNotFoundError):
        path.unlink()
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600), "wb") as file:
        file.write(data)
        file.flush()
        os.fchmod(file.fileno(), mode)
        os.fsync(file.fileno())


def holds(path: Path, data: bytes) -> bool:
    """Whether exactly this is there already."""
    try:
        return path.is_file() and path.stat().st_size == len(data) and path.read_bytes() == data
    except OSError:
        return False


def give_to(path: Path, user: str, group: str) -> str | None:
    """Give it to user and group of these names, if we may; what is in the way."""
    if os.geteuid() != 0:
        return None
    for owner, folk in ((user, None), (None, group)):
        try:
            if owner or folk:
                shutil.chown(path, user=owner or None, group=folk or None)  # type: ignore[arg-type]
        except LookupError:
            whose = owner or f"the group {folk}"
            return f"it belonged to {whose}, unknown on this machine; give it to the daemon's user"
    return None


def give_to_owner(state_dir: Path) -> None:
    """What root has made in the state directory is its owner's."""
    if os.geteuid() != 0:
        return
    owner = state_dir.stat()
    for path in state_dir.iterdir():
        if path.is_file() and not path.is_symlink():
            os.chown(path, owner.st_uid, owner.st_gid)
