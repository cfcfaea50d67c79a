"""Ports: there, usable, and nobody else's."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import IO

import pytest
from check_bench import Bench, clean, daemon, only

from gateway.check.patience import ask_all
from gateway.check.ports import ports
from gateway.port import holder
from gateway.simulation.pty import Pty


def opened(path: Path) -> IO[bytes]:
    """A port that another program opens; our own session never gets it for its terminal."""
    return open(path, "rb", buffering=0, opener=lambda name, flags: os.open(name, flags | os.O_NOCTTY))


@pytest.fixture
def pty(bench: Bench) -> Iterator[Pty]:
    port = Pty(bench.folder / "port")
    yield port
    port.close()


@pytest.fixture
def stranger(pty: Pty) -> Iterator[int]:
    """Another process that has the port open."""
    with opened(pty.path) as line:
        process = subprocess.Popen(["sleep", "60"], stdin=line)
    while not holder(str(pty.path)):
        time.sleep(0.01)
    yield process.pid
    process.kill()
    process.wait()


@pytest.mark.usefixtures("pty")
def test_a_port_that_is_there_is_in_order(bench: Bench) -> None:
    assert clean(bench.examine(ports))


def test_a_missing_port_is_a_finding_that_names_its_devices(bench: Bench) -> None:
    found = only(bench.examine(ports), "finding")
    assert found.what == f"{bench.folder}/port: not there"
    assert found.why == "nothing is heard from reader-1"
    assert "plug the device in" in found.mend


def test_a_plain_file_is_no_port(bench: Bench) -> None:
    (bench.folder / "port").write_text("")
    assert "is no device" in only(bench.examine(ports), "finding").what


@pytest.mark.usefixtures("pty")
def test_a_port_we_may_not_use_is_a_finding_with_the_group_to_join(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "access", lambda *_: False)
    found = only(bench.examine(ports), "finding")
    assert "permission denied" in found.what
    assert "dialout" in found.mend


def test_a_port_that_another_process_holds_is_a_finding_that_names_it(bench: Bench, stranger: int) -> None:
    assert f"held by sleep ({stranger})" in only(bench.examine(ports), "finding").what


def test_the_process_behind_a_pseudo_terminal_is_the_device_and_no_other_program(bench: Bench) -> None:
    play = "import os; both = os.openpty(); print(os.ttyname(both[1]), flush=True); input()"
    pipe = subprocess.PIPE
    with subprocess.Popen([sys.executable, "-c", play], stdin=pipe, stdout=pipe, text=True) as far:
        assert far.stdout is not None
        path = Path(far.stdout.readline().strip())
        (bench.folder / "port").symlink_to(path)
        assert f"({far.pid})" in str(holder(str(path)))
        assert clean(bench.examine(ports))
        with opened(path) as line, subprocess.Popen(["sleep", "60"], stdin=line) as other:
            assert f"({other.pid})" in only(bench.examine(ports), "finding").what
            assert f"({other.pid})" in str(holder(str(path)))
            other.kill()
        far.communicate("")


def test_a_port_that_our_own_daemon_holds_is_in_order(bench: Bench, stranger: int) -> None:
    assert clean(bench.examine(ports, daemon(pid=stranger)))


def test_what_the_daemon_says_of_a_port_counts(bench: Bench) -> None:
    assert clean(bench.examine(ports, daemon(devices=[bench.device()])))
    reason = f"{bench.folder}/port: held by minicom (7); stop the other program; a port has one owner"
    found = only(bench.examine(ports, daemon(devices=[bench.device("down", reason=reason)])), "finding")
    assert "reader-1 is down: held by minicom (7)" in found.what
    assert found.mend


def test_a_reader_that_sends_mostly_bad_frames_is_a_warning_about_its_speed(bench: Bench) -> None:
    noisy = bench.device(bad_frames={"integrity": 30, "noise": 4})
    found = only(bench.examine(ports, daemon(devices=[noisy])), "warning")
    assert "30 integrity, 4 noise" in found.what
    assert "baud" in found.mend


def test_a_serial_server_is_reached_over_the_network(bench: Bench) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        bench.edit(('"./port"', f'"socket://127.0.0.1:{server.getsockname()[1]}"'))
        assert clean(bench.examine(ports))
    assert "refused" in only(bench.examine(ports), "finding").what


def test_a_serial_server_that_the_daemon_uses_is_left_alone(bench: Bench) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        url = f"socket://127.0.0.1:{server.getsockname()[1]}"
        bench.edit(('"./port"', f'"{url}"'))
        assert clean(bench.examine(ports, daemon(devices=[bench.device(port=url)])))
        server.settimeout(0.1)
        with pytest.raises(TimeoutError):
            server.accept()


def test_an_address_only_the_daemon_understands_is_a_note(bench: Bench) -> None:
    bench.edit(('"./port"', '"spy:///dev/ttyS0"'))
    assert "cannot be looked at" in only(bench.examine(ports), "note").what


@pytest.mark.alone
def test_questions_without_an_answer_cost_one_time_limit_together() -> None:
    began = time.monotonic()
    answers = ask_all([lambda: time.sleep(5)] * 4, within_s=0.1)
    assert time.monotonic() - began < 1
    assert all(isinstance(answer, TimeoutError) for answer in answers)
