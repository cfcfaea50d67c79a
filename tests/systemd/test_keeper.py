"""The keeper of releases: whatever happens to an upgrade, and whenever, a whole release starts."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from gateway import releases

SCRIPT = "#!/bin/sh\n# {name}\necho punchgate, version {name}\n"
BROKEN = "#!/bin/sh\necho Traceback\necho no such module\nexit 1\n"
KILLED_BEFORE = """
count=0
trap 'count=$((count + 1)); [ $count -lt {number} ] || kill -9 $$' DEBUG
set -T
. {keeper}
"""


class Home:
    """A machine's releases; `configured`: there is a gateway that has to be ready."""

    def __init__(self, repository: Path, folder: Path, *, configured: bool = True) -> None:
        self.home, self._folder = folder / "home", folder
        self.home.mkdir()
        configuration = folder / "punchgate.toml"
        if configured:
            configuration.touch()
        text = (repository / "systemd" / "keeper.sh").read_text().replace("@HOME@", str(self.home))
        text = text.replace("/etc/punchgate/punchgate.toml", str(configuration)).replace("stays_s=10", "stays_s=1")
        self.keeper = folder / "keeper"
        self.keeper.write_text(text)

    def dist(self, name: str, script: str = SCRIPT) -> Path:
        """What a package brings."""
        made = self._folder / f"dist-{name}"
        (made / "bin").mkdir(parents=True)
        (made / "lib" / "gateway").mkdir(parents=True)
        (made / "lib" / "gateway" / "app.py").write_text(f"NAME = '{name}'\n")
        (made / "version").write_text(f"{name}\n")
        program = made / "bin" / "punchgate"
        program.write_text(script.format(name=name))
        program.chmod(0o755)
        return made

    def run(self, *words: str, code: int = 0, **environment: str) -> str:
        command = ["sh", "-c", 'umask 077; exec sh "$@"', "sh", str(self.keeper), *words]
        surroundings = os.environ | environment
        done = subprocess.run(command, env=surroundings, capture_output=True, text=True, check=False, timeout=30)
        assert done.returncode == code, done.stdout + done.stderr
        return done.stdout

    def install(self, name: str, script: str = SCRIPT) -> str:
        return self.run("install", str(self.dist(name, script)))

    def prove(self) -> None:
        """The current release is ready, and stays up."""
        self.run("starting")
        self.run("ready", MAINPID=str(os.getpid()))

    def pointer(self, name: str) -> str:
        place = self.home / name
        return place.readlink().name if place.is_symlink() else ""

    def starts(self) -> str:
        """What a start runs, by its own word."""
        program = self.home / "current" / "bin" / "punchgate"
        done = subprocess.run([str(program), "--version"], capture_output=True, text=True, check=True)
        return done.stdout.split()[-1]


@pytest.fixture
def home(repository: Path, tmp_path: Path) -> Home:
    made = Home(repository, tmp_path)
    made.install("1")
    made.prove()
    return made


def test_a_release_that_stays_up_is_the_good_one_and_the_one_before_is_kept(home: Home) -> None:
    home.install("2")
    assert (home.starts(), home.pointer("good")) == ("2", "1")
    home.prove()
    assert (home.starts(), home.pointer("good"), home.pointer("previous")) == ("2", "2", "1")
    assert releases.warnings(home.home / "releases" / "2" / "lib" / "gateway") == []


@pytest.mark.parametrize("result", ["exit-code", "timeout", "watchdog", "signal", "core-dump", "protocol"])
def test_a_release_that_ends_before_it_has_stayed_up_makes_way_for_the_one_before(home: Home, result: str) -> None:
    home.install("2")
    home.run("starting")
    said = home.run("ended", SERVICE_RESULT=result, EXIT_STATUS="70")
    assert f"2 did not stay up ({result}, 70); back to 1" in said
    assert home.starts() == "1"
    assert (home.home / "returned").stat().st_mode & 0o777 == 0o644, "the daemon has to read it"
    (warning,) = releases.warnings(home.home / "releases" / "1" / "lib" / "gateway")
    assert "2 did not stay up" in warning
    home.prove()
    assert home.run("ended", SERVICE_RESULT=result) == "", "there is no way back from a release that is good"
    assert home.starts() == "1"


def test_a_stop_that_somebody_asked_for_says_nothing_about_a_release(home: Home) -> None:
    home.install("2")
    home.run("starting")
    home.run("ended", SERVICE_RESULT="success", EXIT_STATUS="0")
    assert home.starts() == "2"


def test_a_release_that_dies_while_it_is_watched_is_not_good(home: Home) -> None:
    home.install("2")
    home.run("starting")
    process = subprocess.Popen(["sleep", "0.3"])
    watch = subprocess.Popen(["sh", str(home.keeper), "ready"], env=os.environ | {"MAINPID": str(process.pid)})
    process.wait()
    assert watch.wait(timeout=10) == 1
    assert home.pointer("good") == "1"


def test_a_release_that_takes_the_machine_down_is_started_three_times_and_no_more(home: Home) -> None:
    home.install("2")
    for _ in range(3):
        home.run("starting")
        assert home.starts() == "2"
    assert "was started 3 times and did not stay up" in home.run("starting")
    assert home.starts() == "1"


def test_a_release_that_does_not_start_at_all_is_never_current(home: Home) -> None:
    assert "2 does not start on this system, 1 stays: no such module" in home.install("2", BROKEN)
    assert home.starts() == "1"
    assert releases.warnings(home.home / "releases" / "1" / "lib" / "gateway") != []


def test_the_next_install_is_tried_and_takes_the_warning_away(home: Home) -> None:
    home.install("2")
    home.run("ended", SERVICE_RESULT="timeout")
    home.install("3")
    assert (home.starts(), home.pointer("good")) == ("3", "1")
    assert releases.warnings(home.home / "releases" / "1" / "lib" / "gateway") == []
    assert not (home.home / "releases" / "2").exists()


def test_the_same_version_once_more_is_a_release_of_its_own_and_no_more_than_three_stay(home: Home) -> None:
    for _ in range(4):
        dist = home.dist("1") if not (home.home.parent / "dist-1").exists() else home.home.parent / "dist-1"
        home.run("install", str(dist))
        home.prove()
    assert len(list((home.home / "releases").iterdir())) <= 3
    assert home.starts() == "1"


@pytest.mark.needs("root")
def test_back_by_hand_and_forth_again(home: Home) -> None:
    home.install("2")
    home.prove()
    home.run("back")
    assert home.starts() == "1"
    assert "chosen over 2 by hand" in home.run()
    home.prove()
    home.run("back")
    assert home.starts() == "2"


@pytest.mark.needs("root")
def test_where_there_is_none_before_nothing_changes(home: Home) -> None:
    home.run("back", code=1)
    assert home.starts() == "1"


def test_without_a_gateway_nobody_is_waited_for(repository: Path, tmp_path: Path) -> None:
    bare = Home(repository, tmp_path, configured=False)
    bare.install("1")
    bare.install("2")
    assert (bare.starts(), bare.pointer("good"), bare.pointer("previous")) == ("2", "2", "1")


def test_a_warning_needs_an_installation(tmp_path: Path) -> None:
    assert releases.warnings(tmp_path / "gateway") == []
    assert releases.warnings(Path("gateway")) == []


@pytest.mark.needs("bash")
def test_killed_before_any_of_its_commands_an_install_leaves_one_that_starts(
    repository: Path, tmp_path: Path
) -> None:
    """What was there, or what is new; and the next install goes through."""
    first = Home(repository, tmp_path)
    first.install("1")
    first.prove()
    dist = first.dist("2")
    seen = set()
    for number in range(1, 400):
        script = KILLED_BEFORE.format(number=number, keeper=first.keeper)
        command = ["bash", "-c", script, "keeper", "install", str(dist)]
        done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=30)
        assert first.starts() in ("1", "2")
        seen.add(first.starts())
        if done.returncode == 0:
            break
        if first.starts() == "2":
            first.run("ended", SERVICE_RESULT="signal")
    assert (done.returncode, seen) == (0, {"1", "2"})
