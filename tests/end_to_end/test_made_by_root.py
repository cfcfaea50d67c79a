"""What an operator's command makes as root in the service's folder, the service can open."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from .site import Process, punchgate

SERVICE = 64_321
"""A user who has nothing else."""


@pytest.mark.needs("root")
def test_what_root_makes_in_the_folder_of_the_centre_belongs_to_the_centre(tmp_path: Path) -> None:
    state = tmp_path / "state"
    state.mkdir()
    os.chown(state, SERVICE, SERVICE)
    file = tmp_path / "centre.toml"
    file.write_text(
        f'[centre]\nurl = "mqtt://127.0.0.1:1"\ndatabase = "{state}/ledger.sqlite"\nstate_dir = "{state}"\n'
        f'authority = "{state}/authority"\n'
    )
    for words in (("authority", "create"), ("enrol-code", "hq", "edge-01")):
        done = punchgate("centre", *words, "-c", file)
        assert done.returncode == 0, done.stderr.decode()
    centre = Process(tmp_path / "centre.log", "centre", "run", "-c", file)
    centre.wait_for("centre.started")
    centre.stop()
    found = {str(path.relative_to(state)): path.stat() for path in state.rglob("*")}
    made = {"ledger.sqlite", "ledger.sqlite.lock", "authority", "authority/ca.key", "authority/codes.json"}
    assert made <= found.keys()
    assert {name for name, it in found.items() if (it.st_uid, it.st_gid) != (SERVICE, SERVICE)} == set()
