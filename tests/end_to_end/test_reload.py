"""SIGHUP: ports and lanes come, go and change while the others do not notice; a wrong file changes nothing."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from .ear import Ear, token
from .site import Process, Reader, Site, cards, eventually

pytestmark = pytest.mark.needs("mosquitto")

EVERY_S = 0.03


def hup(site: Site) -> Process:
    assert site.daemon is not None
    os.kill(site.daemon.pid, signal.SIGHUP)
    return site.daemon


def applied(site: Site, times: int = 1) -> dict[str, Any]:
    """What the daemon says of the latest of so many reloads."""
    daemon = site.daemon
    assert daemon is not None
    eventually(lambda: len(daemon.said("config.applied")) >= times, "taking the configuration over")
    return daemon.said("config.applied")[-1]


@contextmanager
def swiping(reader: Reader) -> Iterator[None]:
    """Somebody presents a new card every few hundredths of a second."""
    stop = threading.Event()

    def swipe() -> None:
        for card in cards(5000, 100):
            if stop.wait(EVERY_S):
                return
            reader.swipe(card)

    thread = threading.Thread(target=swipe)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()


def reads(site: Site, device: str) -> Counter[str]:
    """How often each token was read there, as the centre has it."""
    found = (event["data"] for event in site.events() if event["type"] == "punchgate.credential.read.v1")
    return Counter(data["subject"]["token"] for data in found if data["device"] == device)


def test_ports_come_change_and_go_while_another_one_loses_nothing_and_stays_open(site: Site, ear: Ear) -> None:
    busy = site.reader("busy")
    site.centre()
    daemon = site.start()
    site.wait_up()
    site.wait_connected()
    with swiping(busy):
        late = site.reader("late")
        site.write()
        hup(site)
        assert applied(site)["restart_needed_for"] == []
        site.wait_up("late")
        late.swipe("0C0000000A")
        ear.wait(lambda: token("0C0000000A") in [it["data"]["subject"]["token"] for it in reads_of(ear, "late")])
        site.ports[-1] = site.ports[-1].replace('side = "in"', 'side = "out"').replace("baud = 9600", "baud = 19200")
        site.write()
        hup(site)
        applied(site, 2)
        eventually(lambda: len(daemon.said("port.up")) == 3, "the port with another speed")
        late.swipe("0C0000000B")
        ear.wait(lambda: [it["data"]["side"] for it in reads_of(ear, "late")] == ["in", "out"])
        del site.ports[-1], site.lanes[-1]
        site.write()
        hup(site)
        applied(site, 3)
        eventually(lambda: [it["device"] for it in site.status()["devices"]] == ["busy"], "the port that is no more")
        late.swipe("0C0000000C")
        time.sleep(0.5)
    site.wait_settled(newest=len(busy.presented))
    assert reads(site, "busy") == Counter(token(card) for card, _ in busy.presented)
    assert reads(site, "late") == Counter([token("0C0000000A"), token("0C0000000B")])
    assert [row["devices"] for row in daemon.said("port.up")] == [["busy"], ["late"], ["late"]]
    assert [row["devices"] for row in daemon.said("port.ended")] == [["late"], ["late"]]
    assert daemon.said("port.down") == []
    assert {row["reason"] for row in daemon.said("port.unread")} <= {"stood still"}  # this machine is busy
    downs = [it["data"] for it in ear.records("device.down")]
    assert [(it["device"], it["reason"], it.get("removed")) for it in downs] == [
        ("late", "the configuration has changed", None),
        ("late", "the configuration has it no more", True),
    ]
    ear.wait(lambda: ear.on("device/late")[-1].body == b"", "forgetting the device at the broker")


def reads_of(ear: Ear, device: str) -> list[dict[str, Any]]:
    return [it for it in ear.records("credential.read") if it["data"]["device"] == device]


def test_a_device_that_goes_to_another_lane_keeps_its_port_open(site: Site, ear: Ear) -> None:
    reader, other = site.reader("reader-1"), site.reader("reader-2")
    daemon = site.start()
    site.wait_up()
    site.wait_captured(reader, "0C00000001")
    site.ports[0] = site.ports[0].replace("reader-1-lane", "reader-2-lane")
    del site.lanes[0]
    site.write()
    hup(site)
    applied(site)
    site.wait_captured(reader, "0C00000002")
    site.wait_captured(other, "0C00000003")
    ear.wait(lambda: len(ear.records("punch")) == 3)
    assert [it["data"]["lane"] for it in ear.records("punch")] == ["reader-1-lane", "reader-2-lane", "reader-2-lane"]
    assert len(daemon.said("port.up")) == 2


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ('side = "in"', 'side = "inn"', ("side", "'inn'", '"in"')),
        ('driver = "em4100"', 'driver = "em410O"', ("driver", "em410O", "em4100")),
        ('lane = "late-lane"', 'lane = "lat-lane"', ("lane", "lat-lane", "late-lane")),
    ],
)
def test_a_wrong_file_is_refused_whole_and_status_and_log_say_file_key_value_and_remedy_until_it_is_mended(
    site: Site, old: str, new: str, words: tuple[str, ...]
) -> None:
    reader = site.reader("reader-1")
    daemon = site.start()
    site.wait_up()
    site.reader("late")
    site.ports[-1] = site.ports[-1].replace(old, new)
    site.tables["log"] = {"level": "error"}
    site.write()
    hup(site)
    reason = daemon.wait_for("config.unchanged")["reason"]
    for word in (str(site.file), "ports[1].devices[0]", *words):
        assert word.replace("'", "") in reason.replace("'", ""), word
    eventually(lambda: any(reason in warning for warning in site.status()["warnings"]), "the reason in status")
    site.wait_captured(reader, "0C00000001")
    assert [it["device"] for it in site.status()["devices"]] == ["reader-1"]
    assert daemon.said("config.applied") == []
    site.ports[-1] = site.ports[-1].replace(new, old)
    del site.tables["log"]
    site.write()
    hup(site)
    applied(site)
    site.wait_up("late")
    assert site.status()["warnings"] == []


def test_a_read_that_waits_for_its_pass_ends_ambiguous_when_its_lane_goes_and_its_pass_makes_nobody(
    site: Site, ear: Ear
) -> None:
    """As at a stop; other lanes have their read and their pass."""
    for lane in ("north", "south"):
        site.lane(lane, sensor="per_direction", mode="controlled", pass_timeout_s=20.0)
    gates = {}
    for lane in ("north", "south"):
        gates[lane] = site.reader(f"{lane}-in", lane)
        site.device(f"{lane}-arm", lane, "eb_turnstile", directions={"left": "in", "right": "out"})
    site.start()
    site.wait_up()
    for number, gate in enumerate(gates.values()):
        site.wait_captured(gate, cards(2)[number])
    site.lanes, site.ports = [site.lanes[1]], site.ports[2:]
    site.write()
    hup(site)
    applied(site)
    punches = ear.wait_records("punch", 1)
    assert [(it["data"]["lane"], it["data"]["outcome"]) for it in punches] == [("north", "ambiguous")]
    assert site.daemon is not None
    assert site.daemon.stop() == 0
    punches = ear.records("punch")
    assert [(it["data"]["lane"], it["data"]["outcome"]) for it in punches] == [
        ("north", "ambiguous"),
        ("south", "ambiguous"),
    ]
