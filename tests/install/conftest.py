"""The packages of this source tree, built once, and boxes to install them on; what each command took, at the end."""

from __future__ import annotations

import platform
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from box import Box, Note, base
from machine import Machine
from side_by_side import made_once

sys.path.insert(0, str(Path(__file__).parents[2] / "systemd"))

ARCH = {"x86_64": "amd64", "aarch64": "arm64"}.get(platform.machine(), platform.machine())
SLOW_S = 2.0
FIGURES = pytest.StashKey[list[str]]()


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    """Machines of their own take minutes."""
    return True if collection_path.name.endswith("_machine.py") and not config.getoption("machine") else None


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "suite" in metafunc.fixturenames:
        asked = metafunc.config.getoption("debian_release") or ["bookworm"]
        metafunc.parametrize("suite", asked, scope="session")


@pytest.fixture(scope="session")
def packages(repository_root: Path, tmp_path_factory: pytest.TempPathFactory, pytestconfig: pytest.Config) -> Path:
    """A folder with the packages for this machine, their checksums, a signature, and the public key."""
    given: Path | None = pytestconfig.getoption("packages")
    if given is not None:
        return given.resolve()
    secret = tmp_path_factory.mktemp("secret") / "release.key"

    def build(stick: Path) -> None:
        subprocess.run(["openssl", "genpkey", "-algorithm", "ed25519", "-out", str(secret)], check=True)
        public = ["-pubout", "-out", str(stick / "release.pub")]
        subprocess.run(["openssl", "pkey", "-in", str(secret), *public], check=True)
        command = [sys.executable, "systemd/package.py", "--arch", ARCH, "--key", str(secret), "--out", str(stick)]
        started = time.monotonic()
        subprocess.run(command, cwd=repository_root, check=True, capture_output=True)
        _note(pytestconfig, "package.py", time.monotonic() - started)

    return made_once(tmp_path_factory, "stick", build)


@pytest.fixture(scope="session")
def repository_root() -> Path:
    return Path(__file__).parents[2]


@pytest.fixture
def box(
    suite: str,
    packages: Path,
    tmp_path: Path,
    pytestconfig: pytest.Config,
    figures: Callable[[str], None],
    note: Note,
) -> Iterator[Box]:
    """A box on which nothing of ours was ever installed."""
    started = time.monotonic()
    files = base(suite)
    _note(pytestconfig, f"debootstrap {suite}", time.monotonic() - started)
    new = Box(files, tmp_path / "box", packages)
    yield new
    for command, took in new.durations:
        note(command, took)
    for line in pytestconfig.stash.setdefault(FIGURES, []):
        figures(line)
    pytestconfig.stash[FIGURES].clear()


@pytest.fixture(scope="module")
def stick(packages: Path) -> Path:
    """The folder of packages that a machine can read."""
    return packages


@pytest.fixture(scope="module")
def machine(suite: str, stick: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Machine]:
    """One that has just been switched on, for a whole module: starting one takes a minute."""
    made = Machine(suite, tmp_path_factory.mktemp("machine"), stick)
    yield made
    made.scrap()


@pytest.fixture
def note(figures: Callable[[str], None]) -> Note:
    """Has what took so many seconds told at the end of the run."""

    def tell(what: str, took: float) -> None:
        if took >= SLOW_S:
            figures(_told(what, took))

    return tell


def _note(config: pytest.Config, what: str, took: float) -> None:
    """For the next test with a box to tell."""
    if took >= SLOW_S:
        config.stash.setdefault(FIGURES, []).append(_told(what, took))


def _told(what: str, took: float) -> str:
    return f"{took:5.1f} s  {what[:100]}"
