"""A tap for ports without a descriptor (rfc2217://): a thread waits for bytes, the rest is as with the others.

pyserial keeps a queue of its own there. What is in it when reading begins, or goes on, has waited; it is read without
waiting for more, and an empty queue is the end of it. A read that has begun when the tap is shut is finished.
"""

from __future__ import annotations

import asyncio
from functools import partial

from gateway.blocking import blocking
from gateway.clock import Clock, Moment
from gateway.port.serial_port import OpenPort
from gateway.port.tap import KERNEL_BYTES_MAX, STALL_S, Attention, Gap, TapOwner, waiting_since


class ThreadedTap:
    """See Tap."""

    def __init__(
        self, port: OpenPort, baud: int, clock: Clock, owner: TapOwner, gap: Gap, attention: Attention
    ) -> None:
        self._port = port
        self._clock = clock
        self._owner = owner
        self._gap = gap
        self._attention = attention
        self._wanted = asyncio.Event()
        self._is_watched = self._is_current = self._resumed = False
        self._held: Moment | None = None
        self._late_ms = 0
        self._left = 0
        self._task = asyncio.create_task(self._read())
        self._task.add_done_callback(_raise)

    @property
    def is_reading(self) -> bool:
        """Whether what the device says now is read now."""
        return self._wanted.is_set() and self._is_current

    def open(self) -> None:
        """Read, first what has waited."""
        if not self._wanted.is_set():
            self._catch_up()
            self._wanted.set()

    def shut(self, since: Moment | None = None) -> None:
        """Leave bytes where they are; nobody has looked `since` then, or from now on."""
        self._wanted.clear()
        self._is_current = False
        if self._is_watched:
            self._unwatch(since or self._held or self._clock.now())

    def close(self) -> Gap:
        """Never read again; how long what is not read then will have waited."""
        self._task.cancel()
        if self._is_watched:
            self._gap = waiting_since(self._held or self._clock.now())
        self._is_watched = self._is_current = False
        return self._gap

    async def _read(self) -> None:
        while True:
            await self._wanted.wait()
            data = await blocking(partial(self._port.read, wait=self._is_current))
            if data == b"":
                self._owner.gone("connection lost")
                return
            if data:
                await self._hand_over(data)
            elif self._wanted.is_set() and not self._is_current:
                self._nothing_waits()

    async def _hand_over(self, data: bytes) -> None:
        """All of it becomes durable before more is read."""
        self._attention.was_still()
        self._left -= len(data)
        resumed, self._resumed = self._resumed, False
        if self._owner.take(data, self._dated(), resumed=resumed):
            await self._hold()
        elif self._left <= 0 and self._wanted.is_set() and not self._is_current:
            self._nothing_waits()

    async def _hold(self) -> None:
        """A wait for the disk of more than STALL_S is a gap."""
        durable = asyncio.Event()
        self._catch_up()
        self._held = self._clock.now()
        self._owner.when_durable(durable.set)
        try:
            await asyncio.wait_for(durable.wait(), STALL_S)
        except TimeoutError:
            if self._is_watched:
                self._unwatch(self._held)
            await durable.wait()
        self._late_ms = round((self._clock.mono() - self._held.mono) * 1000)
        self._held = None

    def _catch_up(self) -> None:
        self._is_current, self._resumed = False, True
        self._left = KERNEL_BYTES_MAX

    def _nothing_waits(self) -> None:
        self._is_current, self._resumed, self._late_ms = True, False, 0
        if self._is_watched:
            self._owner.nothing_waited()
        else:
            self._is_watched = True
            self._owner.watched()

    def _unwatch(self, since: Moment) -> None:
        self._is_watched = False
        self._gap = waiting_since(since)
        self._owner.unread(since)

    def _dated(self) -> Moment:
        moment = self._clock.now()
        if not self._is_watched:
            return moment.waiting(self._gap(moment))
        return moment.late_by(max(self._late_ms, self._attention.late_ms()))


def _raise(task: asyncio.Task[None]) -> None:
    """A bug here is a bug of the daemon."""
    if not task.cancelled() and (error := task.exception()) is not None:
        raise error
