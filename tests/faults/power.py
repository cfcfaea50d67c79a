"""A disk whose power can be cut: ext4 in a file, behind a loop device. What was not synced to it is gone.

EXT4_IOC_SHUTDOWN without a flush of the log stops the filesystem at that instant: what waits in memory never reaches
the device, a commit of its own journal that is under way stays torn. The next mount replays that journal, as after a
real power cut. What it does not play: a drive that lies about its cache, and sectors torn in half.
"""

from __future__ import annotations

import errno
import fcntl
import os
import struct
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

IMAGE_BYTES = 64 * 2**20
EXT4_IOC_SHUTDOWN, NO_FLUSH = 0x8004587D, struct.pack("I", 2)
BUSY_S = 60.0
"""A namespace that somebody made meanwhile has a copy of our mount, and keeps the filesystem until it is gone."""


class Disk:
    """A filesystem of its own at `point`; use as a context."""

    def __init__(self, point: Path) -> None:
        self.point = point
        self._image = point.with_name(f"{point.name}.img")
        self._device = ""

    def __enter__(self) -> Disk:
        self.point.mkdir(parents=True, exist_ok=True)
        with self._image.open("wb") as image:
            image.truncate(IMAGE_BYTES)
        _run("mkfs.ext4", "-q", "-F", self._image)
        self._device = _run("losetup", "--find", "--show", self._image)
        try:
            self.mount()
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        subprocess.run(["umount", "--lazy", self.point], check=False, capture_output=True)
        subprocess.run(["losetup", "--detach", self._device], check=False, capture_output=True)
        self._image.unlink()

    def mount(self) -> None:
        """Power is back: the filesystem replays its journal."""
        _run("mount", "-t", "ext4", self._device, self.point)

    def cut(self) -> None:
        """From now on nothing reaches the disk, whoever thinks so."""
        folder = os.open(self.point, os.O_RDONLY)
        try:
            fcntl.ioctl(folder, EXT4_IOC_SHUTDOWN, NO_FLUSH)
        finally:
            os.close(folder)

    def unmount(self) -> None:
        """Whoever had files open here must be dead; the kernel may take a moment to bury them."""
        self._wait(lambda: not subprocess.run(["umount", self.point], check=False, capture_output=True).returncode)
        self._wait(self._free)

    def replug(self) -> None:
        """After a cut: what the disk really has."""
        self.unmount()
        self.mount()

    def _free(self) -> bool:
        """Whether no filesystem is on the device any more; the next mount would get the dead one back."""
        try:
            os.close(os.open(self._device, os.O_RDONLY | os.O_EXCL))
        except OSError as error:
            if error.errno != errno.EBUSY:
                raise
            return False
        return True

    def _wait(self, holds: Callable[[], bool]) -> None:
        deadline = time.monotonic() + BUSY_S
        while not holds():
            assert time.monotonic() < deadline, f"{self.point} is still in use"
            time.sleep(0.01)


def _run(*arguments: object) -> str:
    done = subprocess.run([str(it) for it in arguments], check=False, capture_output=True, text=True)
    assert done.returncode == 0, f"{' '.join(map(str, arguments))}: {done.stderr}"
    return done.stdout.strip()
