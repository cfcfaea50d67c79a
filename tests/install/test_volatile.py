"""The disk of the machine whose power is cut: what it forgets, what it keeps, and what a client sees of it."""

from __future__ import annotations

import random
import socket
import struct
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from volatile import (
    ANSWER_MAGIC,
    DISCONNECT,
    EINVAL,
    FLUSH,
    INFO,
    OPTION_GO,
    OPTION_MAGIC,
    READ,
    REQUEST_MAGIC,
    SECTOR,
    WRITE,
    Cut,
    Server,
    Volatile,
)

SECTORS = 64
STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("write"), st.integers(0, SECTORS - 4), st.integers(1, 4)),
        st.tuples(st.just("flush"), st.just(0), st.just(0)),
        st.tuples(st.just("cut"), st.just(0), st.just(0)),
    ),
    max_size=30,
)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "disk"
    path.write_bytes(bytes(SECTORS * SECTOR))
    return path


def filled(number: int, count: int = 1) -> bytes:
    return bytes([number % 255 + 1]) * SECTOR * count


@settings(max_examples=60, deadline=None)
@given(STEPS)
def test_what_was_flushed_survives_every_cut_and_nothing_else_does(
    tmp_path_factory: pytest.TempPathFactory, steps: list[tuple[str, int, int]]
) -> None:
    path = tmp_path_factory.mktemp("disk") / "disk"
    path.write_bytes(bytes(SECTORS * SECTOR))
    disk = Volatile(path)
    seen = flushed = bytes(SECTORS * SECTOR)
    for number, (what, at, count) in enumerate(steps):
        if what == "write":
            data = filled(number, count)
            disk.write(at * SECTOR, data)
            seen = seen[: at * SECTOR] + data + seen[(at + count) * SECTOR :]
        elif what == "flush":
            disk.flush()
            flushed = seen
        else:
            disk.cut(random.Random(1), 0.0)
            seen = flushed
        assert disk.read(0, SECTORS * SECTOR) == seen
        assert path.read_bytes() == flushed
    disk.close()


def test_a_cut_may_keep_some_sectors_of_one_write_and_says_how_many(file: Path) -> None:
    disk = Volatile(file)
    disk.write(0, filled(1, SECTORS))
    said = disk.cut(random.Random(7), 0.5)
    kept = sum(disk.read(at * SECTOR, SECTOR) == filled(1) for at in range(SECTORS))
    assert said == Cut(kept, SECTORS - kept)
    assert 0 < kept < SECTORS
    disk.close()


# --- the protocol, by a client that was written from its description


class Client:
    def __init__(self, path: Path) -> None:
        self._plug = socket.socket(socket.AF_UNIX)
        self._plug.connect(str(path))
        assert self._take(18)[:16] == b"NBDMAGIC" + OPTION_MAGIC
        self._plug.sendall(struct.pack(">I", 3))
        assert self.option(8, b"")[0] == 0x80000001, "structured replies are not offered"
        kind, data = self.option(OPTION_GO, struct.pack(">IH", 0, 0))
        assert kind == INFO
        self.size = struct.unpack(">HQH", data)[1]
        while kind == INFO:
            kind, _ = self._reply()
        assert kind == 1

    def option(self, option: int, data: bytes) -> tuple[int, bytes]:
        self._plug.sendall(OPTION_MAGIC + struct.pack(">II", option, len(data)) + data)
        return self._reply()

    def ask(self, kind: int, offset: int = 0, length: int = 0, data: bytes = b"") -> tuple[int, bytes]:
        """The error and what was read."""
        self._plug.sendall(struct.pack(">IHHQQI", REQUEST_MAGIC, 0, kind, 99, offset, length) + data)
        magic, error, handle = struct.unpack(">IIQ", self._take(16))
        assert (magic, handle) == (ANSWER_MAGIC, 99)
        return error, self._take(length) if kind == READ and not error else b""

    def leave(self) -> None:
        self._plug.sendall(struct.pack(">IHHQQI", REQUEST_MAGIC, 0, DISCONNECT, 0, 0, 0))
        self._plug.close()

    def _reply(self) -> tuple[int, bytes]:
        _, _, kind, length = struct.unpack(">QIII", self._take(20))
        return kind, self._take(length)

    def _take(self, length: int) -> bytes:
        data = b""
        while len(data) < length:
            data += self._plug.recv(length - len(data)) or pytest.fail("the server hung up")
        return data


@pytest.fixture
def server(file: Path, tmp_path: Path) -> Iterator[Server]:
    disk = Volatile(file)
    server = Server(disk, tmp_path / "nbd")
    yield server
    server.close()
    disk.close()


def test_a_client_reads_what_it_wrote_and_loses_what_it_did_not_flush(server: Server, tmp_path: Path) -> None:
    client = Client(tmp_path / "nbd")
    assert client.size == SECTORS * SECTOR
    assert client.ask(WRITE, 0, SECTOR, filled(1)) == (0, b"")
    assert client.ask(FLUSH) == (0, b"")
    assert client.ask(WRITE, SECTOR, SECTOR, filled(2)) == (0, b"")
    assert client.ask(READ, 0, 2 * SECTOR) == (0, filled(1) + filled(2))
    client.leave()
    server.wait_until_gone()
    assert server.disk.cut(random.Random(1), 0.0) == Cut(0, 1)
    again = Client(tmp_path / "nbd")
    assert again.ask(READ, 0, 2 * SECTOR) == (0, filled(1) + bytes(SECTOR))
    again.leave()


def test_what_lies_beyond_the_disk_or_across_a_sector_is_refused(server: Server, tmp_path: Path) -> None:
    client = Client(tmp_path / "nbd")
    assert client.ask(READ, SECTORS * SECTOR, SECTOR)[0] == EINVAL
    assert client.ask(WRITE, 1, SECTOR, filled(1))[0] == EINVAL
    assert client.ask(READ, 0, SECTOR) == (0, bytes(SECTOR))
    client.leave()
