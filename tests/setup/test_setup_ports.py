"""Which name of a port goes into the configuration, and what is said of a port that is in use."""

from __future__ import annotations

import os
import pty
import subprocess
import tty
from collections.abc import Iterator
from pathlib import Path

import pytest
from setup_desk import answers, port, told

from config import ConfigError
from config.answers import Answered, read_answers
from gateway import assembly
from gateway.errors import Transient
from gateway.port import PortInfo
from gateway.setup import identifying
from gateway.setup.ports import SOCKETS, Found, better_name, named

BY_ID = "/dev/serial/by-id/usb-FTDI_FT232R_A1-if00-port0"
SOCKET = "/dev/punchgate/usb-1-1.2:1.0"


def usb(path: str = "/dev/ttyUSB0", serial: str | None = "A1", stable: str | None = BY_ID) -> PortInfo:
    return PortInfo(path, stable, "FT232R", "FTDI", serial, None)


def found(name: str, device: str = "/dev/ttyUSB0", *, lasting: bool = True, held_by: str | None = None) -> Found:
    return Found(name, device, lasting, "FT232R", held_by)


def test_an_adapter_with_a_number_of_its_own_is_called_by_it() -> None:
    (one,) = named([usb()], {SOCKETS[0]: {"/dev/ttyUSB0": SOCKET}})
    assert (one.name, one.lasting) == (BY_ID, True)


def test_of_two_adapters_that_say_the_same_number_the_sockets_are_the_names() -> None:
    links = {"/dev/ttyUSB0": SOCKET, "/dev/ttyUSB1": f"{SOCKET}x"}
    both = named([usb(), usb("/dev/ttyUSB1", stable=None)], {SOCKETS[0]: links})
    assert [(one.name, one.lasting) for one in both] == [(SOCKET, True), (f"{SOCKET}x", True)]


def test_without_number_and_socket_the_name_is_said_not_to_last() -> None:
    (one,) = named([usb(serial=None, stable=None)], {})
    assert (one.name, one.lasting) == ("/dev/ttyUSB0", False)
    (soldered,) = named([PortInfo("/dev/ttyS0", None, "n/a", None, None, None)], {})
    assert (soldered.name, soldered.lasting) == ("/dev/ttyS0", True)


def test_a_name_that_may_change_has_a_better_one_and_a_lasting_one_has_none() -> None:
    assert better_name("/dev/ttyUSB0", [found(BY_ID)]) == BY_ID
    assert better_name(BY_ID, [found(BY_ID)]) is None
    assert better_name("/dev/ttyS0", [found("/dev/ttyS0", "/dev/ttyS0")]) is None
    assert better_name("/dev/ttyUSB0", [found("/dev/ttyUSB0", lasting=False)]) is None


def settled(folder: Path, url: str, ports: list[Found], driver: str = "em4100") -> tuple[Answered, list[str]]:
    """The answers with what was open, and what was said meanwhile."""
    (folder / "answers.toml").write_text(answers(lines=port(url, driver)))
    answered = read_answers(folder / "answers.toml", drivers=assembly.driver_facts())
    said: list[str] = []
    identifying.settle(answered, folder / "punchgate.toml", [], lambda: ports, said.append)
    return answered, said


def url_in(answered: Answered) -> object:
    (listed,) = answered.tree["ports"]  # type: ignore[misc]
    return listed["url"]  # type: ignore[index]


def test_any_is_the_only_port_by_its_lasting_name(tmp_path: Path) -> None:
    answered, said = settled(tmp_path, "any", [found(BY_ID)])
    assert (url_in(answered), said) == (BY_ID, [])


@pytest.mark.parametrize(
    ("ports", "words"),
    [
        ([], "no serial port is free"),
        ([found(BY_ID), found(SOCKET, "/dev/ttyUSB1")], f"name one of {BY_ID}, {SOCKET}"),
    ],
    ids=["none", "two"],
)
def test_any_of_none_or_of_two_is_not_guessed(tmp_path: Path, ports: list[Found], words: str) -> None:
    with pytest.raises(ConfigError) as caught:
        settled(tmp_path, "any", ports)
    (finding,) = caught.value.findings
    assert (finding.key, words in f"{finding.problem} {finding.remedy}") == ("ports[0].url", True)


def test_a_name_that_may_change_is_taken_as_it_was_said_and_the_better_one_is_told(tmp_path: Path) -> None:
    answered, said = settled(tmp_path, "/dev/ttyUSB0", [found(BY_ID)])
    assert url_in(answered) == "/dev/ttyUSB0"
    assert said == [f"/dev/ttyUSB0: this name may change when a cable is moved; {BY_ID} is the same port"]


@pytest.fixture
def busy(tmp_path: Path) -> Iterator[Path]:
    """A port that another program has open."""
    line, device = pty.openpty()
    tty.setraw(device)
    (tmp_path / "reader").symlink_to(os.ttyname(device))
    with subprocess.Popen(["sleep", "600"], stdin=device) as other:
        yield tmp_path / "reader"
        other.kill()
    os.close(line)
    os.close(device)


def test_a_port_that_another_program_holds_is_told_and_the_box_is_set_up_all_the_same(busy: Path) -> None:
    done = told(answers(lines=port(str(busy))), busy.parent)
    assert f"{busy}: held by sleep (" in done.stdout
    assert done.returncode == 1, done.stderr
    assert (busy.parent / "box/punchgate.toml").exists()


def test_a_listed_port_that_is_held_is_told_before_anything_is_written(tmp_path: Path) -> None:
    answered, said = settled(tmp_path, "any", [found(BY_ID, os.path.realpath(BY_ID), held_by="ModemManager (612)")])
    assert url_in(answered) == BY_ID
    assert said == [f"{BY_ID}: held by ModemManager (612); a port has one owner, the daemon waits until it is free"]


def test_what_hangs_on_a_port_that_the_daemon_holds_cannot_be_found_out_and_the_remedy_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def held(*_: object, **__: object) -> None:
        raise Transient("/dev/ttyS0: held by punchgate (77)", remedy="stop the other program")

    monkeypatch.setattr(identifying, "search", held)
    with pytest.raises(ConfigError) as caught:
        settled(tmp_path, "/dev/ttyS0", [], "identify")
    assert "systemctl stop punchgate" in str(caught.value)
