"""A simulated serial port: the daemon opens one end of a pseudo-terminal, the device writes into the other.

Three things make a pty behave like a port. It is raw before the first byte, or the line discipline would eat ETX and
turn CR into LF. We keep its slave end open, so that what a device says before the daemon opens the port waits in the
kernel. And a write is taken whole or refused, never waited for: the kernel keeps 4 095 bytes for a reader that
does not read (and some 16 KB on their way there), and an oracle must know what was not accepted.

Keeping the slave open has a price: the kernel's exclusive flag (TIOCEXCL) of a killed daemon would outlive it and
lock out its successor, so every write clears it. On a real port the last close does that.

A pty has no speed, a device has: with `baud` the host's setting is looked at, and what is said at another speed
arrives as a UART would read it.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import struct
import termios
import threading
import tty
from pathlib import Path
from random import Random

from gateway.simulation.garbling import resample

KERNEL_BUFFER_BYTES = 4095
SPEEDS = {getattr(termios, name): int(name[1:]) for name in dir(termios) if name[:1] == "B" and name[1:].isdigit()}
UNTOUCHED = termios.B50
"""The speed of a line that nobody has opened yet."""
INPUT_SPEED, OUTPUT_SPEED = 4, 5


class Pty:
    """One simulated port. With `link` it has a stable name there that survives `unplug` and `plug`."""

    def __init__(self, link: Path | None = None, *, baud: int | None = None) -> None:
        self.link = link
        self._baud = baud
        self._rng = Random(1)
        self.refused_frames = 0
        self._lock = threading.RLock()
        self._master: int | None = None
        self._slave: int | None = None
        self._device = Path()
        self._tail = b""
        self.plug()

    @property
    def path(self) -> Path:
        """What the daemon opens."""
        return self.link or self._device

    @property
    def plugged(self) -> bool:
        return self._master is not None

    def plug(self) -> None:
        """Make the port appear; nothing if it is there. FileExistsError: a file is in the link's place."""
        with self._lock:
            if self._master is not None:
                return
            self._master, self._slave = os.openpty()
            tty.setraw(self._slave)
            if self._baud is not None:
                _set_speed(self._slave, UNTOUCHED)
            os.set_blocking(self._master, False)
            self._device = Path(os.ttyname(self._slave))
            self._make_link()

    def _make_link(self) -> None:
        if self.link is not None:
            try:
                _point(self.link, self._device)
            except OSError:
                self.unplug()
                raise

    def unplug(self) -> None:
        """Make the port vanish under whoever has it open; unread bytes go with it."""
        with self._lock:
            if self.link is not None and self.link.is_symlink() and self.link.readlink() == self._device:
                self.link.unlink()
            for descriptor in (self._master, self._slave):
                if descriptor is not None:
                    os.close(descriptor)
            self._master = self._slave = None
            self._tail = b""

    close = unplug

    def write(self, data: bytes) -> bool:
        """Put a frame on the line. False, and nothing written: unplugged, or nobody reads and the buffer is full."""
        with self._lock:
            if self._slave is None or self.unread() + len(data) > KERNEL_BUFFER_BYTES:
                self.refused_frames += 1
                return False
            fcntl.ioctl(self._slave, termios.TIOCNXCL)
            self._tail += self._as_read(data, sent_by_host=False)
            self._push()
            return True

    def unread(self) -> int:
        """Bytes that wait for a reader, as far as the kernel has counted them."""
        with self._lock:
            if self._slave is None:
                return 0
            self._push()
            (count,) = struct.unpack("i", fcntl.ioctl(self._slave, termios.FIONREAD, bytes(4)))
            return int(count) + len(self._tail)

    def _push(self) -> None:
        """Give the kernel what it takes; the rest of one frame at most stays with us, as in a UART."""
        if self._master is not None and self._tail:
            with contextlib.suppress(BlockingIOError):
                self._tail = self._tail[os.write(self._master, self._tail) :]

    def received(self) -> bytes:
        """What the host has written to the device since the last call."""
        with self._lock, contextlib.suppress(BlockingIOError):
            data = b"" if self._master is None else os.read(self._master, 65536)
            return self._as_read(data, sent_by_host=True)
        return b""

    def _as_read(self, data: bytes, *, sent_by_host: bool) -> bytes:
        """What arrives at the other end, given the speeds of both."""
        if self._baud is None or self._slave is None or not data:
            return data
        speed = termios.tcgetattr(self._slave)[OUTPUT_SPEED]
        host = self._baud if speed == UNTOUCHED else SPEEDS.get(speed, self._baud)
        if host == self._baud:
            return data
        return resample(data, *((host, self._baud) if sent_by_host else (self._baud, host)), self._rng)

    def __enter__(self) -> Pty:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def _set_speed(descriptor: int, speed: int) -> None:
    attributes = termios.tcgetattr(descriptor)
    attributes[INPUT_SPEED] = attributes[OUTPUT_SPEED] = speed
    termios.tcsetattr(descriptor, termios.TCSANOW, attributes)


def _point(link: Path, device: Path) -> None:
    """Make or move the symbolic link in one step; a real file, and the name of a real port, is left alone."""
    if link.exists() and not link.is_symlink():
        raise FileExistsError(f"{link} exists and is not a symbolic link")
    if link.exists() and link.resolve().parent != device.parent:
        raise FileExistsError(f"{link} is the name of {link.resolve()}, which is no simulated port")
    link.parent.mkdir(parents=True, exist_ok=True)
    fresh = link.with_name(f".{link.name}.{os.getpid()}")
    fresh.unlink(missing_ok=True)
    fresh.symlink_to(device)
    fresh.replace(link)
