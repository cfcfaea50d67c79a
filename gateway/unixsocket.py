"""Unix sockets in the state directory. Their path may have 108 bytes; through /proc/self/fd it may be longer."""

from __future__ import annotations

import contextlib
import os
import socket
import struct
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from gateway.errors import Rejected

CREDENTIALS = struct.Struct("3i")  # struct ucred: pid, uid, gid


def listen(folder: Path, name: str, mode: int) -> socket.socket:
    """A socket to accept from; one left behind by a killed process is replaced. Raises OSError."""
    with _short(folder, name) as path:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(path)  # noqa: PTH108 - a name through /proc
        listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        listener.bind(path)
        os.chmod(path, mode)  # noqa: PTH101
    return listener


def remove(folder: Path, name: str) -> None:
    """Take the name away."""
    with contextlib.suppress(FileNotFoundError):
        (folder / name).unlink()


def require_owner(channel: socket.socket) -> None:
    """Raises Rejected unless root or our own user is at the other end."""
    credentials = channel.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, CREDENTIALS.size)
    _, uid, _ = CREDENTIALS.unpack(credentials)
    if uid not in (0, os.geteuid()):
        raise Rejected("only root and the daemon's user may ask for this", remedy="use sudo")


@contextmanager
def connected(folder: Path, name: str, timeout_s: float) -> Iterator[socket.socket]:
    """A connection to who listens there. Raises OSError."""
    channel = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    channel.settimeout(timeout_s)
    with channel, _short(folder, name) as path:
        channel.connect(path)
        yield channel


@contextmanager
def _short(folder: Path, name: str) -> Iterator[str]:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        yield f"/proc/self/fd/{descriptor}/{name}"
    finally:
        os.close(descriptor)
