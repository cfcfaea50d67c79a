"""A real kernel, systemd, UART and disk, and somebody who pulls the plug. Takes minutes: only with --machine."""

from __future__ import annotations

import hashlib
import hmac
import json
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from machine import Machine
from test_debian_box import CENTRE, INSTALL_BOTH, SETTINGS

pytestmark = [
    pytest.mark.needs("root"),
    pytest.mark.needs("debootstrap"),
    pytest.mark.needs("qemu"),
    pytest.mark.needs("mkfs.ext4"),
]

KEY = "00112233445566778899aabbccddeeff" * 2
RATE = 20.0
IN_HAND_S = 2.0
"""What is read this long before a cut must survive it; it is slow, and a commit takes a while."""


@pytest.fixture
def machine(suite: str, packages: Path, tmp_path: Path) -> Iterator[Machine]:
    made = Machine(suite, tmp_path, packages)
    yield made
    made.cut_power()


def frame(card: str) -> bytes:
    """What an ID-12 reader sends."""
    check = 0
    for byte in bytes.fromhex(card):
        check ^= byte
    return b"\x02" + card.encode() + b"%02X\r\n\x03" % check


def token(card: str) -> str:
    return "k1:" + hmac.new(bytes.fromhex(KEY), f"em4100:{card}".encode(), hashlib.sha256).hexdigest()[:32]


def swipe(machine: Machine, first: int, count: int) -> list[tuple[float, str]]:
    """So many people at RATE, each with another card; when each card had been sent."""
    sent = []
    for number in range(first, first + count):
        card = f"0C{number:08X}"
        machine.tty.sendall(frame(card))
        sent.append((time.monotonic(), card))
        time.sleep(1 / RATE)
    return sent


def test_what_was_read_before_the_plug_was_pulled_is_at_the_centre_once(machine: Machine) -> None:
    machine.sh(INSTALL_BOTH)
    machine.put("/etc/punchgate/organisation.key", KEY)
    machine.sh("chown root:punchgate /etc/punchgate/organisation.key && chmod 640 /etc/punchgate/organisation.key")
    machine.put("/etc/punchgate/punchgate.toml", SETTINGS.replace("/run/reader/port", "/dev/ttyS1"))
    machine.put("/etc/punchgate/centre.toml", CENTRE)
    machine.sh("systemctl enable mosquitto && systemctl start mosquitto punchgate-centre punchgate")
    machine.eventually("punchgate status | grep 'lane-1-in.* up'")

    sent = swipe(machine, 1, 100)
    at = time.monotonic()
    machine.cut_power()
    machine.boot()
    machine.eventually("punchgate status | grep 'lane-1-in.* up'")
    sent += swipe(machine, 101, 20)
    machine.eventually(
        "punchgate status --json | python3 -c 'import json, sys; s = json.load(sys.stdin);"
        ' sys.exit(s["settled"] != s["newest"] or s["devices"][0]["reads"] < 20)\''
    )
    machine.sh("punchgate journal verify")
    records = [json.loads(line) for line in machine.sh("punchgate centre export").splitlines()]
    read = [it["data"]["subject"]["token"] for it in records if it["type"] == "punchgate.credential.read.v1"]
    safe = {token(card) for when, card in sent if when < at - IN_HAND_S or when > at}
    assert len(read) == len(set(read)), "a card was told twice"
    assert set(read) <= {token(card) for _, card in sent}, "a card was invented"
    assert safe <= set(read), f"{len(safe - set(read))} of {len(safe)} cards are lost"
