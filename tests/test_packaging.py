"""What is installed on a box: bounded in pyproject.toml, pinned with hashes in the lock, free to be shipped."""

from __future__ import annotations

import re
import tomllib
from importlib.metadata import PackageNotFoundError, metadata
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parent.parent
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
LOCK = (ROOT / "requirements.lock").read_text()
PINS = dict(re.findall(r"^([a-z0-9.-]+)==(\S+) \\$", LOCK, re.MULTILINE))
CENTRE_LOCK = (ROOT / "requirements-centre.lock").read_text()
CENTRE_PINS = dict(re.findall(r"^([a-z0-9.-]+)==(\S+) \\$", CENTRE_LOCK, re.MULTILINE))
ALL_PINS = PINS | CENTRE_PINS
CENTRE_WANTED = [Requirement(text) for text in PROJECT["optional-dependencies"]["centre"]]
WANTED = [Requirement(text) for text in [*PROJECT["dependencies"], *PROJECT["optional-dependencies"]["sign"]]]


@pytest.mark.parametrize("wanted", WANTED, ids=str)
def test_the_lock_pins_every_dependency_within_its_bounds(wanted: Requirement) -> None:
    assert wanted.specifier.contains(PINS[canonicalize_name(wanted.name)])


@pytest.mark.parametrize("wanted", CENTRE_WANTED, ids=str)
def test_the_centres_lock_pins_what_its_extra_adds_within_its_bounds(wanted: Requirement) -> None:
    assert wanted.specifier.contains(CENTRE_PINS[canonicalize_name(wanted.name)])


def test_no_box_at_the_edge_gets_what_only_the_centre_needs() -> None:
    assert not set(CENTRE_PINS) & set(PINS)


@pytest.mark.parametrize("name", ALL_PINS)
def test_every_pin_has_hashes(name: str) -> None:
    block = (LOCK + CENTRE_LOCK).split(f"{name}=={ALL_PINS[name]} \\", 1)[1].split("\n    # via", 1)[0]
    assert re.search(r"--hash=sha256:[0-9a-f]{64}", block)


@pytest.mark.parametrize("wanted", WANTED, ids=str)
def test_every_dependency_has_a_lower_bound(wanted: Requirement) -> None:
    assert any(bound.operator in (">=", "==", "~=") for bound in wanted.specifier)


@pytest.mark.parametrize("name", ALL_PINS)
def test_no_dependency_is_under_the_gpl(name: str) -> None:
    try:
        facts = metadata(name)
    except PackageNotFoundError:
        pytest.fail(f"{name} is pinned but not installed: make the lock again")
    licence = " ".join(
        [facts.get("License-Expression") or "", facts.get("License") or "", *facts.get_all("Classifier", [])]
    )
    assert not re.search(r"(?<!L)GPL|General Public License", licence.replace("Lesser General", "Lesser"))


def test_the_console_script_and_the_drivers_are_entry_points() -> None:
    assert PROJECT["scripts"]["punchgate"] == "gateway.commands:main"
    assert {"em4100", "wiegand_line", "scanner", "line", "eb_turnstile"} <= set(
        PROJECT["entry-points"]["punchgate.drivers"]
    )
