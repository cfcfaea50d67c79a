"""Devices that have to be asked, each behind the real daemon: what people did is at the centre once."""

from __future__ import annotations

import time
from collections import Counter
from random import Random

import pytest

from drivers import cards
from gateway.simulation.peers import PEERS, Peer, new_peer

from .bench import bench, configure, counted, of_type
from .conftest import BrokerMaker, SiteMaker
from .site import KEY, eventually

DEEDS = 4
PER_DEED_S = 1.4
BUSES = {"osdp_bus", "modbus_lotltd_bus", "modbus_io_bus"}
ALONE = sorted(set(PEERS) - BUSES)
SCHEMES = {
    "uhf_bb": "epc",
    "uhf_a0": "epc",
    "uhf_len": "epc",
    "sdt_idcard": "cn-id",
    "pn532": "iso14443",
    "hf_aabb": "iso14443",
    "osdp": "wiegand26",
    "zk_terminal": "zk-user",
}


@pytest.mark.parametrize("model", ALONE)
def test_what_people_do_at_an_asked_device_is_at_the_centre_once(
    model: str, own_broker: BrokerMaker, make_site: SiteMaker
) -> None:
    peer, rng = new_peer(model), Random(7)
    site = make_site(own_broker().url)
    with bench(peer.driver, model) as device:
        configure(site, device.snippet())
        site.start()
        site.centre()
        site.wait_up()
        deeds = [peer.new_deed(rng) for _ in range(DEEDS)]
        for deed in deeds:
            device.do(deed)
            time.sleep(PER_DEED_S)
        wanted = expected(peer, deeds)
        eventually(lambda: counted(site.events(), set(deeds) <= {"in", "out"}) == wanted, "having all")
        site.wait_settled()
        events = site.events()
    assert counted(events, set(deeds) <= {"in", "out"}) == wanted
    assert [event["data"]["device"] for event in of_type(events, "device.up")] == ["device-1"]
    assert not of_type(events, "device.down")
    if peer.driver == "zk_terminal":
        assert all(not event["data"]["live"] for event in of_type(events, "credential.read"))
        assert all(event["data"]["device_clock"]["offset_ms"] for event in of_type(events, "credential.read"))


def expected(peer: Peer, deeds: list[str]) -> Counter[str]:
    """What the centre should have of these deeds: passages by direction, or reads by token."""
    if set(deeds) <= {"in", "out"}:
        return Counter(deeds)
    return Counter(cards.token(KEY, "k1", SCHEMES[peer.driver], deed) for deed in deeds)
