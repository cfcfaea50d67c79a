"""How late a driver may tell of something: not at all where devices speak by themselves, else as its page says."""

from __future__ import annotations

import tomllib

import pytest

from drivers import modbus_turnstile, registry, tpw_turnstile
from drivers.contract import START, Command, DriverSpec
from drivers.modbus_turnstile import DRIVER, Options

SPECS = registry.catalog()
PASS_TIMEOUT_S = 5.0


@pytest.mark.parametrize("spec", SPECS, ids=lambda spec: spec.name)
def test_who_asks_says_how_late_that_makes_it_and_who_listens_is_not_late(spec: DriverSpec) -> None:
    latency_s = spec.latency_with(spec.options())
    assert (latency_s > 0) == spec.asks_with(spec.options())


@pytest.mark.parametrize("spec", SPECS, ids=lambda spec: spec.name)
def test_the_example_of_a_sensor_is_asked_often_enough_for_a_lane_as_it_comes(spec: DriverSpec) -> None:
    for port in tomllib.loads(spec.example)["ports"]:
        line = [registry.make_options(spec, device.get("options", {})) for device in port["devices"]]
        for device, options in zip(port["devices"], line, strict=True):
            if device.get("directions") or device.get("inputs"):
                assert spec.latency_with(options, line) <= PASS_TIMEOUT_S / 2


def test_thirty_units_on_one_bus_are_asked_often_enough() -> None:
    units = [Options(unit=number) for number in range(1, 31)]
    assert DRIVER.latency_with(units[0], units) <= PASS_TIMEOUT_S / 2


def test_a_reader_in_active_mode_is_not_late() -> None:
    spec = registry.find("uhf_a0")
    assert spec.latency_with(registry.make_options(spec, {"mode": "listen"})) == 0.0


def test_the_more_units_share_a_line_the_later_each_is() -> None:
    units = [Options(unit=number) for number in (1, 2, 3)]
    alone, among = DRIVER.latency_with(units[0]), DRIVER.latency_with(units[0], units)
    assert alone == pytest.approx(units[0].poll_s + units[0].answer_s)
    assert among == pytest.approx(alone + 2 * modbus_turnstile.EXCHANGE_S)


def test_who_is_asked_more_rarely_is_later_by_that_much() -> None:
    seldom, often = tpw_turnstile.Options(poll_s=3.0), tpw_turnstile.Options(poll_s=1.0)
    spec = tpw_turnstile.DRIVER
    assert spec.latency_with(seldom) - spec.latency_with(often) == pytest.approx(2.0)


def test_no_unit_of_a_healthy_bus_is_asked_later_than_its_latency() -> None:
    units = [Options(unit=1, preset="none", inputs="discrete 0 8"), Options(unit=2), Options(unit=3, read_cards=True)]
    driver, now, asked = DRIVER.build(units), 0.0, dict[bytes, float]()
    for unit in range(len(units)):
        driver.send(Command(START, {"mark": None}, unit), now)
    bound_s = min(DRIVER.latency_with(unit, units) for unit in units)
    while now < 5.0:
        driver.poll(now)
        for request in driver.commands():
            before, asked[request] = asked.get(request, now), now
            is_of_passes = request[1] == 2 or request[3] == 0x44
            assert not is_of_passes or now - before <= bound_s
            function, words = request[1], request[5]
            size = 1 if function == 2 else 2 * words
            driver.feed(_framed(bytes([request[0], function, size]) + bytes(size)), now + 0.045)
        now = max(now + 0.001, driver.next_poll() or 0.0)


def _framed(body: bytes) -> bytes:
    return modbus_turnstile.rtu.framed(body[0], body[1:])
