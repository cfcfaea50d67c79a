"""The control socket: one request a connection, a readable answer whatever comes, nobody but root and ourselves."""

from __future__ import annotations

import asyncio
import json
import os
import socket
import struct
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any, cast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.control import ControlServer, Request, Resend, ask_daemon
from gateway.control.requests import read_request
from gateway.control.socket import FILE_NAME
from gateway.errors import PunchgateError, Rejected, Transient, Unavailable
from gateway.unixsocket import require_owner

Story = Callable[[Path], Any]


def told(tmp_path: Path, story: Story, answer: Callable[[Request], Awaitable[dict[str, Any]]] | None = None) -> Any:
    """Run a server in a folder with a long name, and the story on a thread beside it."""

    async def echo(request: Request) -> dict[str, Any]:
        return request.model_dump()

    async def main() -> Any:
        folder = tmp_path / ("deep" * 40)
        folder.mkdir(exist_ok=True)
        server = ControlServer(folder, answer or echo)
        await server.start()
        try:
            return await asyncio.to_thread(story, folder)
        finally:
            await server.close()
            assert not (folder / FILE_NAME).exists()

    return asyncio.run(main())


def say(folder: Path, data: bytes) -> Any:
    with socket.socket(socket.AF_UNIX) as channel:
        handle = os.open(folder, os.O_RDONLY)
        channel.connect(f"/proc/self/fd/{handle}/{FILE_NAME}")
        os.close(handle)
        channel.sendall(data)
        channel.shutdown(socket.SHUT_WR)
        return json.loads(channel.makefile("rb").readline())


def test_a_request_is_answered(tmp_path: Path) -> None:
    asked = Resend(first=3, last=5)
    assert told(tmp_path, lambda folder: ask_daemon(folder, asked)) == asked.model_dump()


def test_the_socket_is_its_owners_alone(tmp_path: Path) -> None:
    assert told(tmp_path, lambda folder: (folder / FILE_NAME).stat().st_mode & 0o777) == 0o600


def test_a_refusal_keeps_its_words_and_its_exit_code(tmp_path: Path) -> None:
    async def refuse(_: Request) -> dict[str, Any]:
        raise Transient("not now", remedy="wait")

    def ask(folder: Path) -> PunchgateError:
        with pytest.raises(PunchgateError) as caught:
            ask_daemon(folder, Resend(first=1, last=1))
        return caught.value

    error = told(tmp_path, ask, refuse)
    assert (str(error), error.exit_code) == ("not now; wait", 75)


@pytest.mark.parametrize("data", [b"", b"\n", b"{}\n", b"x" * 5000, b'{"request":"resend","first":1,"last":2,"x":3}'])
def test_what_is_no_request_is_refused_and_the_next_one_heard(tmp_path: Path, data: bytes) -> None:
    def story(folder: Path) -> Any:
        answer = say(folder, data)
        assert ask_daemon(folder, Resend(first=1, last=1))["first"] == 1
        return answer

    answer = told(tmp_path, story)
    assert answer["exit"] == 1
    assert answer["error"]


@given(st.binary(max_size=200))
def test_any_bytes_are_a_readable_refusal(data: bytes) -> None:
    with pytest.raises(Rejected):
        read_request(data)


def test_without_a_daemon_it_says_how_to_start_one(tmp_path: Path) -> None:
    with pytest.raises(Unavailable, match="start it: systemctl start punchgate"):
        ask_daemon(tmp_path, Resend(first=1, last=1))


class Peer:
    """The end of a connection at which that user sits."""

    def __init__(self, uid: int) -> None:
        self.uid = uid

    def getsockopt(self, *_: int) -> bytes:
        return struct.pack("3i", 1, self.uid, 0)


def test_only_root_and_the_daemons_user_may_ask() -> None:
    for uid in (0, os.geteuid()):
        require_owner(cast(socket.socket, Peer(uid)))
    with pytest.raises(Rejected, match="only root and the daemon's user"):
        require_owner(cast(socket.socket, Peer(os.geteuid() + 1)))
