"""systemd's watchdog, as the daemon knows it: a socket, a period, and a restart where no word comes in time."""

from __future__ import annotations

import os
import resource
import signal
import socket
import sqlite3
import subprocess
import time
from collections.abc import Iterator
from contextlib import ExitStack, closing
from pathlib import Path

import pytest

from .site import Site, cards, eventually

pytestmark = pytest.mark.needs("mosquitto")

PERIOD_S = 1.2


class Systemd:
    """Listens on NOTIFY_SOCKET; `last_ping` is when it heard WATCHDOG=1 last (monotonic)."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.channel = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.channel.bind(str(path))
        self.channel.setblocking(False)
        self.pings = 0
        self.words: list[bytes] = []

    def wrapper(self) -> list[str]:
        return ["env", f"NOTIFY_SOCKET={self.path}", f"WATCHDOG_USEC={round(PERIOD_S * 1e6)}"]

    def listen(self, seconds: float) -> int:
        """How many pings come in that time."""
        self._take()
        before, until = self.pings, time.monotonic() + seconds
        while time.monotonic() < until:
            time.sleep(0.02)
            self._take()
        return self.pings - before

    def wait_ping(self) -> None:
        self._take()
        before = self.pings
        eventually(lambda: self._take() > before, "a ping")

    def _take(self) -> int:
        try:
            while True:
                word = self.channel.recv(4096)
                self.words.append(word)
                self.pings += word == b"WATCHDOG=1"
        except BlockingIOError:
            return self.pings


@pytest.fixture
def systemd(tmp_path: Path) -> Iterator[Systemd]:
    systemd = Systemd(tmp_path / "notify")
    yield systemd
    systemd.channel.close()


def test_a_daemon_that_works_pings_several_times_a_period(site: Site, systemd: Systemd) -> None:
    site.reader("reader-1")
    site.start(wrapper=systemd.wrapper())
    systemd.wait_ping()
    assert systemd.listen(2 * PERIOD_S) >= 4


def test_a_stopped_process_does_not_ping_and_goes_on_when_it_may(site: Site, systemd: Systemd) -> None:
    site.reader("reader-1")
    daemon = site.start(wrapper=systemd.wrapper())
    systemd.wait_ping()
    os.kill(daemon.pid, signal.SIGSTOP)
    try:
        assert systemd.listen(PERIOD_S) == 0
    finally:
        os.kill(daemon.pid, signal.SIGCONT)
    systemd.wait_ping()


def test_a_missing_port_and_a_missing_broker_are_no_standstill(make_site: object, systemd: Systemd) -> None:
    site: Site = make_site("mqtt://127.0.0.1:1")  # type: ignore[operator]
    site.reader("reader-1").port.unplug()
    site.start(wrapper=systemd.wrapper())
    systemd.wait_ping()
    assert systemd.listen(2 * PERIOD_S) >= 4


@pytest.mark.needs("strace", "root")
def test_a_journal_thread_that_hangs_in_a_sync_stops_the_pings_though_the_loop_runs(
    site: Site, systemd: Systemd
) -> None:
    reader = site.reader("reader-1")
    daemon = site.start(wrapper=systemd.wrapper())
    site.wait_up()
    systemd.wait_ping()
    delay = f"inject=fsync,fdatasync:delay_enter={round(4 * PERIOD_S * 1e6)}"
    command = ["strace", "-f", "-qq", "-o", str(site.folder / "strace"), "-e", "trace=fsync,fdatasync", "-e", delay]
    with subprocess.Popen([*command, "-p", str(daemon.pid)], stderr=subprocess.DEVNULL) as tracer:
        try:
            eventually(lambda: "TracerPid:\t0" not in Path(f"/proc/{daemon.pid}/status").read_text(), "strace")
            reader.swipe("0C00000001")
            assert "journal" in daemon.wait_for("gateway.stalled")["reason"]
            assert site.status()["clock"]
            assert systemd.listen(PERIOD_S) == 0
        finally:
            tracer.terminate()
    systemd.wait_ping()


def test_a_start_that_copies_an_older_journal_asks_for_time_as_long_as_it_gets_on(
    site: Site, systemd: Systemd
) -> None:
    site.reader("reader-1")
    site.start().stop()
    with closing(sqlite3.connect(site.state_dir / "journal.sqlite", isolation_level=None)) as journal:
        journal.executescript("DROP TABLE tombstones; PRAGMA user_version=1;")
    site.start(wrapper=systemd.wrapper())
    systemd.wait_ping()
    asked = [word for word in systemd.words if word.startswith(b"EXTEND_TIMEOUT_USEC=30000000\n")]
    ready = next(word for word in systemd.words if word.startswith(b"READY=1"))
    assert asked
    assert b"STATUS=copying the journal before it is taken over: 100 %" in asked[-1]
    assert systemd.words.index(asked[-1]) < systemd.words.index(ready)


def test_visitors_who_take_all_files_that_may_be_open_end_nothing(site: Site) -> None:
    reader = site.reader("reader-1")
    daemon = site.start()
    site.wait_up()
    open_now = len(list(Path(f"/proc/{daemon.pid}/fd").iterdir()))
    resource.prlimit(daemon.pid, resource.RLIMIT_NOFILE, (open_now + 20, open_now + 20))
    with ExitStack() as stack:
        for _ in range(60):
            visitor = stack.enter_context(socket.socket(socket.AF_UNIX))
            visitor.connect(str(site.state_dir / "monitor.sock"))
        daemon.wait_for("socket.crowded")
        for card in cards(5):
            reader.swipe(card)
    eventually(lambda: site.device_status(reader.name)["reads"] == 5, "being let in again, and all cards read")
    assert daemon.stop() == 0
