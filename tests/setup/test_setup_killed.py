"""Killed before any of its steps on the disk, setup can be run again, and then all is as if nothing had been."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from setup_desk import KEY, answers, files

from gateway.commands.bench_options import installed_drivers
from gateway.commands.setup import command

WRITING = os.O_WRONLY | os.O_RDWR | os.O_CREAT
CHANGES = {"os.rename", "os.mkdir", "os.rmdir", "os.remove", "os.chmod", "os.chown", "os.link", "os.symlink"}
MOST_STEPS = 60


def child(work: Callable[[], None]) -> int:
    """Do it in a process of its own; how that ended, as waitpid says."""
    pid = os.fork()
    if not pid:
        try:
            work()
        finally:
            os._exit(99)
    return os.waitpid(pid, 0)[1]


def set_up(folder: Path) -> None:
    os.chdir(folder)
    arguments = ["--answers", "answers.toml", "-c", "box/punchgate.toml"]
    os._exit(int(command.main(arguments, standalone_mode=False) or 0))


def killed_before(step: int, folder: Path) -> bool:
    """Whether there was such a step: the plug is pulled before the disk's `step`-th change."""
    seen = 0

    def watch(event: str, words: tuple[Any, ...]) -> None:
        nonlocal seen
        if event in CHANGES or (event == "open" and words[2] & WRITING):
            inside = isinstance(words[0], int) or str(folder) in str(words[0])
            seen += inside
            if inside and seen > step:
                os.kill(os.getpid(), signal.SIGKILL)

    def work() -> None:
        sys.addaudithook(watch)
        set_up(folder)

    return os.WIFSIGNALED(child(work))


@pytest.mark.parametrize("how", ["key", "files"])
def test_setup_that_was_killed_at_any_step_is_run_again_and_is_whole(how: str, tmp_path: Path) -> None:
    rows = {"key": 'organisation_key = "stick.key"', "files": 'enrol = "files"'}[how]
    text = answers(rows) if how == "key" else answers(rows, uplink="")
    installed_drivers()
    step = 0
    while True:
        folder = tmp_path / str(step)
        folder.mkdir()
        (folder / "answers.toml").write_text(text)
        (folder / "stick.key").write_text(f"{KEY}\n")
        was_killed = killed_before(step, folder)
        half = files(folder / "box") if (folder / "box").exists() else {}
        assert os.WEXITSTATUS(child(partial(set_up, folder))) in (0, 1)
        whole = files(folder / "box")
        assert not [name for name in whole if name.endswith(".part")]
        for name, data in half.items():
            assert name.endswith(".part") or whole[name] == data, f"{name} was made twice"
        if not was_killed:
            break
        step += 1
        assert step < MOST_STEPS
    assert step >= {"key": 8, "files": 14}[how]
    assert (
        set(whole)
        == {
            "key": {"punchgate.toml", "organisation.key"},
            "files": {"punchgate.toml", "hq.edge-01.request", "tls.key", "sign.key", "box.key"},
        }[how]
    )
