"""Status over a unix socket in the state directory: connect, read one JSON document, done. Nothing can be changed.

A socket's path may have 108 bytes; through /proc/self/fd the state directory may be as deep as it likes.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from gateway.errors import Unavailable
from gateway.wire import compact

FILE_NAME = "status.sock"
ASK_TIMEOUT_S = 5.0


class StatusServer:
    """Answers every connection with what `describe` returns now."""

    def __init__(self, state_dir: Path, describe: Callable[[], dict[str, Any]]) -> None:
        self._state_dir = state_dir
        self._describe = describe
        self._server: asyncio.Server | None = None

    async def start(self) -> None:
        """Listen; a socket left behind by a killed daemon is replaced."""
        with _short(self._state_dir) as path:
            with contextlib.suppress(FileNotFoundError):
                os.unlink(path)  # noqa: PTH108 - a name through /proc
            listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
            listener.bind(path)
            os.chmod(path, 0o660)  # noqa: PTH101
        self._server = await asyncio.start_unix_server(self._answer, sock=listener)

    async def close(self) -> None:
        """Stop listening and remove the socket."""
        if self._server is not None:
            self._server.close()
            with contextlib.suppress(FileNotFoundError):
                (self._state_dir / FILE_NAME).unlink()

    async def _answer(self, _: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(ConnectionError):
            writer.write(compact(self._describe()) + b"\n")
            await writer.drain()
        writer.close()


def ask(state_dir: Path) -> dict[str, Any]:
    """The running daemon's status. Raises Unavailable."""
    channel = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    channel.settimeout(ASK_TIMEOUT_S)
    try:
        with channel, _short(state_dir) as path:
            channel.connect(path)
            with channel.makefile("rb") as answer:
                return dict(json.loads(answer.readline()))
    except (OSError, ValueError, TypeError) as error:
        raise Unavailable(
            f"no daemon answers in {state_dir}: {error}",
            remedy="start it: systemctl start punchgate, or punchgate run",
        ) from error


@contextmanager
def _short(state_dir: Path) -> Iterator[str]:
    folder = os.open(state_dir, os.O_RDONLY | os.O_DIRECTORY)
    try:
        yield f"/proc/self/fd/{folder}/{FILE_NAME}"
    finally:
        os.close(folder)
