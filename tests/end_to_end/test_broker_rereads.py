"""The broker knows of each enrolment and revocation while it runs: by delivery, by what the path unit starts."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import cast

import pytest

from gateway.simulation.broker import HOST, Broker

from .conftest import BrokerMaker, SiteMaker
from .site import eventually
from .test_enrolment import PREFIX, Organisation, Party, printed, run

pytestmark = pytest.mark.needs("mosquitto", "openssl")

PROGRAM = Path(__file__).parents[2] / "systemd" / "broker.sh"
SYSTEMCTL = '#!/bin/sh\necho "$@" >> "{calls}"\ncat "{pid}" 2>/dev/null || echo 0\n'
"""What systemd says of the broker's process."""


@dataclass
class Rereading:
    """A broker that nobody restarts: `restart` stands for the path unit, which has seen the files change."""

    authority: Path
    folder: Path
    bin: Path
    broker: Broker | None = None

    @property
    def url(self) -> str:
        assert self.broker is not None
        return self.broker.url

    @property
    def port(self) -> int:
        assert self.broker is not None
        return self.broker.port

    def restart(self) -> str:
        env = {**os.environ, "PATH": f"{self.bin}:{os.environ['PATH']}"}
        command = ["sh", str(PROGRAM), str(self.authority), str(self.folder)]
        return subprocess.run(command, env=env, check=True, capture_output=True, text=True, timeout=30).stdout

    def calls(self) -> list[str]:
        calls = self.bin / "calls"
        return calls.read_text().splitlines() if calls.exists() else []


@pytest.fixture
def rereading(tmp_path: Path) -> Rereading:
    """Its authority has issued for the broker alone, and the program has run once."""
    (tmp_path / "bin").mkdir()
    program = tmp_path / "bin" / "systemctl"
    program.write_text(SYSTEMCTL.format(calls=program.with_name("calls"), pid=program.with_name("pid")))
    program.chmod(0o755)
    return Rereading(tmp_path / "authority", tmp_path / "mosquitto", tmp_path / "bin")


@pytest.fixture
def organisation(rereading: Rereading, own_broker: BrokerMaker, tmp_path: Path) -> Organisation:
    authority, file = rereading.authority, tmp_path / "centre.toml"
    file.write_text(f'[centre]\nurl = "mqtts://127.0.0.1:1"\nstate_dir = "state"\nauthority = "{authority}"\n')
    mark = printed(run("centre", "authority", "create", "-c", file))
    run("centre", "authority", "broker", HOST, "-c", file)
    rereading.restart()
    folder = rereading.folder
    rereading.broker = own_broker(
        f"cafile {folder}/ca.pem\ncertfile {folder}/broker.pem\nkeyfile {folder}/broker.key\n"
        f"crlfile {folder}/crl.pem\nacl_file {folder}/punchgate.acl\nrequire_certificate true\n"
        "use_identity_as_username true\nmax_queued_messages 100000\n",
        anonymous=False,
    )
    (rereading.bin / "pid").write_text(str(rereading.broker.pid))
    url = rereading.url.replace("mqtt://", "mqtts://")
    file.write_text(file.read_text().replace("mqtts://127.0.0.1:1", url))
    return Organisation(authority, file, cast(Broker, rereading), mark)


@pytest.fixture
def boxes() -> dict[str, Path]:
    """The folders of enrolled boxes."""
    return {}


@pytest.fixture
def party(
    organisation: Organisation, make_site: SiteMaker, boxes: dict[str, Path]
) -> Iterator[Callable[[str], Party]]:
    """Enrols a box, without a restart of anything, and connects with its papers."""
    made: list[Party] = []

    def join(name: str) -> Party:
        folder = organisation.folder
        cert, key = folder / f"{name}.pem", folder / f"{name}.key"
        if name != "centre":
            boxes[name] = box = organisation.site(make_site, name).folder
            cert, key = box / "tls.pem", box / "tls.key"
        made.append(Party(organisation, cert, key))
        return made[-1]

    yield join
    for each in made:
        each.close()


def test_who_is_let_in_may_speak_at_once_who_is_shut_out_at_once_no_more_and_the_others_do_not_notice(
    rereading: Rereading, organisation: Organisation, party: Callable[[str], Party], boxes: dict[str, Path]
) -> None:
    centre = party("centre")
    first = party("edge-01")
    second = party("edge-02")

    def arrives(speaker: Party, name: str, word: bytes) -> bool:
        speaker.say(f"{PREFIX}/hq/{name}/state", word)
        first.say(f"{PREFIX}/hq/edge-01/state", b"behind " + word)
        eventually(lambda: (f"{PREFIX}/hq/edge-01/state", b"behind " + word) in centre.heard, "the word behind it")
        return (f"{PREFIX}/hq/{name}/state", word) in centre.heard

    assert arrives(first, "edge-01", b"one")
    assert arrives(second, "edge-02", b"two")
    run("centre", "revoke", "hq.edge-02", "-c", organisation.centre_file)
    assert arrives(second, "edge-02", b"three"), "nobody has told the broker yet"
    rereading.restart()
    words = (f"four {number}".encode() for number in range(1000))
    eventually(lambda: not arrives(second, "edge-02", next(words)), "shutting out the connection that stands", 5.0)
    assert [is_let_in(organisation, box) for box in boxes.values()] == [True, False]
    assert arrives(first, "edge-01", b"five")
    assert first.client.is_connected()
    assert len(rereading.calls()) == 4


def is_let_in(organisation: Organisation, box: Path) -> bool:
    """On a new connection."""
    command = [
        "mosquitto_pub", "-h", HOST, "-p", organisation.broker.port, "--cafile", organisation.folder / "ca.pem",
        "--cert", box / "tls.pem", "--key", box / "tls.key", "-t", "any", "-m", "any",
    ]  # fmt: skip
    return subprocess.run([*map(str, command)], capture_output=True, timeout=20, check=False).returncode == 0


def test_where_nothing_has_changed_the_broker_is_left_alone(rereading: Rereading, organisation: Organisation) -> None:
    before = rereading.calls()
    assert rereading.restart() == ""
    assert rereading.calls() == before
    assert (rereading.folder / "broker.key").stat().st_mode & 0o777 == 0o640
    assert rereading.folder.stat().st_mode & 0o777 == 0o750


def test_it_waits_until_the_authority_has_written_all_of_it(rereading: Rereading, organisation: Organisation) -> None:
    """A broker that reads the new revocations beside the old access list would be half told."""
    before = rereading.calls()
    lock = str(rereading.authority / ".lock")
    held = subprocess.Popen(["flock", lock, "sh", "-c", "read _"], stdin=subprocess.PIPE)
    (rereading.authority / "crl.pem").write_text("half of it")
    command = ["sh", str(PROGRAM), str(rereading.authority), str(rereading.folder)]
    env = {**os.environ, "PATH": f"{rereading.bin}:{os.environ['PATH']}"}
    eventually(lambda: subprocess.run(["flock", "-n", lock, "true"], check=False).returncode, "the lock")
    program = subprocess.Popen(command, env=env, stdout=subprocess.PIPE)
    with pytest.raises(subprocess.TimeoutExpired):
        program.wait(0.5)
    assert "half" not in (rereading.folder / "crl.pem").read_text()
    (rereading.authority / "crl.pem").write_text("all of it")
    held.communicate(b"\n")
    assert program.wait(20) == 0
    assert (rereading.folder / "crl.pem").read_text() == "all of it"
    assert len(rereading.calls()) == len(before) + 1
