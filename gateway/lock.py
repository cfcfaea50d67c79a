"""One process at a time works on a state directory: the daemon, or a restore."""

from __future__ import annotations

import errno
import fcntl
import os
from pathlib import Path
from typing import IO

from gateway.errors import Misconfigured, NotDurable, Transient

LOCK_NAME = "punchgate.lock"
DISK_TROUBLE = {errno.EROFS, errno.EIO, errno.ENOSPC}
"""May pass by itself, so that systemd should try again; a wrong path or permission does not."""


def own(state_dir: Path) -> IO[str]:
    """Make the state directory ours for as long as the file is open, and the directory itself where there is none.

    Raises Transient if another has it, Misconfigured or NotDurable if it cannot be made.
    """
    try:
        state_dir.mkdir(parents=True, exist_ok=True, mode=0o750)
        lock = (state_dir / LOCK_NAME).open("a+", encoding="utf-8")
    except OSError as error:
        if error.errno in DISK_TROUBLE:
            raise NotDurable(
                f"{state_dir}: {error.strerror}", remedy="look at the disk and the kernel log"
            ) from error
        raise Misconfigured(
            f"gateway.state_dir: {state_dir}: {error.strerror}",
            remedy="create it for the daemon's user, or name another",
        ) from error
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        lock.seek(0)
        owner = lock.read().strip() or "unknown"
        raise Transient(
            f"{state_dir}: another punchgate (pid {owner}) runs on this state directory",
            remedy="stop it first, or give this one its own gateway.state_dir",
        ) from error
    lock.truncate(0)
    lock.write(str(os.getpid()))
    lock.flush()
    return lock
