"""Devices that have to be asked, each behind the real daemon: what people did is at the centre once."""

from __future__ import annotations

import json
import subprocess
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from random import Random
from typing import Any

import pytest

from drivers import cards
from gateway.simulation.peers import PEERS, Peer, new_peer

from .conftest import BrokerMaker, SiteMaker
from .site import KEY, PUNCHGATE, Site, eventually

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


class Bench:
    """`punchgate simulate` in a process of its own, with people typed on its stdin."""

    def __init__(self, driver: str, model: str, *options: str) -> None:
        self.process = subprocess.Popen(
            [PUNCHGATE, "simulate", driver, "--model", model, "--interactive", *options],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        assert self.process.stdout is not None
        self.path = self.process.stdout.readline().strip()
        self.said: list[str] = []
        self.deeds: list[dict[str, Any]] = []
        self._threads = [
            threading.Thread(target=self._read, daemon=True),
            threading.Thread(target=self._listen, daemon=True),
        ]
        for thread in self._threads:
            thread.start()

    def snippet(self) -> str:
        """The configuration to paste."""
        return eventually(lambda: "[[ports.devices]]" in "".join(self.said) and "".join(self.said), "a snippet")  # type: ignore[no-any-return]

    def do(self, deed: str) -> None:
        """Somebody does it."""
        assert self.process.stdin is not None
        before = len(self.deeds)
        self.process.stdin.write(deed + "\n")
        self.process.stdin.flush()
        eventually(lambda: len(self.deeds) > before, "the deed")

    def stop(self) -> None:
        self.process.terminate()
        self.process.wait(5)

    def _read(self) -> None:
        assert self.process.stdout is not None
        self.deeds.extend(json.loads(line) for line in self.process.stdout)

    def _listen(self) -> None:
        assert self.process.stderr is not None
        self.said.extend(self.process.stderr)


@contextmanager
def bench(driver: str, model: str, *options: str) -> Iterator[Bench]:
    made = Bench(driver, model, *options)
    try:
        yield made
    finally:
        made.stop()


def configure(site: Site, snippet: str) -> None:
    """The snippet of the bench as it is, on a lane that suits it."""
    sensed = "per_direction" in snippet
    site.lane("lobby-1", mode="free" if sensed else "controlled", sensor="per_direction" if sensed else "none")
    site.ports.append(snippet + "\n")


def counted(events: list[dict[str, Any]], directions: bool) -> Counter[str]:
    """What the centre has: passages by direction, or cards by token."""
    found: Counter[str] = Counter()
    for event in events:
        data = event["data"]
        if event["type"] == "punchgate.passage.sensed.v1" and directions:
            found[data["direction"]] += data["count"]
        if event["type"] == "punchgate.credential.read.v1" and not directions:
            found[data["subject"]["token"]] += 1
    return found


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


def of_type(events: list[dict[str, Any]], word: str) -> list[dict[str, Any]]:
    return [event for event in events if event["type"] == f"punchgate.{word}.v1"]
