"""A sensor that is asked too rarely for its lane is refused; one that is asked often enough is not."""

from __future__ import annotations

import pytest
from config_desk import Desk

BUS = ('driver = "eb_turnstile"', 'driver = "io_module"')
INPUTS = 'inputs = { "0" = "pass_in", "1" = "pass_out" }'
DIRECTIONS = 'directions = { left = "in", right = "out" }'


def test_a_sensor_asked_too_rarely_is_refused_with_what_would_do(desk: Desk) -> None:
    desk.edit(BUS, (DIRECTIONS, f"{INPUTS}\n  options = {{ poll_s = 3.0 }}"))
    finding = desk.finding()
    assert (finding.file, finding.key, finding.value) == (str(desk.file), "ports[1].devices[0].options.poll_s", "3.0")
    assert "tells of a passage up to 3.1 s late" in finding.problem
    assert finding.remedy == 'ask more often, or set pass_timeout_s = 6.2 or more on lane "lobby-1"'


def test_a_lane_that_waits_too_shortly_for_its_sensor_is_refused(desk: Desk) -> None:
    desk.edit(BUS, (DIRECTIONS, INPUTS), ('sensor = "per', 'pass_timeout_s = 0.2\nsensor = "per'))
    finding = desk.finding()
    assert (finding.key, finding.value) == ("lanes[0].pass_timeout_s", "0.2")
    assert "arm-1" in finding.problem
    assert finding.remedy == 'set pass_timeout_s = 0.3 or more on lane "lobby-1"'


@pytest.mark.parametrize("poll_s", ["0.05", "2.4"])
def test_a_sensor_asked_often_enough_is_taken(desk: Desk, poll_s: str) -> None:
    desk.edit(BUS, (DIRECTIONS, f"{INPUTS}\n  options = {{ poll_s = {poll_s} }}"))
    assert desk.findings() == []


def test_the_remedy_is_taken(desk: Desk) -> None:
    desk.edit(BUS, (DIRECTIONS, f"{INPUTS}\n  options = {{ poll_s = 3.0 }}"))
    desk.edit(('sensor = "per', 'pass_timeout_s = 6.2\nsensor = "per'))
    assert desk.findings() == []


def test_a_module_without_passes_may_be_asked_as_rarely_as_one_likes(desk: Desk) -> None:
    module = (
        'id = "io"\ndriver = "io_module"\nlane = "lobby-1"\noptions = { poll_s = 30.0 }\ninputs = { "0" = "fire" }'
    )
    desk.write(f'{desk.file.read_text()}\n[[ports]]\nurl = "/dev/ttyS3"\n[[ports.devices]]\n{module}\n')
    assert desk.findings() == []


def test_a_sensor_that_speaks_by_itself_serves_the_shortest_window(desk: Desk) -> None:
    desk.edit(('sensor = "per', 'pass_timeout_s = 0.01\nsensor = "per'))
    assert desk.findings() == []
