"""A kernel that a machine in software starts in seconds: unpacked by the host, with the few modules of its disk."""

from __future__ import annotations

import lzma
import struct
import subprocess
from collections.abc import Iterator, Mapping
from pathlib import Path

MODULES = ("virtio_pci", "virtio_blk", "ext4")
INIT = """\
#!/bin/busybox sh
/bin/busybox mount -t devtmpfs dev /dev
for it in /modules/*; do /bin/busybox insmod "$it"; done
until [ -e /dev/vda ]; do /bin/busybox sleep 0.1; done
/bin/busybox mount -t ext4 /dev/vda /disk
/bin/busybox mount --move /dev /disk/dev
exec /bin/busybox switch_root /disk /sbin/init
"""
SETUP_SECTORS_AT, PAYLOAD_AT = 0x1F1, 0x248
FOLDER, PROGRAM, TEXT = 0o040755, 0o100755, 0o100644


def unpacked(image: bytes) -> bytes:
    """The kernel in a bzImage, which takes itself seconds to unpack; the image as it is where xz did not pack it."""
    (sectors,) = image[SETUP_SECTORS_AT : SETUP_SECTORS_AT + 1]
    offset, length = struct.unpack_from("<II", image, PAYLOAD_AT)
    begin = (sectors + 1) * 512 + offset
    packed = image[begin : begin + length]
    return lzma.LZMADecompressor().decompress(packed) if packed.startswith(b"\xfd7zXZ") else image


def first_files(root: Path) -> bytes:
    """What the kernel of these files starts with (an initramfs): loads MODULES, mounts the disk, starts its init."""
    files: dict[str, tuple[int, bytes]] = dict.fromkeys(("bin", "dev", "disk", "modules"), (FOLDER, b""))
    files["init"] = PROGRAM, INIT.encode()
    files["bin/busybox"] = PROGRAM, (root / "bin/busybox").read_bytes()
    for number, path in enumerate(dict.fromkeys(_modules(root))):
        module = path.read_bytes()
        files[f"modules/{number:02}"] = TEXT, lzma.decompress(module) if path.suffix == ".xz" else module
    return archive(files)


def archive(files: Mapping[str, tuple[int, bytes]]) -> bytes:
    """Files as a cpio archive (newc): mode and content by path."""
    parts = []
    for number, (name, (mode, content)) in enumerate([*files.items(), ("TRAILER!!!", (0, b""))], 1):
        fields = (number, mode, 0, 0, 1, 0, len(content), 0, 0, 0, 0, len(name) + 1, 0)
        head = b"070701" + b"".join(b"%08X" % it for it in fields) + name.encode() + b"\0"
        parts += [_padded(head), _padded(content)]
    return b"".join(parts)


def _padded(data: bytes) -> bytes:
    return data + b"\0" * (-len(data) % 4)


def _modules(root: Path) -> Iterator[Path]:
    """In the order in which they are loaded."""
    (version,) = (it.name for it in (root / "lib/modules").iterdir())
    for name in MODULES:
        command = ["chroot", str(root), "/sbin/modprobe", "-S", version, "--show-depends", name]
        for line in subprocess.run(command, check=True, capture_output=True, text=True).stdout.splitlines():
            what, _, path = line.partition(" ")
            if what == "insmod":
                yield root / path.strip().lstrip("/")
