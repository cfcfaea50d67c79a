"""The Debian packages on a box without a network: what they bring, what they start, what stays when they go."""

from __future__ import annotations

import json

import pytest
from box import Box

pytestmark = [
    pytest.mark.needs("root"),
    pytest.mark.needs("namespaces"),
    pytest.mark.needs("debootstrap"),
    pytest.mark.needs("openssl"),
]

INSTALL = "apt-get install -y /media/stick/punchgate_*.deb"
INSTALL_BOTH = f"{INSTALL} /media/stick/punchgate-centre_*.deb"
CARD = '--hex "02 363730303342353143364342 03"'
SETTINGS = """
[gateway]
site = "hq"
id = "edge-01"
state_dir = "/var/lib/punchgate"

[uplink]
url = "mqtt://127.0.0.1:1883"

[privacy]
key_file = "organisation.key"

[[lanes]]
id = "lobby-1"
portal = "lobby"
from_zone = "outside"
to_zone = "lobby"

[[ports]]
url = "/run/reader/port"

  [[ports.devices]]
  id = "lane-1-in"
  driver = "em4100"
  lane = "lobby-1"
  side = "in"
"""
CENTRE = """
[centre]
url = "mqtt://127.0.0.1:1883"
database = "/var/lib/punchgate-centre/ledger.sqlite"
state_dir = "/var/lib/punchgate-centre"
"""
BROKER = """
[Service]
ExecStart=/bin/sh -c 'trap "echo told >> /run/broker" HUP; while :; do sleep 0.1; done'
"""
OWN_READER = """
from dataclasses import replace
from drivers import em4100
DRIVER = replace(em4100.DRIVER, name="own")
"""
READER = (
    "systemd-run --unit=reader --property=RuntimeDirectory=reader --property=User=punchgate"
    " punchgate simulate em4100 --pty /run/reader/port --rate 20"
)


def configure(box: Box) -> None:
    box.put("/etc/punchgate/organisation.key", "00112233445566778899aabbccddeeff" * 2 + "\n")
    box.sh("chown root:punchgate /etc/punchgate/organisation.key && chmod 640 /etc/punchgate/organisation.key")
    box.put("/etc/punchgate/punchgate.toml", SETTINGS)


def fill(box: Box, records: int = 20) -> None:
    """The service reads a simulated reader until its journal holds so many."""
    configure(box)
    box.sh(READER)
    box.eventually("test -e /run/reader/port")
    box.sh("systemctl start punchgate")
    box.eventually(f"punchgate journal stats --json | python3 -c {_at_least(records)}")


def _at_least(records: int) -> str:
    return f"'import json, sys; sys.exit(json.load(sys.stdin)[\"held\"] < {records})'"


def test_a_box_without_a_network_takes_the_package_and_has_the_program(box: Box) -> None:
    said = box.sh(INSTALL)
    assert "not configured" in said
    assert "/usr/share/punchgate/examples/lobby.toml" in said
    assert box.sh("punchgate --version").startswith("punchgate, version ")
    event = json.loads(box.sh(f"punchgate decode em4100 {CARD}"))
    assert (event["event"], event["value"]) == ("card_read", "67003B51C6")
    assert len(box.sh("punchgate drivers").splitlines()) >= 16
    assert "punchgate.toml: no such file" in box.sh("punchgate check", code=78)
    assert box.sh("dpkg --verify punchgate") == ""
    assert box.sh("systemd-analyze verify punchgate.service") == ""
    assert "dialout" in box.sh("id punchgate")
    compiled = "find /usr/lib/punchgate -name '*.pyc' | sort"
    first = box.sh(compiled)
    assert "/gateway/__pycache__/app.cpython-" in first
    box.sh("find /usr/lib/punchgate -name '*.pyc' -delete")
    box.sh("/usr/share/python3/runtime.d/punchgate.rtupdate rtupdate python3.11 python3.13")
    assert box.sh(compiled) == first
    assert "the Debian package is installed" in box.sh("sh /media/stick/punchgate-*.run", code=1)


def test_its_own_libraries_come_before_those_of_the_system_and_a_sites_drivers_behind(box: Box) -> None:
    box.sh(INSTALL)
    box.put("/usr/lib/python3/dist-packages/click.py", "raise SystemExit('the click of the system')\n")
    box.put("/usr/local/lib/punchgate/own_reader.py", OWN_READER)
    box.put("/usr/local/lib/punchgate/own-1.dist-info/METADATA", "Metadata-Version: 2.1\nName: own\nVersion: 1\n")
    box.put(
        "/usr/local/lib/punchgate/own-1.dist-info/entry_points.txt", "[punchgate.drivers]\nown = own_reader:DRIVER\n"
    )
    assert "own " in box.sh("PYTHONPATH=/nowhere punchgate drivers")
    assert "67003B51C6" in box.sh(f"punchgate decode own {CARD}")


@pytest.mark.needs("boot")
def test_the_service_waits_for_its_configuration_then_fills_the_journal_and_stops_in_order(box: Box) -> None:
    before = box.listing()
    with box.boot():
        box.sh(INSTALL)
        assert box.sh("systemctl is-active punchgate-renew.timer") == "active\n"
        read = "Reading rules file: /usr/lib/udev/rules.d/70-punchgate.rules\n"
        assert box.sh("udevadm test /sys/class/mem/null 2>&1 | grep 70-punchgate") == read
        assert box.sh("systemctl is-enabled punchgate") == "enabled\n"
        assert box.sh("systemctl is-active punchgate", code=None) == "inactive\n"
        fill(box)
        assert box.sh("stat -c %U /proc/$(systemctl show -P MainPID punchgate)") == "punchgate\n"
        assert box.sh("stat -c '%U %a' /var/lib/punchgate") == "punchgate 700\n"
        box.sh("setpriv --reuid punchgate --regid punchgate --init-groups punchgate status")
        box.sh("systemctl reload punchgate")
        box.eventually("journalctl -u punchgate -o cat | grep config.applied")
        epoch = json.loads(box.sh("punchgate journal stats --json"))["epoch"]

        upgrade(box)
        box.eventually("punchgate status")
        assert json.loads(box.sh("punchgate journal stats --json"))["epoch"] == epoch

        assert "records that the centre does not have" in box.sh("apt-get remove -y punchgate")
        assert box.sh("systemctl is-active punchgate", code=None) == "inactive\n"
        assert "gateway.stopped" in box.sh("journalctl -u punchgate -o cat")
        box.sh("test -s /var/lib/punchgate/journal.sqlite; test -s /etc/punchgate/punchgate.toml")

        box.sh(f"{INSTALL}; test ! -e /var/lib/punchgate/unsettled")
        box.eventually("punchgate status")
        assert json.loads(box.sh("punchgate journal stats --json"))["epoch"] == epoch

        box.sh("systemctl stop reader")
        said = box.sh("apt-get purge -y punchgate")
        assert "kept, since the centre does not have all of it: /var/lib/punchgate" in said
        assert "kept, being yours: /etc/punchgate/organisation.key" in said
    left = {path for path in box.listing() - before if not path.startswith("/var/lib/punchgate/")}
    assert left == {"/etc/punchgate", "/etc/punchgate/organisation.key", "/var/lib/punchgate"}


def assert_the_broker_gets_what_the_authority_makes(box: Box) -> None:
    """It is carried to where the broker looks, and the broker told, each time that something was written."""
    box.put("/etc/systemd/system/mosquitto.service", BROKER)
    box.sh("mkdir /etc/mosquitto && systemctl daemon-reload && systemctl start mosquitto")
    authority = "/var/lib/punchgate-centre/authority"
    for name in ("one", "another"):
        box.sh(f"mkdir -p {authority} && touch {authority}/.lock && echo {name} > {authority}/punchgate.acl")
        box.sh(f"date > {authority}/published")
        box.eventually(f"grep {name} /etc/mosquitto/punchgate/punchgate.acl")
    box.eventually("test $(grep -c told /run/broker) = 2")


def upgrade(box: Box) -> None:
    """To the same version: the same steps. The daemon is another process afterwards."""
    before = box.sh("systemctl show -P MainPID punchgate")
    box.sh(f"apt-get install -y --reinstall {INSTALL.rsplit(maxsplit=1)[-1]}")
    assert box.sh("systemctl show -P MainPID punchgate") not in (before, "0\n")


def test_purge_leaves_nothing_of_a_gateway_whose_records_have_all_arrived(box: Box) -> None:
    before, users = box.listing(), box.sh("cat /etc/passwd")
    box.sh(INSTALL)
    box.put("/etc/punchgate/punchgate.toml", SETTINGS)
    box.put("/var/lib/punchgate/devices.json", "{}")
    box.sh("apt-get purge -y punchgate")
    assert box.listing() - before == set()
    assert box.sh("cat /etc/passwd") == users


def test_purge_keeps_a_journal_that_nobody_can_read(box: Box) -> None:
    box.sh(INSTALL)
    box.put("/var/lib/punchgate/journal.sqlite", "not a database")
    assert "records that the centre does not have: unknown" in box.sh("apt-get purge -y punchgate")
    assert box.sh("cat /var/lib/punchgate/journal.sqlite") == "not a database"


@pytest.mark.needs("boot")
def test_the_centre_is_a_service_with_a_user_and_a_ledger_of_its_own(box: Box) -> None:
    with box.boot():
        assert "punchgate-centre: not configured" in box.sh(INSTALL_BOTH)
        compiled = "find /usr/lib/punchgate-centre -name '*.pyc' | sort"
        first = box.sh(compiled)
        assert "/lib/fastapi/__pycache__/applications.cpython-" in first, (
            "each start would compile it, and keep nothing"
        )
        box.sh("find /usr/lib/punchgate-centre -name '*.pyc' -delete")
        box.sh("/usr/share/python3/runtime.d/punchgate.rtupdate rtupdate python3.11 python3.13")
        assert box.sh(compiled) == first
        assert box.sh("systemctl is-active punchgate-centre", code=None) == "inactive\n"
        box.put("/etc/punchgate/centre.toml", CENTRE)
        box.sh("systemctl start punchgate-centre")
        box.eventually("systemctl is-active punchgate-centre && test -s /var/lib/punchgate-centre/ledger.sqlite")
        assert box.sh("stat -c '%U %a' /var/lib/punchgate-centre") == "punchgate-centre 700\n"
        assert box.sh("systemctl is-active punchgate", code=None) == "inactive\n"
        box.sh("punchgate centre coverage")
        assert_the_broker_gets_what_the_authority_makes(box)
        box.sh("rm -r /etc/mosquitto /var/lib/punchgate-centre/authority")
        assert "kept, being the ledger: /var/lib/punchgate-centre" in box.sh("apt-get purge -y punchgate-centre")
        box.sh("test -s /var/lib/punchgate-centre/ledger.sqlite && test -x /usr/bin/punchgate")
        box.sh("test ! -e /usr/lib/punchgate-centre")
        assert "inactive" in box.sh("systemctl is-active punchgate-centre", code=None)
