"""Starting the service at the end: when it can be, what is asked of systemd, and what a refusal looks like."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest
from setup_desk import answers, told

from gateway.commands import setup as command
from gateway.errors import Unavailable
from gateway.setup import service


@pytest.fixture
def systemctl(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A systemctl that writes down what it is asked; `fails` beside it names a word it refuses."""
    script = tmp_path / "bin" / "systemctl"
    script.parent.mkdir()
    script.write_text(
        f'#!/bin/sh\necho "$@" >> {tmp_path}/asked\n'
        f'[ "$1" != "$(cat {tmp_path}/fails 2>/dev/null)" ] || {{ echo "Job failed." >&2; exit 1; }}\n'
    )
    script.chmod(0o755)
    monkeypatch.setenv("PATH", f"{script.parent}:{os.environ['PATH']}")
    monkeypatch.setattr(service, "BOOTED", tmp_path)
    monkeypatch.setattr(service, "OF_THE_UNIT", tmp_path / "punchgate.toml")
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    return tmp_path


def test_the_service_is_enabled_and_started_anew(systemctl: Path) -> None:
    assert service.why_not(systemctl / "punchgate.toml") == ""
    service.start()
    assert (systemctl / "asked").read_text() == "enable punchgate.service\nrestart punchgate.service\n"


@pytest.mark.parametrize("word", ["enable", "restart"])
def test_what_systemd_refuses_is_said_in_its_words_with_where_to_look(systemctl: Path, word: str) -> None:
    (systemctl / "fails").write_text(word)
    with pytest.raises(Unavailable) as caught:
        service.start()
    assert f"systemctl {word} punchgate.service: Job failed." in str(caught.value)
    assert caught.value.remedy == "journalctl -u punchgate.service tells more"


def test_a_systemd_that_does_not_answer_is_given_up(systemctl: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def forever(*words: object, **_: object) -> None:
        raise subprocess.TimeoutExpired(str(words), service.WITHIN_S)

    monkeypatch.setattr(subprocess, "run", forever)
    with pytest.raises(Unavailable, match=r"systemctl enable punchgate\.service does not end"):
        service.start()


def test_where_it_cannot_be_started_the_reason_and_the_way_are_said(
    systemctl: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert "the service reads" in service.why_not(systemctl / "other.toml")
    assert "punchgate run -c" in service.why_not(systemctl / "other.toml")
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    assert "only root starts the service" in service.why_not(systemctl / "punchgate.toml")
    monkeypatch.setattr(service, "BOOTED", systemctl / "nowhere")
    assert "there is no systemd here" in service.why_not(systemctl / "punchgate.toml")


@pytest.mark.parametrize(
    ("start", "said"),
    [(True, "the service runs: punchgate status"), (False, "not started: systemctl start punchgate")],
)
def test_it_is_started_only_if_that_is_wanted(
    systemctl: Path, capsys: pytest.CaptureFixture[str], *, start: bool, said: str
) -> None:
    command._start(systemctl / "punchgate.toml", start)
    assert capsys.readouterr().out == f"{said}\n"
    assert (systemctl / "asked").exists() is start


def test_setup_without_a_service_says_how_the_daemon_is_started_and_does_not_fail_for_it(tmp_path: Path) -> None:
    done = told(answers('organisation_key = "new"\nstart = true'), tmp_path)
    assert done.returncode == 1
    assert f"punchgate run -c {tmp_path}/box/punchgate.toml" in done.stdout
