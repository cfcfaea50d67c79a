"""The bundle: complete, redacted, made whatever is broken, and nothing leaves with a secret in it."""

from __future__ import annotations

import hashlib
import json
import stat
import tarfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from gateway.clock import Moment, Quality
from gateway.commands import main
from gateway.errors import Unavailable
from gateway.journal import Store, find_journal
from gateway.records import Draft, Heard, Notice

KEY = "f0e1d2c3b4a5968778695a4b3c2d1e0f" * 2
PASSWORD = "Tr0ub4dor&3-correct"
CARD = "0C000621A5"
PERSON = "张伟"
CONFIG = """\
# the caretaker is 张伟, 13800138000
[gateway]
site = "hq"
id = "edge-01"
state_dir = "state"

[uplink]
url = "mqtt://127.0.0.1:1"
username = "zhang.wei"
password_file = "broker.password"

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
LOG = [
    {"event": "gateway.ready", "level": "info", "timestamp": "2026-11-23T00:31:07.412345Z", "ports": 1},
    {"event": "gateway.bug", "exception": f"ValueError: {CARD} of {PERSON} at b'\\x02{CARD}'", "card": 51539976613},
    {"event": "port.down", "reason": f"token k1:213a2e2c5a337b6548040af9024d0b27 {PASSWORD} {KEY}"},
]
EVERYTHING_SECRET = [
    KEY,
    PASSWORD,
    CARD,
    CARD.lower(),
    PERSON,
    "zhang.wei",
    "13800138000",
    "51539976613",
    "213a2e2c5a",
]


@dataclass
class Gateway:
    """A gateway that is set up and has records, one of them with what no bundle may say."""

    folder: Path
    capsys: pytest.CaptureFixture[str]

    @property
    def config(self) -> Path:
        return self.folder / "punchgate.toml"

    def set_up(self, config: str = CONFIG) -> Gateway:
        self.folder.mkdir()
        self.config.write_text(config)
        for name, secret in (("organisation.key", f"k7:{KEY}"), ("broker.password", PASSWORD)):
            (self.folder / name).write_text(f"{secret}\n")
            (self.folder / name).chmod(0o600)
        (self.folder / "daemon.log").write_text("".join(f"{json.dumps(row, ensure_ascii=False)}\n" for row in LOG))
        (self.folder / "state").mkdir()
        moment = Moment(1_795_400_000_000, 1.0, 1, Quality("synced", "ntp", 1, "boot"))
        store = Store(find_journal(self.folder / "state"), ("hq", "edge-01", "Asia/Shanghai"))
        with store.transaction():
            notice = Notice(kind="device.fault", device="reader-1", reason=f"{CARD} {PERSON}")
            store.append([Draft(notice, moment), Draft(Notice(kind="device.up", device="reader-1"), moment)], 0)
            store.refuse(1, f"not liked: {CARD}", 0)
            store.append([Heard("gate-3", CARD)], 0)
        self.epoch = store.origin.epoch
        store.close()
        return self

    def bundle(self, *options: object, name: str = "support.tar.gz") -> dict[str, bytes]:
        file = self.folder.parent / name
        code, _, err = self.run("--log", self.folder / "daemon.log", *options, file)
        assert code == 0, err
        assert stat.S_IMODE(file.stat().st_mode) == 0o600
        with tarfile.open(file) as tar:
            return {Path(member.name).name: tar.extractfile(member).read() for member in tar}  # type: ignore[union-attr]

    def run(self, *arguments: object) -> tuple[int, str, str]:
        with pytest.raises(SystemExit) as end:
            main(["support-bundle", "-c", str(self.config), *map(str, arguments)])
        said = self.capsys.readouterr()
        return int(end.value.code or 0), said.out, said.err


@pytest.fixture
def gateway(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Gateway:
    return Gateway(tmp_path / "box", capsys).set_up()


def told(parts: dict[str, bytes]) -> dict[str, Any]:
    return dict(json.loads(parts["manifest.json"]))


def test_no_card_no_person_no_key_and_no_password_is_in_any_part(gateway: Gateway) -> None:
    for name, data in gateway.bundle().items():
        for secret in EVERYTHING_SECRET:
            assert secret not in data.decode(), (name, secret)


def test_what_helps_is_in_it(gateway: Gateway) -> None:
    parts = gateway.bundle()
    assert set(parts) >= {
        "manifest.json", "versions.json", "configuration.json", "check.json", "journal.json", "state-directory.json",
        "ports.json", "drivers.json", "machine.json", "punchgate.log",
    }  # fmt: skip
    assert json.loads(parts["configuration.json"])["configuration"]["gateway"]["id"] == "edge-01"
    journal = json.loads(parts["journal.json"])
    assert (journal["epoch"], journal["newest"], journal["quarantined"]) == (gateway.epoch, 2, 1)
    assert journal["newest_types"]["types"] == {"punchgate.device.fault.v1": 1, "punchgate.device.up.v1": 1}
    assert journal["quarantine"] == {"not liked: (number)": 1}
    assert any("daemon: none answers" in finding["what"] for finding in json.loads(parts["check.json"]))
    rows = [json.loads(line) for line in parts["punchgate.log"].splitlines()]
    assert rows[0] == LOG[0]
    assert "em4100" in {driver["name"] for driver in json.loads(parts["drivers.json"])}
    assert "journal.sqlite" in {row["name"] for row in json.loads(parts["state-directory.json"])}
    machine = json.loads(parts["machine.json"])
    assert machine["disk"]["free"] > 0
    assert machine["kernel"]


def test_the_manifest_says_what_is_in_it_and_what_was_left_out_and_why(gateway: Gateway) -> None:
    parts = gateway.bundle()
    manifest = told(parts)
    assert (manifest["punchgate"], manifest["site"], manifest["gateway"]) == ("support-bundle", "hq", "edge-01")
    for member in manifest["members"]:
        data = parts[member["name"]]
        assert (member["size"], member["sha256"]) == (len(data), hashlib.sha256(data).hexdigest())
        assert member["what"]
    assert {member["name"] for member in manifest["members"]} == set(parts) - {"manifest.json"}
    out = {each["what"]: each["why"] for each in manifest["left_out"]}
    assert "no daemon answers" in out["status.json"]
    assert manifest["redacted"]


def test_a_part_that_breaks_takes_no_other_with_it_and_says_nothing_of_what_it_saw(
    gateway: Gateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object) -> None:
        raise ValueError(f"{CARD} of {PERSON}")

    def refused(*_: object) -> None:
        raise Unavailable(f"not for {PERSON}, {CARD}")

    monkeypatch.setattr("gateway.support.machine.versions", broken)
    monkeypatch.setattr("gateway.support.machine.machine", refused)
    parts = gateway.bundle()
    out = {each["what"]: each["why"] for each in told(parts)["left_out"]}
    assert out["versions.json"] == "failed: ValueError"
    assert out["machine.json"] == "not for (text), (number)"
    assert "configuration.json" in parts


@pytest.mark.parametrize(
    "config",
    [
        CONFIG.replace('username = "zhang.wei"', f'username = "zhang.wei"\npasswrod = "{PASSWORD}"'),
        CONFIG.replace('"broker.password"', f'"{PASSWORD.replace("&", "")}"'),
        CONFIG.replace('"token"', f'"{PASSWORD}"').replace("[privacy]", f'[privacy]\ncredentials = "{PASSWORD}"'),
        CONFIG.replace("[gateway]", f"[gateway\n{PASSWORD}"),
        "",
    ],
    ids=["unknown key", "instead of a path", "wrong value", "no TOML", "empty"],
)
def test_it_is_made_for_a_configuration_that_cannot_be_used_and_shows_no_misplaced_secret(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], config: str
) -> None:
    gateway = Gateway(tmp_path / "box", capsys).set_up(config)
    parts = gateway.bundle()
    for name, data in parts.items():
        for secret in [*EVERYTHING_SECRET, PASSWORD.replace("&", "")]:
            assert secret not in data.decode(), (name, secret)
    assert "machine.json" in parts


def test_without_a_configuration_it_says_so_and_brings_the_rest(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    gateway = Gateway(tmp_path / "box", capsys).set_up()
    gateway.config.unlink()
    parts = gateway.bundle()
    assert "no such file" in json.loads(parts["configuration.json"])["mistakes"][0]["problem"]
    assert told(parts)["site"] is None
    assert "machine.json" in parts


def test_if_a_secret_gets_into_a_part_after_all_nothing_is_written(
    gateway: Gateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("gateway.support.machine.machine", lambda *_: {"oops": PASSWORD})
    code, _, err = gateway.run(gateway.folder.parent / "support.tar.gz")
    assert (code, "a secret of this gateway would be in machine.json; nothing was written" in err) == (1, True)
    assert PASSWORD not in err
    assert not list(gateway.folder.parent.glob("*support*"))


def test_a_password_that_is_an_ordinary_word_is_neither_told_by_its_absence_nor_stops_the_bundle(
    gateway: Gateway,
) -> None:
    (gateway.folder / "broker.password").write_text("punchgate\n")
    parts = gateway.bundle()
    assert b"punchgate" in parts["manifest.json"]
    assert b"(secret)" not in parts["manifest.json"]


def test_a_file_that_is_there_is_replaced_only_if_one_says_so(gateway: Gateway) -> None:
    gateway.bundle()
    code, _, err = gateway.run(gateway.folder.parent / "support.tar.gz")
    assert (code, "is there already" in err) == (1, True)
    gateway.bundle("--force")


def test_a_log_that_cannot_be_read_is_left_out(gateway: Gateway) -> None:
    (gateway.folder / "daemon.log").unlink()
    out = {each["what"]: each["why"] for each in told(gateway.bundle())["left_out"]}
    assert out["punchgate.log"] == "cannot be read: No such file or directory"
