"""The network between gateway and broker fails in earnest, in namespaces of its own: nothing is lost or invented.

NETWORK_OUTAGE_S=60 makes the outages as long as a bad day; the default is shorter for the patience of people.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from end_to_end.site import Process, Site

from .netns import ALL, ENDS, HALF, FarBroker, Network
from .rush import Rush

pytestmark = pytest.mark.needs("mosquitto", "root", "ip", "nft", "namespaces")

OUTAGE_S = float(os.environ.get("NETWORK_OUTAGE_S", "6"))
LOST_AT_LEAST = 5


class Far:
    """A site whose broker and centre are at the other end of a cable."""

    def __init__(self, network: Network, folder: Path) -> None:
        self.network = network
        self.site = Site(folder / "site", FarBroker.url)
        self.site.tables["uplink"]["insecure"] = True
        self.rush = Rush(self.site, seed=3)
        centre = self.site.centre_file(insecure=True)
        self.centre = Process(folder / "centre.log", "centre", "run", "-c", centre, wrapper=network.inside("broker"))
        self.site.processes.append(self.centre)
        self.daemon = self.site.start(wrapper=network.inside("gateway"))

    def mend(self) -> None:
        """Nothing is lost any more; something was."""
        assert self.network.heal() > LOST_AT_LEAST

    def play(self, wrong: Callable[[], None], mended: Callable[[], object]) -> None:
        """One second of good network, then a bad one, then a good one."""
        self.site.wait_connected()
        self.rush.begin()
        time.sleep(1.0)
        wrong()
        time.sleep(OUTAGE_S)
        mended()
        self.site.wait_connected()
        time.sleep(1.0)
        self.rush.end()


@pytest.fixture
def far(tmp_path: Path) -> Iterator[Far]:
    with Network() as network, FarBroker(network, tmp_path):
        far = Far(network, tmp_path)
        yield far
        far.site.clear()


def assert_right(far: Far) -> None:
    verdict = far.rush.judge()
    assert not verdict.remarks, "\n".join(verdict.remarks)
    assert verdict.frames > 50
    assert not verdict.in_hand + verdict.with_plug, "nobody was killed, nothing pulled: nothing may be absent"


def test_a_pulled_network_cable_loses_nothing(far: Far) -> None:
    far.play(far.network.pull, far.network.plug)
    assert_right(far)


def test_a_network_that_swallows_everything_without_a_word_loses_nothing(far: Far) -> None:
    far.play(lambda: far.network.lose(ALL, *ENDS), far.mend)
    assert_right(far)


def test_a_network_that_swallows_every_answer_loses_and_doubles_nothing(far: Far) -> None:
    """Half open: the broker gets everything and its acknowledgements never arrive."""
    far.play(lambda: far.network.lose(ALL, "gateway"), far.mend)
    assert_right(far)


def test_half_of_all_packets_lost_both_ways_loses_no_punch(far: Far) -> None:
    far.play(lambda: far.network.lose(HALF, *ENDS), far.mend)
    assert_right(far)
