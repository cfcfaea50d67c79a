"""What has been answered so far, kept beside the configuration, so that a dialogue that was cut off goes on."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any

from gateway.setup import page
from gateway.whole_file import put

PRIVATE = 0o600


class Draft:
    """`tree`: an answers file in the making. Saved whole after each part, gone when the box is set up."""

    def __init__(self, config: Path) -> None:
        self.path = config.with_name(f".{config.name}.setup")
        self.tree: dict[str, Any] = {}
        self.resumed = False
        try:
            self.tree = tomllib.loads(self.path.read_text("utf-8"))
            self.resumed = bool(self.tree)
        except (OSError, ValueError):
            pass

    def table(self, name: str) -> dict[str, Any]:
        """A table of it, made if it is not there."""
        made: dict[str, Any] = self.tree.setdefault(name, {})
        return made

    def text(self) -> bytes:
        """The answers file."""
        return page.answers(self.tree).encode()

    def save(self) -> None:
        """Raises NotDurable."""
        self.path.parent.mkdir(parents=True, exist_ok=True)
        put(self.path, self.text(), PRIVATE)

    def forget(self) -> None:
        """It is not needed any more."""
        self.path.unlink(missing_ok=True)
