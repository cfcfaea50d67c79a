"""A bench to examine: one good configuration with its key, a clock that stands, a daemon that is told."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from config import Settings, load
from gateway.assembly import driver_facts
from gateway.check import Case, Finding
from gateway.clock import Quality, State

NOW = datetime(2026, 11, 23, 8, 0, tzinfo=UTC)

GOOD = """\
[gateway]
site = "hq"
id = "edge-01"
state_dir = "state"

[uplink]
url = "mqtt://127.0.0.1:1"

[privacy]
key_file = "organisation.key"

[[lanes]]
id = "lobby-1"
portal = "lobby"
from_zone = "outside"
to_zone = "lobby"

[[ports]]
url = "./port"

  [[ports.devices]]
  id = "reader-1"
  driver = "em4100"
  lane = "lobby-1"
"""


@dataclass
class Watch:
    """A clock that stands at NOW and is as good as it is told."""

    state: State = "synced"
    now: datetime = NOW

    def quality(self) -> Quality:
        return Quality(self.state, "ntp", 1, "boot")

    def unix_ms(self) -> int:
        return int(self.now.timestamp() * 1000)


@dataclass
class Bench:
    """Writes FILE, its key and state directory into `folder`; `edit` replaces what is there."""

    folder: Path
    watch: Watch = field(default_factory=Watch)

    def __post_init__(self) -> None:
        self.file = self.folder / "punchgate.toml"
        self.file.write_text(GOOD)
        self.secret("organisation.key", "ab" * 32)
        (self.folder / "state").mkdir(mode=0o700)

    def secret(self, name: str, text: str) -> Path:
        path = self.folder / name
        path.write_text(f"{text}\n")
        path.chmod(0o600)
        return path

    def edit(self, *changes: tuple[str, str]) -> None:
        text = self.file.read_text()
        for old, new in changes:
            assert old in text
            text = text.replace(old, new, 1)
        self.file.write_text(text)

    def uplink(self, url: str, *keys: str) -> None:
        """Another broker, with more keys in [uplink]."""
        self.edit(('url = "mqtt://127.0.0.1:1"', "\n".join([f'url = "{url}"', *keys])))

    def settings(self) -> Settings:
        return load(self.file, drivers=driver_facts(), environ={})

    def case(self, daemon: dict[str, Any] | None = None) -> Case:
        return Case(self.settings(), daemon, None, self.watch)

    def examine(
        self, part: Callable[[Case], Iterator[Finding]], daemon: dict[str, Any] | None = None
    ) -> list[Finding]:
        return list(part(self.case(daemon)))

    def device(self, status: str = "up", **words: object) -> dict[str, object]:
        """What the daemon says of reader-1."""
        told = {"device": "reader-1", "port": str(self.folder / "port"), "status": status, "reason": None}
        return told | {"frames": 5, "bad_frames": {}} | words


def daemon(**words: object) -> dict[str, Any]:
    """What a healthy daemon says of itself."""
    uplink = {"connected": True, "reason": None}
    clock = {"state": "synced", "source": "ntp"}
    told: dict[str, Any] = {"version": "0.1.0", "pid": 1, "devices": [], "newest": 9, "settled": 9}
    told |= {"journal": {"trouble": None, "level": "ok"}, "uplink": uplink, "clock": clock, "autonomy_days": 90.0}
    return told | words


def only(findings: list[Finding], severity: str) -> Finding:
    """The only one of this severity."""
    (found,) = [finding for finding in findings if finding.severity == severity]
    return found


def clean(findings: list[Finding]) -> bool:
    return all(finding.severity == "ok" for finding in findings)
