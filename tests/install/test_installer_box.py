"""The self-extracting installer on a system that is not told of Debian packages."""

from __future__ import annotations

from pathlib import Path

import pytest
from box import Box
from test_debian_box import CARD, assert_the_broker_gets_what_the_authority_makes, fill, pytestmark

__all__ = ["pytestmark"]

INSTALL = "sh /media/stick/punchgate-*.run"


@pytest.mark.needs("boot")
def test_the_installer_brings_a_service_that_fills_the_journal_and_takes_itself_away_again(box: Box) -> None:
    before = box.listing()
    with box.boot():
        assert "is undamaged and fits this machine" in box.sh(f"{INSTALL} --check")
        assert box.listing() == before
        assert "a gateway:  cp /opt/punchgate/share/examples/lobby.toml" in box.sh(INSTALL)
        assert "67003B51C6" in box.sh(f"/usr/local/bin/punchgate decode em4100 {CARD}")
        assert box.sh("systemd-analyze verify punchgate.service punchgate-centre.service") == ""
        box.sh("ln -s /usr/local/bin/punchgate /usr/bin/punchgate")
        fill(box)
        box.sh("rm /usr/bin/punchgate")

        running = box.sh("systemctl show -P MainPID punchgate")
        box.sh(INSTALL)
        assert box.sh("systemctl show -P MainPID punchgate") not in (running, "0\n")
        box.eventually("/usr/local/bin/punchgate status")

        said = box.sh("sh /opt/punchgate/install.sh --uninstall")
        assert "What is yours stays: /etc/punchgate, /var/lib/punchgate" in said
        assert box.sh("systemctl is-active punchgate", code=None) == "inactive\n"
        box.sh("systemctl stop reader; test -s /var/lib/punchgate/journal.sqlite")
    assert {path for path in box.listing() - before if "/var/lib" not in path} == {
        "/etc/punchgate", "/etc/punchgate/organisation.key", "/etc/punchgate/punchgate.toml",
        "/etc/udev/rules.d", "/etc/passwd-", "/etc/group-", "/etc/shadow-", "/etc/gshadow-",
        "/etc/subuid", "/etc/subgid", "/etc/subuid-", "/etc/subgid-",
    } & box.listing() - before  # fmt: skip


@pytest.mark.needs("boot")
def test_the_installer_brings_what_carries_the_authoritys_files_to_the_broker_of_a_centre(box: Box) -> None:
    with box.boot():
        box.sh(INSTALL)
        box.sh("ls /opt/punchgate/current/centre/lib/fastapi/__pycache__")
        assert box.sh("stat -c '%U %a' /var/lib/punchgate-centre") == "punchgate-centre 700\n"
        assert box.sh("systemctl is-enabled punchgate-broker.path") == "enabled\n"
        assert box.sh("systemd-analyze verify punchgate-broker.service punchgate-broker.path") == ""
        assert_the_broker_gets_what_the_authority_makes(box)
        box.sh("sh /opt/punchgate/install.sh --uninstall")
        assert box.sh("systemctl is-active punchgate-broker.path", code=None) == "inactive\n"
        assert (
            box.sh("ls /etc/systemd/system/*punchgate* /etc/systemd/system/*/*punchgate*", code=None).count(": No")
            == 2
        )


def test_a_damaged_installer_changes_nothing(box: Box, packages: Path, tmp_path: Path) -> None:
    before = box.listing()
    box.sh("cp /media/stick/punchgate-*.run /tmp/cut.run && truncate --size=-1 /tmp/cut.run")
    assert "this file is damaged" in box.sh("sh /tmp/cut.run", code=1)
    assert box.listing() == before


def test_the_installer_leaves_a_system_alone_whose_python_it_has_no_libraries_for(box: Box) -> None:
    before = box.listing()
    assert "needs one of Python 3.11, 3.12, 3.13" in box.sh(
        f"mv $(readlink -f /usr/bin/python3) /root/; {INSTALL}", code=69
    )
    box.sh("mv /root/python3.* /usr/bin/")
    assert box.listing() == before
