"""Upgrades on a machine with a disk of its own: its power is cut in the middle of them; then all of it is removed."""

from __future__ import annotations

import platform
import re
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import later
import pytest
from box import MARK
from machine import Machine
from oracle import judge
from people import KEY, Line, People
from test_debian_box import SETTINGS
from test_power_cut_machine import ALL_UP, CROWD, UART, start
from test_upgrade_box import KINDS, SCHEMA

pytestmark = [
    *(pytest.mark.needs(tool) for tool in ("root", "debootstrap", "qemu", "mkfs.ext4", "dpkg-deb")),
    pytest.mark.skipif(platform.machine() != "x86_64", reason="the machine is a PC"),
]

NEW, NEWER, BEST, BAD = "9.0.0", "9.1.0", "9.2.0", "9.3.0"
HOME = "/usr/lib/punchgate"
MOMENTS = {
    "unpacked": (NEWER, f"grep -q {NEWER} {HOME}/dist/version"),
    "chosen": (BEST, f"readlink {HOME}/current | grep -q /{BEST}"),
}
"""When the power goes, in the middle of an upgrade to a version: as soon as this holds."""

Figures = Callable[[str], None]


@pytest.fixture(scope="module")
def stick(packages: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The package as built, now.deb, and releases that come after it."""
    folder = tmp_path_factory.mktemp("releases")
    subprocess.run(["cp", str(next(packages.glob("punchgate_*.deb"))), str(folder / "now.deb")], check=True)
    for version, added in {NEW: {SCHEMA: later.SCHEMA_AHEAD}, NEWER: {}, BEST: {}, BAD: KINDS["dies"]}.items():
        later.debian(packages, folder, version, added).rename(folder / f"{version}.deb")
    return folder


@pytest.fixture(scope="module")
def people(machine: Machine) -> People:
    """The package is installed and runs, with a reader at the UART, a broker, and no centre."""
    machine.sh(f"rm /{MARK}")  # dpkg shall sync what it unpacks, as everywhere
    machine.sh(deb("now"))
    machine.put("/etc/punchgate/organisation.key", KEY)
    machine.sh("chown root:punchgate /etc/punchgate/organisation.key && chmod 640 /etc/punchgate/organisation.key")
    machine.put("/etc/punchgate/punchgate.toml", SETTINGS.replace("/run/reader/port", "/dev/ttyS1"))
    machine.sh("systemctl enable ear mosquitto && systemctl start mosquitto ear")
    start(machine, "punchgate")
    return People()


def reader(machine: Machine) -> dict[str, Line]:
    return {UART: lambda: machine.tty}


def deb(version: str) -> str:
    return f"apt-get install -y /media/stick/{version}.deb"


def assert_nothing_is_lost(machine: Machine, people: People, figures: Figures, what: str) -> None:
    people.wait_until_told(machine)
    machine.sh("rm -f /tmp/carried && punchgate journal export -o /tmp/carried")
    lines = machine.sh("zcat /tmp/carried | grep '^{\"specversion'").encode().splitlines()
    machine.compare_clocks()
    verdict = judge(people, lines, machine.heard, machine.clocks)
    for note in (*machine.notes, f"machine: {what}: {verdict}"):
        figures(note)
    machine.notes.clear()
    assert not verdict.lost
    assert not verdict.remarks, "\n".join(verdict.remarks[:20])


def test_an_upgrade_loses_nothing_and_keeps_the_release_before(
    machine: Machine, people: People, figures: Figures
) -> None:
    with people.crowd(reader(machine)):
        people.wait_until_told(machine, CROWD)
        begun = time.monotonic()
        machine.sh(deb(NEW))
        took = time.monotonic() - begun
        machine.eventually(ALL_UP)
        people.wait_until_told(machine, CROWD)
    first, second = machine.sh("punchgate-release").splitlines()
    assert (first.endswith(": previous"), second) == (True, f"punchgate: {NEW}: current good")
    assert_nothing_is_lost(machine, people, figures, f"an upgrade in {took:.0f} s")


@pytest.mark.parametrize("moment", MOMENTS)
def test_after_a_power_cut_in_the_middle_of_an_upgrade_a_whole_release_runs_and_it_can_be_finished(
    machine: Machine, people: People, figures: Figures, moment: str
) -> None:
    version, reached = MOMENTS[moment]
    with people.crowd(reader(machine)):
        people.wait_until_told(machine, CROWD)
        machine.sh(f"setsid {deb(version)} >/tmp/said 2>&1 & until {reached}; do sleep 0.05; done")
        people.struck()
        cut = machine.cut_power(share=0.5)
    machine.boot()
    machine.eventually(ALL_UP)
    runs = machine.sh(f"basename $(readlink {HOME}/current)").strip()
    machine.sh(f"dpkg -i /media/stick/{version}.deb")
    machine.eventually(ALL_UP)
    assert re.search(rf"{version}(\.2)?: current good", machine.sh("punchgate-release"))
    assert machine.sh("dpkg --verify punchgate; dpkg --audit") == ""
    people.swipe(UART, reader(machine)[UART], CROWD)
    said = f"cut when {moment}, {cut.lost} sectors lost, {cut.kept} kept; then ran {runs}"
    assert_nothing_is_lost(machine, people, figures, said)


def test_a_release_that_is_no_good_makes_way_by_itself(machine: Machine, people: People, figures: Figures) -> None:
    with people.crowd(reader(machine)):
        people.wait_until_told(machine, CROWD)
        people.struck()  # by a release that dies, some time from now
        said = machine.sh(deb(BAD))
        machine.eventually(ALL_UP)
        people.wait_until_told(machine, CROWD)
    assert f"{BAD} did not stay up" in said
    assert re.search(rf"{BEST}(\.2)?: current good", machine.sh("punchgate-release"))
    assert_nothing_is_lost(machine, people, figures, "a broken release")
    machine.sh("punchgate journal verify")


def test_remove_and_purge_leave_what_they_say(machine: Machine, people: People) -> None:
    assert "records that the centre does not have" in machine.sh("apt-get remove -y punchgate")
    assert machine.sh("systemctl is-active punchgate; command -v punchgate", code=None) == "inactive\n"
    machine.sh("test -s /var/lib/punchgate/journal.sqlite && test -s /etc/punchgate/punchgate.toml")
    said = machine.sh("apt-get purge -y punchgate")
    assert "kept, since the centre does not have all of it: /var/lib/punchgate" in said
    assert "kept, being yours: /etc/punchgate/organisation.key" in said
    left = machine.sh("find /etc /usr /var/lib /lib -path '*punchgate*' -not -path '/var/lib/dpkg/*' | sort").split()
    assert [it for it in left if not it.startswith("/var/lib/punchgate/")] == [
        "/etc/punchgate",
        "/etc/punchgate/organisation.key",
        "/var/lib/punchgate",
    ]
