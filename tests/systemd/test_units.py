"""The unit files are what systemd takes, and keep the promises of the contract."""

from __future__ import annotations

import configparser
import re
import subprocess
from pathlib import Path

import pytest

EXPOSURE_MAX = 1.3


UNITS = ("punchgate", "punchgate-centre")


def unit(repository: Path, name: str) -> Path:
    return repository / "systemd" / f"{name}.service"


def installed(repository: Path, name: str, folder: Path) -> Path:
    """The unit as it would stand on a box, with a program and a user that are there."""
    copy = folder / f"{name}.service"
    text = unit(repository, name).read_text().replace("/usr/bin/punchgate", "/bin/true")
    copy.write_text(text.replace(f"User={name}\n", "User=daemon\n"))
    return copy


@pytest.mark.needs("systemd-analyze")
@pytest.mark.parametrize("name", UNITS)
def test_systemd_finds_nothing_wrong_with_the_unit(repository: Path, name: str, tmp_path: Path) -> None:
    command = ["systemd-analyze", "verify", str(installed(repository, name, tmp_path))]
    verdict = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (verdict.returncode, verdict.stderr) == (0, "")


@pytest.mark.needs("systemd-analyze")
def test_systemd_finds_nothing_wrong_with_the_renewal_and_its_timer(repository: Path, tmp_path: Path) -> None:
    service = installed(repository, "punchgate-renew", tmp_path)
    timer = tmp_path / "punchgate-renew.timer"
    timer.write_text((repository / "systemd" / timer.name).read_text())
    command = ["systemd-analyze", "verify", str(service), str(timer)]
    verdict = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (verdict.returncode, verdict.stderr) == (0, "")


@pytest.mark.needs("systemd-analyze")
def test_systemd_finds_nothing_wrong_with_what_tells_the_broker(repository: Path, tmp_path: Path) -> None:
    for kind in ("path", "service"):
        text = (repository / "systemd" / f"punchgate-broker.{kind}").read_text()
        (tmp_path / f"punchgate-broker.{kind}").write_text(
            text.replace("/usr/lib/punchgate-centre/broker", "/bin/true")
        )
    command = ["systemd-analyze", "verify", *map(str, sorted(tmp_path.iterdir()))]
    verdict = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (verdict.returncode, verdict.stderr) == (0, "")


@pytest.mark.needs("systemd-analyze")
@pytest.mark.parametrize("name", UNITS)
def test_the_unit_exposes_little(repository: Path, name: str, tmp_path: Path) -> None:
    command = ["systemd-analyze", "security", "--offline=true", str(installed(repository, name, tmp_path))]
    verdict = subprocess.run(command, capture_output=True, text=True, check=False)
    found = re.search(r"Overall exposure level.*?: ([0-9.]+)", verdict.stdout)
    assert found is not None, verdict.stderr
    assert float(found.group(1)) <= EXPOSURE_MAX


@pytest.mark.needs("systemd-analyze")
def test_the_trial_of_a_release_exposes_no_more_and_systemd_finds_nothing_wrong_with_it(
    repository: Path, tmp_path: Path
) -> None:
    unit_file = installed(repository, "punchgate", tmp_path)
    drop_in = (repository / "systemd" / "release.conf").read_text().partition("[Service]\n")[2]
    drop_in = drop_in.replace("/usr/lib/punchgate/keeper", "/bin/true")
    unit_file.write_text(unit_file.read_text().replace("\n[Install]", f"{drop_in}\n[Install]"))
    verdict = subprocess.run(
        ["systemd-analyze", "verify", str(unit_file)], capture_output=True, text=True, check=False
    )
    assert (verdict.returncode, verdict.stderr) == (0, "")
    command = ["systemd-analyze", "security", "--offline=true", str(unit_file)]
    verdict = subprocess.run(command, capture_output=True, text=True, check=False)
    found = re.search(r"Overall exposure level.*?: ([0-9.]+)", verdict.stdout)
    assert found is not None, verdict.stderr
    assert float(found.group(1)) <= EXPOSURE_MAX


def options(repository: Path, name: str) -> configparser.ConfigParser:
    parser = configparser.ConfigParser(strict=False, interpolation=None)
    parser.optionxform = str  # type: ignore[assignment,method-assign]
    parser.read_string(re.sub(r"^SystemCallFilter=.*$", "", unit(repository, name).read_text(), flags=re.MULTILINE))
    return parser


@pytest.mark.parametrize("name", UNITS)
def test_systemd_does_not_restart_what_only_a_person_can_mend(repository: Path, name: str) -> None:
    service = options(repository, name)["Service"]
    assert service["RestartPreventExitStatus"] == "2 78"
    assert service["Type"] == "notify"
    assert service["StateDirectory"] == name


@pytest.mark.parametrize(("name", "file"), [("punchgate", "punchgate.toml"), ("punchgate-centre", "centre.toml")])
def test_a_service_waits_for_its_configuration(repository: Path, name: str, file: str) -> None:
    assert options(repository, name)["Unit"]["ConditionPathExists"] == f"/etc/punchgate/{file}"


@pytest.mark.parametrize("name", UNITS)
def test_a_service_has_a_lasting_user_of_its_own(repository: Path, name: str) -> None:
    """A dynamic user's state lies where no other process of that user may look, and its group cannot own keys."""
    service = options(repository, name)["Service"]
    assert service["User"] == name
    assert "DynamicUser" not in service


def test_the_gateway_has_the_ports_and_tells_systemd_of_progress(repository: Path) -> None:
    service = options(repository, "punchgate")["Service"]
    assert service["WatchdogSec"] == "30"
    assert service["SupplementaryGroups"] == "dialout"


@pytest.mark.needs("systemd-analyze")
def test_a_drop_in_lets_the_daemon_ask_the_kernel_about_the_clock(repository: Path, tmp_path: Path) -> None:
    """And costs what it says, no more."""
    unit_file = installed(repository, "punchgate", tmp_path)
    drop_in = (repository / "systemd" / "adjtimex.conf").read_text().partition("[Service]\n")[2]
    unit_file.write_text(unit_file.read_text().replace("\n[Install]", f"{drop_in}\n[Install]"))
    command = ["systemd-analyze", "security", "--offline=true", str(unit_file)]
    verdict = subprocess.run(command, capture_output=True, text=True, check=False)
    assert "✗ ProtectClock=" in verdict.stdout
    assert re.search(r"level.*?: 1\.7", verdict.stdout) is not None, verdict.stdout[-200:]


def test_ports_whose_driver_may_be_loaded_after_the_service_started_are_allowed_by_number(repository: Path) -> None:
    """systemd looks a name up in /proc/devices once, at the start, and denies what is not there then for good."""
    allowed = re.findall(r"^DeviceAllow=char-(\w+) rw$", unit(repository, "punchgate").read_text(), re.MULTILINE)
    assert {"188", "166", "204"} <= {*allowed}
    assert {each for each in allowed if not each.isdigit()} == {"ttyS", "pts"}
