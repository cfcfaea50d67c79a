"""Tests beside each other: files in different processes, `alone` means alone, a file stays in one process."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
import told
from side_by_side import APART, Doors, unit

CONFTEST = """
from side_by_side import (
    pytest_collection_modifyitems, pytest_configure_node, pytest_runtest_protocol, pytest_unconfigure,
    pytest_xdist_make_scheduler,
)
"""
TESTS = """
import os, time
from pathlib import Path
import pytest
HERE = Path(__file__).parent
NOTES = HERE / "notes"

def note(word):
    with NOTES.open("a") as notes:
        notes.write(f"{word} {Path(__file__).stem} {os.getpid()}\\n")

def test_meets_the_test_of_the_other_file():
    (HERE / f"here-{os.getpid()}").touch()
    until = time.monotonic() + 20
    while len(list(HERE.glob("here-*"))) < 2:
        assert time.monotonic() < until
        time.sleep(0.01)

@pytest.mark.alone
def test_is_alone():
    note("alone")
    time.sleep(0.3)
    note("over")

@pytest.mark.parametrize("number", range(8))
def test_others(number):
    note("other")
    time.sleep(0.02)
"""


def test_files_run_beside_each_other_but_for_what_is_to_be_alone(tmp_path: Path) -> None:
    (tmp_path / "conftest.py").write_text(CONFTEST)
    (tmp_path / "pytest.ini").write_text("[pytest]\nmarkers = alone\n")
    for name in ("test_a", "test_b"):
        (tmp_path / f"{name}.py").write_text(TESTS)
    command = [sys.executable, "-m", "pytest", "-q", "-n", "2", str(tmp_path)]
    env = {**os.environ, "PYTHONPATH": str(Path(__file__).parent)}
    done = subprocess.run(command, cwd=tmp_path, env=env, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout
    notes = [tuple(row.split()) for row in (tmp_path / "notes").read_text().splitlines()]
    begun = [number for number, (word, _, _) in enumerate(notes) if word == "alone"]
    assert [notes[number + 1][0] for number in begun] == ["over", "over"]
    for number in begun:
        later = {word for word, _, process in notes[number:] if process == notes[number][2]}
        assert later == {"alone", "over"}, "they come last"
    assert len({(file, process) for word, file, process in notes if word == "other"}) == 2


def test_who_waits_to_be_alone_is_not_passed_by_those_who_come_later(tmp_path: Path) -> None:
    program = "\n".join(
        [
            "import sys; from pathlib import Path; from side_by_side import Doors",
            "with Doors(Path(sys.argv[1])).inside(alone=sys.argv[2] == 'alone'):",
            "    print(sys.argv[2], flush=True); sys.stdin.readline()",
        ]
    )

    def someone(how: str) -> subprocess.Popen[str]:
        return subprocess.Popen(
            [sys.executable, "-c", program, str(tmp_path), how],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env={**os.environ, "PYTHONPATH": str(Path(__file__).parent)},
        )

    with Doors(tmp_path).inside(alone=False):
        many = someone("many")
        assert many.stdout is not None
        assert many.stdout.readline() == "many\n"
        alone = someone("alone")
        _until_kept(tmp_path / "outer")
        late = someone("late")
        many.communicate("\n")
    assert alone.stdout is not None
    assert alone.stdout.readline() == "alone\n"
    assert late.poll() is None
    alone.communicate("\n")
    assert late.communicate("\n")[0] == "late\n"


def _until_kept(door: Path) -> None:
    """Until somebody has locked it."""
    place = f":{door.stat().st_ino} " if door.exists() else ""
    while not place or place not in Path("/proc/locks").read_text():
        place = f":{door.stat().st_ino} " if door.exists() else ""


def test_a_file_is_one_piece_unless_its_tests_share_nothing() -> None:
    assert unit("tests/unit/test_wire.py::test_a[1]") == "tests/unit/test_wire.py"
    assert unit(f"tests/{APART[0]}::test_a[1]") == f"tests/{APART[0]}::test_a[1]"
    assert unit("tests/unit/test_wire.py::test_a", {"tests/unit/test_wire.py::test_a"}) != "tests/unit/test_wire.py"
    for file in APART:
        text = Path(__file__).with_name(file.partition("/")[0]).joinpath(file.partition("/")[2]).read_text()
        assert 'scope="module"' not in text, file


def test_what_a_test_tells_is_told_at_the_end(request: pytest.FixtureRequest) -> None:
    told.tell(request.node, "told", 7)
    assert ("told", 7) in request.node.user_properties
