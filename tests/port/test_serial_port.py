"""Opening ports: one owner, nothing flushed, each failure with its remedy."""

from __future__ import annotations

import errno
import fcntl
import os
import socket
import subprocess
import sys
import termios
from collections.abc import Iterator
from pathlib import Path

import pytest
from port_bench import Pty, Tcp, frame

from gateway.errors import Transient
from gateway.port import PortSettings, list_ports
from gateway.port.serial_port import KEEPALIVE, OpenPort, explain


@pytest.fixture
def pty(tmp_path: Path) -> Iterator[Pty]:
    device = Pty(tmp_path / "reader")
    yield device
    device.close()


def test_waiting_bytes_survive_the_opening(pty: Pty) -> None:
    pty.write(frame(1))
    port = OpenPort(PortSettings(str(pty.path), baud=19200, parity="E", stopbits=2))
    assert port.read() == frame(1)
    assert port.read() is None
    port.close()


def test_a_port_has_one_owner(pty: Pty) -> None:
    first = OpenPort(PortSettings(str(pty.path)))
    with pytest.raises(Transient, match="held by"):
        OpenPort(PortSettings(str(pty.path)))
    first.close()
    OpenPort(PortSettings(str(pty.path))).close()


def test_a_second_owner_does_not_disturb_the_first(pty: Pty) -> None:
    first = OpenPort(PortSettings(str(pty.path), baud=9600))
    assert first.descriptor is not None
    before = termios.tcgetattr(first.descriptor)
    pty.write(frame(1))
    with pytest.raises(Transient):
        OpenPort(PortSettings(str(pty.path), baud=115_200))
    assert termios.tcgetattr(first.descriptor) == before
    assert first.read() == frame(1)
    first.close()


def test_a_port_of_two_names_is_said_to_be_ours(pty: Pty, tmp_path: Path) -> None:
    alias = tmp_path / "alias"
    alias.symlink_to(pty.path.resolve())
    first = OpenPort(PortSettings(str(pty.path)))
    with pytest.raises(Transient, match="alias: held by this gateway, which has it open under another name; two of"):
        OpenPort(PortSettings(str(alias)))
    first.close()


def test_the_other_program_is_named(pty: Pty) -> None:
    script = (
        "import fcntl, os, sys; port = os.open(sys.argv[1], os.O_RDWR | os.O_NOCTTY);"
        "fcntl.flock(port, fcntl.LOCK_EX); print(flush=True); sys.stdin.read()"
    )
    other = subprocess.Popen(
        [sys.executable, "-c", script, str(pty.path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    assert other.stdout is not None
    other.stdout.readline()
    with pytest.raises(Transient, match="one owner"):
        OpenPort(PortSettings(str(pty.path)))
    other.communicate(b"")


def test_programs_that_ask_no_lock_are_kept_out_too(pty: Pty) -> None:
    port = OpenPort(PortSettings(str(pty.path)))
    assert port.descriptor is not None
    exclusive = fcntl.ioctl(port.descriptor, 0x80045440, b"\0" * 4)  # TIOCGEXCL
    assert int.from_bytes(exclusive, sys.byteorder) == 1
    port.close()


def test_a_hang_up_is_not_silence(pty: Pty) -> None:
    port = OpenPort(PortSettings(str(pty.path)))
    assert port.read() is None
    pty.unplug()
    assert port.read() == b""
    with pytest.raises(OSError, match="error"):
        port.write(b"x")
    port.close()
    port.close()


def test_a_full_line_takes_what_it_can(pty: Pty) -> None:
    port = OpenPort(PortSettings(str(pty.path)))
    taken = 0
    while count := port.write(b"x" * 4096):
        taken += count
        assert taken < 1 << 24
    assert port.write(b"x") == 0
    port.close()


def test_a_half_open_connection_is_found_out(tmp_path: Path) -> None:
    tcp = Tcp()
    port = OpenPort(PortSettings(tcp.url))
    peer = port._serial._socket
    assert peer.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE) == 1
    assert [peer.getsockopt(socket.IPPROTO_TCP, option) for option in KEEPALIVE] == list(KEEPALIVE.values())
    port.close()
    tcp.close()


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("/dev/nothing-here", "not there"),
        ("socket://127.0.0.1:1", "refused"),
        ("socket://127.0.0.1", ""),
        ("socket://127.0.0.1:99999", ""),
        ("socket://127.0.0.1:abc", ""),
        ("rfc2217://127.0.0.1", ""),
        ("rfc2217://127.0.0.1:1", "refused"),
        ("rfc2217://127.0.0.1:1?nonsense", ""),
        ("nonsense://x", "nonsense"),
        ("hwgrep://nothing-like-this", ""),
        ("socket://no-such-host.invalid:1", ""),
        ("", ""),
    ],
)
def test_what_cannot_be_opened_is_said_with_a_remedy(url: str, said: str) -> None:
    with pytest.raises(Transient) as caught:
        OpenPort(PortSettings(url))
    assert said in str(caught.value)
    assert caught.value.remedy


def test_a_file_is_no_port(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    with pytest.raises(Transient):
        OpenPort(PortSettings(str(tmp_path / "file")))


def test_a_forbidden_port_names_the_group() -> None:
    assert "dialout" in explain("/dev/ttyUSB0", PermissionError(errno.EACCES, "no")).remedy
    assert "DeviceAllow" in explain("/dev/ttyAMA0", PermissionError(errno.EPERM, "no")).remedy


def test_a_failed_open_leaves_no_descriptor_behind(pty: Pty) -> None:
    first = OpenPort(PortSettings(str(pty.path)))
    before = len(os.listdir("/proc/self/fd"))  # noqa: PTH208
    for _ in range(5):
        with pytest.raises(Transient):
            OpenPort(PortSettings(str(pty.path)))
    assert len(os.listdir("/proc/self/fd")) == before  # noqa: PTH208
    first.close()


def test_ports_can_be_listed() -> None:
    assert all(port.path for port in list_ports())
