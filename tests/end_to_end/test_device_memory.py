"""Devices that remember what nobody asked them for: after any fall of the daemon all of it is told, and once."""

from __future__ import annotations

import time
from collections import Counter
from datetime import datetime
from pathlib import Path
from random import Random

import pytest

from drivers import cards
from gateway.simulation import talkers
from gateway.simulation.desk import Desk
from gateway.simulation.peers import new_peer
from gateway.simulation.pty import Pty

from .bench import Bench, bench, configure, counted, of_type
from .conftest import BrokerMaker, SiteMaker
from .site import KEY, Site, eventually

CLOCK_ERROR_S = 2.0
BASE_LINE_S = 1.5


def passed(site: Site) -> Counter[str]:
    return counted(site.events(), directions=True)


@pytest.mark.parametrize("model", ["modbus_lotltd", "tpw"])
def test_what_a_counter_counted_while_no_daemon_ran_is_told_after_the_start_and_once(
    model: str, own_broker: BrokerMaker, make_site: SiteMaker
) -> None:
    site = make_site(own_broker().url)
    with bench(new_peer(model).driver, model) as device:
        configure(site, device.snippet())
        site.centre()
        site.start()
        site.wait_up()
        time.sleep(BASE_LINE_S)
        assert site.daemon is not None
        for way in ("in", "in", "out"):
            site.daemon.kill()
            for _ in range(3):
                device.do(way)
            time.sleep(0.3)
            site.start()
            site.wait_up()
            device.do(way)
            time.sleep(1.5)
        wanted = Counter({"in": 2 * 4, "out": 4})
        eventually(lambda: passed(site).total() >= wanted.total(), "counting all", 20.0)
        assert passed(site) == wanted
        missed = [event for event in of_type(site.events(), "passage.sensed") if not event["data"]["live"]]
        assert sum(event["data"]["count"] for event in missed) >= 3 * 3
        assert all(event["data"]["clock"]["waited_ms"] >= 300 for event in missed)


def test_what_a_counter_counted_while_it_was_out_of_reach_is_dated_as_far_back(
    tmp_path: Path, own_broker: BrokerMaker, make_site: SiteMaker
) -> None:
    site, port = make_site(own_broker().url), Pty(tmp_path / "tty-arm", baud=115200)
    desk = Desk(new_peer("modbus_lotltd"), port, Random(1))
    desk.start()
    configure(site, talkers.snippet(desk.peer, str(port.path)))
    site.centre()
    site.start()
    site.wait_up()
    time.sleep(BASE_LINE_S)
    desk.silence(True)
    desk.do("in")
    begun = time.monotonic()
    eventually(lambda: site.device_status("device-1")["status"] == "down", "down")
    time.sleep(3.0)
    desk.silence(False)
    away_ms = (time.monotonic() - begun) * 1000
    eventually(lambda: passed(site).total() == 1, "the pass")
    desk.do("in")
    eventually(lambda: passed(site).total() == 2, "the next one")
    first, second = of_type(site.events(), "passage.sensed")
    desk.stop()
    port.close()
    assert not first["data"]["live"]
    assert first["data"]["clock"]["waited_ms"] >= away_ms
    assert second["data"]["live"]


def test_a_terminals_log_is_told_once_however_often_the_daemon_falls_and_at_the_right_time(
    own_broker: BrokerMaker, make_site: SiteMaker
) -> None:
    site = make_site(own_broker().url)
    done: list[tuple[str, float]] = []

    def punch(device: Bench, user: str) -> None:
        device.do(user)
        done.append((user, time.time()))
        time.sleep(0.25)

    with bench("zk_terminal", "zk") as device:
        configure(site, device.snippet())
        site.centre()
        punch(device, "4711")
        for number in range(4):
            site.start()
            site.wait_up()
            punch(device, str(5000 + number))
            assert site.daemon is not None
            site.daemon.kill()
            punch(device, str(6000 + number))
            punch(device, str(6000 + number))
        site.start()
        site.wait_up()
        tokens = Counter(cards.token(KEY, "k1", "zk-user", user) for user, _ in done)
        eventually(lambda: counted(site.events(), directions=False).total() >= len(done), "telling all", 20.0)
        events = of_type(site.events(), "credential.read")
    assert counted(events, directions=False) == tokens
    for event, (_, at) in zip(events, done, strict=True):
        told = datetime.fromisoformat(event["time"]).timestamp()
        assert abs(told - at) <= CLOCK_ERROR_S
        assert abs(told - at) * 1000 <= event["data"]["device_clock"]["error_ms"] + 100
        assert abs(event["data"]["device_clock"]["offset_ms"]) > 60_000, "the terminal's clock is minutes off"
        assert not event["data"]["live"]
