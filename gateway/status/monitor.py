"""What devices say now, for whoever watches: one JSON object a line over a unix socket, as long as he stays.

    {"time":…,"device":"lane-1-in","event":"card_read","scheme":"em4100","bits":40,"decision":null,"token":"k1:…"}
    {"time":…,"port":"/dev/ttyUSB0","way":"rx","hex":"02303132…"}        only if asked for: the bytes are card numbers

The one who watches is nobody the daemon waits for: what he does not read is dropped, and he is told how much. Like
everything that shows what people do it is its owner's: only root and the daemon's user may watch.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from drivers.events import CardRead, Event, Scan
from gateway import unixsocket
from gateway.clock import Moment
from gateway.errors import Rejected, Unavailable
from gateway.unixsocket import Door, require_owner
from gateway.wire import compact, timestamp

FILE_NAME = "monitor.sock"
MODE = 0o600
MAX_WAITING = 1000
MAX_WATCHERS = 8
HEAR_TIMEOUT_S = 5.0
SAFE_FIELDS = frozenset(
    {"address", "cmd", "unit", "function", "antenna", "rssi_dbm", "rssi_raw", "secure", "missed", "active", "first"}
)
"""What a decoder's own fields may show: everything else may hold a number that is a person's."""

Row = dict[str, Any]
TokenOf = Callable[[str, CardRead | Scan], str | None]


@dataclass(eq=False, slots=True)
class _Watcher:
    device: str | None
    raw: bool
    rows: asyncio.Queue[Row] = field(default_factory=lambda: asyncio.Queue(MAX_WAITING))
    dropped: int = 0

    def offer(self, row: Row) -> None:
        try:
            self.rows.put_nowait(row)
        except asyncio.QueueFull:
            self.dropped += 1


class Monitor:
    """Serves watchers; `token_of` names a card as records do."""

    def __init__(self, state_dir: Path, token_of: TokenOf) -> None:
        self._token_of = token_of
        self._watchers: set[_Watcher] = set()
        self._door = Door(state_dir, FILE_NAME, MODE, self._serve)

    def events(self, device: str, events: Sequence[Event], moment: Moment) -> None:
        """What a device has said."""
        for watcher in self._watchers:
            if watcher.device in (None, device):
                for event in events:
                    watcher.offer(self._row(device, event, moment))

    def overheard(self, port: str, devices: Sequence[str], way: str, data: bytes, moment: Moment) -> None:
        """What was on a line."""
        for watcher in self._watchers:
            if watcher.raw and (watcher.device is None or watcher.device in devices):
                watcher.offer({"time": timestamp(moment.time_ms), "port": port, "way": way, "hex": data.hex()})

    async def start(self) -> None:
        """Listen; a socket left behind by a killed daemon is replaced."""
        await self._door.start()

    async def close(self) -> None:
        """Stop listening, remove the socket, end the watching."""
        await self._door.close()

    def _row(self, device: str, event: Event, moment: Moment) -> Row:
        row: Row = {"time": timestamp(moment.time_ms), "device": device, "event": event.event}
        row |= {word: value for word, value in event.words().items() if word != "value"}
        if isinstance(event, CardRead | Scan):
            row["token"] = self._token_of(device, event)
        if not moment.live:
            row["live"] = False
        return row | {word: value for word, value in event.fields.items() if word in SAFE_FIELDS and word not in row}

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        watcher = await self._greet(reader, writer)
        if watcher is not None:
            self._watchers.add(watcher)
            try:
                await self._show(watcher, reader, writer)
            finally:
                self._watchers.discard(watcher)

    async def _greet(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> _Watcher | None:
        try:
            async with asyncio.timeout(HEAR_TIMEOUT_S):
                wish = json.loads(await reader.readline())
        except (TimeoutError, ValueError, RecursionError):
            return None
        if not isinstance(wish, dict):
            return None
        try:
            require_owner(writer.get_extra_info("socket"))
            if len(self._watchers) >= MAX_WATCHERS:
                raise Rejected(f"{MAX_WATCHERS} are watching already")
        except Rejected as refusal:
            writer.write(compact({"error": refusal.message}) + b"\n")
            return None
        return _Watcher(wish.get("device"), wish.get("raw") is True)

    async def _show(self, watcher: _Watcher, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Until the other end closes; it says nothing more, so whatever comes is its end."""
        gone = asyncio.create_task(_end(reader))
        try:
            while not gone.done():
                following = asyncio.create_task(watcher.rows.get())
                await asyncio.wait({gone, following}, return_when=asyncio.FIRST_COMPLETED)
                if not following.done():
                    following.cancel()
                    return
                dropped, watcher.dropped = watcher.dropped, 0
                rows = [following.result()] + ([{"dropped": dropped}] if dropped else [])
                writer.write(b"".join(compact(row) + b"\n" for row in rows))
                await writer.drain()
        finally:
            gone.cancel()


async def _end(reader: asyncio.StreamReader) -> None:
    """Until the other end closes, or vanishes with rows unread."""
    with contextlib.suppress(ConnectionError):
        await reader.read(1)


def watch(state_dir: Path, device: str | None, *, raw: bool) -> Iterator[Row]:
    """Rows as they come, until the daemon stops. Raises Unavailable without one, Rejected if it refuses."""
    try:
        with unixsocket.connected(state_dir, FILE_NAME, HEAR_TIMEOUT_S) as channel:
            channel.sendall(compact({"device": device, "raw": raw}) + b"\n")
            channel.settimeout(None)
            with channel.makefile("rb") as answer:
                for line in answer:
                    row: Row = json.loads(line)
                    if "error" in row:
                        raise Rejected(row["error"])
                    yield row
    except PermissionError as error:
        raise Unavailable(f"{state_dir}: {error.strerror}", remedy="ask as root or as the daemon's user") from error
    except (OSError, ValueError) as error:
        remedy = "start it: systemctl start punchgate, or punchgate run"
        raise Unavailable(f"no daemon answers in {state_dir}: {error}", remedy=remedy) from error
