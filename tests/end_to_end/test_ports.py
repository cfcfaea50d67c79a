"""Ports that are missing, taken, pulled out or far away: said, found again, and no other port notices."""

from __future__ import annotations

import contextlib
import fcntl
import os
import socket
import time
from collections.abc import Iterator

import pytest

from gateway.simulation import frames

from .ear import Ear, token
from .site import Site, eventually

pytestmark = pytest.mark.needs("mosquitto")


class SerialServer:
    """A serial-device server: bytes over TCP to whoever connects."""

    def __init__(self) -> None:
        self.port = 0
        self._listener: socket.socket | None = None
        self._peer: socket.socket | None = None

    def start(self) -> None:
        self._listener = socket.create_server(("127.0.0.1", self.port))
        self.port = self._listener.getsockname()[1]
        self._listener.settimeout(5)

    def accept(self) -> None:
        assert self._listener is not None
        self._peer, _ = self._listener.accept()

    def write(self, data: bytes) -> None:
        assert self._peer is not None
        self._peer.sendall(data)

    def stop(self) -> None:
        for end in (self._peer, self._listener):
            if end is not None:
                end.close()
        self._peer = self._listener = None


@pytest.fixture
def server() -> Iterator[SerialServer]:
    server = SerialServer()
    server.start()
    yield server
    server.stop()


def _tokens(ear: Ear, device: str) -> list[str]:
    reads = ear.records("credential.read")
    return [it["data"]["subject"]["token"] for it in reads if it["data"]["device"] == device]


@pytest.mark.alone
def test_a_port_missing_at_the_start_is_said_and_found_when_it_appears(site: Site, ear: Ear) -> None:
    reader, other = site.reader("late"), site.reader("other")
    reader.port.unplug()
    daemon = site.start()
    site.wait_up("other")
    down = site.device_status("late")
    assert down["status"] == "down"
    assert "not there" in down["reason"]
    assert daemon.wait_for("port.down")["devices"] == ["late"]
    other.swipe("0C00000001")
    ear.wait(lambda: _tokens(ear, "other") == [token("0C00000001")])
    reader.port.plug()
    reader.swipe("0C00000002")
    ear.wait(lambda: _tokens(ear, "late") == [token("0C00000002")], "the frame of the late port", 5.0)
    assert site.device_status("late")["reason"] is None


def test_a_port_held_by_another_process_is_said_with_its_holder_and_taken_when_free(site: Site, ear: Ear) -> None:
    reader = site.reader("reader-1")
    holder = os.open(reader.port.path, os.O_RDWR | os.O_NOCTTY)
    fcntl.flock(holder, fcntl.LOCK_EX)
    site.start()
    eventually(lambda: "held by" in (site.device_status("reader-1")["reason"] or ""), "the holder's name")
    assert site.status()["devices"][0]["status"] == "down"
    os.close(holder)
    site.wait_up()
    reader.swipe("0C00000001")
    ear.wait(lambda: _tokens(ear, "reader-1") == [token("0C00000001")])


def test_nobody_else_can_take_a_port_the_daemon_has(site: Site) -> None:
    reader = site.reader("reader-1")
    site.start()
    site.wait_up()
    other = os.open(reader.port.path, os.O_RDWR | os.O_NOCTTY)  # root may, the flock tells those who ask
    with pytest.raises(BlockingIOError), contextlib.closing(os.fdopen(other, "rb", buffering=0)) as file:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)


def test_a_port_pulled_out_and_put_back_goes_on_and_the_others_never_notice(site: Site, ear: Ear) -> None:
    stick, other = site.reader("stick"), site.reader("other")
    daemon = site.start()
    site.wait_up()
    site.wait_connected()
    for number in range(3):
        stick.swipe(f"0C0000100{number}")
        ear.wait(lambda n=number: len(_tokens(ear, "stick")) == n + 1)
        stick.port.unplug()
        other.swipe(f"0C0000200{number}")
        eventually(lambda: site.device_status("stick")["status"] == "down", "the loss")
        assert site.device_status("other")["status"] == "up"
        stick.port.plug()
        eventually(lambda: site.device_status("stick")["status"] == "up", "the return", 5.0)
    ear.wait(lambda: len(_tokens(ear, "other")) == 3)
    downs = [it for it in ear.wait_records("device.down", 3) if it["data"]["device"] == "stick"]
    assert len(downs) == 3
    assert all(it["data"]["reason"] for it in downs)
    assert [it["data"]["device"] for it in ear.records("device.up")].count("other") == 1
    assert len(daemon.said("port.down")) <= 6
    assert ear.on("device/stick")[-1].json()["status"] == "up"


def test_a_frame_cut_by_the_unplugging_is_not_glued_to_the_next_one(site: Site, ear: Ear) -> None:
    reader = site.reader("reader-1")
    site.start()
    site.wait_up()
    frame = frames.rdm6300("0C00000001")
    reader.port.write(frame[:8])
    eventually(lambda: reader.port.unread() == 0)
    reader.port.unplug()
    eventually(lambda: site.device_status("reader-1")["status"] == "down")
    reader.port.plug()
    site.wait_up()
    reader.port.write(frame[8:] + frames.rdm6300("0C00000002"))
    ear.wait(lambda: _tokens(ear, "reader-1") == [token("0C00000002")])


def test_a_serial_server_is_heard_again_after_its_restart(site: Site, ear: Ear, server: SerialServer) -> None:
    site.lane("gate")
    site.device("remote", "gate", url=f"socket://127.0.0.1:{server.port}", side="in")
    site.start()
    server.accept()
    site.wait_up()
    server.write(frames.rdm6300("0C00000001"))
    ear.wait(lambda: len(_tokens(ear, "remote")) == 1)
    server.stop()
    eventually(lambda: site.device_status("remote")["status"] == "down", "the loss")
    server.start()
    server.accept()
    site.wait_up()
    server.write(frames.rdm6300("0C00000002"))
    ear.wait(lambda: _tokens(ear, "remote") == [token("0C00000001"), token("0C00000002")])


@pytest.mark.alone
def test_a_serial_server_that_is_not_there_is_said_and_the_daemon_stops_in_time(site: Site) -> None:
    site.lane("gate")
    site.device("remote", "gate", url="socket://127.0.0.1:1", side="in")
    daemon = site.start()
    eventually(lambda: "127.0.0.1:1" in site.device_status("remote")["reason"])
    began = time.monotonic()
    assert daemon.stop() == 0
    assert time.monotonic() - began < 5.0
