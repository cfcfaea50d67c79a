"""Killed before any of its steps on the disk, setup can be run again, and then all is as if nothing had been."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable, Iterator
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from setup_desk import KEY, answers, files

from gateway.commands.bench_options import installed_drivers
from gateway.commands.setup import command
from traceability.api.application import create_app
from traceability.api.enrolment import enrolment
from traceability.api.patience import Patience
from traceability.api.server import Papers, Server
from traceability.authority import Authority
from traceability.authority.desk import Desk, Terms
from traceability.authority.invitations import Invitations

WRITING = os.O_WRONLY | os.O_RDWR | os.O_CREAT
CHANGES = {"os.rename", "os.mkdir", "os.rmdir", "os.remove", "os.chmod", "os.chown", "os.link", "os.symlink"}
MOST_STEPS = 60
OWN_KEYS = {"tls.key", "sign.key", "box.key"}


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


def killed_everywhere(tmp_path: Path, told: Callable[[int], str]) -> tuple[int, set[str]]:
    """Kill setup before each of its steps, `told(step)` being the answers, and run it again; how many there are,
    and which files are there in the end.
    """
    installed_drivers()
    for step in range(MOST_STEPS):
        folder = tmp_path / str(step)
        folder.mkdir()
        (folder / "answers.toml").write_text(told(step))
        (folder / "stick.key").write_text(f"{KEY}\n")
        was_killed = killed_before(step, folder)
        half = files(folder / "box") if (folder / "box").exists() else {}
        assert os.WEXITSTATUS(child(partial(set_up, folder))) in (0, 1)
        whole = files(folder / "box")
        assert not [name for name in whole if name.endswith(".part")]
        for name, data in half.items():
            assert name.endswith((".part", "tls.pem")) or whole[name] == data, f"{name} was made twice"
        if not was_killed:
            return step, set(whole)
    raise AssertionError("it does not end")


def test_with_the_key_at_hand_setup_can_be_killed_at_any_step(tmp_path: Path) -> None:
    steps, whole = killed_everywhere(tmp_path, lambda _: answers('organisation_key = "stick.key"'))
    assert steps >= 8
    assert whole == {"punchgate.toml", "organisation.key"}


def test_with_two_files_setup_can_be_killed_at_any_step(tmp_path: Path) -> None:
    steps, whole = killed_everywhere(tmp_path, lambda _: answers('enrol = "files"', uplink=""))
    assert steps >= 14
    assert whole == {"punchgate.toml", "hq.edge-01.request", *OWN_KEYS}


@pytest.fixture
def centre(tmp_path: Path) -> Iterator[tuple[Authority, str]]:
    """An authority, and where it answers over HTTPS."""
    authority = Authority.create(tmp_path / "authority", "punchgate/v1")
    with authority.changing("punchgate/v1"):
        authority.server("server", ("127.0.0.1",))
    desk = Desk(Terms(authority.folder, "mqtts://127.0.0.1:1", "punchgate/v1", ""))
    papers = Papers(authority.folder / "server.pem", authority.folder / "server.key")
    server = Server(create_app([enrolment(desk, Patience(lambda: 0.0))]), "127.0.0.1", 0, papers)
    server.start()
    yield authority, server.url
    server.stop()


def test_with_a_code_setup_can_be_killed_at_any_step_and_the_code_is_used_once(
    centre: tuple[Authority, str], tmp_path: Path
) -> None:
    authority, url = centre

    def told(step: int) -> str:
        with authority.alone():
            code = Invitations(authority.folder).invite(f"hq.edge-{step}", authority.ca, timedelta(days=1))[0].text()
        text = answers(f'enrol = "code"\ncentre = "{url}"\ncode = "{code}"', uplink="")
        return text.replace('"edge-01"', f'"edge-{step}"')

    steps, whole = killed_everywhere(tmp_path, told)
    assert steps >= 28
    brought = {"organisation.key", "ca.pem", "tls.pem", "punchgate.toml.d/50-enrolment.toml"}
    assert whole == {"punchgate.toml", *OWN_KEYS, *brought}
    assert len(Authority(authority.folder).members()) == steps + 1
