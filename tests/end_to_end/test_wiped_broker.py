"""The broker's word is no receipt: what it had acknowledged and then forgot arrives all the same."""

from __future__ import annotations

import json

import pytest

from gateway.simulation.broker import HOST

from .backlog import fill
from .conftest import BrokerMaker, SiteMaker
from .ear import Ear
from .site import eventually

pytestmark = pytest.mark.needs("mosquitto")

RECORDS = 10_000


def _lines(ear: Ear) -> set[bytes]:
    return {line for it in ear.on("records", "replay") for line in it.lines()}


def test_ten_thousand_records_that_a_wiped_broker_had_acknowledged_arrive_all_the_same(
    own_broker: BrokerMaker, make_site: SiteMaker
) -> None:
    """Somebody subscribes, so the broker takes everything; the centre, which sends receipts, is not there."""
    broker = own_broker()
    site = make_site(broker.url)
    site.tables["uplink"]["unreceipted_max"] = 2 * RECORDS
    readers = [site.reader(f"reader-{number}") for number in range(4)]
    with Ear(HOST, broker.port, site.prefix) as ear:
        site.start()
        site.wait_up()
        site.wait_connected()
        fill(site, readers, RECORDS)
        newest = site.status()["newest"]
        eventually(
            lambda: len({line for it in ear.on("records", "replay") for line in it.lines()}) >= newest, "all out"
        )
        sent = {line for it in ear.on("records", "replay") for line in it.lines()}
    assert site.status()["settled"] == 0, "nobody has given a receipt"
    broker.kill()
    broker.start()
    site.centre()
    settled = site.wait_settled(30.0, newest)
    lines = site.export()
    assert len(lines) == len(set(lines)) == settled
    assert sent <= set(lines), "with the bytes the broker had"
    assert [json.loads(line)["data"]["seq"] for line in lines] == list(range(1, settled + 1))
    assert site.coverage()["streams"][0]["missing"] == []
