"""The broker goes, the daemon is killed, people keep coming: every frame that was read is at the centre once.

OUTAGE_S=20 makes the outage as long as the issue asks; the default is shorter for the patience of people.
"""

from __future__ import annotations

import hashlib
import json
import os
import random
import threading
import time
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from gateway.simulation.broker import HOST, Broker

from .conftest import BrokerMaker, SiteMaker
from .ear import Ear, token
from .site import Reader, Site, eventually

pytestmark = pytest.mark.needs("mosquitto")

OUTAGE_S = float(os.environ.get("OUTAGE_S", "4"))
SHORT_S = min(OUTAGE_S, float(os.environ.get("OUTAGE_S", "2")))
SWIPES_PER_S = 50
READERS = 4
UNDER_WAY_S = 0.3
RETURN_S = 2.0


class Crowd(threading.Thread):
    """People with distinct cards at all readers, 50 a second together, until told to go home."""

    def __init__(self, readers: list[Reader]) -> None:
        super().__init__(daemon=True)
        self._readers = readers
        self._home = threading.Event()
        self.count = 0

    def run(self) -> None:
        begun, rng = time.monotonic(), random.Random(4)
        while not self._home.wait(max(0.0, begun + self.count / SWIPES_PER_S - time.monotonic())):
            rng.choice(self._readers).swipe(f"4A{self.count:08X}")
            self.count += 1

    def go_home(self) -> None:
        self._home.set()
        self.join()


class Outage:
    """One run of the story; what happened when, in unix time."""

    def __init__(self, site: Site, broker: Broker, seconds: float) -> None:
        self.site, self.broker = site, broker
        self.readers = [site.reader(f"reader-{number}", side="in") for number in range(READERS)]
        self.seconds = seconds
        self.killed_at = self.dead_at = self.born_at = self.returned_at = 0.0

    def play(self) -> None:
        crowd = Crowd(self.readers)
        self.site.start()
        self.site.wait_up()
        self.site.wait_connected()
        crowd.start()
        time.sleep(1.0)
        self.broker.stop()
        time.sleep(self.seconds / 2)
        self._kill_and_restart()
        time.sleep(self.seconds / 2)
        self.broker.start()
        self.returned_at = time.time()
        time.sleep(1.0)
        crowd.go_home()
        self.site.wait_settled(30.0)

    def _kill_and_restart(self) -> None:
        assert self.site.daemon is not None
        self.killed_at = time.time()
        self.site.daemon.kill()
        self.dead_at = time.time()
        time.sleep(0.5)
        self.born_at = time.time()
        self.site.start()
        self.site.wait_up()

    def surely_read(self) -> Counter[str]:
        """Tokens of all that was presented, but for what may have been on its way into the journal at the kill."""
        return Counter(token(card) for card, at in self._presented() if not self._was_under_way(at))

    def maybe_read(self) -> set[str]:
        return {token(card) for card, at in self._presented() if self._was_under_way(at)}

    def _presented(self) -> list[tuple[str, float]]:
        return [swipe for reader in self.readers for swipe in reader.presented]

    def _was_under_way(self, at: float) -> bool:
        return self.killed_at - UNDER_WAY_S < at <= self.dead_at


def reads_of(events: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [event["data"] for event in events if event["type"] == "punchgate.credential.read.v1"]


def assert_once(outage: Outage, events: list[dict[str, Any]]) -> None:
    """Every presentation is one read and one punch, neither more nor less."""
    reads = Counter(data["subject"]["token"] for data in reads_of(events))
    punches = [event["data"] for event in events if event["type"] == "punchgate.punch.v1"]
    unsure = outage.maybe_read()
    assert {token for token in outage.surely_read() if token not in reads} == set()
    assert set(reads) <= set(outage.surely_read()) | unsure, "something was invented"
    assert set(reads.values()) == {1}
    assert Counter(data["refs"]["read"] for data in punches) == Counter(data["seq"] for data in reads_of(events))
    assert {data["outcome"] for data in punches} == {"assumed"}


def assert_in_order(outage: Outage, events: list[dict[str, Any]]) -> None:
    """Per reader the numbers rise in the order of presentation."""
    for reader in outage.readers:
        mine = sorted((data for data in reads_of(events) if data["device"] == reader.name), key=lambda it: it["seq"])
        tokens = {token(card): number for number, (card, _) in enumerate(reader.presented)}
        order = [tokens[data["subject"]["token"]] for data in mine]
        assert order == sorted(order)


def assert_dated(outage: Outage, events: list[dict[str, Any]]) -> None:
    """What waited in the kernel says so, and for how long at most."""
    written = {token(card): at for card, at in outage._presented()}
    waited = 0
    for event in events:
        if event["type"] != "punchgate.credential.read.v1":
            continue
        data, at = event["data"], written[event["data"]["subject"]["token"]]
        if outage.killed_at < at < outage.born_at:
            assert data["live"] is False
            waited += 1
            assert data["clock"]["waited_ms"] >= 1000 * (outage.born_at - at)
        elif at < outage.killed_at:
            assert data["live"] is True
    assert waited > 5, "somebody came while the daemon was dead"


def assert_chain(site: Site, lines: list[bytes]) -> None:
    """Journal and centre hold the same chain to the same end, without a hole."""
    verdict = site.verify()
    assert verdict["flaws"] == []
    stream = next(it for it in site.coverage()["streams"] if it["epoch"] == verdict["epoch"])
    assert (stream["through"], stream["seen"]) == (verdict["last"], verdict["last"])
    assert [json.loads(line)["data"]["seq"] for line in lines] == list(range(1, verdict["last"] + 1))
    following = [json.loads(line)["data"]["prev"] for line in lines[1:]]
    assert [hashlib.sha256(line).hexdigest() for line in lines] == [*following, verdict["head"]]


def test_a_broker_outage_and_a_kill_in_the_middle_lose_and_double_nothing(
    own_broker: BrokerMaker, make_site: SiteMaker
) -> None:
    broker = own_broker()
    site = make_site(broker.url)
    outage = Outage(site, broker, OUTAGE_S)
    site.centre()
    with Ear(HOST, broker.port, site.prefix) as ear:
        outage.play()
        first = min(it.unix for it in ear.on("records", "replay") if it.unix > outage.returned_at)
        receipt = min(it.unix for it in ear.on("receipt") if it.unix > outage.returned_at)
    assert first - outage.returned_at <= RETURN_S
    assert receipt - outage.returned_at <= RETURN_S + 2.0
    lines = site.export()
    events = [json.loads(line) for line in lines]
    assert_once(outage, events)
    assert_in_order(outage, events)
    assert_dated(outage, events)
    assert_chain(site, lines)


def test_the_same_holds_where_the_brokers_word_settles(
    own_broker: BrokerMaker, make_site: SiteMaker, tmp_path: Path
) -> None:
    """The broker keeps what it has acknowledged: with settle = "puback" that is all there is to rely on."""
    (tmp_path / "kept").mkdir()
    broker = own_broker(f"persistence true\npersistence_location {tmp_path}/kept/\n")
    site = make_site(broker.url)
    site.tables["uplink"]["settle"] = "puback"
    outage = Outage(site, broker, SHORT_S)
    site.centre(share="")
    outage.play()
    newest = site.status()["newest"]
    eventually(lambda: len(site.export()) >= newest, "all at the centre")
    lines = site.export()
    assert_once(outage, [json.loads(line) for line in lines])
    assert_in_order(outage, [json.loads(line) for line in lines])
    assert_chain(site, lines)


def test_the_same_holds_with_mqtt_3_1_1(own_broker: BrokerMaker, make_site: SiteMaker) -> None:
    broker = own_broker()
    site = make_site(broker.url)
    site.tables["uplink"]["protocol"] = "3.1.1"
    outage = Outage(site, broker, SHORT_S)
    site.centre()
    outage.play()
    lines = site.export()
    assert_once(outage, [json.loads(line) for line in lines])
    assert_in_order(outage, [json.loads(line) for line in lines])
    assert_chain(site, lines)
