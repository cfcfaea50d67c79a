"""A bad network in front of the broker: delays, cuts, refuses, or swallows what is sent without a word.

It stands between one client and the broker, in a thread of its own with an asyncio loop. `swallow` is the half-open
connection: both ends believe in it, nothing arrives, not even its end; `heal` resets such connections at last.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
import struct
import threading
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Literal

from gateway.simulation.broker import HOST

CHUNK_BYTES = 65536
CONNECT_S = 1.0
RESET_ON_CLOSE = struct.pack("ii", 1, 0)

Way = Literal["up", "down"]


@dataclass(eq=False, slots=True)
class Pair:
    """One connection through the proxy; ways in `swallowed` lead nowhere."""

    writers: dict[Way, asyncio.StreamWriter]
    swallowed: set[Way] = field(default_factory=set)

    def abort(self) -> None:
        """Reset both sides: what was under way is gone."""
        for writer in self.writers.values():
            with contextlib.suppress(OSError):
                writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET_ON_CLOSE)
            writer.transport.abort()


class Proxy:
    """Listens on a free port of the loopback and forwards to `target`."""

    def __init__(self, target: int) -> None:
        self._target = target
        self._pairs: set[Pair] = set()
        self._delay_s = 0.0
        self._refusing = False
        self._listener = socket.create_server((HOST, 0))
        self.port = int(self._listener.getsockname()[1])
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._run, name="proxy", daemon=True)
        self._thread.start()

    def cut(self) -> None:
        """Reset all connections; new ones are welcome."""
        self._loop.call_soon_threadsafe(self._abort)

    def refuse(self) -> None:
        """Reset all connections, and every new one."""
        self._loop.call_soon_threadsafe(self._set, True, 0.0)
        self.cut()

    def delay(self, seconds: float) -> None:
        """Hold back every piece for this long, both ways."""
        self._loop.call_soon_threadsafe(self._set, False, seconds)

    def swallow(self, ways: Iterable[Way]) -> None:
        """From now on these ways of the connections that stand lead nowhere; nobody is told."""
        kept = frozenset(ways)

        def lose() -> None:
            for pair in self._pairs:
                pair.swallowed |= kept

        self._loop.call_soon_threadsafe(lose)

    def heal(self) -> None:
        """Forward again as if nothing had been; what was half open is reset."""

        def mend() -> None:
            self._set(False, 0.0)
            for pair in self._pairs:
                if pair.swallowed:
                    pair.abort()

        self._loop.call_soon_threadsafe(mend)

    def close(self) -> None:
        """Hang up and end the thread."""
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(2)

    def _set(self, refusing: bool, delay_s: float) -> None:
        self._refusing, self._delay_s = refusing, delay_s

    def _abort(self) -> None:
        for pair in self._pairs:
            pair.abort()

    def _run(self) -> None:
        asyncio.set_event_loop(self._loop)
        server = self._loop.run_until_complete(asyncio.start_server(self._serve, sock=self._listener))
        self._loop.run_forever()
        server.close()
        tasks = asyncio.all_tasks(self._loop)
        for task in tasks:
            task.cancel()
        self._loop.run_until_complete(asyncio.gather(*tasks, return_exceptions=True))
        self._loop.close()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            if self._refusing:
                raise ConnectionRefusedError
            async with asyncio.timeout(CONNECT_S):
                far_reader, far_writer = await asyncio.open_connection(HOST, self._target)
        except OSError:
            writer.transport.abort()
            return
        pair = Pair({"up": far_writer, "down": writer})
        self._pairs.add(pair)
        try:
            await asyncio.gather(self._pump(pair, reader, "up"), self._pump(pair, far_reader, "down"))
        finally:
            self._pairs.discard(pair)
            pair.abort()

    async def _pump(self, pair: Pair, reader: asyncio.StreamReader, way: Way) -> None:
        """Carry bytes one way; the end of one way ends the connection, unless it is half open."""
        writer = pair.writers[way]
        with contextlib.suppress(OSError):
            while data := await reader.read(CHUNK_BYTES):
                if self._delay_s:
                    await asyncio.sleep(self._delay_s)
                if way not in pair.swallowed:
                    writer.write(data)
                    await writer.drain()
        if not pair.swallowed:
            writer.close()
