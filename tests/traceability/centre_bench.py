"""A gateway's side of the broker, and centres as processes of their own that can be killed."""

from __future__ import annotations

import json
import os
import signal
import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
from alembic import command
from alembic.config import Config
from centre_lines import EPOCH
from paho.mqtt.client import Client, MQTTMessage, MQTTv5
from paho.mqtt.enums import CallbackAPIVersion
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties
from sqlalchemy import create_engine

from gateway.simulation.broker import Broker
from gateway.wire import Receipt, Topics, pack, read_receipt
from traceability import coverage, export
from traceability.database import open_database
from traceability.database.sqlite import APPLICATION_ID

PREFIX = "punchgate/v1"
WITHIN_S = 60.0

only_a_file = pytest.mark.parametrize("place", ["sqlite"], indirect=True)
"""For a test of what only SQLite has; see the fixture `place`."""

CENTRE = (sys.executable, "-m", "gateway", "centre")


class Wall:
    """A wall clock that stands still until it is told."""

    def __init__(self) -> None:
        self.ms = 1_800_000_000_000

    def __call__(self) -> int:
        return self.ms

    def forward(self, seconds: float) -> None:
        self.ms += round(seconds * 1000)


def eventually(holds: Callable[[], Any], within_s: float = WITHIN_S) -> Any:
    """Wait until it holds; returns what it returned."""
    deadline = time.monotonic() + within_s
    while not (answer := holds()):
        assert time.monotonic() < deadline, "it did not come to pass"
        time.sleep(0.02)
    return answer


def make_old(path: Path, version: int) -> None:
    """A closed ledger as that version of the schema would have left it."""
    new = path.rename(path.with_name("new.sqlite"))
    engine = create_engine(f"sqlite:///{path}")
    with engine.begin() as connection:
        steps = Config()
        steps.set_main_option("script_location", "traceability:database/migrations")
        steps.attributes["connection"] = connection
        command.upgrade(steps, str(version))
        connection.exec_driver_sql("DROP TABLE alembic_version")
    engine.dispose()
    old = sqlite3.connect(path)
    old.execute("ATTACH ? AS new", (str(new),))
    for (table,) in old.execute("SELECT name FROM main.sqlite_schema WHERE type = 'table'").fetchall():
        columns = ", ".join(row[1] for row in old.execute(f"PRAGMA main.table_info({table})"))
        old.execute(f"DELETE FROM main.{table}")
        old.execute(f"INSERT INTO main.{table} ({columns}) SELECT {columns} FROM new.{table}")
    old.execute(f"PRAGMA main.application_id = {APPLICATION_ID}")
    old.execute(f"PRAGMA main.user_version = {version}")
    old.commit()
    old.close()


class FakeGateway:
    """Publishes batches and states like a gateway; collects the receipts as they come."""

    def __init__(self, broker: Broker, site: str = "hq", gateway: str = "edge-01") -> None:
        self.topics = Topics(PREFIX, site, gateway)
        self.receipts: list[Receipt] = []
        self.payloads: list[bytes] = []
        self.arrived: list[float] = []
        self._subscribed = threading.Event()
        self._client = Client(CallbackAPIVersion.VERSION2, client_id=f"{site}.{gateway}", protocol=MQTTv5)
        self._client.max_inflight_messages_set(100)
        self._client.reconnect_delay_set(1, 1)
        self._client.on_connect = lambda client, *_: client.subscribe(self.topics.of("receipt"), 1)
        self._client.on_subscribe = lambda *_: self._subscribed.set()
        self._client.on_message = self._on_message
        self._client.connect("127.0.0.1", broker.port)
        self._client.loop_start()
        assert self._subscribed.wait(5)

    def send(self, lines: Sequence[bytes], leaf: str = "records", *, deflate: bool = True) -> None:
        """One message of these lines."""
        batch = pack(lines, deflate=deflate)
        self.send_raw(batch.body, leaf, encoding=batch.encoding)

    def send_raw(self, body: bytes, leaf: str = "records", *, encoding: str | None = None, qos: int = 1) -> None:
        properties = Properties(PacketTypes.PUBLISH)
        if encoding is not None:
            properties.UserProperty = [("content-encoding", encoding)]
        self._client.publish(self.topics.of(leaf), body, qos=qos, properties=properties).wait_for_publish(10)

    def say(self, status: str = "online", epoch: str = EPOCH, **words: Any) -> None:
        """A state message, retained."""
        state = {"status": status, "epoch": epoch} | words
        self._client.publish(self.topics.of("state"), json.dumps(state), qos=1, retain=True).wait_for_publish(10)

    def last(self) -> Receipt | None:
        return self.receipts[-1] if self.receipts else None

    def wait_through(self, seq: int, within_s: float = WITHIN_S) -> Receipt:
        """The first receipt that reaches so far."""
        return eventually(lambda: next((it for it in self.receipts if it.through >= seq), None), within_s)

    def close(self) -> None:
        self._client.disconnect()
        self._client.loop_stop()

    def _on_message(self, client: Client, userdata: Any, message: MQTTMessage) -> None:
        self.receipts.append(read_receipt(message.payload))
        self.payloads.append(message.payload)
        self.arrived.append(time.monotonic())


class CentreProcess:
    """`punchgate centre run` as systemd would run it; what it logs is in `log`."""

    def __init__(self, config: Path, log: Path, env: dict[str, str] | None = None) -> None:
        self.config = config
        self.log = log
        with log.open("ab") as output:
            self._process = subprocess.Popen(
                [*CENTRE, "run", "-c", str(config)],
                stdout=output,
                stderr=output,
                env=os.environ | (env or {}),
            )
        self.pid = self._process.pid

    def events(self, name: str = "") -> list[dict[str, Any]]:
        """Its log events, of one name or all."""
        said = [json.loads(row) for row in self.log.read_text().splitlines() if row.startswith("{")]
        return [event for event in said if name in ("", event["event"])]

    def wait_for(self, name: str) -> dict[str, Any]:
        return eventually(lambda: self.events(name))[-1]  # type: ignore[no-any-return]

    def kill(self) -> None:
        """As a power cut would end it."""
        self._process.kill()
        self._process.wait()

    def stop(self) -> int:
        """SIGTERM; returns the exit code. Takes 5 s at most."""
        self._process.send_signal(signal.SIGTERM)
        return self._process.wait(5)

    def wait(self) -> int:
        return self._process.wait(10)

    @property
    def running(self) -> bool:
        return self._process.poll() is None


class Bench:
    """A broker with gateways and centres on it, and one ledger that the centres share."""

    def __init__(self, broker: Broker, folder: Path) -> None:
        self.broker = broker
        self.folder = folder
        self.database = str(folder / "ledger.sqlite")
        self._things: list[FakeGateway | CentreProcess] = []

    def centre(self, name: str = "a", env: dict[str, str] | None = None, **settings: str) -> CentreProcess:
        """Start a centre with a state directory of this name; waits until the broker has taken it."""
        centre = self.start_centre(name, env, **settings)
        centre.wait_for("broker.connected")
        time.sleep(0.2)
        return centre

    def start_centre(self, name: str = "a", env: dict[str, str] | None = None, **settings: str) -> CentreProcess:
        config = self.folder / f"centre-{name}.toml"
        words = {
            "url": self.broker.url,
            "database": self.database,
            "state_dir": str(self.folder / name),
            "share": "" if self.broker.name == "iotcore" else "punchgate",
        } | settings
        rows = [f"{key} = {json.dumps(value)}" for key, value in words.items()]
        config.write_text("\n".join(["[centre]", *rows, "[log]", 'level = "debug"']) + "\n")
        log = self.folder / f"centre-{name}-{len(self._things)}.log"
        centre = CentreProcess(config, log, env)
        self._things.append(centre)
        return centre

    def gateway(self, site: str = "hq", gateway: str = "edge-01") -> FakeGateway:
        fake = FakeGateway(self.broker, site, gateway)
        self._things.append(fake)
        return fake

    def stored(self) -> list[bytes]:
        """Every line in the ledger, in the order of the export."""
        return [line for lines in export.slices(open_database(self.database), export.Wanted()) for line in lines]

    def coverage(self) -> coverage.Report:
        return coverage.survey(open_database(self.database), time.time_ns() // 1_000_000)

    def clear(self) -> None:
        for thing in self._things:
            if isinstance(thing, FakeGateway):
                thing.close()
            elif thing.running:
                thing.kill()
