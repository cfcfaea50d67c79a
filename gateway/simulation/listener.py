"""An ear at the broker: what passes on its topics, as the demo shows it.

It is an onlooker. What it misses while the broker is away is not lost, only unseen; the verdict comes from the
centre's export.
"""

from __future__ import annotations

import contextlib
import queue
import threading
import time
from dataclasses import dataclass
from typing import Any

from paho.mqtt import client as mqtt
from paho.mqtt.enums import CallbackAPIVersion, MQTTProtocolVersion
from paho.mqtt.reasoncodes import ReasonCode

from gateway.wire import MAX_MISSING_RANGES

RECONNECT_S = 0.1


@dataclass(frozen=True, slots=True)
class Heard:
    """One message: when it arrived (unix time, s), its topic below the gateway's, its bytes and their encoding."""

    at_s: float
    topic: str
    body: bytes
    encoding: str | None


class Listener:
    """Subscribes to everything below a prefix, again after each reconnect; `heard` is filled by its own thread."""

    def __init__(self, host: str, port: int, prefix: str) -> None:
        self.heard: queue.SimpleQueue[Heard] = queue.SimpleQueue()
        self._address = (host, port)
        self._prefix = prefix
        self._stop = threading.Event()
        self._client = mqtt.Client(
            CallbackAPIVersion.VERSION2, protocol=MQTTProtocolVersion.MQTTv5, reconnect_on_failure=False
        )
        self._client.on_connect = self._subscribe
        self._client.on_message = self._hear
        self._thread = threading.Thread(target=self._run, name="listener", daemon=True)

    def start(self) -> None:
        """Begin to listen, now or as soon as the broker is there."""
        self._thread.start()

    def stop(self) -> None:
        """Hang up."""
        self._stop.set()
        self._client.disconnect()
        self._thread.join(2)

    def _run(self) -> None:
        while not self._stop.wait(RECONNECT_S):
            with contextlib.suppress(OSError):
                self._client.connect(*self._address)
                self._client.loop_forever()

    def _subscribe(self, client: mqtt.Client, _data: Any, _flags: Any, reason: ReasonCode, _properties: Any) -> None:
        if not reason.is_failure:
            client.subscribe(f"{self._prefix}/#", qos=1)

    def _hear(self, _client: mqtt.Client, _data: Any, message: mqtt.MQTTMessage) -> None:
        named = dict(getattr(message.properties, "UserProperty", None) or ())
        topic = message.topic.removeprefix(f"{self._prefix}/").split("/", 2)[-1]
        body = bytes(message.payload)
        self.heard.put(Heard(time.time(), topic, body, named.get("content-encoding")))


def commits(receipt: dict[str, Any], seq: int) -> bool:
    """Whether the centre says with this receipt that it has the record."""
    holes = receipt["missing"]
    told = receipt["through"] if len(holes) >= MAX_MISSING_RANGES else receipt["seen"]
    return bool(seq <= max(receipt["through"], told)) and not any(first <= seq <= last for first, last in holes)
