"""A disk with a cache that forgets: what was not flushed is lost when the power goes, as on a drive of one's own.

It is a file, served over a UNIX socket by the network block device protocol (fixed newstyle, no structured replies).
A write is answered at once and kept aside, sector by sector; a flush puts all that is aside into the file. A cut
throws away what is aside, or keeps some of the sectors, in no order, which a drive may do as well.
"""

from __future__ import annotations

import contextlib
import os
import random
import socket
import struct
import threading
from dataclasses import dataclass
from pathlib import Path

SECTOR = 512
SERVER_MAGIC, OPTION_MAGIC, REPLY_MAGIC = b"NBDMAGIC", b"IHAVEOPT", 0x3E889045565A9
REQUEST_MAGIC, ANSWER_MAGIC = 0x25609513, 0x67446698
FIXED_NEWSTYLE, NO_ZEROES = 1, 2
OPTION_ABORT, OPTION_GO = 2, 7
ACK, INFO, UNSUPPORTED = 1, 3, 0x80000001
INFO_EXPORT, INFO_BLOCK_SIZE = 0, 3
HAS_FLAGS, SEND_FLUSH = 1, 4
READ, WRITE, DISCONNECT, FLUSH = 0, 1, 2, 3
EINVAL = 22
BIGGEST = 32 << 20


@dataclass(frozen=True, slots=True)
class Cut:
    """What a cut did to the sectors that had been written and not flushed."""

    kept: int
    lost: int


class Volatile:
    """Sectors in a file, and those that are not there yet. Offsets and lengths are multiples of SECTOR bytes."""

    def __init__(self, path: Path) -> None:
        self._file = os.open(path, os.O_RDWR)
        self._aside: dict[int, bytes] = {}
        self.size = os.fstat(self._file).st_size
        self.flushes = 0

    def read(self, offset: int, length: int) -> bytes:
        found = os.pread(self._file, length, offset)
        sectors = range(offset // SECTOR, (offset + length) // SECTOR)
        aside = [it for it in sectors if it in self._aside] if self._aside else []
        if not aside:
            return found
        whole = bytearray(found)
        for sector in aside:
            at = sector * SECTOR - offset
            whole[at : at + SECTOR] = self._aside[sector]
        return bytes(whole)

    def write(self, offset: int, data: bytes) -> None:
        for at in range(0, len(data), SECTOR):
            self._aside[(offset + at) // SECTOR] = data[at : at + SECTOR]

    def flush(self) -> None:
        self.flushes += 1
        for sector in sorted(self._aside):
            os.pwrite(self._file, self._aside[sector], sector * SECTOR)
        self._aside.clear()

    def cut(self, rng: random.Random, share: float) -> Cut:
        """Each sector that is aside reaches the file with this probability."""
        kept = [it for it in sorted(self._aside) if rng.random() < share]
        lost = len(self._aside) - len(kept)
        for sector in kept:
            os.pwrite(self._file, self._aside[sector], sector * SECTOR)
        self._aside.clear()
        return Cut(len(kept), lost)

    def close(self) -> None:
        os.close(self._file)


class Server:
    """Serves a disk at `path` to one client after another, until closed."""

    def __init__(self, disk: Volatile, path: Path) -> None:
        self.disk, self.trouble = disk, ""
        self._door = socket.socket(socket.AF_UNIX)
        self._door.bind(str(path))
        self._door.listen(1)
        self._idle = threading.Event()
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()

    def wait_until_gone(self, within_s: float = 10.0) -> None:
        """Until the client is gone and all that it had sent was taken."""
        assert self._idle.wait(within_s), "the machine still holds its disk"
        assert not self.trouble, self.trouble

    def close(self) -> None:
        with contextlib.suppress(OSError):
            self._door.shutdown(socket.SHUT_RDWR)
        self._door.close()
        self._thread.join(10)

    def _serve(self) -> None:
        while True:
            try:
                client, _ = self._door.accept()
            except OSError:
                return
            self._idle.clear()
            with client, contextlib.suppress(EOFError, ConnectionError):
                try:
                    if _agree(client, self.disk.size):
                        _answer(client, self.disk)
                except ValueError as error:
                    self.trouble = str(error)
            self._idle.set()


def _agree(client: socket.socket, size: int) -> bool:
    """The handshake; whether the client goes on to requests."""
    client.sendall(SERVER_MAGIC + OPTION_MAGIC + struct.pack(">H", FIXED_NEWSTYLE | NO_ZEROES))
    _taken(client, 4)
    while True:
        magic, option, length = struct.unpack(">8sII", _taken(client, 16))
        if magic != OPTION_MAGIC or length > BIGGEST:
            raise ValueError(f"no option: {magic!r}")
        _taken(client, length)
        if option == OPTION_GO:
            _reply(client, option, INFO, struct.pack(">HQH", INFO_EXPORT, size, HAS_FLAGS | SEND_FLUSH))
            _reply(client, option, INFO, struct.pack(">HIII", INFO_BLOCK_SIZE, SECTOR, 4096, BIGGEST))
            _reply(client, option, ACK)
            return True
        _reply(client, option, ACK if option == OPTION_ABORT else UNSUPPORTED)
        if option == OPTION_ABORT:
            return False


def _reply(client: socket.socket, option: int, kind: int, data: bytes = b"") -> None:
    client.sendall(struct.pack(">QIII", REPLY_MAGIC, option, kind, len(data)) + data)


def _answer(client: socket.socket, disk: Volatile) -> None:
    while True:
        magic, _, kind, handle, offset, length = struct.unpack(">IHHQQI", _taken(client, 28))
        if magic != REQUEST_MAGIC:
            raise ValueError(f"no request: {magic:#x}")
        data = _taken(client, length) if kind == WRITE else b""
        if kind == DISCONNECT:
            return
        fits = offset % SECTOR == length % SECTOR == 0 and offset + length <= disk.size
        error, found = 0, b""
        if kind == READ and fits:
            found = disk.read(offset, length)
        elif kind == WRITE and fits:
            disk.write(offset, data)
        elif kind == FLUSH:
            disk.flush()
        else:
            error = EINVAL
        client.sendall(struct.pack(">IIQ", ANSWER_MAGIC, error, handle) + found)


def _taken(client: socket.socket, length: int) -> bytes:
    """Exactly so many bytes. EOFError: the client is gone."""
    parts, missing = [], length
    while missing:
        part = client.recv(min(missing, 1 << 20))
        if not part:
            raise EOFError
        parts.append(part)
        missing -= len(part)
    return b"".join(parts)
