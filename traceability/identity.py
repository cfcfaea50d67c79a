"""A client id that survives restarts and is never used twice at once.

The broker keeps the session of a client id, with what was not acknowledged, for a centre that comes back. Two
clients with one id would throw each other out for ever. So each state directory has its own random name, and each
process on it holds the first free slot by an flock, which the kernel lets go of however the process ends:
`punchgate-centre-5c1f0a9b-0`, and `…-1` for a second process beside it.
"""

from __future__ import annotations

import fcntl
import os
import re
import secrets
from dataclasses import dataclass
from pathlib import Path

from gateway.errors import Misconfigured, NotDurable
from gateway.whole_file import make_folder_of_service, open_of_service

NAME_FILE = "centre.id"
MAX_SLOTS = 64

_NAME = re.compile(r"[0-9a-f]{8}")


@dataclass(frozen=True, slots=True)
class Identity:
    """This process's own name. `lock` is the descriptor that holds the slot for as long as the process lives."""

    name: str
    slot: int
    lock: int

    @property
    def client_id(self) -> str:
        """MQTT client id."""
        return f"punchgate-centre-{self.name}-{self.slot}"

    @property
    def service(self) -> str:
        """How receipts call a centre that was given no id."""
        return f"centre-{self.name}-{self.slot}"


def claim(state_dir: Path) -> Identity:
    """Take the first free slot of a state directory. Raises NotDurable if it cannot be written."""
    try:
        make_folder_of_service(state_dir)
        for slot in range(MAX_SLOTS):
            lock = open_of_service(state_dir / f"centre-{slot}.lock")
            if _locked(lock):
                return Identity(_name(state_dir), slot, lock)
            os.close(lock)
    except OSError as error:
        raise NotDurable(f"{state_dir}: {error.strerror}", remedy="let the centre's user write there") from error
    raise Misconfigured(f"{state_dir}: {MAX_SLOTS} centres run on it already", remedy="stop some")


def _locked(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _name(state_dir: Path) -> str:
    """The directory's random name, made by whoever comes first; a file that is damaged is replaced."""
    path = state_dir / NAME_FILE
    held = open_of_service(path)
    with os.fdopen(held, "r+", encoding="ascii", errors="replace") as file:
        fcntl.flock(held, fcntl.LOCK_EX)
        name = file.read().strip()
        if not _NAME.fullmatch(name):
            name = secrets.token_hex(4)
            file.seek(0)
            file.truncate()
            file.write(f"{name}\n")
            file.flush()
            os.fsync(held)
        return name
