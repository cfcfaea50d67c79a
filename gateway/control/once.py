"""Which commands have been taken, durably: each counts once, whatever happens to the process or to the clock.

An id is on the disk before its command is carried out, so a kill in between costs the command and never doubles it.
It is kept until the command has ended. `floor` is the latest end among those that were forgotten: what ends no later
is refused, so a clock that is set back brings no old command to life.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from gateway import whole_file
from gateway.errors import NotDurable, Rejected

FILE_NAME = "commands.json"
MAX_KEPT = 2000


class Once:
    """Ids with the unix time in s when they end. `take` before a command is carried out."""

    def __init__(self, state_dir: Path) -> None:
        self._path = state_dir / FILE_NAME
        self._ids: dict[str, float] = {}
        self._floor = 0.0
        self.trouble: str | None = None

    def load(self) -> None:
        """Read what an earlier run has taken. A file that cannot be read lets no command pass: `trouble` says why."""
        try:
            kept: Any = json.loads(self._path.read_bytes())
            self._ids = {str(name): float(end) for name, end in kept["taken"].items()}
            self._floor = float(kept["floor"])
        except FileNotFoundError:
            return
        except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
            self.trouble = (
                f"{self._path}: cannot be read ({type(error).__name__}), so nobody knows which commands were taken"
            )

    def knows(self, name: str) -> bool:
        """Whether this command was taken."""
        return name in self._ids

    def take(self, name: str, end_s: float, now_s: float) -> None:
        """Remember it, on the medium. Raises Rejected if it was taken, or may have been; NotDurable."""
        if self.trouble is not None:
            raise Rejected(self.trouble, remedy="move the file away when no command from before can still be valid")
        if name in self._ids:
            raise Rejected("command was taken before")
        if end_s <= self._floor:
            raise Rejected("command ends before one that is forgotten: the clock has been set back")
        over = {known: end for known, end in self._ids.items() if end <= now_s}
        left = {known: end for known, end in self._ids.items() if end > now_s}
        if len(left) >= MAX_KEPT:
            raise Rejected("too many commands at a time")
        floor = max([self._floor, *over.values()])
        self._write(left | {name: end_s}, floor)
        self._ids, self._floor = left | {name: end_s}, floor

    def _write(self, ids: dict[str, float], floor: float) -> None:
        try:
            whole_file.put(self._path, json.dumps({"taken": ids, "floor": floor}).encode(), 0o600)
        except NotDurable as error:
            raise NotDurable(f"command cannot be remembered: {error.message}", remedy=error.remedy) from error
