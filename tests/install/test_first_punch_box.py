"""Two Debian machines and one wire: an office with a centre, and a new box with a reader and three commands.

The office follows docs/install.md too, before the clock runs. Nothing of the box is prepared but its reader and a file
with answers. What is there after remove and purge is what the page says.
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from box import Box, base, grown
from lan import CENTRE_AT, join
from test_debian_box import pytestmark as needs
from conftest import Note
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
AS_CENTRE = "runuser -u punchgate-centre -- punchgate centre"
SETTLED = "import json, sys; s = json.load(sys.stdin); sys.exit(s['settled'] < s['newest'])"
YOURS = {f"/etc/punchgate/{name}" for name in ("box.key", "ca.pem", "centre.pub", "organisation.key", "sign.key")}
YOURS |= {"/etc/punchgate", "/etc/punchgate/tls.key", "/etc/punchgate/tls.pem"}


@dataclass
class Site:
    """A centre in its office, and a box that has never been anything."""

    office: Box
    box: Box

    def punches(self) -> list[dict[str, object]]:
        """What the centre has of cards that were read."""
        lines = [json.loads(line) for line in self.office.sh(f"{AS_CENTRE} export").splitlines()]
        return [line for line in lines if line["type"] == "punchgate.credential.read.v1"]

    def wait_for_a_punch(self) -> None:
        deadline = time.monotonic() + 30
        while not self.punches():
            assert time.monotonic() < deadline, self.box.sh("punchgate status; journalctl -u punchgate -o cat -n 30")


@pytest.fixture
def site(suite: str, packages: Path, tmp_path: Path) -> Iterator[Site]:
    office = Box(grown(base(suite), "mosquitto", "procps"), tmp_path / "office", packages)
    box = Box(base(suite), tmp_path / "box", packages)
    with office.boot(), box.boot():
        join(office, box)
        box.put("/opt/reader.py", READER)
        box.sh(PLUG_IN)
        follow(office, "an office", CENTRE_AT)
        yield Site(office, box)


def test_three_commands_lead_from_a_bare_machine_to_a_punch_at_the_centre(site: Site, note: Note) -> None:
    code = site.office.sh(f"{AS_CENTRE} enrol-code hq edge-01").split()[-1]
    setup = f'enrol = "code"\ncentre = "https://{CENTRE_AT}:8443"\ncode = "{code}"'
    site.box.put("/root/answers.toml", ANSWERS.format(name="edge-01", setup=setup, driver="identify"))
    before = site.box.listing()
    started = time.monotonic()
    follow(site.box, "an outlet")
    site.wait_for_a_punch()
    took_s = time.monotonic() - started
    note("three commands, from apt install to the first punch at the centre", took_s)
    assert took_s < WITHIN_S
    (punch,) = {(it["source"], it["data"]["device"]) for it in site.punches()}  # type: ignore[index]
    assert punch == ("/hq/edge-01", "door-in")

    site.box.sh("systemctl stop reader")
    site.box.eventually(f'punchgate status --json | python3 -c "{SETTLED}"')
    site.box.sh("apt-get remove -y punchgate")
    stays = {"/etc/punchgate/punchgate.toml", "/etc/punchgate/punchgate.toml.d", "/var/lib/punchgate", *YOURS}
    assert {path for path in site.box.listing() - before if "/var/lib/punchgate/" not in path} >= stays
    said = site.box.sh("apt-get purge -y punchgate")
    assert site.box.listing() - before == YOURS
    kept = said.split("kept, being yours: ")[1].splitlines()[0].split()
    assert {"/etc/punchgate", *kept} == YOURS
    assert site.box.sh("stat -c '%U %G' /etc/punchgate/*").split() == ["root"] * 2 * (len(YOURS) - 1)
    assert "punchgate" not in site.box.sh("cat /etc/passwd /etc/group")
