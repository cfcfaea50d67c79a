"""A stranger who subscribes: what any consumer sees at the broker, decoded from the contract alone."""

from __future__ import annotations

import contextlib
import hashlib
import hmac
import json
import threading
import time
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from paho.mqtt.client import Client, MQTTMessage, MQTTv5
from paho.mqtt.enums import CallbackAPIVersion
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties

from .site import KEY, WITHIN_S, eventually


@dataclass(frozen=True, slots=True)
class Heard:
    """One message: monotonic and unix time in s, topic below prefix/site/gateway/, body as sent, properties."""

    at: float
    unix: float
    leaf: str
    body: bytes
    retained: bool
    qos: int
    content_type: str | None
    encoding: str | None

    def lines(self) -> list[bytes]:
        """The records of a message on `records` or `replay`."""
        body = zlib.decompress(self.body) if self.encoding == "deflate" else self.body
        return body.split(b"\n")

    def json(self) -> dict[str, Any]:
        return dict(json.loads(self.body))


class Ear:
    """Subscribes to everything below the prefix, within 0.1 s of every return of the broker."""

    def __init__(self, host: str, port: int, prefix: str = "punchgate/v1", leaf: str = "#") -> None:
        self.heard: list[Heard] = []
        self.prefix = prefix
        self._address = (host, port)
        self._filter = f"{prefix}/+/+/{leaf}" if leaf != "#" else f"{prefix}/#"
        self._stop = threading.Event()
        self._subscribed = threading.Event()
        self.client = Client(CallbackAPIVersion.VERSION2, protocol=MQTTv5, reconnect_on_failure=False)
        self.client.on_connect = lambda client, *_: client.subscribe(self._filter, qos=1)
        self.client.on_subscribe = lambda *_: self._subscribed.set()
        self.client.on_message = self._hear
        self._thread = threading.Thread(target=self._run, daemon=True)

    def __enter__(self) -> Ear:
        self._thread.start()
        assert self._subscribed.wait(WITHIN_S)
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self.client.disconnect()
        self._thread.join(2)

    def on(self, *leaves: str) -> list[Heard]:
        """What came on these topics."""
        return [it for it in self.heard.copy() if it.leaf in leaves]

    def records(self, kind: str = "", leaves: tuple[str, ...] = ("records", "replay")) -> list[dict[str, Any]]:
        """The records in the order they came, each once, of one type (without prefix and version) or all."""
        events = [json.loads(line) for line in dict.fromkeys(line for it in self.on(*leaves) for line in it.lines())]
        return [event for event in events if kind in ("", event["type"][len("punchgate.") : -len(".v1")])]

    def wait_records(self, kind: str, count: int, within_s: float = WITHIN_S) -> list[dict[str, Any]]:
        return list(
            self.wait(lambda: (found := self.records(kind))[count - 1 :] and found, f"{count} {kind}", within_s)
        )

    def wait(self, holds: Callable[[], Any], what: str = "hearing it", within_s: float = WITHIN_S) -> Any:
        return eventually(holds, what, within_s)

    def tell(self, topic: str, payload: bytes, *, retain: bool = False, encoding: str | None = None) -> None:
        """Publish as anybody could; `topic` is below the prefix."""
        properties = Properties(PacketTypes.PUBLISH)
        if encoding:
            properties.UserProperty = [("content-encoding", encoding)]
        message = self.client.publish(f"{self.prefix}/{topic}", payload, 1, retain, properties=properties)
        message.wait_for_publish(WITHIN_S)

    def _run(self) -> None:
        while not self._stop.wait(0.1):
            with contextlib.suppress(OSError):
                self.client.connect(*self._address)
                self.client.loop_forever()

    def _hear(self, _client: Client, _data: Any, message: MQTTMessage) -> None:
        properties = message.properties
        named = dict(getattr(properties, "UserProperty", None) or ())
        leaf = message.topic.removeprefix(f"{self.prefix}/").split("/", 2)[-1]
        content_type = getattr(properties, "ContentType", None)
        self.heard.append(
            Heard(
                time.monotonic(),
                time.time(),
                leaf,
                bytes(message.payload),
                message.retain,
                message.qos,
                content_type,
                named.get("content-encoding"),
            )
        )


def token(card: str, scheme: str = "em4100") -> str:
    """CONTRACT section 3."""
    return "k1:" + hmac.new(KEY, f"{scheme}:{card}".encode(), hashlib.sha256).hexdigest()[:32]
