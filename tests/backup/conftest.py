"""The box a backup is made of, and the spare one it is restored to."""

from __future__ import annotations

from pathlib import Path

import pytest
from backup_bench import Box


@pytest.fixture
def box(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Box:
    """A gateway that is set up."""
    return Box(tmp_path / "box", capsys).set_up()


@pytest.fixture
def spare(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Box:
    """A machine with nothing on it."""
    return Box(tmp_path / "spare", capsys)
