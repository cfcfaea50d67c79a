"""A gateway's side of commands without network and wall clock, and a centre that signs what a test wants."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from key_pairs import pair

from gateway.clock import Quality, State
from gateway.control import Once, Remote
from gateway.downward import Command
from gateway.errors import PunchgateError
from gateway.signature import signer
from gateway.uplink import PublicKey
from gateway.wire import compact, timestamp

START_MS = 1_795_393_867_000
ADDRESS = "hq/edge-01"
SIGN, STRANGER = signer(pair(1)[0], "centre"), signer(pair(2)[0], "stranger")


@dataclass
class Watch:
    """A clock that stands where the test puts it."""

    at_ms: int = START_MS
    state: State = "synced"
    mono_s: float = 0.0

    def quality(self) -> Quality:
        return Quality(self.state, "ntp", 1, "boot")

    def unix_ms(self) -> int:
        return self.at_ms

    def mono(self) -> float:
        return self.mono_s


@dataclass
class Box:
    """`done` are the commands that were carried out, `said` the answers."""

    folder: Path
    watch: Watch = field(default_factory=Watch)
    trouble: PunchgateError | None = None
    done: list[Command] = field(default_factory=list)
    said: list[dict[str, Any]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.start()

    def start(self) -> None:
        """As after a kill: nothing but the disk remembers."""
        public = self.folder / "centre.pub"
        public.write_bytes(pair(1)[1])
        self.remote = Remote(ADDRESS, self.watch, Once(self.folder), self._deed, self.said.append)
        self.remote.key = PublicKey(public)
        self.remote.begin()

    def hear(self, payload: bytes, *, retained: bool = False) -> None:
        asyncio.run(self.remote.take(payload, retained=retained))

    async def _deed(self, command: Command) -> dict[str, Any]:
        self.done.append(command)
        if self.trouble is not None:
            raise self.trouble
        return {"ok": True}


def order(sign: Any = SIGN, since_s: float = 0.0, life_s: float = 60.0, **words: Any) -> bytes:
    """A command of now, with other members as the test wants them."""
    issued = START_MS + round(since_s * 1000)
    plain = {
        "punchgate": "command",
        "gateway": ADDRESS,
        "id": "0123456789abcdef",
        "issued": timestamp(issued),
        "expires": timestamp(issued + round(life_s * 1000)),
        "command": "ping",
    }
    return compact(sign(plain | words))
