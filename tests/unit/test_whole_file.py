"""A file that appears whole takes the place of a file, and of nothing else."""

from __future__ import annotations

import os
import stat
from collections.abc import Callable
from pathlib import Path

import pytest

from gateway.errors import NotDurable
from gateway.whole_file import put


def null(path: Path) -> None:
    os.mknod(path, 0o666 | stat.S_IFCHR, os.makedev(1, 3))


def link_to_null(path: Path) -> None:
    path.symlink_to("/dev/null")


@pytest.mark.parametrize(
    "make",
    [
        pytest.param(null, marks=pytest.mark.needs("root")),
        link_to_null,
        os.mkfifo,
        os.mkdir,
    ],
)
def test_what_is_no_file_keeps_its_place(tmp_path: Path, make: Callable[[Path], None]) -> None:
    """Or root, told to write to /dev/null, takes it away from the whole machine."""
    path = tmp_path / "target"
    make(path)
    before = path.lstat()
    with pytest.raises(NotDurable, match="is no file; nothing was written; name another"):
        put(path, b"bytes")
    assert path.lstat() == before
    assert list(tmp_path.iterdir()) == [path]


def test_a_file_is_replaced_and_a_link_to_nowhere_too(tmp_path: Path) -> None:
    (tmp_path / "old").write_bytes(b"old")
    (tmp_path / "link").symlink_to("nowhere")
    for name in ("old", "link", "new"):
        assert put(tmp_path / name, b"new").read_bytes() == b"new"
