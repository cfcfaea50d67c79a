"""The launcher of a release, and what the centre gets besides: seen by the centre's commands and by nothing else."""

from __future__ import annotations

import socket
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest
from bundle import debian
from bundle.layout import Parts, launcher
from bundle.lock import Lock, read_centre_lock
from bundle.trouble import Trouble
from small_wheels import EPOCH, ROOT, licensed


@pytest.fixture
def parts(tmp_path: Path) -> Parts:
    """Three small wheels, one of them for one Python only."""
    own, common, special = (
        licensed(tmp_path, "punchgate"),
        licensed(tmp_path, "common"),
        licensed(tmp_path, "special"),
    )
    return Parts(ROOT, own, {"lib": [common], "lib-3.11": [special], "lib-3.13": []})


def launch(folder: Path, minors: Sequence[str], *words: str) -> subprocess.CompletedProcess[str]:
    """The launcher run by this Python, with a program that says where it comes from."""
    program = folder / "lib" / "gateway" / "commands.py"
    program.parent.mkdir(parents=True, exist_ok=True)
    (program.parents[1] / "__init__.py").touch()
    program.with_name("__init__.py").touch()
    program.write_text("def main():\n    print('started from', __file__)\n")
    (folder / "bin").mkdir(exist_ok=True)
    (folder / "bin" / "punchgate").write_text(launcher(ROOT, sys.executable, "centre", minors))
    command = [sys.executable, "-I", str(folder / "bin" / "punchgate"), *words]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def test_the_launcher_starts_the_program_of_its_package_with_each_of_its_pythons(tmp_path: Path) -> None:
    minor = f"{sys.version_info[0]}.{sys.version_info[1]}"
    for minors in ((minor,), (minor, "9.9"), ("9.9", minor)):
        assert launch(tmp_path, minors).stdout == f"started from {tmp_path}/lib/gateway/commands.py\n"


@pytest.mark.parametrize(
    ("good", "told"), [(None, True), ("this", True), ("another", False)], ids=["first", "proven", "on trial"]
)
def test_a_slow_machine_gets_its_time_to_start_unless_the_release_is_on_trial(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, good: str | None, told: bool
) -> None:
    """Else a start that takes longer than the unit allows is broken off over and over."""
    release = tmp_path / "releases" / "this"
    (tmp_path / "releases" / "another").mkdir(parents=True)
    release.mkdir()
    if good:
        (tmp_path / "good").symlink_to(f"releases/{good}")
    minor = f"{sys.version_info[0]}.{sys.version_info[1]}"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as systemd:
        systemd.bind(str(tmp_path / "notify"))
        systemd.settimeout(0.0)
        monkeypatch.setenv("NOTIFY_SOCKET", str(tmp_path / "notify"))
        assert launch(release, (minor,)).returncode == 0
        if told:
            assert systemd.recv(100) == b"EXTEND_TIMEOUT_USEC=600000000"
        with pytest.raises(BlockingIOError):
            systemd.recv(100)


def test_the_launcher_starts_although_nobody_hears_that_it_takes_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NOTIFY_SOCKET", str(tmp_path / "nobody"))
    assert "started from" in launch(tmp_path, (f"{sys.version_info[0]}.{sys.version_info[1]}",)).stdout


def test_the_launcher_says_which_pythons_the_package_is_for(tmp_path: Path) -> None:
    done = launch(tmp_path, ("9.8", "9.9"))
    assert done.returncode == 69
    assert "only for 9.8, 9.9: install the package for this system" in done.stderr


def test_only_the_centres_commands_see_the_centres_libraries(tmp_path: Path) -> None:
    minor = f"{sys.version_info[0]}.{sys.version_info[1]}"
    for folder, name in (("lib", "fast"), (f"lib-{minor}", "compiled")):
        (tmp_path / "centre" / folder).mkdir(parents=True)
        (tmp_path / "centre" / folder / f"{name}.py").touch()
    launch(tmp_path, (minor,))
    program = tmp_path / "lib" / "gateway" / "commands.py"
    text = (
        "def main():\n    from importlib.util import find_spec as find\n    print([bool(find(it)) for it in NAMES])\n"
    )
    for words, seen in ((("centre", "run"), True), (("journal", "import"), True), (("run",), False), ((), False)):
        launch(tmp_path, (minor,))
        program.write_text(f"NAMES = ('fast', 'compiled')\n{text}")
        command = [sys.executable, "-I", str(tmp_path / "bin" / "punchgate"), *words]
        done = subprocess.run(command, capture_output=True, text=True, check=True)
        assert done.stdout == f"{[seen, seen]}\n", words


@pytest.mark.needs("dpkg-deb")
def test_the_centres_package_brings_its_libraries_and_the_gateways_stays_as_it_is(
    parts: Parts, tmp_path: Path
) -> None:
    fast, quick = licensed(tmp_path, "fast"), licensed(tmp_path, "quick")
    rich = replace(parts, centre={"lib": [fast], "lib-3.11": [quick], "lib-3.13": []})
    package = debian.centre(rich, "1", "arm64")
    assert package.architecture == "arm64"
    places = {path for path, _ in package.tree.files()}
    assert "usr/lib/punchgate-centre/lib/fast/__init__.py" in places
    assert "usr/lib/punchgate-centre/lib-3.11/quick/__init__.py" in places
    assert "usr/share/punchgate-centre/doc/licences/fast/LICENSE" in places
    assert debian.gateway(rich, "1", "arm64", {}).write(EPOCH) == debian.gateway(parts, "1", "arm64", {}).write(EPOCH)
    plain = debian.centre(parts, "1", "arm64")
    assert plain.architecture == "all"
    assert not [path for path, _ in plain.tree.files() if "usr/lib/punchgate-centre/lib" in path]
    path = tmp_path / package.file_name
    path.write_bytes(package.write(EPOCH))
    subprocess.run(["dpkg-deb", "--contents", str(path)], capture_output=True, check=True)


def test_a_lock_of_the_centre_may_be_missing_or_empty_and_adds_only_what_the_other_has_not(tmp_path: Path) -> None:
    assert read_centre_lock(tmp_path) is None
    (tmp_path / "requirements-centre.lock").write_text("# nothing yet\n")
    assert read_centre_lock(tmp_path) is None
    both, only, main = licensed(tmp_path, "both"), licensed(tmp_path, "only"), licensed(tmp_path, "main")
    pins = {it.name: f"{it.name}=={it.version} \\\n    --hash=sha256:{it.sha256}\n" for it in (both, only, main)}
    (tmp_path / "requirements-centre.lock").write_text(pins["both"] + pins["only"])
    centre = read_centre_lock(tmp_path)
    assert centre is not None
    assert centre.added_to(Lock(pins["both"] + pins["main"])) == {"only"}
    with pytest.raises(Trouble, match=r"requirements-centre\.lock and requirements\.lock pin two versions of both"):
        centre.added_to(Lock(pins["both"].replace("==1.0", "==2.0")))
