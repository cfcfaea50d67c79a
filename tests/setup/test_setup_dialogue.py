"""A person at a terminal: questions, wrong answers asked again with the reason, and a box that is set up."""

from __future__ import annotations

import os
import pty
import select
import signal
import subprocess
import time
import tomllib
from pathlib import Path

import pytest
from setup_desk import KEY, PUNCHGATE, files

WITHIN_S = 60.0


class Person:
    """Reads the terminal and types; every question is waited for."""

    def __init__(self, folder: Path, *arguments: str) -> None:
        self._master, slave = pty.openpty()
        command = [PUNCHGATE, "setup", "-c", "box/punchgate.toml", *arguments]
        self.process = subprocess.Popen(
            command, cwd=folder, stdin=slave, stdout=slave, stderr=slave, start_new_session=True
        )
        os.close(slave)
        self.read = ""
        self._seen = 0

    def answer(self, question: str, text: str) -> None:
        self.wait(question)
        os.write(self._master, f"{text}\n".encode())

    def wait(self, words: str) -> None:
        deadline = time.monotonic() + WITHIN_S
        while (at := self.read.find(words, self._seen)) < 0:
            assert time.monotonic() < deadline, f"{words!r} is not asked:\n{self.read}"
            if select.select([self._master], [], [], 0.2)[0]:
                try:
                    self.read += os.read(self._master, 65536).decode("utf-8", "replace")
                except OSError:
                    raise AssertionError(f"ended without {words!r}:\n{self.read}") from None
        self._seen = at + len(words)

    def end(self) -> int:
        try:
            while data := os.read(self._master, 65536):
                self.read += data.decode("utf-8", "replace")
        except OSError:
            pass
        return self.process.wait(WITHIN_S)


def where(person: Person) -> None:
    person.answer("Name of the site", "H Q")
    person.answer('did you mean "h-q"?', "hq")
    person.answer("Name of this gateway", "edge-01")
    person.answer("Time zone", "Asia/Shanghai")
    person.answer("Folder of the journal", "")


@pytest.fixture
def stick(tmp_path: Path) -> Path:
    (tmp_path / "stick.key").write_text(KEY + "\n")
    return tmp_path


def test_a_person_answers_and_the_box_is_set_up(stick: Path) -> None:
    person = Person(stick, "--dump-answers", "again.toml")
    where(person)
    person.answer("Port with a device", "nonsense")
    person.answer("is neither a number", "./reader")
    person.answer("Its driver", "em41OO")
    person.answer("did you mean", "em4100")
    person.answer("An option", "")
    person.answer("Name of its lane", "door")
    person.answer("Gate the lane", "")
    person.answer("Zone before it", "street")
    person.answer("to this zone", "shop")
    person.answer("On which side", "in")
    person.answer("Name of the device", "")
    person.answer("Port with another device", "")
    person.answer("How does this box become known", "key")
    person.answer("The broker", "http://broker")
    person.answer("must start with mqtts", "mqtt://127.0.0.1:1")
    person.answer("User at the broker", "")
    person.answer("organisation's key", "not-there")
    person.answer("there is no such file", "stick.key")
    person.answer("Write it?", "y")
    assert person.end() == 1, person.read
    written = tomllib.loads((stick / "box/punchgate.toml").read_text())
    device = written["ports"][0]["devices"][0]
    assert device == {"id": "door-in", "driver": "em4100", "lane": "door", "side": "in"}
    assert (stick / "box/organisation.key").read_text() == KEY + "\n"
    assert not (stick / "box/.punchgate.toml.setup").exists()
    before = files(stick / "box")
    command = [PUNCHGATE, "setup", "--answers", "again.toml", "-c", "box/punchgate.toml"]
    again = subprocess.run(command, cwd=stick, capture_output=True, text=True, timeout=120, check=False)
    assert "is as it should be already" in again.stdout, again.stderr
    assert files(stick / "box") == before


def test_a_dialogue_that_was_killed_goes_on_with_what_was_answered(stick: Path) -> None:
    person = Person(stick)
    where(person)
    person.wait("Port with a device")
    person.process.send_signal(signal.SIGKILL)
    person.end()
    assert set(files(stick / "box")) == {".punchgate.toml.setup"}
    person = Person(stick)
    person.wait("going on where")
    person.wait("Name of the site [hq]")
    person.process.kill()
    person.end()


def test_without_a_terminal_nothing_is_asked(tmp_path: Path) -> None:
    command = [PUNCHGATE, "setup", "-c", "box/punchgate.toml"]
    done = subprocess.run(
        command, cwd=tmp_path, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=60, check=False
    )
    assert (done.returncode, "--answers FILE" in done.stderr) == (2, True)
