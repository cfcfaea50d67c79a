"""The centre's side of the broker: a session that outlives the process, and acknowledgements given by hand.

paho runs in its own thread, and its callbacks only enqueue: an exception in one would end that thread in silence.
A message is acknowledged when it is in the ledger, so what was not committed comes again; the broker never has more
than RECEIVE_MAXIMUM of them under way. An acknowledgement belongs to one connection, because a new session gives
its packet numbers to other messages.

A shared session is kept for a minute only: mosquitto goes on handing a dead consumer its share, and what lies there
is late. A plain one is kept for an hour. Neither is what delivery rests on: gateways keep what has no receipt.
"""

from __future__ import annotations

import socket
import ssl
import sys
import threading
import time
from contextlib import suppress
from dataclasses import dataclass
from queue import SimpleQueue
from typing import Any

from paho.mqtt.client import Client, ConnectFlags, DisconnectFlags, MQTTMessage, MQTTv5
from paho.mqtt.enums import CallbackAPIVersion, MQTTErrorCode
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties
from paho.mqtt.reasoncodes import ReasonCode
from paho.mqtt.subscribeoptions import SubscribeOptions

from gateway.wire import Topics
from traceability import remedies

RECEIVE_MAXIMUM = 64
MAX_WAITING = 1024
MAX_PACKET_BYTES = 5 * 1024 * 1024
KEEPALIVE_S = 5
SILENT_MS = 4000
PLAIN_SESSION_S = 3600
SHARED_SESSION_S = 10
RECONNECT_FIRST_S, RECONNECT_MAX_S = 0.2, 0.8
STOP_WITHIN_S = 2.0


@dataclass(frozen=True, slots=True)
class Broker:
    """Where the broker is and who we are to it."""

    host: str
    port: int
    client_id: str
    username: str | None = None
    password: str | None = None
    tls: ssl.SSLContext | None = None


@dataclass(frozen=True, slots=True)
class Delivery:
    """A message as it came. `connection` counts connections: an acknowledgement is for the one it came by."""

    topic: str
    payload: bytes
    encoding: str | None
    qos: int
    mid: int
    connection: int


@dataclass(frozen=True, slots=True)
class Connected:
    """The broker took us; `resumed`: it still had our session."""

    resumed: bool


@dataclass(frozen=True, slots=True)
class Disconnected:
    """No connection: `code` is an MQTT 5 reason code or None, `reason` what the broker or the network said."""

    code: int | None
    reason: str
    remedy: str


@dataclass(frozen=True, slots=True)
class Refused:
    """A subscription the broker did not grant."""

    code: int
    reason: str


@dataclass(frozen=True, slots=True)
class Wake:
    """Nothing happened, but look around: somebody asked to stop."""


@dataclass(frozen=True, slots=True)
class Died:
    """paho's thread ended by itself, which is a bug."""

    error: Exception


Event = Delivery | Connected | Disconnected | Refused | Wake | Died
Inbox = SimpleQueue[Event]


class Subscription:
    """All gateways' topics under a prefix, into an inbox. Everything but the callbacks belongs to one thread."""

    def __init__(self, broker: Broker, topics: Topics, share: str, inbox: Inbox) -> None:
        self._broker = broker
        self._filters = filters(topics, share)
        self._session_s = SHARED_SESSION_S if share else PLAIN_SESSION_S
        self._inbox = inbox
        self._connection = 0
        self._client = self._make_client()
        self._thread = threading.Thread(target=self._loop, name="mqtt", daemon=True)

    @property
    def connected(self) -> bool:
        return self._client.is_connected()

    def start(self) -> None:
        """Begin to connect, and go on for ever; a broker that is not there is no error."""
        properties = Properties(PacketTypes.CONNECT)  # type: ignore[no-untyped-call]
        properties.SessionExpiryInterval = self._session_s
        properties.ReceiveMaximum = RECEIVE_MAXIMUM
        properties.MaximumPacketSize = MAX_PACKET_BYTES
        self._client.connect_async(
            self._broker.host, self._broker.port, KEEPALIVE_S, clean_start=False, properties=properties
        )
        self._thread.start()

    def stop(self) -> None:
        """Say goodbye; the session stays at the broker for who comes next."""
        self._client.disconnect()
        self._thread.join(STOP_WITHIN_S)

    def subscribe(self) -> None:
        """Ask for the topics, on every connection and again after a refusal."""
        self._client.subscribe([(topic, SubscribeOptions(qos=1)) for topic in self._filters])

    def ack(self, delivery: Delivery) -> None:
        """The message is in the ledger: the broker may forget it."""
        if delivery.qos and delivery.connection == self._connection and self.connected:
            self._client.ack(delivery.mid, delivery.qos)

    def publish(self, topic: str, payload: bytes) -> bool:
        """Send once, QoS 1, retained. False: not connected, or the broker does not keep up."""
        if not self.connected:
            return False
        return self._client.publish(topic, payload, qos=1, retain=True).rc == MQTTErrorCode.MQTT_ERR_SUCCESS

    def _make_client(self) -> Client:
        client = Client(
            CallbackAPIVersion.VERSION2, client_id=self._broker.client_id, protocol=MQTTv5, manual_ack=True
        )
        # Declared as whole seconds; fractions work, and bring the centre back before the gateways send.
        client.reconnect_delay_set(RECONNECT_FIRST_S, RECONNECT_MAX_S)  # type: ignore[arg-type]
        client.max_queued_messages_set(MAX_WAITING)
        if self._broker.username is not None:
            client.username_pw_set(self._broker.username, self._broker.password)
        if self._broker.tls is not None:
            client.tls_set_context(self._broker.tls)
        client.on_socket_open = _tune
        client.on_connect = self._on_connect
        client.on_connect_fail = self._on_connect_fail
        client.on_disconnect = self._on_disconnect
        client.on_subscribe = self._on_subscribe
        client.on_message = self._on_message
        return client

    # --- in paho's thread

    def _loop(self) -> None:
        try:
            self._client.loop_forever(retry_first_connection=True)
        except Exception as error:  # noqa: BLE001 (a dead thread must be heard of, whatever killed it)
            self._inbox.put(Died(error))

    def _on_connect(
        self, client: Client, userdata: Any, flags: ConnectFlags, code: ReasonCode, properties: Properties | None
    ) -> None:
        if code.is_failure:
            self._inbox.put(_disconnected(code.value, str(code)))
            return
        self._connection += 1
        self.subscribe()
        self._inbox.put(Connected(flags.session_present))

    def _on_connect_fail(self, client: Client, userdata: Any) -> None:
        self._inbox.put(Disconnected(None, *remedies.for_network(sys.exc_info()[1], time.time())))

    def _on_disconnect(
        self, client: Client, userdata: Any, flags: DisconnectFlags, code: ReasonCode, properties: Properties | None
    ) -> None:
        told = flags.is_disconnect_packet_from_server
        self._inbox.put(_disconnected(code.value if told else None, str(code)))

    def _on_subscribe(
        self, client: Client, userdata: Any, mid: int, codes: list[ReasonCode], properties: Properties | None
    ) -> None:
        for code in codes:
            if code.is_failure:
                self._inbox.put(Refused(code.value, str(code)))

    def _on_message(self, client: Client, userdata: Any, message: MQTTMessage) -> None:
        while self._inbox.qsize() >= MAX_WAITING:
            if message.qos == 0:
                return
            time.sleep(0.05)
        self._inbox.put(
            Delivery(
                _topic(message),
                bytes(message.payload),
                _encoding(message),
                message.qos,
                message.mid,
                self._connection,
            )
        )


def _tune(client: Client, userdata: Any, sock: Any) -> None:
    """Nagle would hold a receipt back behind its acknowledgement, for 40 ms. A network that swallows packets is
    noticed by what has no answer, in keepalive and this time-out, not by TCP's own patience: a quarter of an hour.
    """
    with suppress(OSError):
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, SILENT_MS)


def _disconnected(code: int | None, reason: str) -> Disconnected:
    return Disconnected(code, reason, remedies.for_connection(code))


def filters(topics: Topics, share: str) -> list[str]:
    """Records are shared between consumers; states everybody needs."""
    shared = f"$share/{share}/" if share else ""
    return [shared + topics.of("records"), shared + topics.of("replay"), topics.of("state")]


def _topic(message: MQTTMessage) -> str:
    try:
        return message.topic
    except UnicodeDecodeError:
        return ""


def _encoding(message: MQTTMessage) -> str | None:
    """The user property content-encoding, as MQTT 5 carries it."""
    pairs = getattr(message.properties, "UserProperty", None) or ()
    return next((value for name, value in pairs if name == "content-encoding"), None)
