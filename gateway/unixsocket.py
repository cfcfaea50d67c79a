"""Unix sockets in the state directory. Their path may have 108 bytes; through /proc/self/fd it may be longer."""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
import struct
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from gateway.errors import Rejected

CREDENTIALS = struct.Struct("3i")  # struct ucred: pid, uid, gid
LINE_BYTES = 65536

Serve = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


class Door:
    """A socket that is served by `serve` until `close`. Visitors may vanish in the middle of anything."""

    def __init__(self, folder: Path, name: str, mode: int, serve: Serve, limit: int = LINE_BYTES) -> None:
        """`limit`: the longest line in bytes."""
        self._folder, self._name, self._mode = folder, name, mode
        self._serve = serve
        self._limit = limit
        self._server: asyncio.Server | None = None
        self._inside: set[asyncio.StreamWriter] = set()

    async def start(self) -> None:
        """Listen; a socket left behind by a killed daemon is replaced."""
        listener = listen(self._folder, self._name, self._mode)
        self._server = await asyncio.start_unix_server(self._let_in, sock=listener, limit=self._limit)

    async def close(self) -> None:
        """Stop listening, remove the socket, send everybody away."""
        if self._server is not None:
            self._server.close()
            remove(self._folder, self._name)
            for writer in self._inside:
                if writer.transport.get_write_buffer_size():  # he does not read
                    writer.transport.abort()
                writer.close()

    async def _let_in(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._inside.add(writer)
        try:
            with contextlib.suppress(ConnectionError):
                await self._serve(reader, writer)
        finally:
            self._inside.discard(writer)
            writer.close()


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
