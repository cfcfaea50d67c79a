"""Two OSDP readers with secure channel on one bus, behind the real daemon: reads, feedback, tamper, silence."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from random import Random

import pytest

from drivers import cards
from gateway.simulation.desk import Desk
from gateway.simulation.peers.osdp_reader import OsdpBus, OsdpReader
from gateway.simulation.pty import Pty

from .bench import counted, of_type
from .conftest import BrokerMaker, SiteMaker
from .site import KEY, Site, eventually

READER_KEY = bytes(range(0x50, 0x60))
READS = 24
ASKED_S = 1.0
"""What a reader shows before it was asked once may be from before, and gets no light."""
DOWN_WITHIN_S = 10.0
BACK_WITHIN_S = 5.0


class Bus:
    """The site, its desk, and the two readers."""

    def __init__(self, folder: Path, site: Site) -> None:
        self.site = site
        self.readers = [OsdpReader(1, READER_KEY), OsdpReader(2, READER_KEY)]
        self.port = Pty(folder / "tty-bus", baud=9600)
        self.desk = Desk(OsdpBus(self.readers), self.port, Random(1))
        self.desk.start()
        key = folder / "reader.key"
        key.write_text(READER_KEY.hex() + "\n")
        key.chmod(0o600)
        site.lane("lobby-1")
        device = '  [[ports.devices]]\n  id = "r{0}"\n  driver = "osdp"\n  lane = "lobby-1"\n  side = "in"\n'
        device += '  options = {{ address = {0}, key_file = "{1}" }}\n'
        devices = "".join(device.format(address, key) for address in (1, 2))
        site.ports.append(f'[[ports]]\nurl = "{self.port.path}"\nbaud = 9600\n{devices}\n')

    def statuses(self) -> list[str]:
        return [device["status"] for device in self.site.status()["devices"]]

    def lights(self, reader: int) -> list[object]:
        return [order.value for order in self.readers[reader - 1].orders if order.kind == "light"]


@pytest.fixture
def bus(tmp_path: Path, own_broker: BrokerMaker, make_site: SiteMaker) -> Iterator[Bus]:
    broker = own_broker()
    made = Bus(tmp_path, make_site(broker.url))
    made.site.broker = broker  # type: ignore[attr-defined]
    yield made
    made.desk.stop()
    made.port.close()


def test_reads_of_both_readers_are_at_the_centre_once_and_shown_as_accepted(bus: Bus) -> None:
    bus.site.start()
    bus.site.centre()
    bus.site.wait_up()
    rng = Random(3)
    values = [f"{rng.getrandbits(24):06X}" for _ in range(READS)]
    for number, value in enumerate(values):
        bus.desk.do(f"{number % 2 + 1}:{value}")
        time.sleep(0.15)
    wanted = Counter(cards.token(KEY, "k1", "wiegand26", value) for value in values)
    eventually(lambda: counted(bus.site.events(), directions=False).total() >= READS, "all reads")
    assert counted(bus.site.events(), directions=False) == wanted
    eventually(lambda: bus.lights(1) and bus.lights(2), "a light at both")
    assert not of_type(bus.site.events(), "device.down")


def test_while_the_broker_is_away_the_reader_shows_another_light(bus: Bus) -> None:
    bus.site.start()
    bus.site.centre()
    bus.site.wait_up()
    bus.site.wait_connected()
    time.sleep(ASKED_S)
    bus.desk.do("1:0C0FFE")
    eventually(lambda: bus.lights(1), "a light")
    accepted = set(bus.lights(1))
    bus.site.broker.kill()  # type: ignore[attr-defined]
    eventually(lambda: not bus.site.status()["uplink"]["connected"], "the broker gone")
    bus.desk.do("1:0C0FFF")
    eventually(lambda: set(bus.lights(1)) - accepted, "another light")


@pytest.mark.alone
def test_a_reader_that_hangs_is_down_soon_and_back_soon_and_an_open_case_is_a_record(bus: Bus) -> None:
    bus.site.start()
    bus.site.centre()
    bus.site.wait_up()
    bus.desk.do("2:tamper")
    eventually(lambda: of_type(bus.site.events(), "device.tamper"), "the tamper record")
    bus.desk.do("1:silent")
    hung_at = time.monotonic()
    eventually(lambda: bus.statuses() == ["down", "up"], "down", DOWN_WITHIN_S)
    assert time.monotonic() - hung_at <= DOWN_WITHIN_S
    bus.desk.do("2:123456")
    bus.desk.do("1:back")
    eventually(lambda: bus.statuses() == ["up", "up"], "back", BACK_WITHIN_S)
    bus.desk.do("1:654321")
    eventually(lambda: counted(bus.site.events(), directions=False).total() == 2, "both reads")
    (down,) = of_type(bus.site.events(), "device.down")
    assert (down["data"]["device"], bool(down["data"]["reason"])) == ("r1", True)
