"""A broker that does as it is told: greets, acknowledges, refuses, keeps silent; and counts what it was given.

Only what the uplink uses of MQTT: CONNECT, PUBLISH with QoS 0 and 1, SUBSCRIBE, PINGREQ, DISCONNECT.
"""

from __future__ import annotations

import asyncio
import json
import ssl
import struct
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from gateway.wire import DEFLATE, unpack

CONNECT, CONNACK, PUBLISH, PUBACK, SUBSCRIBE, SUBACK, PINGREQ, PINGRESP, DISCONNECT = 1, 2, 3, 4, 8, 9, 12, 13, 14


@dataclass
class Published:
    """One PUBLISH as it came."""

    topic: str
    payload: bytes
    qos: int
    retain: bool
    properties: bytes

    @property
    def leaf(self) -> str:
        return self.topic.split("/", 4)[-1]

    def seqs(self) -> list[int]:
        return [data["seq"] for data in self.data()]

    def data(self) -> list[dict[str, Any]]:
        lines = unpack(self.payload, DEFLATE if b"deflate" in self.properties else None)
        return [json.loads(line)["data"] for line in lines]


@dataclass
class Orders:
    """What the broker does. `puback` is asked for each QoS 1 message: a reason code, or None for silence."""

    receive_maximum: int | None = None
    packet_bytes: int | None = None
    connack: int = 0
    suback: int = 1
    puback: Callable[[Published], int | None] = lambda _: 0
    delay_s: float = 0.0
    v5: bool = True
    greets: bool = True


@dataclass
class Broker:
    """`async with` it; `messages` is everything that was published, `too_many` counts breaches of Receive Maximum."""

    orders: Orders = field(default_factory=Orders)
    tls: ssl.SSLContext | None = None
    messages: list[Published] = field(default_factory=list)
    sessions: int = 0
    too_many: int = 0
    too_large: int = 0
    port: int = 0
    _writers: list[asyncio.StreamWriter] = field(default_factory=list)
    _server: asyncio.Server | None = None
    _subscribed: list[str] = field(default_factory=list)

    async def __aenter__(self) -> Broker:
        await self.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.stop()

    async def start(self) -> None:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", self.port, ssl=self.tls)
        self.port = self._server.sockets[0].getsockname()[1]

    async def stop(self) -> None:
        """Gone, with all connections."""
        if self._server is not None:
            self._server.close()
            self._server = None
        self.cut()
        await asyncio.sleep(0.01)

    def cut(self) -> None:
        """End all connections without a word."""
        for writer in self._writers:
            writer.transport.abort()
        self._writers.clear()

    def records(self) -> list[Published]:
        return [one for one in self.messages if one.leaf in ("records", "replay")]

    def seqs(self, leaf: str = "") -> list[int]:
        return [seq for one in self.records() if leaf in ("", one.leaf) for seq in one.seqs()]

    def states(self) -> list[dict[str, Any]]:
        return [json.loads(one.payload) for one in self.messages if one.leaf == "state"]

    def say(self, topic: str, payload: bytes) -> None:
        """Publish to everybody who is connected."""
        body = _text(topic) + (b"\0" if self.orders.v5 else b"") + payload
        for writer in self._writers:
            writer.write(_packet(PUBLISH, 0, body))

    def disconnect(self, code: int) -> None:
        """Say why, then hang up."""
        for writer in self._writers:
            writer.write(_packet(DISCONNECT, 0, bytes([code, 0])))
            writer.close()
        self._writers.clear()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        unacknowledged = [0]
        try:
            while True:
                kind, flags, body = await _read(reader)
                if kind == CONNECT:
                    if not self.orders.greets:
                        continue
                    self.sessions += 1
                    self._writers.append(writer)
                    writer.write(_packet(CONNACK, 0, bytes([0, self.orders.connack]) + self._greeting()))
                elif kind == PUBLISH:
                    await self._take(writer, flags, body, unacknowledged)
                elif kind == SUBSCRIBE:
                    writer.write(
                        _packet(
                            SUBACK, 0, body[:2] + (b"\0" if self.orders.v5 else b"") + bytes([self.orders.suback])
                        )
                    )
                elif kind == PINGREQ:
                    writer.write(_packet(PINGRESP, 0, b""))
                elif kind == DISCONNECT:
                    break
        except (asyncio.IncompleteReadError, ConnectionError, ssl.SSLError):
            pass
        if writer in self._writers:
            self._writers.remove(writer)
        writer.close()

    async def _take(self, writer: asyncio.StreamWriter, flags: int, body: bytes, unacknowledged: list[int]) -> None:
        if self.orders.packet_bytes is not None and len(body) + 5 > self.orders.packet_bytes:
            self.too_large += 1
            self.disconnect(0x95)
            return
        size = struct.unpack_from(">H", body)[0]
        topic, at, qos = body[2 : 2 + size].decode(), 2 + size, flags >> 1 & 3
        mid = body[at : at + 2] if qos else b""
        at += len(mid)
        properties = b""
        if self.orders.v5:
            length = body[at]
            properties, at = body[at + 1 : at + 1 + length], at + 1 + length
        message = Published(topic, body[at:], qos, bool(flags & 1), properties)
        self.messages.append(message)
        if not qos:
            return
        unacknowledged[0] += 1
        if self.orders.receive_maximum is not None and unacknowledged[0] > self.orders.receive_maximum:
            self.too_many += 1
        code = self.orders.puback(message)
        if code is None:
            return
        if self.orders.delay_s:
            asyncio.get_running_loop().call_later(self.orders.delay_s, self._ack, writer, mid, code, unacknowledged)
        else:
            self._ack(writer, mid, code, unacknowledged)

    def _ack(self, writer: asyncio.StreamWriter, mid: bytes, code: int, unacknowledged: list[int]) -> None:
        unacknowledged[0] -= 1
        writer.write(_packet(PUBACK, 0, mid + (bytes([code, 0]) if self.orders.v5 and code else b"")))

    def _greeting(self) -> bytes:
        if not self.orders.v5:
            return b""
        properties = b""
        if self.orders.receive_maximum is not None:
            properties += b"\x21" + struct.pack(">H", self.orders.receive_maximum)
        if self.orders.packet_bytes is not None:
            properties += b"\x27" + struct.pack(">I", self.orders.packet_bytes)
        return bytes([len(properties)]) + properties


async def _read(reader: asyncio.StreamReader) -> tuple[int, int, bytes]:
    head = (await reader.readexactly(1))[0]
    size = shift = 0
    while True:
        byte = (await reader.readexactly(1))[0]
        size |= (byte & 0x7F) << shift
        shift += 7
        if not byte & 0x80:
            return head >> 4, head & 15, await reader.readexactly(size)


def _packet(kind: int, flags: int, body: bytes) -> bytes:
    size, length = len(body), bytearray()
    while True:
        length.append(size & 0x7F | (0x80 if size > 0x7F else 0))
        size >>= 7
        if not size:
            return bytes([kind << 4 | flags]) + bytes(length) + body


def _text(text: str) -> bytes:
    return struct.pack(">H", len(text)) + text.encode()
