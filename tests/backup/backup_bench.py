"""A gateway on a bench: configuration, keys, a journal with records, and the commands run in this process."""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import tarfile
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from gateway.clock import Moment, Quality
from gateway.commands import main
from gateway.directory import Registry
from gateway.journal import Reader, Store, find_journal
from gateway.records import CredentialRead, Draft, Heard, Notice, Place, Subject

NAMES = ("hq", "edge-01", "Asia/Shanghai")
KEY = "00112233445566778899aabbccddeeff" * 2
PASSWORD = "correct horse battery staple"
CONFIG = """\
[gateway]
site = "hq"
id = "edge-01"
state_dir = "state"

[uplink]
url = "mqtt://127.0.0.1:1"
username = "hq.edge-01"
password_file = "keys/broker.password"
ca_file = "broker-ca.pem"

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
DROP_IN = "[journal]\nmax_mb = 64\n"


def moment(number: int = 0) -> Moment:
    """A fixed instant, `number` ms later."""
    return Moment(1_795_400_000_000 + number, 100.0 + number / 1000, number, Quality("synced", "ntp", 1, "boot"))


@dataclass
class Done:
    """How a command ended, and what it printed."""

    code: int
    out: str
    err: str


@dataclass
class Box:
    """One machine: the folder of its configuration, and what is in it."""

    folder: Path
    capsys: pytest.CaptureFixture[str] = field(repr=False)

    @property
    def config(self) -> Path:
        return self.folder / "punchgate.toml"

    @property
    def state(self) -> Path:
        return self.folder / "state"

    def set_up(self, config: str = CONFIG) -> Box:
        """Configuration and keys."""
        (self.folder / "punchgate.toml.d").mkdir(parents=True)
        (self.folder / "keys").mkdir()
        self.config.write_text(config)
        (self.folder / "punchgate.toml.d" / "50-size.toml").write_text(DROP_IN)
        (self.folder / "broker-ca.pem").write_text("a certificate\n")
        for name, secret in (("organisation.key", KEY), ("keys/broker.password", PASSWORD)):
            (self.folder / name).write_text(f"{secret}\n")
            (self.folder / name).chmod(0o600)
        return self

    def record(self, count: int, settled: int = 0, names: tuple[str, str, str] = NAMES) -> str:
        """Add records to the journal, an open read among them, a mark and a device; its epoch."""
        self.state.mkdir(exist_ok=True)
        store = Store(find_journal(self.state), names)
        try:
            with store.transaction():
                drafts = [Draft(Notice(kind="device.up", device="reader-1"), moment(n)) for n in range(count - 1)]
                store.append([*drafts, self.read()], 1_795_400_000_000)
                store.remember("settled", f"[[1,{settled}]]" if settled else "[]")
                store.append([Heard("gate-3", "entry 41")], 1_795_400_000_000)
            return store.origin.epoch
        finally:
            store.close()

    def read(self) -> Draft:
        place = Place("lobby", "lobby-1", "outside", "lobby")
        subject = Subject("credential", token="k1:00", scheme="em4100", bits=40)
        body = CredentialRead(device="reader-1", place=place, driver="em4100", side="in", subject=subject)
        return Draft(body, moment(), opens=True)

    def register(self) -> None:
        """A device that is listened to now."""
        registry = Registry(self.state)
        registry.seen("reader-1", "em4100", "/dev/ttyUSB0", "2026-11-23T00:31:07.412Z")
        registry.close()

    def run(self, *arguments: object) -> Done:
        """One command with this box's configuration."""
        return self.do(*arguments, "-c", self.config)

    def do(self, *arguments: object) -> Done:
        with pytest.raises(SystemExit) as end:
            main([str(argument) for argument in arguments])
        said = self.capsys.readouterr()
        return Done(int(end.value.code or 0), said.out, said.err)

    def back_up(self, *options: object, name: str = "box.backup") -> Path:
        file = self.folder.parent / name
        done = self.run("backup", "create", *options, file)
        assert done.code == 0, done.err
        return file

    def reader(self, path: Path | None = None) -> Reader:
        return Reader(path or find_journal(self.state))

    def snapshot(self) -> dict[str, bytes]:
        """Every file below the folder but the lock, to see that nothing has changed."""
        return {
            str(path.relative_to(self.folder)): path.read_bytes()
            for path in sorted(self.folder.rglob("*"))
            if path.is_file() and path.name != "punchgate.lock"
        }


def members(file: Path) -> dict[str, bytes]:
    """What is in a backup or bundle, by name."""
    with tarfile.open(file, "r:gz") as tar:
        return {member.name: tar.extractfile(member).read() for member in tar.getmembers()}  # type: ignore[union-attr]


def manifest(file: Path) -> dict[str, Any]:
    return dict(json.loads(members(file)["manifest.json"]))


def rewrite(file: Path, change: Callable[[dict[str, bytes], dict[str, Any]], None], *, honest: bool = True) -> Path:
    """Another backup with changed members; `honest`: with hashes and sizes that fit them again."""
    parts = members(file)
    told = json.loads(parts.pop("manifest.json"))
    change(parts, told)
    if honest:
        for part in told["parts"]:
            if part["name"] in parts:
                data = parts[part["name"]]
                part |= {"size": len(data), "sha256": hashlib.sha256(data).hexdigest()}
    out = file.with_name("rewritten.backup")
    with gzip.open(out, "wb") as packed, tarfile.open(fileobj=packed, mode="w|") as tar:
        for name, data in {"manifest.json": json.dumps(told).encode(), **parts}.items():
            member = tarfile.TarInfo(name)
            member.size = len(data)
            tar.addfile(member, io.BytesIO(data))
    return out
