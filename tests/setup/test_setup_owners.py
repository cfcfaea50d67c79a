"""Root sets a box up for the daemon's user: what is secret can be read by both, and by nobody else."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from setup_desk import KEY, answers, told

pytestmark = pytest.mark.needs("root")

GROUP = 6543


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """The configuration's folder as the packages make it, for a group of the daemon's."""
    (tmp_path / "box").mkdir()
    os.chown(tmp_path / "box", 0, GROUP)
    return tmp_path


def test_a_key_that_setup_makes_belongs_to_the_folders_group(folder: Path) -> None:
    told(answers(), folder)
    found = (folder / "box/organisation.key").stat()
    assert (found.st_uid, found.st_gid, found.st_mode & 0o777) == (0, GROUP, 0o640)


def test_a_key_that_an_earlier_installation_left_to_root_is_given_to_the_daemon_again(folder: Path) -> None:
    key = folder / "box/organisation.key"
    key.write_text(f"{KEY}\n")
    key.chmod(0o640)
    done = told(answers(""), folder)
    assert f"{key}: readable for the daemon's user now" in done.stdout, done.stderr
    assert (key.stat().st_gid, key.read_text()) == (GROUP, f"{KEY}\n")


@pytest.mark.parametrize(("mode", "owner"), [(0o600, 0), (0o640, 6544)])
def test_a_key_that_its_owner_keeps_to_himself_or_to_others_stays_his(folder: Path, mode: int, owner: int) -> None:
    key = folder / "box/organisation.key"
    key.write_text(f"{KEY}\n")
    key.chmod(mode)
    os.chown(key, owner, 0)
    assert "readable for" not in told(answers(""), folder).stdout
    assert key.stat().st_gid == 0
