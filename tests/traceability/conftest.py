from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from centre_bench import Bench, Wall
from postgres_server import PostgresServer

from gateway.simulation.broker import Broker, iotcore, mosquitto
from traceability.database import Database, open_database
from traceability.ledger import Ledger
from traceability.whereabouts import digest, runs

ENGINES = ("sqlite", pytest.param("postgresql", marks=pytest.mark.needs("postgres")))


@pytest.fixture(scope="session", autouse=True)
def small_blocks() -> Iterator[None]:
    """Signs are summed up by few, so that journals of some lines have whole blocks."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(digest, "BLOCK", 4)
        patch.setattr(runs, "BLOCK", 4)
        patch.setattr(runs, "STRIP", 3)
        yield


@pytest.fixture
def wall() -> Wall:
    return Wall()


@pytest.fixture(scope="session")
def postgres() -> Iterator[PostgresServer]:
    server = PostgresServer()
    yield server
    server.close()


@pytest.fixture(params=ENGINES)
def place(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """The `database` setting of a new, empty ledger on either engine."""
    if request.param == "sqlite":
        return str(tmp_path / "ledger.sqlite")
    server: PostgresServer = request.getfixturevalue("postgres")
    return server.fresh()


@pytest.fixture(params=ENGINES, scope="session")
def new_place(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Callable[..., str]:
    """Makes the `database` setting of a new, empty ledger on either engine; two at once have names."""
    if request.param == "sqlite":
        return lambda name="ledger": str(tmp_path_factory.mktemp(name) / "ledger.sqlite")
    server: PostgresServer = request.getfixturevalue("postgres")
    return server.fresh


@pytest.fixture
def database(place: str) -> Iterator[Database]:
    """A ledger's database on either engine."""
    database = open_database(place)
    yield database
    database.close()


@pytest.fixture
def ledger(database: Database, wall: Wall) -> Iterator[Ledger]:
    """An open ledger on either engine."""
    ledger = Ledger(database, "centre-1", wall)
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
