"""An operator's desk: one good file, edits to it, and what `load` says about the result."""

from __future__ import annotations

from pathlib import Path

from config_facts import drivers

from config import ConfigError, Finding, Settings, load

GOOD = """\
[gateway]
site = "hq"
id = "edge-01"

[uplink]
url = "mqtts://broker.example"

[privacy]
key_file = "organisation.key"

[[lanes]]
id = "lobby-1"
portal = "lobby"
from_zone = "outside"
to_zone = "lobby"
sensor = "per_direction"

[[lanes]]
id = "lobby-2"
portal = "lobby"
from_zone = "outside"
to_zone = "lobby"

[[ports]]
url = "/dev/ttyS0"

  [[ports.devices]]
  id = "reader-1"
  driver = "em4100"
  lane = "lobby-1"
  side = "in"

[[ports]]
url = "/dev/ttyS1"

  [[ports.devices]]
  id = "arm-1"
  driver = "eb_turnstile"
  lane = "lobby-1"
  directions = { left = "in", right = "out" }

[[ports]]
url = "/dev/ttyS2"

  [[ports.devices]]
  id = "reader-2"
  driver = "em4100"
  lane = "lobby-2"
"""


class Desk:
    """Holds FILE in a folder of its own; edits replace exactly what is there."""

    def __init__(self, folder: Path) -> None:
        self.file = folder / "punchgate.toml"
        self.environ: dict[str, str] = {}
        self.write(GOOD)

    def write(self, text: str) -> None:
        self.file.write_text(text, "utf-8")

    def edit(self, *changes: tuple[str, str]) -> None:
        text = self.file.read_text("utf-8")
        for old, new in changes:
            assert old in text
            text = text.replace(old, new, 1)
        self.write(text)

    def drop_in(self, name: str, text: str) -> Path:
        folder = self.file.with_name("punchgate.toml.d")
        folder.mkdir(exist_ok=True)
        (folder / name).write_text(text, "utf-8")
        return folder / name

    def load(self) -> Settings:
        return load(self.file, drivers=drivers(), environ=self.environ)

    def findings(self) -> list[Finding]:
        try:
            self.load()
        except ConfigError as why:
            return why.findings
        return []

    def finding(self) -> Finding:
        """The only mistake there is."""
        (finding,) = self.findings()
        return finding
