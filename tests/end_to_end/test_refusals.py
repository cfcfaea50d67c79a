"""A broker that refuses: credentials, topics, or that knows nobody who listens. Said everywhere; capture goes on."""

from __future__ import annotations

import subprocess
import time
from pathlib import Path

import pytest

from gateway.simulation.broker import HOST

from .conftest import BrokerMaker, SiteMaker
from .ear import Ear
from .site import Site, eventually

pytestmark = pytest.mark.needs("mosquitto")

ACL_ALL = "topic readwrite #\n"
ACL_NO_RECORDS = "topic write {prefix}/+/+/state\ntopic write {prefix}/+/+/device/#\ntopic read #\n"


@pytest.mark.parametrize("protocol", ["5", "3.1.1"])
def test_refused_credentials_are_said_and_mended_by_the_password_file_alone(
    own_broker: BrokerMaker, make_site: SiteMaker, tmp_path: Path, protocol: str
) -> None:
    passwords = tmp_path / "passwords"
    subprocess.run(["mosquitto_passwd", "-b", "-c", passwords, "edge", "right"], check=True, capture_output=True)
    passwords.chmod(0o600)
    broker = own_broker(f"password_file {passwords}\n", anonymous=False)
    site = make_site(broker.url)
    secret = site.folder / "broker.password"
    secret.write_text("wrong\n")
    secret.chmod(0o600)
    site.tables["uplink"] |= {"username": "edge", "password_file": "broker.password", "protocol": protocol}
    reader = site.reader("reader-1")
    daemon = site.start()
    site.wait_up()
    reason = site.wait_reason("password_file")
    assert site.status()["uplink"]["connected"] is False
    site.wait_captured(reader, "0C00000001")
    assert reason in [row["reason"] for row in daemon.said("uplink.down")]
    assert "wrong" not in daemon.text()
    secret.write_text("right\n")
    site.wait_connected()


def test_a_topic_the_acl_refuses_is_said_with_reason_135_and_loses_nothing(
    own_broker: BrokerMaker, make_site: SiteMaker, tmp_path: Path
) -> None:
    acl = tmp_path / "acl"
    site = make_site("")
    acl.write_text(ACL_NO_RECORDS.format(prefix=site.prefix))
    acl.chmod(0o600)
    broker = own_broker(f"acl_file {acl}\nmax_queued_messages 100000\n")  # with 0, 2.0.11 hangs up on a refusal
    site.url = site.tables["uplink"]["url"] = broker.url
    reader = site.reader("reader-1")
    site.centre()
    daemon = site.start()
    site.wait_up()
    assert "ACL" in site.wait_reason("135")
    site.wait_captured(reader, "0C00000001")
    with Ear(HOST, broker.port, site.prefix) as ear:
        ear.wait(lambda: "135" in ear.on("state")[-1].json().get("reason", ""), "the reason in state")
    assert len(daemon.said("uplink.refused")) == 1
    acl.write_text(ACL_ALL)
    broker.restart()
    site.wait_settled(newest=4)
    assert site.status()["uplink"]["reason"] is None
    assert len(site.export()) == site.status()["newest"]


@pytest.mark.alone
@pytest.mark.parametrize("settle", ["receipt", "puback"])
def test_while_nobody_subscribes_records_are_kept_and_tried_every_second(site: Site, settle: str) -> None:
    site.tables["uplink"]["settle"] = settle
    reader = site.reader("reader-1")
    daemon = site.start()
    site.wait_up()
    site.wait_reason("nobody")
    site.wait_captured(reader, "0C00000001")
    assert site.status()["settled"] == 0
    assert len(daemon.said("uplink.nobody")) == 1
    with Ear(HOST, int(site.url.rsplit(":", 1)[1]), site.prefix, "state") as ear:
        ear.wait(lambda: "nobody" in ear.on("state")[-1].json().get("reason", ""), "the reason in state")
    site.centre()
    began = time.monotonic()
    eventually(lambda: site.status()["settled"] == site.status()["newest"])
    assert time.monotonic() - began < 3.0
    eventually(lambda: site.status()["uplink"]["reason"] is None)
    eventually(lambda: len(site.export()) == site.status()["newest"])


def test_an_unanswered_broker_and_a_name_that_does_not_resolve_are_said(make_site: SiteMaker) -> None:
    refused = make_site("mqtt://127.0.0.1:1")
    unknown = make_site("mqtts://no-such-broker.invalid")
    for site, word in ((refused, "refused"), (unknown, "resolved")):
        reader = site.reader("reader-1")
        site.start()
        site.wait_up()
        site.wait_reason(word, "uplink.url")
        site.wait_captured(reader, "0C00000001")


def test_two_boxes_with_one_name_are_told_so_though_the_broker_says_nothing(make_site: SiteMaker) -> None:
    one = make_site()
    two = make_site(prefix=one.prefix)
    for site in (one, two):
        site.reader("reader-1")
        site.start()
    for site in (one, two):
        site.wait_reason("connection lost", "the same site and id")
    assert two.daemon is not None
    two.daemon.stop()
    eventually(lambda: one.status()["uplink"]["connected"], "one alone")
    held_s = 2.0
    since = time.monotonic()
    while time.monotonic() - since < held_s:
        assert one.status()["uplink"]["connected"]
        time.sleep(0.1)
