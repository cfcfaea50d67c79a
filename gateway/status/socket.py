"""Status over a unix socket in the state directory: connect, read one JSON document, done. Nothing can be changed."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from gateway import unixsocket
from gateway.errors import Unavailable
from gateway.unixsocket import Door
from gateway.wire import compact

FILE_NAME = "status.sock"
MODE = 0o660
ASK_TIMEOUT_S = 5.0


class StatusServer:
    """Answers every connection with what `describe` returns now."""

    def __init__(self, state_dir: Path, describe: Callable[[], dict[str, Any]]) -> None:
        self._describe = describe
        self._door = Door(state_dir, FILE_NAME, MODE, self._answer)

    async def start(self) -> None:
        """Listen; a socket left behind by a killed daemon is replaced."""
        await self._door.start()

    async def close(self) -> None:
        """Stop listening and remove the socket."""
        await self._door.close()

    async def _answer(self, _: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(compact(self._describe()) + b"\n")
        await writer.drain()


def ask(state_dir: Path) -> dict[str, Any]:
    """The running daemon's status. Raises Unavailable."""
    try:
        with unixsocket.connected(state_dir, FILE_NAME, ASK_TIMEOUT_S) as channel, channel.makefile("rb") as answer:
            status = json.loads(answer.readline())
            if not isinstance(status, dict):
                raise ValueError("the answer is no status")
            return status
    except PermissionError as error:
        raise Unavailable(f"{state_dir}: {error.strerror}", remedy="ask as root or as the daemon's user") from error
    except (OSError, ValueError) as error:
        raise Unavailable(
            f"no daemon answers in {state_dir}: {error}",
            remedy="start it: systemctl start punchgate, or punchgate run",
        ) from error
