"""The centre against the embedded broker, plainly subscribed."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from centre_bench import Bench
from centre_lines import chain

from gateway.simulation.broker import Broker


@pytest.fixture
def embedded(iotcore_broker: Broker, tmp_path: Path) -> Iterator[Bench]:
    bench = Bench(iotcore_broker, tmp_path)
    yield bench
    bench.clear()


def test_records_reach_the_ledger_and_receipts_the_gateway(embedded: Bench) -> None:
    embedded.centre()
    gateway, lines = embedded.gateway(), chain(600)
    gateway.say(newest=0, settled=0)
    for at in range(0, 600, 100):
        gateway.send(lines[at : at + 100])
    gateway.wait_through(600)
    assert embedded.stored() == lines


def test_a_killed_centre_takes_up_its_session_again(embedded: Bench) -> None:
    centre = embedded.centre()
    gateway, lines = embedded.gateway(), chain(400)
    for at in range(0, 400, 10):
        gateway.send(lines[at : at + 10])
        if at == 200:
            centre.kill()
            centre = embedded.start_centre()
    gateway.wait_through(400)
    assert embedded.stored() == lines
