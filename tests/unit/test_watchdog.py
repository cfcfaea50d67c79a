"""systemd hears of progress, and of nothing else: a real socket, a real journal thread."""

from __future__ import annotations

import asyncio
import os
import socket
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from gateway.clock import Clock
from gateway.journal import Journal, Limits, Listeners, Store, schema, writer
from gateway.status import watchdog
from gateway.status.watchdog import Watchdog, watchdog_period_s

PERIOD_S = 0.3
LIMITS = Limits(1 << 30, 1000)


class Systemd:
    """The other end of NOTIFY_SOCKET."""

    def __init__(self, path: Path) -> None:
        self.channel = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.channel.bind(str(path))
        self.channel.setblocking(False)

    def heard(self) -> list[str]:
        """What has been said since the last call."""
        words = []
        while True:
            try:
                words.append(self.channel.recv(4096).decode())
            except BlockingIOError:
                return words


@pytest.fixture
def systemd(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Systemd]:
    """It wants to hear from us within PERIOD_S."""
    systemd = Systemd(tmp_path / "notify")
    monkeypatch.setenv("NOTIFY_SOCKET", str(tmp_path / "notify"))
    monkeypatch.setenv("WATCHDOG_USEC", str(round(PERIOD_S * 1e6)))
    yield systemd
    systemd.channel.close()


async def _for_ever() -> None:
    await asyncio.Event().wait()


async def hears(systemd: Systemd) -> bool:
    """Whether it hears from us within two periods from now on."""
    systemd.heard()
    for _ in range(40):
        await asyncio.sleep(PERIOD_S / 20)
        if "WATCHDOG=1" in systemd.heard():
            return True
    return False


async def _watched(state_dir: Path, story: Callable[[Journal, asyncio.Task[None]], object]) -> None:
    journal = Journal(state_dir, ("hq", "edge-01", "UTC"), LIMITS, Clock())
    journal.open(Listeners(lambda _: None, lambda _: None, lambda _: None))
    task = asyncio.create_task(_for_ever())
    dog = Watchdog(journal.pulse, [task])
    dog.start()
    try:
        await story(journal, task)  # type: ignore[misc]
    finally:
        dog.close()
        task.cancel()
        await journal.close()


def test_an_idle_daemon_makes_progress(systemd: Systemd, tmp_path: Path) -> None:
    async def story(journal: Journal, _: asyncio.Task[None]) -> None:
        for _ in range(3):
            assert await hears(systemd)

    asyncio.run(_watched(tmp_path, story))


def test_nothing_is_said_while_the_journals_thread_stands_still(systemd: Systemd, tmp_path: Path) -> None:
    gate = threading.Event()

    def stand_still(_: Store) -> list[object]:
        gate.wait(30)
        return []

    async def story(journal: Journal, _: asyncio.Task[None]) -> None:
        assert await hears(systemd)
        journal._writer.put(stand_still)  # type: ignore[arg-type]
        await hears(systemd)
        with capture_logs() as logs:
            assert not await hears(systemd)
        assert journal.waiting() <= 1
        gate.set()
        assert await hears(systemd)
        assert [entry["event"] for entry in logs] in ([], ["gateway.stalled"])

    asyncio.run(_watched(tmp_path, story))


def test_a_disk_that_refuses_everything_is_no_standstill(
    systemd: Systemd, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is tried again and said aloud; a restart would lose what waits in memory."""
    monkeypatch.setattr(writer, "RETRY_MAX_S", PERIOD_S / 20)
    monkeypatch.setattr(writer, "RETRY_FIRST_S", PERIOD_S / 20)

    def refuse(_: Store) -> list[object]:
        raise schema.Error("database or disk is full")

    async def story(journal: Journal, _: asyncio.Task[None]) -> None:
        journal._writer.put(refuse)  # type: ignore[arg-type]
        for _ in range(4):
            assert await hears(systemd)

    asyncio.run(_watched(tmp_path, story))


def test_nothing_is_said_without_a_ports_task(systemd: Systemd, tmp_path: Path) -> None:
    async def story(journal: Journal, task: asyncio.Task[None]) -> None:
        assert await hears(systemd)
        task.cancel()
        await asyncio.wait([task])
        await hears(systemd)
        assert not await hears(systemd)

    asyncio.run(_watched(tmp_path, story))


def test_what_stands_still_is_said_once(systemd: Systemd, monkeypatch: pytest.MonkeyPatch) -> None:
    async def story() -> None:
        dog = Watchdog(lambda: 7, [])
        dog.start()
        await asyncio.sleep(PERIOD_S)
        dog.close()

    with capture_logs() as logs:
        asyncio.run(story())
    assert [(entry["event"], entry["reason"]) for entry in logs] == [
        ("gateway.stalled", "the journal's thread does not answer")
    ]
    assert systemd.heard() == ["WATCHDOG=1"]


@pytest.mark.parametrize(
    ("usec", "pid", "period_s"),
    [
        ("30000000", None, 30.0),
        pytest.param("30000000", str(os.getpid()), 30.0, id="ours"),
        ("30000000", "1", None),
        ("0", None, None),
        ("soon", None, None),
        (None, None, None),
    ],
)
def test_only_whom_systemd_asks_is_to_answer(
    usec: str | None, pid: str | None, period_s: float | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in (("WATCHDOG_USEC", usec), ("WATCHDOG_PID", pid)):
        monkeypatch.setenv(name, value) if value is not None else monkeypatch.delenv(name, raising=False)
    assert watchdog_period_s() == period_s


def test_the_watchdog_is_fed_well_within_its_period() -> None:
    assert watchdog.ASKED_PER_PERIOD >= 3
