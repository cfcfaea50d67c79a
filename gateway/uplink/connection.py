"""One MQTT connection on the event loop: made, used, thrown away. The only importer of paho here.

paho keeps a queue of its own, resends it after a reconnect, and reports success for what a broker refused; so a
client lives for one connection only, nothing is published unless it is connected, and its callbacks only pass on.
Connecting (DNS, TCP, TLS) blocks and runs in a worker thread; everything after it on the loop, driven by the socket.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
import ssl
import threading
from dataclasses import dataclass
from typing import Any, Protocol

from paho.mqtt import client as mqtt
from paho.mqtt.enums import CallbackAPIVersion
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties

from gateway.blocking import blocking
from gateway.errors import Transient
from gateway.uplink.link import Link
from gateway.uplink.remedies import HungUp, said_by_broker, said_by_network

CONNECT_TIMEOUT_S = 5.0
KEEPALIVE_S = 30
SUBACK_S = 1.0
RETAINED_S = 0.02
MISC_EVERY_S = 10.0
SEND_BUFFER_BYTES = 64 * 1024
SILENT_MS = 4000
"""TCP waits longer and longer for a network that swallows packets; beyond this a new connection is sooner through."""
RECEIVE_MAXIMUM = 100
MAX_PACKET_BYTES = 2 * 1024 * 1024 + 1024
PAHO_WINDOW = 65_535


@dataclass(frozen=True, slots=True)
class Greeting:
    """What the broker allows: messages in flight, bytes in one packet (None: no limit said)."""

    receive_maximum: int
    packet_bytes: int | None


class ConnectionListener(Protocol):
    """Called on the loop; must not raise."""

    def acknowledged(self, mid: int, code: int) -> None:
        """PUBACK; `code` is 0 on 3.1.1. A refused subscription has `mid` -1 if it was the first, -2 the second …"""

    def message(self, topic: str, payload: bytes, *, retained: bool) -> None:
        """A message on a subscribed topic; `retained`: the broker had kept it from before."""


class Refused(Transient):
    """There is a broker, and it does not let us in."""


class Connection:
    """Use: `open`, then `publish` and `subscribe` until `lost` is done, then `close`."""

    def __init__(self, link: Link, will: tuple[str, bytes], listener: ConnectionListener) -> None:
        self._link = link
        self._listener = listener
        self._loop = asyncio.get_running_loop()
        self.lost: asyncio.Future[str] = self._loop.create_future()
        self._greeting: asyncio.Future[Greeting] = self._loop.create_future()
        self._socket: socket.socket | None = None
        self._descriptor = -1
        self._writing = False
        self._flushing = False
        self._kinds: dict[str, Properties] = {}
        self._thread = threading.get_ident()
        self._misc: asyncio.TimerHandle | None = None
        self._complaint = ""
        self._answered = asyncio.Event()
        self._asked: list[int | None] = []
        self._client = self._new_client(will)

    async def open(self, *, clock_is_wrong: bool) -> Greeting:
        """Connect. Raises Transient with the remedy when it cannot be done now; Refused where the broker will not."""
        try:
            async with asyncio.timeout(2 * CONNECT_TIMEOUT_S):
                await blocking(self._connect)
                self._attach()
                return await self._greeting
        except (OSError, TimeoutError, ValueError) as error:
            text, remedy = said_by_network(error, clock_is_wrong=clock_is_wrong)
            is_refusal = isinstance(error, HungUp | ssl.SSLError) and not isinstance(
                error, ssl.SSLCertVerificationError
            )
            raise (Refused if is_refusal else Transient)(text, remedy=remedy) from error

    def publish(self, topic: str, payload: bytes, *, properties: dict[str, Any] | None = None) -> int:
        """Send with QoS 1; returns the message id. `properties` are MQTT 5's, left out on 3.1.1. Raises Transient."""
        if self.lost.done():
            raise Transient(self.lost.result())
        info = self._client.publish(topic, payload, qos=1, properties=self._properties(properties))
        if info.rc != mqtt.MQTT_ERR_SUCCESS:
            raise Transient(f"connection lost: {mqtt.error_string(info.rc)}")
        return info.mid

    def tell(self, topic: str, document: bytes, *, retain: bool = True) -> None:
        """Publish a document with QoS 0: it takes no place in the window, a lost retained one is said again."""
        self._client.publish(topic, document, qos=0, retain=retain)

    def give_up(self, reason: str) -> None:
        """The other end does not answer: end this connection without a goodbye."""
        self._finish(reason)

    def subscribe(self, topic: str, *more: str) -> None:
        """Ask for topics with QoS 1."""
        _, mid = self._client.subscribe([(each, 1) for each in (topic, *more)])
        self._asked.append(mid)

    async def answered(self) -> None:
        """Wait for the answer to `subscribe` and the retained message behind it: it may forbid to send anything."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(SUBACK_S):
                await self._answered.wait()
                await asyncio.sleep(RETAINED_S)

    def close(self) -> None:
        """Say goodbye if the line still stands, and let go of the socket."""
        if self._misc is not None:
            self._misc.cancel()
        if not self.lost.done():
            self._client.disconnect()
            self._client.loop_write()
        self._detach()
        self._finish("closed")

    def _new_client(self, will: tuple[str, bytes]) -> mqtt.Client:
        link = self._link
        client = mqtt.Client(
            CallbackAPIVersion.VERSION2,
            client_id=link.client_id,
            protocol=mqtt.MQTTv5 if link.protocol == "5" else mqtt.MQTTv311,
            clean_session=None if link.protocol == "5" else True,
            reconnect_on_failure=False,
        )
        client.connect_timeout = CONNECT_TIMEOUT_S
        client.max_inflight_messages_set(PAHO_WINDOW)
        client.will_set(will[0], will[1], qos=1, retain=True)
        client.on_connect = self._on_connect
        client.on_disconnect = self._on_disconnect
        client.on_publish = self._on_publish
        client.on_message = self._on_message
        client.on_subscribe = self._on_subscribe
        client.on_socket_register_write = self._on_want_write
        client.on_socket_close = self._on_socket_close
        client.on_log = self._on_log
        return client

    def _connect(self) -> None:
        link = self._link
        if link.tls:
            self._client.tls_set_context(link.tls_context())
        if link.username is not None:
            self._client.username_pw_set(link.username, link.password() if link.password else None)
        properties: Properties | None = None
        if link.protocol == "5":
            properties = Properties(PacketTypes.CONNECT)  # type: ignore[no-untyped-call]
            properties.ReceiveMaximum = RECEIVE_MAXIMUM
            properties.MaximumPacketSize = MAX_PACKET_BYTES
        clean = True if link.protocol == "5" else mqtt.MQTT_CLEAN_START_FIRST_ONLY
        self._client.connect(link.host, link.port, KEEPALIVE_S, clean_start=clean, properties=properties)

    def _attach(self) -> None:
        stream = self._client.socket()
        if not isinstance(stream, socket.socket):
            raise ConnectionResetError("closed while connecting")
        self._socket, self._descriptor = stream, stream.fileno()
        stream.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, SEND_BUFFER_BYTES)
        with contextlib.suppress(OSError):
            stream.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            stream.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, SILENT_MS)
        self._loop.add_reader(self._descriptor, self._readable)
        self._want_write()
        self._misc = self._loop.call_later(MISC_EVERY_S, self._keep_alive)

    def _detach(self) -> None:
        if self._socket is not None:
            self._loop.remove_reader(self._descriptor)
            self._loop.remove_writer(self._descriptor)
            self._socket.close()
            self._socket = None

    def _readable(self) -> None:
        """Read until nothing is left: TLS may hold decrypted bytes that no selector will ever announce."""
        while self._socket is not None:
            if self._client.loop_read() != mqtt.MQTT_ERR_SUCCESS:
                self._finish("connection lost")
                return
            if not (isinstance(self._socket, ssl.SSLSocket) and self._socket.pending()):
                return

    def _on_want_write(self, *_: object) -> None:
        """paho has queued a packet, on the loop or while it connects in its thread."""
        if threading.get_ident() != self._thread:
            self._loop.call_soon_threadsafe(self._want_write)
        elif not self._flushing:
            self._flushing = True
            self._loop.call_soon(self._flush)

    def _flush(self) -> None:
        """Write at once; most of the time the socket takes it all."""
        self._flushing = False
        if self._socket is not None and not self._writing:
            if self._client.loop_write() != mqtt.MQTT_ERR_SUCCESS:
                self._finish("connection lost")
            else:
                self._want_write()

    def _on_socket_close(self, *_: object) -> None:
        """Let go before paho closes it: the selector cannot forget a closed descriptor that waits for writing."""
        self._detach()

    def _want_write(self) -> None:
        if not self._writing and self._socket is not None and self._client.want_write():
            self._writing = True
            self._loop.add_writer(self._descriptor, self._writable)

    def _writable(self) -> None:
        if self._client.loop_write() != mqtt.MQTT_ERR_SUCCESS:
            self._finish("connection lost")
        elif not self._client.want_write() and self._socket is not None:
            self._writing = False
            self._loop.remove_writer(self._descriptor)

    def _keep_alive(self) -> None:
        if self._client.loop_misc() != mqtt.MQTT_ERR_SUCCESS:
            self._finish("broker does not answer")
            return
        self._misc = self._loop.call_later(MISC_EVERY_S, self._keep_alive)

    def _finish(self, reason: str) -> None:
        self._detach()
        if not self.lost.done():
            self.lost.set_result(reason)
        if not self._greeting.done():
            self._greeting.set_exception(HungUp(self._complaint))
            self._greeting.exception()

    def _on_log(self, _: object, __: object, level: int, text: str) -> None:
        """The only way to learn from paho why TLS ended; of no interest after the greeting."""
        if level == mqtt.MQTT_LOG_ERR:
            self._complaint = text

    def _on_connect(self, _: object, __: object, ___: object, code: Any, properties: Any) -> None:
        self._client.on_log = None
        if self._greeting.done():
            return
        if code.is_failure:
            text, remedy = said_by_broker(code.value, connecting=True)
            self._greeting.set_exception(Refused(text, remedy=remedy))
            return
        allowed = getattr(properties, "ReceiveMaximum", PAHO_WINDOW)
        self._greeting.set_result(Greeting(int(allowed), getattr(properties, "MaximumPacketSize", None)))

    def _on_disconnect(self, _: object, __: object, ___: object, code: Any, ____: object) -> None:
        value = int(code.value)
        self._finish("; ".join(said_by_broker(value)) if value > 128 else "connection lost")

    def _on_publish(self, _: object, __: object, mid: int, code: Any, ___: object) -> None:
        self._listener.acknowledged(mid, int(code.value) if self._link.protocol == "5" else 0)

    def _on_message(self, _: object, __: object, message: mqtt.MQTTMessage) -> None:
        self._listener.message(message.topic, bytes(message.payload), retained=message.retain)

    def _on_subscribe(self, _: object, __: object, mid: int, codes: list[Any], ____: object) -> None:
        self._answered.set()
        refused = [code.value for code in codes if code.is_failure]
        if refused:
            which = self._asked.index(mid) if mid in self._asked else 0
            self._listener.acknowledged(-1 - which, int(refused[0]))

    def _properties(self, values: dict[str, Any] | None) -> Properties | None:
        """Kept by what they say: there are few kinds of messages."""
        if not values or self._link.protocol != "5":
            return None
        kind = repr(values)
        if kind not in self._kinds:
            properties = Properties(PacketTypes.PUBLISH)  # type: ignore[no-untyped-call]
            for name, value in values.items():
                setattr(properties, name, value)
            self._kinds[kind] = properties
        return self._kinds[kind]
