"""The status socket and sd_notify: one document for each who asks, nobody can stop the daemon by asking."""

from __future__ import annotations

import asyncio
import os
import socket
import stat
import threading
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from gateway.errors import Unavailable
from gateway.status import StatusServer, ask, notify
from gateway.status.report import journal_bytes

SOCKET = "status.sock"


def serve(
    state_dir: Path, story: Callable[[], Awaitable[None]], describe: Callable[[], dict[str, Any]] = dict
) -> list[Any]:
    bugs: list[Any] = []

    async def main() -> None:
        asyncio.get_running_loop().set_exception_handler(lambda _, context: bugs.append(context))
        server = StatusServer(state_dir, describe)
        await server.start()
        try:
            await story()
        finally:
            await server.close()

    asyncio.run(main())
    return bugs


def test_who_asks_gets_the_document_as_it_is_now(tmp_path: Path) -> None:
    times = iter(range(9))

    async def story() -> None:
        for number in range(3):
            assert await asyncio.to_thread(ask, tmp_path) == {"number": number, "text": "端口"}

    assert serve(tmp_path, story, lambda: {"number": next(times), "text": "端口"}) == []
    assert not (tmp_path / SOCKET).exists()


def test_many_may_ask_at_once_for_a_long_document(tmp_path: Path) -> None:
    document = {"devices": ["x" * 100] * 5000}

    async def story() -> None:
        answers = await asyncio.gather(*(asyncio.to_thread(ask, tmp_path) for _ in range(10)))
        assert all(answer == document for answer in answers)

    assert serve(tmp_path, story, lambda: document) == []


def test_who_hangs_up_or_never_reads_disturbs_nobody(tmp_path: Path) -> None:
    async def story() -> None:
        rude = []
        for _ in range(20):
            channel = socket.socket(socket.AF_UNIX)
            channel.connect(str(tmp_path / SOCKET))
            rude.append(channel)
        for channel in rude[:10]:
            channel.close()
        await asyncio.sleep(0.05)
        assert len((await asyncio.to_thread(ask, tmp_path))["text"]) == 500_000
        for channel in rude[10:]:
            channel.close()
        await asyncio.sleep(0.05)

    assert serve(tmp_path, story, lambda: {"text": "x" * 500_000}) == []


def test_a_socket_left_behind_by_a_killed_daemon_is_replaced(tmp_path: Path) -> None:
    left = socket.socket(socket.AF_UNIX)
    left.bind(str(tmp_path / SOCKET))
    left.close()

    async def story() -> None:
        assert await asyncio.to_thread(ask, tmp_path) == {}

    assert serve(tmp_path, story) == []


def test_the_socket_is_not_for_everybody(tmp_path: Path) -> None:
    async def story() -> None:
        assert stat.S_IMODE((tmp_path / SOCKET).stat().st_mode) == 0o660

    serve(tmp_path, story)


def test_a_state_directory_may_be_deep(tmp_path: Path) -> None:
    deep = tmp_path / ("d" * 100) / ("e" * 100)
    deep.mkdir(parents=True)

    async def story() -> None:
        assert await asyncio.to_thread(ask, deep) == {}

    assert serve(deep, story) == []


def test_without_a_daemon_it_is_said_how_to_start_it(tmp_path: Path) -> None:
    for folder in (tmp_path, tmp_path / "nowhere"):
        with pytest.raises(Unavailable, match="no daemon answers") as caught:
            ask(folder)
        assert "punchgate run" in caught.value.remedy


@pytest.mark.parametrize("answer", [b"", b"no JSON\n", b"5\n", b"[1]\n", b"null\n", b"\xff\n"])
def test_an_answer_that_is_none_is_no_daemon(tmp_path: Path, answer: bytes) -> None:
    server = socket.socket(socket.AF_UNIX)
    server.bind(str(tmp_path / SOCKET))
    server.listen()

    def once() -> None:
        peer, _ = server.accept()
        peer.sendall(answer)
        peer.close()

    thread = threading.Thread(target=once, daemon=True)
    thread.start()
    with pytest.raises(Unavailable):
        ask(tmp_path)
    thread.join()
    server.close()


def test_systemd_is_told_if_it_asked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    notify("READY=1")
    for address in (str(tmp_path / "notify"), f"@punchgate-test-{os.getpid()}"):
        systemd = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        systemd.bind("\0" + address[1:] if address.startswith("@") else address)
        monkeypatch.setenv("NOTIFY_SOCKET", address)
        notify("READY=1\nSTATUS=ok")
        assert systemd.recv(100) == b"READY=1\nSTATUS=ok"
        systemd.close()
    monkeypatch.setenv("NOTIFY_SOCKET", str(tmp_path / "gone"))
    notify("READY=1")


def test_a_file_that_goes_while_it_is_counted_is_no_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "journal.sqlite").write_bytes(b"x" * 10)
    (tmp_path / "journal.sqlite-wal").symlink_to(tmp_path / "gone")
    (tmp_path / "other").write_bytes(b"x")
    assert journal_bytes(tmp_path) == 10
