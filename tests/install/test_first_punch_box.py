"""Two Debian machines and one wire: an office with a centre, and a new box with a reader and three commands.

The office follows docs/install.md too, before the clock runs. Nothing of the box is prepared but its reader and a
file with answers. What is there after remove and purge is what the page says.
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from box import Box, Note, base, grown
from lan import CENTRE_AT, join
from test_debian_box import pytestmark as needs
from test_install_page import follow

pytestmark = [*needs, pytest.mark.needs("boot"), pytest.mark.needs("ip")]

WITHIN_S = 120.0
ANSWERS = """
[gateway]
site = "hq"
id = "{name}"
timezone = "Asia/Shanghai"

[setup]
{setup}

[[lanes]]
id = "door"
portal = "door"
from_zone = "street"
to_zone = "shop"

[[ports]]
url = "/run/reader/port"

  [[ports.devices]]
  id = "door-in"
  driver = "{driver}"
  lane = "door"
  side = "in"
"""
READER = """
import os, pty, time, tty
card = "0C000621A5"
check = 0
for byte in bytes.fromhex(card):
    check ^= byte
frame = b"\\x02" + card.encode() + b"%02X\\r\\n\\x03" % check
line, device = pty.openpty()
tty.setraw(device)
os.chmod(os.ttyname(device), 0o660)
os.system(f"chgrp dialout {os.ttyname(device)}")
os.symlink(os.ttyname(device), "/run/reader/port")
while True:
    os.write(line, frame)
    time.sleep(2)
"""
"""Of the machine's own Python, since the box has nothing of ours: a card is laid on it every two seconds."""
PLUG_IN = "systemd-run -q --unit=reader --property=RuntimeDirectory=reader python3 /opt/reader.py"
DROP_IN = "/etc/punchgate/punchgate.toml.d/50-enrolment.toml"
ENABLED = "/etc/systemd/system/multi-user.target.wants/punchgate.service"
GROUPS = {f"/etc/{name}-" for name in ("passwd", "group", "shadow", "gshadow", "subuid", "subgid")}
"""Of the system's own tools: how its lists of users were before."""
AS_CENTRE = "runuser -u punchgate-centre -- punchgate centre"
SETTLED = "import json, sys; s = json.load(sys.stdin); sys.exit(s['settled'] < s['newest'])"
YOURS = {f"/etc/punchgate/{name}" for name in ("box.key", "ca.pem", "centre.pub", "organisation.key", "sign.key")}
YOURS |= {"/etc/punchgate", "/etc/punchgate/tls.key", "/etc/punchgate/tls.pem"}


@dataclass
class Site:
    """A centre in its office, and a box that has never been anything."""

    office: Box
    box: Box

    def punches(self, gateway: str) -> list[str]:
        """The sources of what the centre has of cards that were read there."""
        lines = [json.loads(line) for line in self.office.sh(f"{AS_CENTRE} export --gateway {gateway}").splitlines()]
        return [line["source"] for line in lines if line["type"] == "punchgate.credential.read.v1"]

    def wait_for_a_punch(self, gateway: str) -> None:
        deadline = time.monotonic() + 30
        while not self.punches(gateway):
            assert time.monotonic() < deadline, self.box.sh("punchgate status; journalctl -u punchgate -o cat -n 30")

    def carry(self, path: str, to: Box) -> str:
        """A file from one machine to the other, by hand; its name there."""
        source = self.office if to is self.box else self.box
        to.put(f"/root/{Path(path).name}", source.sh(f"cat {path}"))
        return f"/root/{Path(path).name}"


@pytest.fixture(scope="module")
def office(suite: str, packages: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Box]:
    """As the page has it: centre, authority, broker."""
    made = Box(grown(base(suite), "mosquitto", "procps"), tmp_path_factory.mktemp("office"), packages)
    with made.boot():
        follow(made, "an office", CENTRE_AT)
        yield made


@pytest.fixture
def site(office: Box, suite: str, packages: Path, tmp_path: Path, note: Note) -> Iterator[Site]:
    """Joined by a wire; a reader is plugged into the box, and somebody tries a card."""
    box = Box(base(suite), tmp_path / "box", packages)
    with box.boot():
        join(office, box)
        box.put("/opt/reader.py", READER)
        box.sh(PLUG_IN)
        yield Site(office, box)
    for command, took in box.durations:
        note(command, took)


def test_three_commands_lead_from_a_bare_machine_to_a_punch_at_the_centre(site: Site, note: Note) -> None:
    code = site.office.sh(f"{AS_CENTRE} enrol-code hq edge-01 2>/dev/null").strip()
    setup = f'enrol = "code"\ncentre = "https://{CENTRE_AT}:8443"\ncode = "{code}"'
    site.box.put("/root/answers.toml", ANSWERS.format(name="edge-01", setup=setup, driver="identify"))
    before = site.box.listing()
    started = time.monotonic()
    follow(site.box, "an outlet")
    site.wait_for_a_punch("edge-01")
    took_s = time.monotonic() - started
    note("three commands, from apt install to the first punch at the centre", took_s)
    assert took_s < WITHIN_S
    assert set(site.punches("edge-01")) == {"/hq/edge-01/door-in"}

    site.box.sh("systemctl stop reader")
    site.box.eventually(f'punchgate status --json | python3 -c "{SETTLED}"')
    site.box.sh("apt-get remove -y punchgate")
    stays = {
        "/etc/punchgate/punchgate.toml",
        "/etc/punchgate/punchgate.toml.d",
        DROP_IN,
        "/var/lib/punchgate",
        ENABLED,
    }
    left = site.box.listing() - before
    assert {path for path in left if "/var/lib/punchgate/" not in path} - GROUPS == stays | YOURS
    said = site.box.sh("apt-get purge -y punchgate")
    assert site.box.listing() - before - GROUPS == YOURS
    kept = said.split("kept, being yours: ")[1].splitlines()[0].split()
    assert {"/etc/punchgate", *kept} == YOURS
    assert set(site.box.sh("stat -c '%U:%G' /etc/punchgate/*").split()) == {"root:root"}
    assert "punchgate" not in site.box.sh("cat /etc/passwd /etc/group")


def test_without_a_network_two_files_do_the_same(site: Site, note: Note) -> None:
    site.box.put("/root/answers.toml", ANSWERS.format(name="edge-02", setup='enrol = "files"', driver="em4100"))
    started = time.monotonic()
    follow(site.box, "an outlet by files")
    request = site.carry("/etc/punchgate/hq.edge-02.request", site.office)
    site.office.sh(
        f"chmod 755 /root && cd /var/lib/punchgate-centre && {AS_CENTRE} enrol {request} -o edge.answer", words="y\n"
    )
    answer = site.carry("/var/lib/punchgate-centre/edge.answer", site.box)
    site.box.sh(f"punchgate enrol accept {answer}", words="y\n")
    site.box.sh("punchgate check && systemctl start punchgate")
    site.wait_for_a_punch("edge-02")
    took_s = time.monotonic() - started
    note("by two files, from apt install to the first punch at the centre", took_s)
    assert took_s < WITHIN_S
