"""A tap for ports without a descriptor (rfc2217://): a thread waits for bytes, the rest is as with the others.

What has waited cannot be told from what comes just now, so a pause marks only the first read after it.
"""

from __future__ import annotations

import asyncio

from gateway.blocking import blocking
from gateway.clock import Clock, Moment
from gateway.port.serial_port import OpenPort
from gateway.port.tap import Attention, Gap, TapOwner, waiting_since


class ThreadedTap:
    """See Tap."""

    def __init__(self, port: OpenPort, baud: int, clock: Clock, owner: TapOwner, gap: Gap, _: Attention) -> None:
        self._port = port
        self._clock = clock
        self._owner = owner
        self._gap = gap
        self._unread: Moment | None = None
        self._wanted = asyncio.Event()
        self._durable = asyncio.Event()
        self._task = asyncio.create_task(self._read())
        self._task.add_done_callback(_raise)

    @property
    def is_reading(self) -> bool:
        """Whether what the device says now is read now."""
        return self._wanted.is_set()

    def open(self) -> None:
        """Read."""
        if not self._wanted.is_set():
            self._wanted.set()
            self._owner.watched()

    def shut(self, since: Moment | None = None) -> None:
        """Leave bytes where they are; a read that has begun is finished."""
        if self._wanted.is_set():
            self._wanted.clear()
            self._unread = since or self._clock.now()
            self._owner.unread(self._unread)

    def close(self) -> Gap:
        """Never read again; how long what is not read then will have waited."""
        self._task.cancel()
        if self._wanted.is_set():
            return waiting_since(self._clock.now())
        return self._gap if self._unread is None else waiting_since(self._unread)

    async def _read(self) -> None:
        while True:
            await self._wanted.wait()
            data = await blocking(self._port.read)
            if data == b"":
                self._owner.gone("connection lost")
                return
            if data and self._owner.take(data, self._dated(), resumed=False):
                self._durable.clear()
                self._owner.when_durable(self._durable.set)
                await self._durable.wait()

    def _dated(self) -> Moment:
        moment = self._clock.now()
        if self._unread is None:
            return moment
        since, self._unread = self._unread, None if self._wanted.is_set() else self._unread
        return moment.waiting_since(waiting_since(since)(moment))


def _raise(task: asyncio.Task[None]) -> None:
    """A bug here is a bug of the daemon."""
    if not task.cancelled() and (error := task.exception()) is not None:
        raise error
