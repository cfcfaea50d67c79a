"""A simulated port behaves like a port."""

import os
import threading
import time
from pathlib import Path

import pytest

from gateway.simulation.pty import KERNEL_BUFFER_BYTES, Pty


def read_all(path: Path, least: int, within_s: float = 2.0) -> bytes:
    descriptor = os.open(path, os.O_RDWR | os.O_NOCTTY | os.O_NONBLOCK)
    data, deadline = b"", time.monotonic() + within_s
    try:
        while len(data) < least and time.monotonic() < deadline:
            try:
                data += os.read(descriptor, 65536)
            except BlockingIOError:
                time.sleep(0.005)
    finally:
        os.close(descriptor)
    return data


def test_bytes_written_before_anybody_opens_the_port_arrive_unchanged() -> None:
    everything = bytes(range(256))
    with Pty() as port:
        assert port.write(everything)
        assert read_all(port.path, 256) == everything


def test_bytes_wait_also_between_two_openings() -> None:
    with Pty() as port:
        port.write(b"first")
        assert read_all(port.path, 5) == b"first"
        port.write(b"second")
        assert read_all(port.path, 6) == b"second"


@pytest.mark.alone
def test_a_port_that_nobody_reads_takes_whole_frames_until_it_is_full_and_then_says_no() -> None:
    frames = [f"{n:014d}".encode() for n in range(5000)]
    with Pty() as port:
        started = time.monotonic()
        taken = [frame for frame in frames if port.write(frame)]
        assert time.monotonic() - started < 1
        assert KERNEL_BUFFER_BYTES - 14 <= len(taken) * 14 <= 32768
        assert port.refused_frames == len(frames) - len(taken)
        assert read_all(port.path, len(taken) * 14) == b"".join(taken)


def test_a_stable_name_survives_unplugging_and_plugging_in(tmp_path: Path) -> None:
    link = tmp_path / "by-id" / "reader"
    with Pty(link) as port:
        assert port.path == link
        port.unplug()
        assert not link.is_symlink()
        assert not port.plugged
        assert not port.write(b"into the air")
        port.plug()
        port.write(b"back")
        assert read_all(link, 4) == b"back"
    assert not link.is_symlink()


def test_a_reader_of_an_unplugged_port_notices() -> None:
    with Pty() as port:
        descriptor = os.open(port.path, os.O_RDWR | os.O_NOCTTY)
        noticed: list[bool] = []

        def reader() -> None:
            try:
                noticed.append(os.read(descriptor, 10) == b"")
            except OSError:
                noticed.append(True)

        thread = threading.Thread(target=reader)
        thread.start()
        time.sleep(0.05)
        port.unplug()
        thread.join(2)
        os.close(descriptor)
        assert noticed == [True]


@pytest.mark.parametrize("real", ["/dev/null", "/etc", "/proc/self/exe"])
def test_the_name_of_something_real_is_left_alone(tmp_path: Path, real: str) -> None:
    """Such as the stable name of the reader that the running daemon listens to."""
    name = tmp_path / "usb-FTDI-port0"
    name.symlink_to(real)
    with pytest.raises(FileExistsError, match="no simulated port"):
        Pty(name)
    assert str(name.readlink()) == real


def test_a_file_in_the_place_of_the_link_is_left_alone(tmp_path: Path) -> None:
    precious = tmp_path / "precious"
    precious.write_text("keep me")
    with pytest.raises(FileExistsError):
        Pty(precious)
    assert precious.read_text() == "keep me"


def test_the_device_hears_what_the_host_writes() -> None:
    with Pty() as port:
        descriptor = os.open(port.path, os.O_RDWR | os.O_NOCTTY)
        os.write(descriptor, b"\x02\x03")
        time.sleep(0.05)
        assert port.received() == b"\x02\x03"
        assert port.received() == b""
        os.close(descriptor)
