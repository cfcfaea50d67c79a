"""Tests beside each other: what one process runs in a row, what runs first, and what wants the machine for itself.

`./dev test` starts several processes (pytest-xdist). The tests of a file stay together, so that they share what their
file shares; the files of APART have tests that share nothing and take long, and each goes where there is room. Tests
marked `alone` come last; each waits until no other test runs, and no other begins before it has ended.
"""

from __future__ import annotations

import fcntl
import os
import shutil
import tempfile
from collections.abc import Callable, Collection, Generator, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

FIRST = ("install/test_packages.py", "faults/", "install/", "end_to_end/")
"""What takes longest, so that at the end of a run a short test is left to wait for: first of all the packages, which
the others of their folder wait for."""
APART = (
    "install/test_upgrade_box.py",
    "install/test_debian_box.py",
    "install/test_service_box.py",
    "install/test_installer_box.py",
    "install/test_install_page.py",
    "faults/test_random_faults.py",
    "faults/test_power.py",
    "end_to_end/test_asked_devices.py",
)
FOLDER = pytest.StashKey[tempfile.TemporaryDirectory[str]]()
INPUT = "punchgate_doors"
ALONE = "alone"


class Doors:
    """A room for many or for one, shared by processes: two locked files in a folder.

    Who waits for the room to be empty keeps the outer door, so that nobody slips in before.
    """

    def __init__(self, folder: Path) -> None:
        self._outer, self._inner = (folder / name for name in ("outer", "inner"))

    @contextmanager
    def inside(self, *, alone: bool) -> Iterator[None]:
        with self._inner.open("w") as inner:
            with self._outer.open("w") as outer:
                fcntl.flock(outer, fcntl.LOCK_EX)
                fcntl.flock(inner, fcntl.LOCK_EX if alone else fcntl.LOCK_SH)
            yield


def made_once(folders: pytest.TempPathFactory, name: str, make: Callable[[Path], None]) -> Path:
    """A folder that one of the processes fills by `make`, for all of them; the others wait."""
    own = folders.getbasetemp()
    common = own.parent if "PYTEST_XDIST_WORKER" in os.environ else own
    with (common / f"{name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not (common / name).exists():
            part = common / f"{name}.part"
            shutil.rmtree(part, ignore_errors=True)
            part.mkdir()
            make(part)
            part.rename(common / name)
    return common / name


def unit(nodeid: str, alone: Collection[str] = ()) -> str:
    """What goes to one process as a whole: a file but for what is alone, or a test."""
    file = nodeid.partition("::")[0]
    return nodeid if nodeid in alone or file.endswith(APART) else file


def is_alone(item: pytest.Item) -> bool:
    return item.get_closest_marker("alone") is not None


def place(item: pytest.Item) -> tuple[bool, int]:
    """Where a test stands in the order of all."""
    found = (number for number, part in enumerate(FIRST) if f"tests/{part}" in item.path.as_posix())
    return is_alone(item), next(found, len(FIRST))


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> object:
    from xdist.scheduler import LoadScopeScheduling

    class ByUnit(LoadScopeScheduling):
        alone: Collection[str] = ()

        def schedule(self) -> None:
            self.alone = set((Path(config.stash[FOLDER].name) / ALONE).read_text().splitlines())
            super().schedule()

        def _split_scope(self, nodeid: str) -> str:
            return unit(nodeid, self.alone)

    config.option.loadscopereorder = False
    return ByUnit(config, log)


@pytest.hookimpl(optionalhook=True)
def pytest_configure_node(node: Any) -> None:
    """Tells each process where the doors are."""
    stash = node.config.stash
    if FOLDER not in stash:
        stash[FOLDER] = tempfile.TemporaryDirectory(prefix="punchgate-doors-")
    node.workerinput[INPUT] = stash[FOLDER].name


def pytest_unconfigure(config: pytest.Config) -> None:
    if FOLDER in config.stash:
        config.stash[FOLDER].cleanup()


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """In each process: all do the same, and one word to the scheduler is enough."""
    if hasattr(config, "workerinput"):
        items.sort(key=place)
        own = Path(config.workerinput[INPUT]) / f"{ALONE}-{os.getpid()}"
        own.write_text("\n".join(item.nodeid for item in items if is_alone(item)))
        own.replace(own.with_name(ALONE))


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtest_protocol(item: pytest.Item) -> Generator[None, object, object]:
    told = getattr(item.config, "workerinput", {}).get(INPUT)
    if told is None:
        return (yield)
    with Doors(Path(told)).inside(alone=is_alone(item)):
        return (yield)
