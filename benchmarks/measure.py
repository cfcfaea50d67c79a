"""What the benchmarks share: a site with a real broker and a real daemon, medians, and how results are said."""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from paho.mqtt.client import Client, MQTTv5
from paho.mqtt.enums import CallbackAPIVersion

from gateway.simulation.broker import HOST, Broker
from gateway.simulation.pty import Pty
from gateway.status import ask

PUNCHGATE = str(Path(sys.executable).with_name("punchgate"))
PREFIX = "benchmark/v1"
KEY = bytes(32)
BACK_WITHIN_S = 0.05
CONFIG = """\
[gateway]
site = "hq"
id = "edge-01"
state_dir = "state"

[uplink]
url = "{url}"
prefix = "benchmark/v1"

[privacy]
key_file = "organisation.key"

[[lanes]]
id = "lobby-1"
portal = "lobby"
from_zone = "outside"
to_zone = "lobby"

[[ports]]
url = "{port}"
baud = 9600

  [[ports.devices]]
  id = "lane-1-in"
  driver = "em4100"
  lane = "lobby-1"
  side = "in"

[log]
level = "error"
"""


class Gateway:
    """The example configuration with one reader on a pty."""

    def __init__(self, folder: Path, broker: Broker) -> None:
        self.folder, self.broker = folder, broker
        self.state_dir = folder / "state"
        self.reader = Pty(folder / "tty-reader")
        self._process: subprocess.Popen[bytes] | None = None
        (folder / "organisation.key").write_text(KEY.hex() + "\n")
        (folder / "organisation.key").chmod(0o600)
        (folder / "punchgate.toml").write_text(CONFIG.format(url=broker.url, port=self.reader.path))

    @property
    def pid(self) -> int:
        assert self._process is not None
        return self._process.pid

    def insecure(self) -> None:
        """Allow a broker off the loopback without TLS."""
        file = self.folder / "punchgate.toml"
        file.write_text(file.read_text().replace("[privacy]", "insecure = true\n\n[privacy]"))

    def start(self, wrapper: Sequence[str] = ()) -> float:
        """Start the daemon; seconds until `status` says the port is up and the broker connected."""
        begun = time.monotonic()
        self._process = subprocess.Popen([*wrapper, PUNCHGATE, "run", "-c", str(self.folder / "punchgate.toml")])
        wait_until(self._ready, every_s=0.01)
        return time.monotonic() - begun

    def status(self) -> dict[str, Any]:
        return ask(self.state_dir)

    def stop(self) -> None:
        if self._process is not None and self._process.poll() is None:
            self._process.terminate()
            self._process.wait(10)

    def _ready(self) -> bool:
        try:
            status = self.status()
        except Exception:  # noqa: BLE001 - not there yet, for whatever reason
            return False
        return bool(status["uplink"]["connected"]) and all(it["status"] == "up" for it in status["devices"])


@contextmanager
def site() -> Iterator[Gateway]:
    """A broker and a gateway in a folder of their own; the gateway is not started."""
    with tempfile.TemporaryDirectory(prefix="punchgate-benchmark-") as name, Broker() as broker:
        gateway = Gateway(Path(name), broker)
        try:
            yield gateway
        finally:
            gateway.stop()
            gateway.reader.close()


@contextmanager
def subscriber(broker: Broker, topic: str, hear: Callable[[float, bytes], None]) -> Iterator[Client]:
    """A client that tells `hear` the monotonic time and payload of each message on a topic."""
    client = Client(CallbackAPIVersion.VERSION2, protocol=MQTTv5)
    subscribed: list[bool] = []
    client.on_message = lambda _client, _data, message: hear(time.monotonic(), bytes(message.payload))
    client.on_subscribe = lambda *_: subscribed.append(True)
    client.on_connect = lambda connected, *_: connected.subscribe(topic, qos=1)
    client.reconnect_delay_set(BACK_WITHIN_S, BACK_WITHIN_S)  # type: ignore[arg-type]  # fractions work
    client.connect(HOST, broker.port)
    client.loop_start()
    wait_until(lambda: bool(subscribed))
    try:
        yield client
    finally:
        client.disconnect()
        client.loop_stop()


def wait_until(holds: Callable[[], bool], within_s: float = 60.0, every_s: float = 0.002) -> None:
    """Poll until it holds."""
    deadline = time.monotonic() + within_s
    while not holds():
        if time.monotonic() > deadline:
            raise TimeoutError("it did not come to pass")
        time.sleep(every_s)


def cpu_s(pid: int) -> float:
    """CPU seconds a process has used, to the nanosecond where the kernel tells."""
    schedstat = sum(int(task.read_text().split()[0]) for task in Path(f"/proc/{pid}/task").glob("*/schedstat"))
    return schedstat / 1e9


def rss_mib(pid: int) -> float:
    rows = Path(f"/proc/{pid}/status").read_text().splitlines()
    return next(int(row.split()[1]) for row in rows if row.startswith("VmRSS")) / 1024


def fsync_ms(folder: Path, times: int = 1) -> list[float]:
    """What this disk takes for a journal-sized append and fsync: the floor of any durable record."""
    with (folder / "fsync.probe").open("ab", buffering=0) as file:
        taken = []
        for _ in range(times):
            begun = time.monotonic()
            file.write(bytes(8192))
            os.fsync(file.fileno())
            taken.append(1000 * (time.monotonic() - begun))
        return taken


def figures(values: Sequence[float]) -> dict[str, float]:
    """Median, 95th percentile and worst."""
    ordered = sorted(values)
    return {
        "median": round(statistics.median(ordered), 3),
        "p95": round(ordered[int(0.95 * (len(ordered) - 1))], 3),
        "max": round(ordered[-1], 3),
    }


def say(result: dict[str, Any], line: str) -> None:
    """JSON on stdout, one line for people on stderr."""
    print(json.dumps(result))
    print(line, file=sys.stderr)
