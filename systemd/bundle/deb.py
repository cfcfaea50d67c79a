"""The Debian binary package format, deb(5): an ar archive of control and data. Written here, so that the bytes do not
depend on the builder's dpkg, and a package can be built on any system."""

from __future__ import annotations

import lzma
from collections.abc import Mapping
from dataclasses import dataclass, field

from bundle.tree import PROGRAM, Tree

BLOCK = 1024


@dataclass(frozen=True, slots=True)
class Package:
    """A binary package before it is written."""

    name: str
    version: str
    architecture: str
    fields: Mapping[str, str]
    tree: Tree
    scripts: Mapping[str, str] = field(default_factory=dict)

    @property
    def full_name(self) -> str:
        return f"{self.name}_{self.version}_{self.architecture}"

    @property
    def file_name(self) -> str:
        return f"{self.full_name}.deb"

    def write(self, epoch: int) -> bytes:
        """The bytes of the package, every time stamp being `epoch` (seconds)."""
        control = Tree()
        control.add("control", self._control())
        control.add("md5sums", self.tree.md5sums())
        for name, text in self.scripts.items():
            control.add(name, text, PROGRAM)
        members = {
            "debian-binary": b"2.0\n",
            "control.tar.xz": _packed(control.tar(epoch)),
            "data.tar.xz": _packed(self.tree.tar(epoch)),
        }
        return b"!<arch>\n" + b"".join(_member(name, data, epoch) for name, data in members.items())

    def _control(self) -> str:
        first = {"Package": self.name, "Version": self.version, "Architecture": self.architecture}
        installed = {"Installed-Size": str(-(-self.tree.size // BLOCK))}
        return "".join(f"{key}: {value}\n" for key, value in {**first, **installed, **self.fields}.items())


def _packed(data: bytes) -> bytes:
    return lzma.compress(data, format=lzma.FORMAT_XZ, check=lzma.CHECK_CRC64, preset=6)


def _member(name: str, data: bytes, epoch: int) -> bytes:
    head = f"{name:<16}{epoch:<12}{0:<6}{0:<6}{0o100644:<8o}{len(data):<10}`\n"
    return head.encode() + data + b"\n" * (len(data) % 2)
