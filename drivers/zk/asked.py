"""The driver of one terminal: as any that asks, but it wants to know our own clocks at START.

`values["boot"]`: the id of the box's boot, `values["wall_ms"]`: unix time in ms. Either may be missing.
"""

from __future__ import annotations

from drivers.asking import AskingDriver
from drivers.contract import START, Command
from drivers.framing import FrameStream
from drivers.zk.talk import Talk
from drivers.zk.watch import Here

NO_BOOT = ("", "unknown")


class AskedTerminal(AskingDriver):
    """One terminal on one line."""

    def __init__(self, stream: FrameStream, talk: Talk) -> None:
        super().__init__(stream, talk)
        self._talk = talk

    def send(self, command: Command, at: float) -> None:
        """START begins the talk; a terminal takes no other order."""
        super().send(command, at)
        if command.name == START:
            mark, boot, wall_ms = (command.values.get(name) for name in ("mark", "boot", "wall_ms"))
            here = Here(
                at,
                boot if isinstance(boot, str) and boot not in NO_BOOT else None,
                wall_ms / 1000 if isinstance(wall_ms, int | float) else None,
            )
            self._talk.recall(mark if isinstance(mark, str) else None, here)
