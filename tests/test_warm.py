"""A command of an interpreter that was there before is the command: output, exit code, directory, environment."""

from __future__ import annotations

import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from warm import Warm

PUNCHGATE = str(Path(sys.executable).with_name("punchgate"))


@pytest.fixture(scope="module")
def warm() -> Iterator[Warm]:
    made = Warm()
    yield made
    made.close()


@pytest.mark.parametrize(
    "arguments",
    [
        ["--version"],
        ["drivers", "--json"],
        ["decode", "em4100", "--hex", "02363730303342353143364342 03"],
        ["journal", "stats", "-c", "none.toml"],
        ["centre", "export", "-c", "none.toml"],
        ["nonsense"],
        ["roster"],
    ],
    ids=lambda words: words[0],
)
def test_it_says_what_a_process_of_its_own_says(
    warm: Warm, arguments: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PUNCHGATE_CONFIG", "of-this-folder.toml")
    process = subprocess.run([PUNCHGATE, *arguments], capture_output=True, check=False)
    forked = warm.run(arguments)
    assert (forked.returncode, forked.stdout, forked.stderr) == (process.returncode, process.stdout, process.stderr)


def test_one_that_takes_too_long_is_killed(warm: Warm, tmp_path: Path) -> None:
    (tmp_path / "cards").touch()
    with pytest.raises(subprocess.TimeoutExpired):
        warm.run(["simulate", "em4100", "--pty", str(tmp_path / "tty"), "--rate", "1"], timeout_s=2.0)
    assert warm.run(["--version"]).returncode == 0


def test_one_that_goes_on_is_a_process_that_can_be_told_to_stop(warm: Warm, tmp_path: Path) -> None:
    log = tmp_path / "log"
    with log.open("wb") as output:
        forked = warm.start(["simulate", "em4100", "--pty", str(tmp_path / "tty"), "--rate", "1"], output, output)
    assert forked.poll() is None
    while not (tmp_path / "tty").exists():
        assert forked.poll() is None, log.read_text()
    forked.send_signal(signal.SIGKILL)
    assert forked.wait(30) == -signal.SIGKILL
    assert forked.poll() == -signal.SIGKILL
    forked.kill()
