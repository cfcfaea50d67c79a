"""Requests over a unix socket in the state directory: one line of JSON there, one back, done.

The socket is its owner's (mode 600), and who connects is looked at besides: only root and the daemon's own user may
ask for something to be done. An answer is `{"ok": …}`, or `{"error", "remedy", "exit"}` with the command's exit code.
"""

from __future__ import annotations

import asyncio
import json
import socket
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

from gateway import unixsocket
from gateway.control.requests import Request, read_request
from gateway.errors import PunchgateError, Rejected, Unavailable
from gateway.unixsocket import Door, require_owner
from gateway.wire import compact

FILE_NAME = "control.sock"
MODE = 0o600
MAX_REQUEST_BYTES = 4096
HEAR_TIMEOUT_S = 5.0
ASK_TIMEOUT_S = 60.0

Answer = dict[str, Any]


class ControlServer:
    """Hands each request to `answer`, which may raise PunchgateError."""

    def __init__(self, state_dir: Path, answer: Callable[[Request], Awaitable[Answer]]) -> None:
        self._answer = answer
        self._door = Door(state_dir, FILE_NAME, MODE, self._serve, MAX_REQUEST_BYTES)

    async def start(self) -> None:
        """Listen; a socket left behind by a killed daemon is replaced."""
        await self._door.start()

    async def close(self) -> None:
        """Stop listening and remove the socket."""
        await self._door.close()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        answer = await self._reply(reader, writer.get_extra_info("socket"))
        writer.write(compact(answer) + b"\n")
        await writer.drain()

    async def _reply(self, reader: asyncio.StreamReader, channel: socket.socket) -> Answer:
        try:
            require_owner(channel)
            return {"ok": await self._answer(read_request(await _row(reader)))}
        except PunchgateError as error:
            return {"error": error.message, "remedy": error.remedy, "exit": error.exit_code}


async def _row(reader: asyncio.StreamReader) -> bytes:
    try:
        async with asyncio.timeout(HEAR_TIMEOUT_S):
            return await reader.readline()
    except (TimeoutError, ValueError) as error:
        raise Rejected(f"no request of at most {MAX_REQUEST_BYTES} bytes and a newline") from error


def ask_daemon(state_dir: Path, request: Request) -> Answer:
    """What the running daemon answers. Raises Unavailable without one, PunchgateError if it refuses."""
    try:
        with unixsocket.connected(state_dir, FILE_NAME, ASK_TIMEOUT_S) as channel:
            channel.sendall(request.model_dump_json().encode() + b"\n")
            with channel.makefile("rb") as answer:
                said: Answer = json.loads(answer.readline())
    except PermissionError as error:
        raise Unavailable(f"{state_dir}: {error.strerror}", remedy="ask as root or as the daemon's user") from error
    except (OSError, ValueError) as error:
        remedy = "start it: systemctl start punchgate, or punchgate run"
        raise Unavailable(f"no daemon answers in {state_dir}: {error}", remedy=remedy) from error
    if "error" in said:
        refusal = PunchgateError(said["error"], remedy=said["remedy"])
        refusal.exit_code = said["exit"]
        raise refusal
    return dict(said["ok"])
