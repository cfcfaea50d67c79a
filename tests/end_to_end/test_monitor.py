"""`punchgate monitor` as a person at the box sees it: what devices say now, cards by token, bytes if asked for."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import socket
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from drivers import cards
from gateway.simulation import frames

from .site import KEY, PUNCHGATE, Reader, Site, eventually, punchgate

CARD = "0C000621A5"
TOKEN = cards.token(KEY, "k1", "em4100", CARD)


class Watcher:
    """The command, and the rows it has printed."""

    def __init__(self, site: Site, *options: str) -> None:
        command = [PUNCHGATE, "monitor", "-c", str(site.file), "--json", *options]
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        self.rows: list[dict[str, Any]] = []
        threading.Thread(target=self._read, daemon=True).start()

    def _read(self) -> None:
        assert self.process.stdout is not None
        self.rows.extend(json.loads(line) for line in self.process.stdout)

    def text(self) -> str:
        return json.dumps(self.rows)


@contextmanager
def watching(site: Site, *options: str) -> Iterator[Watcher]:
    watcher = Watcher(site, *options)
    try:
        yield watcher
    finally:
        watcher.process.send_signal(signal.SIGINT)
        watcher.process.communicate(timeout=10)


@pytest.fixture
def readers(site: Site) -> list[Reader]:
    made = [site.reader("reader-1"), site.reader("reader-2")]
    site.start()
    site.wait_up()
    return made


def swipe_until(reader: Reader, watcher: Watcher) -> None:
    """The command takes a moment to connect."""

    def seen() -> bool:
        reader.port.write(frames.rdm6300(CARD))
        return bool(watcher.rows)

    eventually(seen, "a row")


def test_a_card_is_shown_by_its_token_and_never_by_its_number(site: Site, readers: list[Reader]) -> None:
    with watching(site) as watcher:
        swipe_until(readers[0], watcher)
        readers[0].port.write(b"\xff\xff\xff")
        eventually(lambda: any(row["event"] == "bad_frame" for row in watcher.rows), "the noise")
    first = watcher.rows[0]
    assert (first["device"], first["event"], first["scheme"], first["token"]) == (
        "reader-1",
        "card_read",
        "em4100",
        TOKEN,
    )
    assert CARD not in watcher.text()
    assert "621A5" not in watcher.text()


def test_raw_shows_the_bytes_of_the_line_of_the_one_device_asked_for(site: Site, readers: list[Reader]) -> None:
    with watching(site, "--raw", "--device", "reader-2") as watcher:
        readers[0].port.write(frames.rdm6300("0102030405"))
        swipe_until(readers[1], watcher)
    heard = b"".join(bytes.fromhex(row["hex"]) for row in watcher.rows if "hex" in row)
    assert frames.rdm6300(CARD) in heard
    assert {row.get("device", "reader-2") for row in watcher.rows} == {"reader-2"}
    assert frames.rdm6300("0102030405") not in heard


def test_it_ends_with_the_daemon_and_says_what_is_wrong_without_one(site: Site, readers: list[Reader]) -> None:
    watcher = Watcher(site)
    swipe_until(readers[0], watcher)
    assert site.daemon is not None
    assert site.daemon.stop() == 0
    _, said = watcher.process.communicate(timeout=10)
    assert "the daemon has stopped" in said
    assert watcher.process.returncode == 0
    done = punchgate("monitor", "-c", site.file)
    assert (done.returncode, b"no daemon answers" in done.stderr) == (69, True)
    done = punchgate("monitor", "-c", site.file, "--device", "reader-9")
    assert (done.returncode, b"reader-1, reader-2" in done.stderr) == (78, True)


def test_one_who_does_not_read_holds_nobody_up_and_is_told_what_he_missed(site: Site, readers: list[Reader]) -> None:
    with watching(site) as watcher:
        swipe_until(readers[0], watcher)
        os.kill(watcher.process.pid, signal.SIGSTOP)
        before = site.status()["newest"]
        noise = b"".join(bytes([0xFF]) + frames.rdm6300(f"{number:010X}") for number in range(100))
        for _ in range(60):
            eventually(lambda: readers[0].port.write(noise), "the daemon reading", 30.0)
        eventually(lambda: not readers[0].port.unread(), "reading all", 60.0)
        eventually(lambda: site.status()["newest"] > before, "records")
        os.kill(watcher.process.pid, signal.SIGCONT)
        eventually(lambda: any("dropped" in row for row in watcher.rows), "what was dropped", 30.0)


def connected(site: Site, name: str, wish: bytes = b"") -> socket.socket:
    channel = socket.socket(socket.AF_UNIX)
    channel.connect(str(site.state_dir / name))
    channel.sendall(wish)
    return channel


def test_a_watcher_who_vanishes_with_rows_unread_ends_nothing(site: Site, readers: list[Reader]) -> None:
    """As Ctrl-C does while cards are coming: the kernel tells the daemon of a reset, not of an end."""
    for number in range(5):
        channel = connected(site, "monitor.sock", b"{}\n")
        waiting = 0
        while not waiting:
            readers[0].swipe(f"0C{number:08X}")
            with contextlib.suppress(BlockingIOError):
                waiting = len(channel.recv(1, socket.MSG_PEEK | socket.MSG_DONTWAIT))
            time.sleep(0.05)
        channel.close()
    assert site.daemon is not None
    reads = site.device_status("reader-2")["reads"]
    readers[1].swipe(CARD)
    eventually(lambda: site.device_status("reader-2")["reads"] == reads + 1, "the next card")
    assert site.daemon.said("gateway.bug") == []


@pytest.mark.parametrize(
    "wish", [b"\n", b"null\n", b"[]\n", b"7\n", b"\xff\n", b"[" * 60_000 + b"\n", b"x" * 100_000 + b"\n"]
)
def test_who_wishes_nonsense_is_sent_away_and_ends_nothing(site: Site, readers: list[Reader], wish: bytes) -> None:
    with contextlib.suppress(ConnectionError), connected(site, "monitor.sock", wish) as channel:
        channel.settimeout(10)
        assert channel.recv(1) == b""
    assert site.daemon is not None
    assert site.status()
    assert site.daemon.said("gateway.bug") == []


def test_a_stop_sends_everybody_away_and_calls_it_no_bug(site: Site, readers: list[Reader]) -> None:
    assert site.daemon is not None
    stuck = connected(site, "monitor.sock", b'{"raw":true}\n')
    with stuck, connected(site, "monitor.sock"), connected(site, "control.sock"), connected(site, "status.sock"):
        for number in range(200):
            readers[number % 2].swipe(f"0C{number:08X}")
            time.sleep(0.002)
        assert site.daemon.stop() == 0
    assert site.daemon.said("gateway.bug") == []
    assert "Traceback" not in site.daemon.text()
