"""The unit files are what systemd takes, and keep the promises of the contract."""

from __future__ import annotations

import configparser
import re
import subprocess
from pathlib import Path

import pytest

EXPOSURE_MAX = 1.3


def unit(repository: Path) -> Path:
    return repository / "systemd" / "punchgate.service"


def installed(repository: Path, folder: Path) -> Path:
    """The unit as it would stand on a box, with a program that is there."""
    copy = folder / "punchgate.service"
    copy.write_text(unit(repository).read_text().replace("/usr/bin/punchgate", "/bin/true"))
    return copy


@pytest.mark.needs("systemd-analyze")
def test_systemd_finds_nothing_wrong_with_the_unit(repository: Path, tmp_path: Path) -> None:
    command = ["systemd-analyze", "verify", str(installed(repository, tmp_path))]
    verdict = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (verdict.returncode, verdict.stderr) == (0, "")


@pytest.mark.needs("systemd-analyze")
def test_the_unit_exposes_little(repository: Path, tmp_path: Path) -> None:
    command = ["systemd-analyze", "security", "--offline=true", str(installed(repository, tmp_path))]
    verdict = subprocess.run(command, capture_output=True, text=True, check=False)
    found = re.search(r"Overall exposure level.*?: ([0-9.]+)", verdict.stdout)
    assert found is not None, verdict.stderr
    assert float(found.group(1)) <= EXPOSURE_MAX


def test_systemd_does_not_restart_what_only_a_person_can_mend(repository: Path) -> None:
    parser = configparser.ConfigParser(strict=False, interpolation=None)
    parser.optionxform = str  # type: ignore[assignment,method-assign]
    parser.read_string(re.sub(r"^SystemCallFilter=.*$", "", unit(repository).read_text(), flags=re.MULTILINE))
    service = parser["Service"]
    assert service["RestartPreventExitStatus"] == "2 78"
    assert service["Type"] == "notify"
    assert service["StateDirectory"] == "punchgate"
    assert service["WatchdogSec"] == "30"
    assert service["SupplementaryGroups"] == "dialout"


@pytest.mark.needs("systemd-analyze")
def test_a_drop_in_lets_the_daemon_ask_the_kernel_about_the_clock(repository: Path, tmp_path: Path) -> None:
    """And costs what it says, no more."""
    unit_file = installed(repository, tmp_path)
    drop_in = (repository / "systemd" / "adjtimex.conf").read_text().partition("[Service]\n")[2]
    unit_file.write_text(unit_file.read_text().replace("\n[Install]", f"{drop_in}\n[Install]"))
    command = ["systemd-analyze", "security", "--offline=true", str(unit_file)]
    verdict = subprocess.run(command, capture_output=True, text=True, check=False)
    assert "✗ ProtectClock=" in verdict.stdout
    assert re.search(r"level.*?: 1\.7", verdict.stdout) is not None, verdict.stdout[-200:]
