"""Files as they will stand on the box, kept in memory, and archives of them that are the same bytes each time."""

from __future__ import annotations

import io
import tarfile
from collections.abc import Iterator
from dataclasses import dataclass
from hashlib import md5
from pathlib import PurePosixPath

PLAIN, PROGRAM, FOLDER = 0o644, 0o755, 0o755


@dataclass(frozen=True, slots=True)
class Entry:
    """A file, or with `target` a symbolic link."""

    data: bytes = b""
    mode: int = PLAIN
    target: str = ""


class Tree:
    """Paths without a leading slash to what lies there. All is root's; folders above a path come by themselves."""

    def __init__(self) -> None:
        self._entries: dict[str, Entry] = {}
        self._folders: set[str] = set()

    def add(self, path: str, data: bytes | str, mode: int = PLAIN) -> None:
        """A file. ValueError: the path leads out of the tree, or something else lies there."""
        content = data.encode() if isinstance(data, str) else data
        self._put(path, Entry(content, mode))

    def link(self, path: str, target: str) -> None:
        """A symbolic link. ValueError as for `add`."""
        self._put(path, Entry(target=target, mode=0o777))

    def folder(self, path: str) -> None:
        """A folder that may be empty."""
        self._folders.add(path)

    def files(self) -> Iterator[tuple[str, Entry]]:
        """Everything but folders, in order."""
        yield from sorted(self._entries.items())

    @property
    def size(self) -> int:
        """Bytes of all files."""
        return sum(len(entry.data) for entry in self._entries.values())

    def md5sums(self) -> str:
        """What dpkg --verify reads."""
        lines = (
            f"{md5(entry.data, usedforsecurity=False).hexdigest()}  {path}\n"
            for path, entry in self.files()
            if not entry.target
        )
        return "".join(lines)

    def tar(self, epoch: int, prefix: str = "./") -> bytes:
        """All of it as an uncompressed tar, every time stamp being `epoch` (seconds)."""
        buffer = io.BytesIO()
        with tarfile.open(fileobj=buffer, mode="w", format=tarfile.GNU_FORMAT) as archive:
            for path in self._all_folders():
                head = _head(f"{prefix}{path}", epoch, FOLDER)
                head.type = tarfile.DIRTYPE
                archive.addfile(head)
            for path, entry in self.files():
                head = _head(f"{prefix}{path}", epoch, entry.mode)
                if entry.target:
                    head.type, head.linkname = tarfile.SYMTYPE, entry.target
                    archive.addfile(head)
                else:
                    head.size = len(entry.data)
                    archive.addfile(head, io.BytesIO(entry.data))
        return buffer.getvalue()

    def _put(self, path: str, entry: Entry) -> None:
        pure = PurePosixPath(path)
        if pure.is_absolute() or ".." in pure.parts or str(pure) != path:
            raise ValueError(f"not a path inside the tree: {path}")
        if self._entries.setdefault(path, entry) != entry:
            raise ValueError(f"two parts want {path}")

    def _all_folders(self) -> list[str]:
        wanted = {*self._folders}
        for path in (*self._entries, *self._folders):
            wanted |= {str(parent) for parent in PurePosixPath(path).parents}
        return sorted(wanted - {"."})


def _head(path: str, epoch: int, mode: int) -> tarfile.TarInfo:
    head = tarfile.TarInfo(path)
    head.mtime, head.mode = epoch, mode
    head.uname = head.gname = "root"
    return head
