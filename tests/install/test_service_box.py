"""The service under a real systemd while a reader goes on reading: frozen, killed, upgraded; nothing is lost."""

from __future__ import annotations

import hashlib
import hmac
import json
import time
from collections.abc import Callable
from datetime import datetime

import pytest
from box import Box
from test_debian_box import INSTALL, configure

pytestmark = [pytest.mark.needs(tool) for tool in ("root", "namespaces", "debootstrap", "openssl", "boot")]

KEY = bytes.fromhex("00112233445566778899aabbccddeeff" * 2)
GAP_S = 3.0
READER = (
    "systemd-run --unit=reader --property=RuntimeDirectory=reader --property=User=punchgate"
    " punchgate simulate em4100 --pty /run/reader/port --rate 20 --cards 1000000 --seed 1"
)
WATCHDOG = "[Service]\nWatchdogSec=5\n"


def frozen(box: Box) -> None:
    """The watchdog finds out."""
    before = main_pid(box)
    box.sh("systemctl kill --signal=STOP punchgate")
    box.eventually(f"test $(systemctl show -P MainPID punchgate) -ne {before} && punchgate status")
    assert "watchdog" in box.sh("journalctl -u punchgate -o cat").lower()


def killed(box: Box) -> None:
    before = main_pid(box)
    box.sh("systemctl kill --signal=KILL punchgate")
    box.eventually(f"test $(systemctl show -P MainPID punchgate) -ne {before} && punchgate status")


def upgraded(box: Box) -> None:
    before = main_pid(box)
    box.sh(f"apt-get install -y --reinstall {INSTALL.rsplit(maxsplit=1)[-1]}")
    box.eventually(f"test $(systemctl show -P MainPID punchgate) -ne {before} && punchgate status")


def main_pid(box: Box) -> int:
    return int(box.sh("systemctl show -P MainPID punchgate"))


def sent(box: Box) -> list[str]:
    """The cards that went onto the line whole, in order."""
    rows = [json.loads(row) for row in box.sh("journalctl -u reader -o cat | grep '\"sent\"'").splitlines()]
    return [row["value"] for row in rows if row["sent"] == "card" and row["taken"] == row["bytes"]]


def records(box: Box, kind: str) -> list[dict[str, object]]:
    """What the journal holds of this kind, in order."""
    wanted = f'zcat /tmp/carried | grep \'"type":"punchgate.{kind}.v1"\''
    box.sh("rm -f /tmp/carried && punchgate journal export -o /tmp/carried")
    return [json.loads(row) for row in box.sh(wanted, code=None).splitlines()]


def token(card: str) -> str:
    return "k1:" + hmac.new(KEY, f"em4100:{card}".encode(), hashlib.sha256).hexdigest()[:32]


@pytest.mark.parametrize("trouble", [frozen, killed, upgraded], ids=lambda it: it.__name__)
def test_twenty_cards_a_second_go_on_and_none_is_lost_or_told_twice(box: Box, trouble: Callable[[Box], None]) -> None:
    with box.boot():
        box.sh(INSTALL)
        configure(box)
        box.put("/etc/systemd/system/punchgate.service.d/watchdog.conf", WATCHDOG)
        box.sh(f"systemctl daemon-reload; {READER}")
        box.eventually("test -e /run/reader/port")
        box.sh("systemctl start punchgate")
        time.sleep(2.0)
        trouble(box)
        time.sleep(2.0)
        box.sh("systemctl stop reader")
        expected = [token(card) for card in sent(box)]
        assert len(expected) > 60
        time.sleep(1.0)
        read = [row["data"]["subject"]["token"] for row in records(box, "credential.read")]  # type: ignore[index]
        in_hand = 0 if trouble is upgraded else 2
        assert len(read) == len(set(read)), "a card was told twice"
        lost = [card for card in expected if card not in set(read)]
        assert len(lost) <= in_hand, f"{len(lost)} of {len(expected)} cards are lost"
        assert [card for card in read if card in set(expected)] == [
            card for card in expected if card not in set(lost)
        ]


@pytest.mark.alone
def test_an_upgrade_leaves_the_reader_alone_for_three_seconds_at_most(box: Box) -> None:
    """By the daemon's own word: from its last record to the first that the new one took live."""
    with box.boot():
        box.sh(INSTALL)
        configure(box)
        box.sh(READER)
        box.eventually("test -e /run/reader/port")
        box.sh("systemctl start punchgate")
        time.sleep(2.0)
        upgraded(box)
        time.sleep(2.0)
        stopped = json.loads(box.sh("journalctl -u punchgate -o cat | grep gateway.stopped | tail -n 1"))
        up = json.loads(box.sh("journalctl -u punchgate -o cat | grep port.up | tail -n 1"))
        gap_s = seconds(up["timestamp"]) - seconds(stopped["timestamp"])
        assert 0 < gap_s <= GAP_S


def seconds(stamp: str) -> float:
    return datetime.fromisoformat(stamp).timestamp()
