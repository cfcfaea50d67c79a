"""A short visit to the broker: say something to a gateway, and, where one is asked for, hear its answer.

The visit has a client id of its own, so it does not throw the running service out. What is said is acknowledged by
the broker (QoS 1); an MQTT 5 broker also says that nobody listens, and then there is nothing to wait for.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from queue import Empty, SimpleQueue
from typing import Any

from paho.mqtt.client import Client, MQTTMessage, MQTTv5
from paho.mqtt.enums import CallbackAPIVersion
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties

from gateway.errors import Misconfigured, Transient
from traceability import remedies
from traceability.subscription import Broker

WITHIN_S = 10.0
NOBODY = 0x10
REFUSED_FROM = 0x80
MOST_BYTES = 1024 * 1024
MOST_WAITING = 1000

Said = tuple[str, bytes]


class Visit:
    """A context: connected inside. Raises Transient where the broker cannot be reached, with the remedy."""

    def __init__(self, broker: Broker) -> None:
        self._broker = broker
        self._codes: SimpleQueue[tuple[str, int]] = SimpleQueue()
        self._heard: SimpleQueue[Said] = SimpleQueue()
        self._client = Client(CallbackAPIVersion.VERSION2, client_id=broker.client_id, protocol=MQTTv5)
        if broker.username is not None:
            self._client.username_pw_set(broker.username, broker.password)
        if broker.tls is not None:
            self._client.tls_set_context(broker.tls)
        self._client.connect_timeout = WITHIN_S
        self._client.on_connect = self._on_connect
        self._client.on_publish = self._on_publish
        self._client.on_subscribe = self._on_subscribe
        self._client.on_message = self._on_message

    def __enter__(self) -> Visit:
        properties = Properties(PacketTypes.CONNECT)  # type: ignore[no-untyped-call]
        properties.MaximumPacketSize = MOST_BYTES
        try:
            self._client.connect(self._broker.host, self._broker.port, 30, properties=properties)
        except OSError as error:
            text, remedy = remedies.for_network(error, time.time())
            raise Transient(text, remedy=remedy) from error
        self._client.loop_start()
        try:
            self._granted("connect")
        except BaseException:
            self._client.loop_stop()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self._client.disconnect()
        self._client.loop_stop()

    def listen(self, topic: str) -> None:
        """Hear this topic from now on. Raises Misconfigured if the broker does not let us."""
        self._client.subscribe(topic, qos=1)
        self._granted("subscribe")

    def say(self, topic: str, payload: bytes, *, retain: bool) -> bool:
        """Publish; whether somebody listens, as far as the broker tells. Raises Misconfigured, Transient."""
        self._client.publish(topic, payload, qos=1, retain=retain)
        return self._granted("publish") != NOBODY

    def hear(self, until_s: float, wanted: Callable[[bytes], Any]) -> Any:
        """The first thing that `wanted` makes something of, until then (monotonic s); None: nothing came."""
        while (left_s := until_s - time.monotonic()) > 0:
            try:
                _, payload = self._heard.get(timeout=left_s)
            except Empty:
                break
            if (found := wanted(payload)) is not None:
                return found
        return None

    def _granted(self, what: str) -> int:
        """The broker's answer. Raises Misconfigured if it says no, Transient if it says nothing."""
        try:
            kind, code = self._codes.get(timeout=WITHIN_S)
        except Empty as error:
            raise Transient(f"the broker does not answer ({what})", remedy="look into the broker's log") from error
        if code >= REFUSED_FROM:
            remedy = "give the centre the right to it: see docs/security.md, What each client may do"
            raise Misconfigured(f"the broker refuses to {kind} (reason {code})", remedy=remedy)
        return code

    # --- in paho's thread

    def _on_connect(self, _: object, __: object, ___: object, code: Any, ____: object) -> None:
        self._codes.put(("connect", int(code.value)))

    def _on_publish(self, _: object, __: object, ___: int, code: Any, ____: object) -> None:
        self._codes.put(("publish", int(code.value)))

    def _on_subscribe(self, _: object, __: object, ___: int, codes: list[Any], ____: object) -> None:
        self._codes.put(("subscribe", max(int(code.value) for code in codes)))

    def _on_message(self, _: object, __: object, message: MQTTMessage) -> None:
        if self._heard.qsize() < MOST_WAITING:
            self._heard.put((message.topic, bytes(message.payload)))
