"""The way down: takes what the uplink lets in from the centre, one room for each kind, and sends the answers back.

    uplink ──bounded payload──> downlink ──> control    commands: once, signed, for now
       ▲                            │           │
       │                            └─> directory: tokens, lists, visits; the newest signed one of each
       └─────────────── reply ◄─────────────────┘

Nothing here waits for anything of the way up, and the way up never waits for this.
"""

from __future__ import annotations

import asyncio
from collections import Counter, deque
from collections.abc import Awaitable, Callable
from typing import Any

from gateway.control import Remote
from gateway.directory import Directory
from gateway.uplink import CentreKey

MAX_WAITING = 16
MAX_REPLIES = 64
SEND_AGAIN_S = 0.2
COMMAND = "command"


class Replies:
    """Answers on their way: each goes once, as soon as there is a connection; `publish` says whether it went."""

    def __init__(self, publish: Callable[[dict[str, Any]], bool]) -> None:
        self._publish = publish
        self._waiting: deque[dict[str, Any]] = deque(maxlen=MAX_REPLIES)
        self._some = asyncio.Event()

    def add(self, words: dict[str, Any]) -> None:
        """Send this; of too many the oldest is left out."""
        self._waiting.append(words)
        self._some.set()

    async def run(self) -> None:
        """Work for ever."""
        while True:
            await self._some.wait()
            self._some.clear()
            while self._waiting:
                if self._publish(self._waiting[0]):
                    self._waiting.popleft()
                else:
                    await asyncio.sleep(SEND_AGAIN_S)


class Downlink:
    """`take` is called on the loop for each message, `run` works them off for ever."""

    def __init__(self, remote: Remote, directory: Directory, replies: Replies) -> None:
        self.dropped: Counter[str] = Counter()
        self.directory = directory
        self._remote = remote
        self._replies = replies
        self._commands: asyncio.Queue[tuple[bytes, bool]] = asyncio.Queue(MAX_WAITING)
        self._documents: asyncio.Queue[tuple[str, bytes]] = asyncio.Queue(MAX_WAITING)

    def believe(self, key: CentreKey | None) -> None:
        """Who speaks for the centre from now on; None: nobody."""
        self._remote.key = self.directory.key = key

    def begin(self) -> None:
        """Remember what an earlier run has taken."""
        self._remote.begin()
        self.directory.begin()

    def take(self, leaf: str, payload: bytes, retained: bool) -> None:
        """See uplink.CameDown."""
        if leaf == COMMAND:
            self._put(leaf, self._commands, (payload, retained))
        else:
            self._put(leaf, self._documents, (leaf, payload))

    async def run(self) -> None:
        """Work for ever."""
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(_work(self._commands, self._command))
            tasks.create_task(_work(self._documents, self._document))
            tasks.create_task(self._replies.run())

    def describe(self) -> dict[str, Any]:
        """What became of the messages, by kind, and what is in force."""
        return {
            "directory": self.directory.describe(),
            "commands": dict(self._remote.counts),
            "documents": dict(self.directory.counts),
            "dropped": dict(self.dropped),
        }

    async def _command(self, message: tuple[bytes, bool]) -> None:
        payload, retained = message
        await self._remote.take(payload, retained=retained)

    async def _document(self, message: tuple[str, bytes]) -> None:
        await self.directory.take(*message)

    def _put(self, leaf: str, queue: asyncio.Queue[Any], message: object) -> None:
        try:
            queue.put_nowait(message)
        except asyncio.QueueFull:
            self.dropped[leaf] += 1


async def _work(queue: asyncio.Queue[Any], do: Callable[[Any], Awaitable[None]]) -> None:
    while True:
        await do(await queue.get())
