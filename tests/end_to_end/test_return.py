"""After a fault the first record is there within the promised time: port, broker stopped, broker frozen.

The margins are those of the contract; `python benchmarks/recovery.py` prints what a quiet machine needs.
"""

from __future__ import annotations

import os
import signal
import sqlite3
import threading
import time
from collections.abc import Callable
from contextlib import closing

import pytest

from gateway.simulation.broker import HOST, Broker

from .conftest import BrokerMaker, SiteMaker
from .ear import Ear
from .site import Reader, Site, eventually

pytestmark = pytest.mark.needs("mosquitto")

REPLUGGED_S, RETURNED_S = 5.0, 2.0
FROZEN_S = float(os.environ.get("FROZEN_S", "26"))
OWN_DEADLINE_S = 26.0
EVERY_S = 0.1
LIVE = ("records", "replay")


class Walking(threading.Thread):
    """One person after the other at one reader, until told to stop."""

    def __init__(self, reader: Reader) -> None:
        super().__init__(daemon=True)
        self._reader, self._over = reader, threading.Event()

    def run(self) -> None:
        for number in range(10_000):
            if self._over.wait(EVERY_S):
                return
            self._reader.swipe(f"5A{number:08X}")

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self.join()

    def __enter__(self) -> None:
        self.start()


@pytest.fixture
def broker_of_ours(own_broker: BrokerMaker) -> Broker:
    return own_broker()


@pytest.fixture
def running(broker_of_ours: Broker, make_site: SiteMaker) -> Site:
    """A site with a centre, connected."""
    site = make_site(broker_of_ours.url)
    site.reader("reader-1")
    site.centre()
    site.start()
    site.wait_up()
    site.wait_connected()
    return site


def back_after(mend: Callable[[], None], site: Site, ear: Ear) -> tuple[float, float]:
    """Seconds until the first record is at a subscriber, and committed at the centre."""
    begun = time.time()
    mend()
    heard = eventually(lambda: [it.unix for it in ear.on(*LIVE) if it.unix >= begun], "a record at the subscriber")
    committed = eventually(lambda: committed_since(site, begun), "a record at the centre")
    return heard[0] - begun, committed - begun


def committed_since(site: Site, begun: float) -> float | None:
    with closing(sqlite3.connect(f"file:{site.folder / 'ledger.sqlite'}?mode=ro", uri=True)) as ledger:
        row = ledger.execute("SELECT min(at_ms) FROM records WHERE at_ms >= ?", (1000 * begun,)).fetchone()
    return None if row[0] is None else float(row[0]) / 1000


def assert_everything_arrived(site: Site) -> None:
    newest = site.wait_settled(30.0)
    assert len(site.export()) == newest
    reads = [event for event in site.events() if event["type"] == "punchgate.credential.read.v1"]
    assert len(reads) == len(site.readers[0].presented)


@pytest.mark.alone
def test_a_reader_plugged_in_again_is_heard_within_five_seconds(running: Site, broker_of_ours: Broker) -> None:
    reader = running.readers[0]
    with Ear(HOST, broker_of_ours.port, running.prefix) as ear:
        for number in range(3):
            reader.port.unplug()
            eventually(lambda: running.device_status("reader-1")["status"] == "down", "the loss")
            time.sleep(0.5 * number)
            begun = time.monotonic()
            reader.port.plug()
            reader.swipe(f"0C0000000{number}")
            reads = ear.wait_records("credential.read", number + 1, REPLUGGED_S)
            assert time.monotonic() - begun <= REPLUGGED_S
    assert len(reads) == 3


@pytest.mark.alone
@pytest.mark.parametrize("outage_s", [1.0, 5.0])
def test_within_two_seconds_of_the_brokers_return_records_are_at_the_subscriber_and_at_the_centre(
    running: Site, broker_of_ours: Broker, outage_s: float
) -> None:
    with Ear(HOST, broker_of_ours.port, running.prefix) as ear, Walking(running.readers[0]):
        time.sleep(0.5)
        broker_of_ours.stop()
        time.sleep(outage_s)
        heard_s, committed_s = back_after(broker_of_ours.start, running, ear)
    assert heard_s <= RETURNED_S
    assert committed_s <= RETURNED_S
    assert_everything_arrived(running)


@pytest.mark.alone
def test_a_broker_that_stands_still_is_left_by_our_own_deadline_and_nothing_is_lost(
    running: Site, broker_of_ours: Broker
) -> None:
    """Its kernel goes on to take what is sent, so only the missing acknowledgement tells."""
    assert running.daemon is not None
    with Ear(HOST, broker_of_ours.port, running.prefix) as ear, Walking(running.readers[0]):
        time.sleep(0.5)
        os.kill(broker_of_ours.pid or 0, signal.SIGSTOP)
        time.sleep(FROZEN_S)
        said = [row["reason"] for row in running.daemon.said("uplink.down")]
        heard_s, committed_s = back_after(lambda: os.kill(broker_of_ours.pid or 0, signal.SIGCONT), running, ear)
    if FROZEN_S >= OWN_DEADLINE_S:
        assert said[0] == "broker does not acknowledge"
    assert heard_s <= RETURNED_S
    assert committed_s <= RETURNED_S
    assert_everything_arrived(running)
