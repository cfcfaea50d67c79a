"""Reads an open port no faster than what it says becomes durable, so that a kill finds next to nothing in our hand.

A tty cannot be un-read, but what was not read waits in the kernel for the next daemon. So after each read that made
records the next one waits until those are on the disk, and a read takes no more than the line brings meanwhile.

What had waited when the port was opened, or while nobody read it, is read first and dated so: it happened within the
gap. Only then is the port *watched*. A wait for the disk of more than STALL_S is such a gap too.

    open ──> catching up ──> watched ──> held ──durable──> watched
                  ▲                        │
                  └──── stalled, shut ◄────┘
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Protocol

from gateway.clock import Clock, Moment, Wait
from gateway.port.serial_port import READ_BYTES, OpenPort

KERNEL_BYTES_MAX = 1024 * 1024
READ_LEAST_BYTES = 64
FRAME_BYTES_MAX = 256
BITS_PER_BYTE = 10
MARGIN = 2.0
"""A read takes so many times what the line brings while one commit lasts: the disk must never be the slower one."""

STALL_S = 0.25
SETTLE_S = 0.005
"""The kernel hands what it has over in pieces: so long after an empty read there may be more."""

Gap = Callable[[Moment], Wait]
"""How long before a moment something may have happened that is read only now."""


class Attention(Protocol):
    """Whether we were at work when something happened."""

    def was_still(self) -> bool:
        """Whether the process has stood still until now; then whoever wants to know has just been told."""

    def late_ms(self) -> int:
        """How long ago, at most, what the loop has just been told of may have happened."""


class TapOwner(Protocol):
    """Who is served; all calls come on the loop."""

    def take(self, data: bytes, moment: Moment, *, resumed: bool) -> bool:
        """Bytes that had all arrived at `moment`; whether they made records, which are not durable yet.

        `resumed`: before them nobody has read for a while, so they may have been there long ago.
        """

    def when_durable(self, then: Callable[[], None]) -> None:
        """Call `then` on the loop when all records made so far are on the disk."""

    @property
    def mid_frame(self) -> bool:
        """Whether the device has begun to say something that is not finished."""

    def nothing_waited(self) -> None:
        """After a commit: reading goes on, and there was nothing to read."""

    def watched(self) -> None:
        """All that had waited was read; from now on what happens is read when it happens."""

    def unread(self, since: Moment) -> None:
        """Since then nobody reads the port, which was watched before."""

    def gone(self, reason: str) -> None:
        """The line is gone."""


class Tap:
    """One opening of a port, from `open` to `close`; `shut` and `open` as often as wanted in between."""

    def __init__(
        self, port: OpenPort, baud: int, clock: Clock, owner: TapOwner, gap: Gap, attention: Attention
    ) -> None:
        self._port, self._baud = port, baud
        self._clock = clock
        self._owner = owner
        self._gap = gap
        self._attention = attention
        self._is_open = self._is_watched = False
        self._held: Moment | None = None
        self._resumed = False
        self._commit_s = 0.0
        self._left = 0
        self._settled = False
        self._next: asyncio.Handle | None = None

    @property
    def is_reading(self) -> bool:
        """Whether what the device says now is read now."""
        return self._is_open and self._held is None

    def open(self) -> None:
        """Read, first what has waited."""
        if self._is_open:
            return
        self._is_open = self._resumed = True
        self._left, self._settled = KERNEL_BYTES_MAX, False
        if self._held is None:
            self._catch_up()

    def shut(self, since: Moment | None = None) -> None:
        """Leave bytes in the kernel; nobody has looked `since` then, or from now on."""
        self._cancel()
        self._is_open = False
        if self._is_watched:
            self._unwatch(since or self._held or self._clock.now())

    def close(self) -> Gap:
        """Never read again; how long what is not read then will have waited."""
        if self._is_watched:
            self._gap = waiting_since(self._held or self._clock.now())
            self._ignore()
        self._cancel()
        self._is_open = self._is_watched = False
        return self._gap

    def _catch_up(self) -> None:
        """One read of what has waited; the end of it is an empty read that is still empty a little later."""
        data = self._port.read(self._chunk()) if self._left > 0 else None
        if data == b"":
            self._lose()
        elif data:
            self._left, self._settled = self._left - len(data), False
            moment = self._clock.now()
            if not self._hand_over(data, moment.waiting(self._gap(moment))):
                self._next = asyncio.get_running_loop().call_soon(self._catch_up)
        elif self._settled or self._left <= 0:
            self._watch()
        else:
            self._settled = True
            self._next = asyncio.get_running_loop().call_later(SETTLE_S, self._catch_up)

    def _watch(self) -> None:
        self._is_watched, self._resumed = True, False
        self._listen()
        self._owner.watched()

    def _unwatch(self, since: Moment) -> None:
        self._is_watched = False
        self._gap = waiting_since(since)
        self._ignore()
        self._owner.unread(since)

    def _readable(self) -> None:
        self._read(self._attention.late_ms())

    def _read(self, late_ms: int) -> None:
        """What is there; it has come within the last `late_ms`."""
        if self._attention.was_still() and not self._is_open:
            return  # what is there may be as old as that: `open` reads it
        data = self._port.read(self._chunk())
        if data:
            self._hand_over(data, self._clock.now().late_by(late_ms))
        elif data == b"":
            self._lose()
        elif self._resumed:
            self._resumed = False
            self._owner.nothing_waited()

    def _lose(self) -> None:
        self._ignore()
        self._owner.gone("unplugged or hung up")

    def _hand_over(self, data: bytes, moment: Moment) -> bool:
        """Whether nothing more may be read for now."""
        if not self._take(data, moment) or not self._is_open:
            return not self._is_open
        self._held = self._clock.now()
        self._ignore()
        self._next = asyncio.get_running_loop().call_later(STALL_S, self._on_stall, self._held)
        self._owner.when_durable(self._on_durable)
        return True

    def _take(self, data: bytes, moment: Moment) -> bool:
        """A full read may have cut a frame: its rest comes too, or a stop would leave the next daemon with half."""
        resumed, self._resumed = self._resumed, False
        made_records = self._owner.take(data, moment, resumed=resumed)
        left = FRAME_BYTES_MAX if len(data) >= READ_LEAST_BYTES else 0
        while left > 0 and self._owner.mid_frame and (rest := self._port.read(1)):
            made_records |= self._owner.take(rest, moment, resumed=False)
            left -= 1
        return made_records

    def _on_stall(self, since: Moment) -> None:
        self._left, self._settled = KERNEL_BYTES_MAX, False
        if self._is_watched:
            self._unwatch(since)

    def _on_durable(self) -> None:
        if self._held is None:
            return
        waited_s, self._held = self._clock.mono() - self._held.mono, None
        self._commit_s, self._resumed = waited_s, True
        if not self._is_open:
            return
        self._cancel()
        if self._is_watched:
            self._listen()
            self._read(round(waited_s * 1000))
        else:
            self._catch_up()

    def _chunk(self) -> int:
        brought = MARGIN * self._baud / BITS_PER_BYTE * min(self._commit_s, STALL_S)
        return min(READ_BYTES, max(READ_LEAST_BYTES, round(brought)))

    def _listen(self) -> None:
        if self._port.descriptor is not None:
            asyncio.get_running_loop().add_reader(self._port.descriptor, self._readable)

    def _ignore(self) -> None:
        if self._port.descriptor is not None:
            asyncio.get_running_loop().remove_reader(self._port.descriptor)

    def _cancel(self) -> None:
        if self._next is not None:
            self._next.cancel()
            self._next = None


def waiting_since(since: Moment) -> Gap:
    """The gap of a port that nobody reads since then."""
    return lambda moment: Wait(max(0, (moment.boot_ns - since.boot_ns) // 1_000_000))
