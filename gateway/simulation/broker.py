"""A real MQTT broker to show and to test against: mosquitto if it is on PATH, otherwise the embedded `iotcore`.

Both listen on 127.0.0.1 without a password and keep nothing on disk: after a restart retained messages, sessions and
queued messages are gone, so whoever is connected must publish its state anew. Both carry QoS 1, retained messages,
wills, user properties, content types and messages of 1 MiB; they were tried with paho 2 (MQTT 5). Where they differ:

- PUBACK: mosquitto answers 0x10 when nobody subscribes, iotcore always 0x00. Delivery cannot be proved by PUBACK.
- Flow: mosquitto keeps to the client's Receive Maximum; iotcore ignores it (20 messages to a client that allowed 5)
  and announces none of its own.
- iotcore's listener speaks MQTT 5 only and refuses 3.1.1 by hanging up.
- iotcore does not redeliver to a shared subscriber that was dropped (`shared_subscriptions` is False: subscribe
  plainly).
- Its Rust half logs every packet at level ERROR, so that logger is silenced in its process.
"""

from __future__ import annotations

import os
import shutil
import socket
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

from gateway.errors import Unavailable
from gateway.simulation.children import PYTHON, Child

HOST = "127.0.0.1"
MAX_MESSAGE_BYTES = 4 * 1024 * 1024
READY_WITHIN_S = 10.0
READY_POLL_S = 0.02

MOSQUITTO_CONF = """\
listener {port} {host}
allow_anonymous true
persistence false
max_inflight_messages 0
max_queued_messages 0
set_tcp_nodelay true
log_dest stderr
log_type error
log_type warning
log_type notice
{user}
"""

IOTCORE_TOML = """\
id = 0
[router]
id = 0
max_connections = 1000
max_outgoing_packet_count = 200
max_segment_size = 104857600
max_segment_count = 10
[v5.1]
name = "v5-1"
listen = "{host}:{port}"
next_connection_delay_ms = 1
[v5.1.connections]
connection_timeout_ms = 60000
max_payload_size = {max_bytes}
max_inflight_count = 500
dynamic_filters = true
"""

IOTCORE_PROGRAM = """\
import logging, sys
from iotcore import IotCoreBroker
logging.basicConfig(level=logging.WARNING)
logging.getLogger("rumqttd").setLevel(logging.CRITICAL + 1)
IotCoreBroker(config_path=sys.argv[1]).run_forever()
"""


@dataclass(frozen=True, slots=True)
class Make:
    """How one make of broker is configured and started."""

    name: str
    shared_subscriptions: bool
    settings: Callable[[int], str]
    command: Callable[[Path], list[str]]


def mosquitto(program: str) -> Make:
    """The mosquitto at this path. As root it would change to a user of its own and forget to die with us."""
    user = "user root" if os.geteuid() == 0 else ""
    return Make(
        name="mosquitto",
        shared_subscriptions=True,
        settings=lambda port: MOSQUITTO_CONF.format(port=port, host=HOST, user=user),
        command=lambda settings: [program, "-c", str(settings)],
    )


def iotcore() -> Make:
    """The embedded broker, in a process of its own: it has no way to stop it inside ours."""
    return Make(
        name="iotcore",
        shared_subscriptions=False,
        settings=lambda port: IOTCORE_TOML.format(port=port, host=HOST, max_bytes=MAX_MESSAGE_BYTES),
        command=lambda settings: [*PYTHON, "-c", IOTCORE_PROGRAM, str(settings)],
    )


def available_make() -> Make:
    """mosquitto if PATH has it, else iotcore. Unavailable: neither is installed."""
    if program := shutil.which("mosquitto"):
        return mosquitto(program)
    if find_spec("iotcore") is not None:
        return iotcore()
    raise Unavailable("no MQTT broker is here", remedy="install mosquitto, or `pip install 'punchgate[dev]'`")


class Broker:
    """A broker on a free port of the loopback; it keeps its port over `stop` and `start`."""

    def __init__(self, make: Make | None = None, folder: Path | None = None) -> None:
        self._make = make or available_make()
        self._own_folder = None if folder else tempfile.TemporaryDirectory(prefix="punchgate-broker-")
        self._folder = folder or Path(self._own_folder.name if self._own_folder else "")
        self.name = self._make.name
        self.shared_subscriptions = self._make.shared_subscriptions
        self.port = _free_port()
        settings = self._folder / f"{self.name}.toml"
        settings.write_text(self._make.settings(self.port))
        self._child = Child(self.name, self._make.command(settings), self._folder / f"{self.name}.log")

    @property
    def url(self) -> str:
        return f"mqtt://{HOST}:{self.port}"

    @property
    def running(self) -> bool:
        return self._child.running

    @property
    def pid(self) -> int | None:
        return self._child.pid

    def start(self) -> None:
        """Start and wait until the port answers. Unavailable, with its last words, if it does not in 10 s."""
        if self.running:
            return
        self._child.start()
        deadline = time.monotonic() + READY_WITHIN_S
        while not _answers(self.port):
            self._child.require_running()
            if time.monotonic() > deadline:
                self._child.kill()
                raise Unavailable(f"{self.name} does not listen on {self.port}:\n{self._child.tail()}")
            time.sleep(READY_POLL_S)
        self._child.require_running()

    def stop(self) -> None:
        """End it in an orderly way; clients see the connection close."""
        self._child.stop()

    def kill(self) -> None:
        """End it as a power cut would."""
        self._child.kill()

    def restart(self) -> None:
        """Stop and start on the same port."""
        self.stop()
        self.start()

    def __enter__(self) -> Broker:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.kill()
        if self._own_folder:
            self._own_folder.cleanup()


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        return int(probe.getsockname()[1])


def _answers(port: int) -> bool:
    try:
        with socket.create_connection((HOST, port), timeout=0.2):
            return True
    except OSError:
        return False
