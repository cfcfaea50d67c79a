from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from centre_bench import Bench, Wall

from gateway.simulation.broker import Broker, iotcore, mosquitto
from traceability.database import open_database
from traceability.ledger import Ledger


@pytest.fixture
def wall() -> Wall:
    return Wall()


@pytest.fixture
def ledger(tmp_path: Path, wall: Wall) -> Iterator[Ledger]:
    ledger = Ledger(open_database(str(tmp_path / "ledger.sqlite")), "centre-1", wall)
    ledger.open()
    yield ledger
    ledger.close()


@pytest.fixture
def mosquitto_broker(tmp_path: Path) -> Iterator[Broker]:
    with Broker(mosquitto(shutil.which("mosquitto") or ""), tmp_path) as broker:
        yield broker


@pytest.fixture
def iotcore_broker(tmp_path: Path) -> Iterator[Broker]:
    pytest.importorskip("iotcore")
    with Broker(iotcore(), tmp_path) as broker:
        yield broker


@pytest.fixture
def bench(mosquitto_broker: Broker, tmp_path: Path) -> Iterator[Bench]:
    bench = Bench(mosquitto_broker, tmp_path)
    yield bench
    bench.clear()
