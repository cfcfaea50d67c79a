"""What a machine in software starts with: its kernel unpacked beforehand, and an archive of its first files."""

from __future__ import annotations

import lzma
import struct

from kernel import FOLDER, PROGRAM, archive, unpacked

ELF = b"\x7fELF and what follows"


def image(payload: bytes) -> bytes:
    """A bzImage: four sectors of setup, 32 bytes of something, the payload and its size."""
    head = bytearray(5 * 512 + 32)
    head[0x1F1] = 4
    struct.pack_into("<II", head, 0x248, 32, len(payload) + 4)
    return bytes(head) + payload + struct.pack("<I", 65_536) + b"what comes behind it"


def test_a_kernel_is_unpacked_once_by_the_host_and_not_at_each_boot() -> None:
    assert unpacked(image(lzma.compress(ELF, lzma.FORMAT_XZ))) == ELF


def test_a_kernel_that_is_packed_in_another_way_is_left_to_unpack_itself() -> None:
    other = image(b"(\xb5/\xfd" + ELF)
    assert unpacked(other) == other


def test_the_first_files_lie_in_the_archive_as_a_kernel_reads_it() -> None:
    """Heads of hexadecimal fields; names and contents end at multiples of four bytes."""
    files = {"bin": (FOLDER, b""), "bin/busybox": (PROGRAM, b"12345"), "init": (PROGRAM, b"#!/bin/busybox sh\n")}
    made, at, found = archive(files), 0, {}
    while at < len(made):
        assert (at % 4, made[at : at + 6]) == (0, b"070701")
        mode, size, name_size = (int(made[at + 6 + 8 * it :][:8], 16) for it in (1, 6, 11))
        name = made[at + 110 :][: name_size - 1].decode()
        content = at + 110 + name_size + -(110 + name_size) % 4
        found[name] = mode, made[content : content + size]
        at = content + size + -size % 4
    assert found == files | {"TRAILER!!!": (0, b"")}
