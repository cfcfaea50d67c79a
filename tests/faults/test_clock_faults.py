"""The wall clock jumps by hours under load, and a box starts in 1970 behind mutual TLS: capture never stops.

libfaketime lies about the wall clock alone, as a battery that is empty does; tests/end_to_end/test_clock.py has what
the records say of it. A certificate is never taken that cannot be checked: what helps is the right time.
"""

from __future__ import annotations

import shutil
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from end_to_end.certificates import Certificates
from end_to_end.conftest import _mosquitto
from end_to_end.ear import token
from end_to_end.lying import Wall
from end_to_end.site import Process, Site, cards
from end_to_end.test_clock import HOUR_S, IN_1970_S

from gateway.simulation.broker import Broker
from gateway.simulation.oracle import beyond_s

from .rush import Rush

pytestmark = pytest.mark.needs("mosquitto", "faketime", "openssl")

CONNECTED_WITHIN_S = 2.0
SLACK_S = 1.0
HOLD_S = 1.5
STEPS_H = (2, -3, 0, -26, 0)
READ = "punchgate.credential.read.v1"


@pytest.fixture
def wall(tmp_path: Path) -> Wall:
    return Wall(tmp_path)


@pytest.fixture(scope="module")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Certificates:
    return Certificates(tmp_path_factory.mktemp("certificates"))


@pytest.fixture
def plain(tmp_path: Path) -> Iterator[Site]:
    with Broker(_mosquitto(), tmp_path) as broker:
        site = Site(tmp_path / "site", broker.url)
        yield site
        site.clear()


@pytest.fixture
def secured(tmp_path: Path, certificates: Certificates) -> Iterator[Site]:
    """A site whose broker wants certificates and shows one, made today."""
    server, client = certificates.server, certificates.client
    tls = f"cafile {certificates.ca.cert}\ncertfile {server.cert}\nkeyfile {server.key}\nrequire_certificate true\n"
    with Broker(_mosquitto(tls), tmp_path) as broker:
        site = Site(tmp_path / "site", broker.url.replace("mqtt://", "mqtts://"))
        shutil.copy(client.key, site.folder / "client.key")
        (site.folder / "client.key").chmod(0o600)
        site.tables["uplink"] |= {"ca_file": certificates.ca.cert, "cert_file": client.cert, "key_file": "client.key"}
        yield site
        site.clear()


def centre_file(site: Site) -> Path:
    uplink = site.tables["uplink"]
    return site.centre_file(ca_file=uplink["ca_file"], cert_file=uplink["cert_file"], tls_key_file="client.key")


@pytest.mark.alone
def test_a_clock_set_by_hours_both_ways_under_load_loses_and_doubles_nothing(plain: Site, wall: Wall) -> None:
    rush = Rush(plain, seed=4)
    plain.centre()
    plain.start(wrapper=wall.wrapper())
    plain.wait_connected()
    rush.begin()
    for hours in STEPS_H:
        wall.set(hours * HOUR_S)
        time.sleep(HOLD_S)
    rush.end()
    verdict = rush.judge()
    wrong = [remark for remark in verdict.remarks if not remark.startswith("misdated")]
    assert not wrong, "\n".join(wrong)
    assert verdict.misdated > 20, "the clock was wrong, and the records say what it said"
    _assert_dated_by_anchors(rush, plain.events())


@pytest.mark.alone
def test_in_1970_no_certificate_is_believed_and_everything_arrives_once_the_clock_is_right(
    secured: Site, wall: Wall
) -> None:
    wall.set(IN_1970_S - int(time.time()))
    reader = secured.reader("reader-1")
    centre = Process(secured.folder / "centre.log", "centre", "run", "-c", centre_file(secured))
    secured.processes.append(centre)
    centre.wait_for("broker.connected")
    daemon = secured.start(wrapper=wall.wrapper())
    secured.wait_up()
    reason = secured.wait_reason("clock", "certificate", "set the clock")
    assert reason.startswith("clock: ")
    assert daemon.wait_for("uplink.down")["reason"] == reason
    for card in cards(50):
        secured.wait_captured(reader, card)
    status = secured.status()
    assert (status["clock"]["state"], status["uplink"]["connected"], status["settled"]) == ("unset", False, 0)
    assert not daemon.said("uplink.up")
    wall.set(0)
    secured.wait_connected(CONNECTED_WITHIN_S + SLACK_S)
    assert secured.status()["uplink"]["reason"] is None
    secured.wait_settled(newest=100)
    reads = [event["data"] for event in secured.events() if event["type"] == READ]
    assert [data["subject"]["token"] for data in reads] == [token(card) for card in cards(50)]


@pytest.mark.alone
def test_a_centre_that_starts_in_1970_believes_no_certificate_and_says_that_its_clock_is_wrong(
    secured: Site, wall: Wall
) -> None:
    """What it says first; under libfaketime's 1970 its thread cannot sleep, so that a second try is not seen here."""
    wall.set(IN_1970_S - int(time.time()))
    log = secured.folder / "centre.log"
    centre = Process(log, "centre", "run", "-c", centre_file(secured), wrapper=wall.wrapper())
    secured.processes.append(centre)
    lost = centre.wait_for("broker.lost")
    assert lost["reason"].startswith("clock: certificate check failed")
    assert "set the clock" in lost["remedy"]
    assert not centre.said("broker.connected")
    centre.kill()
    again = Process(log, "centre", "run", "-c", centre_file(secured))
    secured.processes.append(again)
    again.wait_for("broker.connected")


def _assert_dated_by_anchors(rush: Rush, events: list[dict[str, Any]]) -> None:
    """Whatever the clock said: the last anchor, made with the right time, dates every read of this boot."""
    anchors = [event["data"] for event in events if event["type"] == "punchgate.clock.anchor.v1"]
    assert len(anchors) >= len([step for step in STEPS_H if step]), "one for the start and for each step"
    at = {token(frame.what): frame.at for wire in rush.wires for frame in wire.frames}
    for event in events:
        if event["type"] == READ:
            clock = event["data"]["clock"]
            dated_s = (anchors[-1]["offset_ms"] + clock["boot_ns"] / 1e6) / 1e3
            assert beyond_s(event, at[event["data"]["subject"]["token"]], dated_s) < SLACK_S, event
