"""What all tests share: real programs are found or named, and unit tests cannot reach the network.

A test that needs a program says so with `@pytest.mark.needs("mosquitto")`. Where it is missing the test is skipped
and listed at the end with the line that installs it; with PUNCHGATE_REQUIRE=all a skip is a failure. What a test
found out by measuring is told by the fixture `figures`, and shown at the end too.
"""

from __future__ import annotations

import functools
import importlib.util
import os
import platform
import shutil
import subprocess
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

import hypothesis
import pytest
from side_by_side import pytest_collection_modifyitems as in_order
from side_by_side import (  # noqa: F401 - hooks
    pytest_configure_node,
    pytest_runtest_protocol,
    pytest_unconfigure,
    pytest_xdist_make_scheduler,
)
from told import tell, told

hypothesis.settings.register_profile("any machine", deadline=None)
hypothesis.settings.load_profile("any machine")

INSTALL = {
    "faketime": "apt-get install faketime",
    "mosquitto": "apt-get install mosquitto",
    "strace": "apt-get install strace",
    "systemd-analyze": "apt-get install systemd",
    "openssl": "apt-get install openssl",
    "dpkg-deb": "apt-get install dpkg",
    "git": "apt-get install git",
    "debootstrap": "apt-get install debootstrap",
    "core-files": "a machine whose core dumps go into the working directory: sysctl kernel.core_pattern=core",
    "boot": "a machine where root may make groups of processes for a systemd; in a container: --privileged",
    "qemu": "apt-get install qemu-system-x86 (or qemu-system-arm)",
    "postgres": "apt-get install postgresql",
    "root": "run as root",
    "setpriv": "apt-get install util-linux",
    "ip": "apt-get install iproute2",
    "nft": "apt-get install nftables",
    "namespaces": "a machine where root may make network namespaces; in a container: --privileged",
    "memory-limits": "a machine where root may make memory cgroups; in a container: --privileged",
    "mkfs.ext4": "apt-get install e2fsprogs",
    "losetup": "apt-get install mount",
    "loop": "a machine with loop devices: modprobe loop; in a container: --privileged",
    "atheris": "pip install atheris; there are wheels for Linux on x86-64, CPython 3.11 to 3.13",
}
SBIN = ("/usr/sbin", "/usr/local/sbin")
FIGURE = "figure"
MISSING = "is missing"


def find(tool: str) -> str | None:
    """Where a program is; also looks where Debian puts daemons."""
    if tool == "root":
        return "root" if os.geteuid() == 0 else None
    if tool == "qemu":
        return shutil.which(f"qemu-system-{platform.machine()}")
    if tool == "loop":
        return "/dev/loop-control" if os.access("/dev/loop-control", os.R_OK | os.W_OK) else None
    if tool == "postgres":
        debian = any(Path("/usr/lib/postgresql").glob("*/bin/postgres"))
        return tool if debian else shutil.which(tool)
    if tool in _ABLE:
        return tool if _ABLE[tool]() else None
    return shutil.which(tool) or shutil.which(tool, path=os.pathsep.join(SBIN))


@functools.cache
def _namespaces() -> bool:
    unshare = shutil.which("unshare")
    return unshare is not None and not subprocess.run([unshare, "--net", "--mount", "true"], check=False).returncode


@functools.cache
def _memory_limits() -> bool:
    """Version 1 of cgroups, or version 2 with the memory controller given to those below the root."""
    if Path("/sys/fs/cgroup/memory/cgroup.procs").exists():
        return os.access("/sys/fs/cgroup/memory", os.W_OK)
    given = Path("/sys/fs/cgroup/cgroup.subtree_control")
    return os.access(given, os.W_OK) and "memory" in given.read_text().split()


def _atheris() -> bool:
    return importlib.util.find_spec("atheris") is not None


def _boot() -> bool:
    """Whether a box may run its own systemd: in version 1 of cgroups its own tree, in version 2 the only one."""
    named = Path("/sys/fs/cgroup/systemd")
    return os.access(named if named.is_dir() else "/sys/fs/cgroup", os.W_OK)


def _core_files() -> bool:
    pattern = Path("/proc/sys/kernel/core_pattern").read_text()
    return "/" not in pattern and "|" not in pattern


_ABLE = {
    "namespaces": _namespaces,
    "memory-limits": _memory_limits,
    "atheris": _atheris,
    "boot": _boot,
    "core-files": _core_files,
}


def required() -> bool:
    """Whether a missing tool is a failure."""
    return os.environ.get("PUNCHGATE_REQUIRE") == "all"


def pytest_addoption(parser: pytest.Parser) -> None:
    group = parser.getgroup("faults", "tests/faults: what goes wrong")
    group.addoption("--fault-count", type=int, help="how many faults to draw (see tests/faults/plan.py)")
    group.addoption("--fault-seed", type=int, help="what to draw them from; a failing episode names its own")
    install = parser.getgroup("install", "tests/install: packages on a box")
    install.addoption("--debian-release", action="append", help="bookworm unless told; trixie; may be repeated")
    install.addoption("--machine", action="store_true", help="also on a machine of its own, whose power is cut")
    install.addoption("--packages", type=Path, help="test these and build none: a folder that package.py has filled")
    group.addoption("--power-cuts", type=int, default=10, help="how often tests/faults/test_power.py cuts it")
    group.addoption("--centre-kills", type=int, default=12, help="how often test_killed_centres.py kills a centre")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    in_order(config, items)
    for item in items:
        for mark in item.iter_markers("needs"):
            for tool in mark.args:
                if find(tool) is None:
                    reason = f"{tool} {MISSING}: {INSTALL.get(tool, 'install it')}"
                    item.add_marker(pytest.mark.skip(reason=reason))


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    reasons = Counter(report.longrepr[2] for report in terminalreporter.stats.get("skipped", []))
    for reason, count in sorted(reasons.items()):
        tool, missing, remedy = reason.removeprefix("Skipped: ").partition(f" {MISSING}: ")
        if missing:
            terminalreporter.write_line(f"{count} tests need {tool}: {remedy}", yellow=True)
    for line in told(terminalreporter, FIGURE):
        terminalreporter.write_line(line)


def pytest_sessionfinish(session: pytest.Session, exitstatus: int) -> None:
    reporter = session.config.pluginmanager.get_plugin("terminalreporter")
    skipped = len(reporter.stats.get("skipped", [])) if reporter is not None else 0
    if required() and skipped and exitstatus == pytest.ExitCode.OK:
        session.exitstatus = pytest.ExitCode.TESTS_FAILED
        reporter.write_line(f"PUNCHGATE_REQUIRE=all: {skipped} skipped tests count as failed", red=True)


@pytest.fixture(autouse=True, scope="session")
def _clean_environment() -> Iterator[None]:
    """Debian keeps mosquitto in /usr/sbin, which is not on everybody's PATH; nobody's own settings count."""
    with pytest.MonkeyPatch.context() as patch:
        path = os.environ.get("PATH", "")
        patch.setenv("PATH", os.pathsep.join([path, *(folder for folder in SBIN if folder not in path)]))
        patch.delenv("PUNCHGATE_CONFIG", raising=False)
        patch.delenv("NOTIFY_SOCKET", raising=False)
        yield


@pytest.fixture
def figures(request: pytest.FixtureRequest) -> Callable[[str], None]:
    """Takes lines that are shown at the end of the run."""
    return lambda line: tell(request.node, FIGURE, line)


@pytest.fixture
def repository() -> Path:
    """The root of the source tree."""
    return Path(__file__).parent.parent
