"""Opening a serial port without losing what it has already said. The only importer of pyserial.

pyserial opens and configures (`/dev/…`, `socket://`, `rfc2217://`, any of its URLs); reading and writing go straight
to the descriptor, because `is_open` stays true after a stick was pulled and `read` throws away what it had when the
line breaks. Its flush on open is overridden: bytes that wait in the kernel are punches that nobody has seen yet.
A port has one owner: flock for those who ask, TIOCEXCL for those who do not.
"""

from __future__ import annotations

import contextlib
import errno
import os
import socket
import termios
from dataclasses import dataclass
from fcntl import ioctl
from pathlib import Path
from typing import Literal

import serial
from serial.tools import list_ports as serial_list_ports

from gateway.errors import Transient

READ_BYTES = 4096
PSEUDO_TERMINALS = range(136, 144)
KEEPALIVE = {
    socket.TCP_KEEPIDLE: 10,
    socket.TCP_KEEPINTVL: 5,
    socket.TCP_KEEPCNT: 3,
    socket.TCP_USER_TIMEOUT: 20_000,
}
MISTAKES = (TypeError, AttributeError, OverflowError)  # what pyserial's handlers make of a URL without a port
VMIN, VTIME, CC = termios.VMIN, termios.VTIME, 6


@dataclass(frozen=True, slots=True)
class PortSettings:
    """Where and how: a path or pyserial URL, speed in baud, framing."""

    url: str
    baud: int = 9600
    bytesize: int = 8
    parity: Literal["N", "E", "O", "M", "S"] = "N"
    stopbits: float = 1


@dataclass(frozen=True, slots=True)
class PortInfo:
    """A serial port of this machine; `stable` is the name that survives replugging, if there is one."""

    path: str
    stable: str | None
    description: str
    vendor: str | None
    serial_number: str | None
    held_by: str | None


_open_here: set[int] = set()
"""The devices that this process has open as ports."""


class OpenPort:
    """An open port. `descriptor` is None where pyserial has none to give (rfc2217://)."""

    def __init__(self, settings: PortSettings) -> None:
        """Open and configure; may block for seconds, so call it in a worker thread. Raises Transient."""
        try:
            self._serial = serial.serial_for_url(
                settings.url,
                do_not_open=True,
                baudrate=settings.baud,
                bytesize=settings.bytesize,
                parity=settings.parity,
                stopbits=settings.stopbits,
                timeout=1.0,
            )
            for flush in ("_reset_input_buffer", "reset_input_buffer"):
                setattr(self._serial, flush, _keep_input)
            if settings.url.startswith("/"):
                self._serial.exclusive = True
            self._serial.open()
            self.descriptor = self._descriptor()
            self._prepare()
            self._device = os.fstat(self.descriptor).st_rdev if self.descriptor is not None else 0
            _open_here.add(self._device)
        except (*MISTAKES, OSError, ValueError, termios.error) as error:
            with contextlib.suppress(*MISTAKES, OSError):
                self._serial.close()
            raise explain(settings.url, error) from error

    def read(self, max_bytes: int = READ_BYTES, *, wait: bool = True) -> bytes | None:
        """What is there: bytes, at most so many; b"" when the line is gone; None when there is nothing now.

        Without a descriptor it blocks for up to a second if there is nothing, unless `wait` is False.
        """
        try:
            if self.descriptor is None:
                waiting = self._serial.in_waiting
                if not waiting and not wait:
                    return None
                return bytes(self._serial.read(min(waiting or 1, max_bytes))) or None
            return os.read(self.descriptor, max_bytes)
        except (BlockingIOError, InterruptedError):
            return None
        except (OSError, TypeError):
            return b""

    def write(self, data: bytes) -> int:
        """Write what fits now; the number of bytes taken. OSError when the line is gone."""
        try:
            if self.descriptor is None:
                return int(self._serial.write(data) or 0)
            return os.write(self.descriptor, data)
        except BlockingIOError:
            return 0

    def close(self) -> None:
        """Give the port back; may block, so call it in a worker thread."""
        _open_here.discard(self._device)
        if self.descriptor is not None and not isinstance(getattr(self._serial, "_socket", None), socket.socket):
            with contextlib.suppress(OSError):
                ioctl(self.descriptor, termios.TIOCNXCL)
        with contextlib.suppress(OSError, AttributeError, TypeError):
            self._serial.close()

    def _descriptor(self) -> int | None:
        try:
            return int(self._serial.fileno())
        except (OSError, AttributeError, NotImplementedError):
            return None

    def _prepare(self) -> None:
        peer = getattr(self._serial, "_socket", None)
        if isinstance(peer, socket.socket):
            peer.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
            for option, value in KEEPALIVE.items():
                peer.setsockopt(socket.IPPROTO_TCP, option, value)
        elif self.descriptor is not None and os.isatty(self.descriptor):
            ioctl(self.descriptor, termios.TIOCEXCL)
            self._read_means_data()

    def _read_means_data(self) -> None:
        """With VMIN=1 an empty read is a hang-up; pyserial's VMIN=0 cannot tell it from silence."""
        attributes = termios.tcgetattr(self.descriptor or 0)
        attributes[CC][VMIN], attributes[CC][VTIME] = 1, 0
        termios.tcsetattr(self.descriptor or 0, termios.TCSANOW, attributes)


def explain(url: str, error: Exception) -> Transient:
    """Say why a port cannot be opened, and what mends it."""
    code = getattr(error, "errno", None)
    if code == errno.ENOENT:
        return Transient(f"{url}: not there", remedy="plug the device in; `punchgate ports` lists what is connected")
    if code == errno.EPERM:
        return Transient(
            f"{url}: not permitted to this service", remedy="name it in DeviceAllow= of the unit, restart"
        )
    if code == errno.EACCES:
        return Transient(f"{url}: permission denied", remedy="add the daemon's user to the group dialout")
    if code in (errno.EBUSY, errno.EAGAIN, errno.EWOULDBLOCK):
        if _is_ours(url):
            return Transient(
                f"{url}: held by this gateway, which has it open under another name",
                remedy="two of [[ports]] lead to one port: take one of them out",
            )
        owner = holder(url) or "another process"
        return Transient(f"{url}: held by {owner}", remedy="stop the other program; a port has one owner")
    return Transient(f"{url}: {error}", remedy="see that the address is right and the device answers")


def holder(path: str, *, behind: bool = True) -> str | None:
    """Which process has a device open, as `name (pid)`; None if nobody or not ours to see.

    The process behind a pseudo-terminal often keeps our end open as well; it is named last, or not at all.
    """
    try:
        device = Path(path).stat().st_rdev
    except OSError:
        return None
    last = None
    for process in Path("/proc").iterdir():
        if process.name.isdigit() and int(process.name) != os.getpid() and _holds(process, device):
            name = f"{(process / 'comm').read_text().strip()} ({process.name})"
            if not _is_behind(process, device):
                return name
            last = name
    return last if behind else None


def list_ports() -> list[PortInfo]:
    """The serial ports of this machine with their stable names."""
    stable = {}
    by_id = Path("/dev/serial/by-id")
    if by_id.is_dir():
        stable = {str(link.resolve()): str(link) for link in sorted(by_id.iterdir())}
    return [
        PortInfo(
            path=port.device,
            stable=stable.get(port.device),
            description=port.description or "",
            vendor=port.manufacturer,
            serial_number=port.serial_number,
            held_by=holder(port.device),
        )
        for port in sorted(serial_list_ports.comports())
    ]


def _is_ours(path: str) -> bool:
    with contextlib.suppress(OSError):
        return Path(path).stat().st_rdev in _open_here
    return False


def _holds(process: Path, device: int) -> bool:
    try:
        for entry in (process / "fd").iterdir():
            with contextlib.suppress(OSError):
                if device and entry.stat().st_rdev == device:
                    return True
    except OSError:
        return False
    return False


def _is_behind(process: Path, device: int) -> bool:
    """Whether a process has the other end of a pseudo-terminal: it plays the device."""
    if os.major(device) not in PSEUDO_TERMINALS:
        return False
    with contextlib.suppress(OSError):
        return any(f"tty-index:\t{os.minor(device)}\n" in fd.read_text() for fd in (process / "fdinfo").iterdir())
    return False


def _keep_input() -> None:
    """In place of pyserial's flush on open."""
