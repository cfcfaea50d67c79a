"""A long backlog and a punch made now: the present does not stand in a queue behind the past."""

from __future__ import annotations

import time

import pytest

from gateway.simulation.broker import HOST

from .backlog import fill
from .conftest import BrokerMaker, SiteMaker
from .ear import Ear, token
from .site import Site

pytestmark = pytest.mark.needs("mosquitto")

BACKLOG = 20_000
LIVE_WITHIN_S = 2.0


@pytest.mark.alone
def test_a_live_punch_overtakes_twenty_thousand_records_and_none_is_missing(
    own_broker: BrokerMaker, make_site: SiteMaker
) -> None:
    broker = own_broker()
    broker.stop()
    site = make_site(broker.url)
    site.forked = False
    readers = [site.reader(f"reader-{number}") for number in range(4)]
    daemon = site.start()
    site.wait_up()
    fill(site, readers, BACKLOG)
    broker.start()
    site.centre()
    with Ear(HOST, broker.port, site.prefix) as ear:
        ear.wait(lambda: ear.on("replay"), "the replay")
        delays = []
        for number in range(5):
            card = f"FF0000000{number}"
            at = readers[0].swipe(card)
            wanted = token(card).encode()
            heard = ear.wait(
                lambda wanted=wanted: [it for it in ear.on("records") if any(wanted in line for line in it.lines())]
            )
            delays.append(heard[0].unix - at)
            time.sleep(0.05)
        assert max(delays) < LIVE_WITHIN_S, delays
        newest = site.wait_settled(30.0, BACKLOG)
    assert len(site.export()) == newest
    assert site.coverage()["streams"][0]["missing"] == []
    assert daemon.rss_mib() < 150


def test_replay_pauses_while_nothing_is_receipted_and_live_goes_on(site: Site, ear: Ear) -> None:
    """unreceipted_max: a consumer that acknowledges and commits nothing does not get all of the backlog."""
    site.tables["uplink"] |= {"unreceipted_max": 400, "url": "mqtt://127.0.0.1:1"}
    readers = [site.reader("reader-1")]
    site.start()
    site.wait_up()
    fill(site, readers, 2000)
    assert site.daemon is not None
    site.daemon.kill()
    site.tables["uplink"]["url"] = site.url
    site.start()
    site.wait_up()
    ear.wait(lambda: len(ear.records(leaves=("replay",))) >= 380, "the first part of the replay")
    readers[0].swipe("FF00000001")
    ear.wait(lambda: token("FF00000001") in str(ear.records("credential.read", ("records",))))
    time.sleep(0.5)
    assert len(ear.records(leaves=("replay",))) <= 420
