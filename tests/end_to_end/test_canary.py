"""A card's number is nowhere: not in a file, a log, a message or an answer; and the search would find it.

Cards are presented to simulated readers of many drivers, whole and in damaged frames, to a daemon that logs all it
can. Then everything that it, the broker's subscribers and the centre have, and all that commands say and write, is
searched for every form of every number. With `credentials = "clear"` the same search finds what it should.
"""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import zlib
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from random import Random

import pytest

from gateway.simulation import frames
from gateway.simulation.peers import new_peer

from .bench import bench
from .canaries import Canary, contents, found
from .conftest import BrokerMaker, SiteMaker
from .ear import Ear
from .site import KEY, Site, eventually, punchgate

pytestmark = pytest.mark.needs("mosquitto")

HOST = "127.0.0.1"
ASKED = {
    "m100": "epc",
    "uhfreader18": "epc",
    "sl500": "uid",
    "pn532": "uid",
    "osdp_reader": "wiegand",
    "sdt": "",
    "zk": "",
}
EM4100 = Canary("em4100", "7CA9D3F0B6", bytes.fromhex("7CA9D3F0B6"))
LINES = {
    "wiegand-26": Canary("wiegand-26", "D7C5A9", bytes.fromhex("D7C5A9")),
    "wiegand-34": Canary("wiegand-34", "B7D9E3F5", bytes.fromhex("B7D9E3F5")),
    "wiegand-dec": Canary("wiegand-dec", "2914508613", (2914508613).to_bytes(4, "big")),
}
SCAN = Canary("scanner", "VISIT-9f3ac7715e2d")
NEVER_CLEAR = {"scanner", "sdt"}
PRINTED = [Canary("address", "示例市示例区测试路2号"), Canary("office", "示例市公安局")]
"""What the simulated identity card says besides its number."""


def asked(model: str) -> Canary:
    """A card for a device that is asked; one of a terminal has as many digits as it takes."""
    word = "918273645" if model == "zk" else new_peer(model).new_deed(Random(20))
    return Canary(model, word, bytes.fromhex(word) if ASKED[model] else b"")


class Scene:
    """The site, everybody who listens, and the cards."""

    def __init__(self, site: Site, broker_port: int, stack: ExitStack, credentials: str) -> None:
        self.site, site.forked = site, False
        self.canaries = [EM4100, *LINES.values(), SCAN, *map(asked, ASKED)]
        self.ear = stack.enter_context(Ear(HOST, broker_port, site.prefix))
        site.tables["privacy"]["credentials"] = credentials
        site.tables["log"] = {"level": "debug"}
        self.reader = site.reader("em4100")
        self.ports = {}
        for name in [*LINES, "scanner"]:
            site.lane(f"{name}-lane")
            driver = "scanner" if name == "scanner" else "wiegand_line"
            self.ports[name] = site.device(name, f"{name}-lane", driver, side="in")
        self.benches = {}
        for model in ASKED:
            name = model.replace("_", "-")
            self.benches[model] = device = stack.enter_context(bench(new_peer(model).driver, model))
            site.lane(f"{name}-lane")
            snippet = device.snippet().replace('"lobby-1"', f'"{name}-lane"').replace('"device-1"', f'"{name}"')
            site.ports.append(snippet + "\n")

    def play(self) -> None:
        """Everybody presents his card; each frame that can be damaged is, too, with the number still in it."""
        self.site.centre()
        self.site.start()
        self.site.wait_up()
        self.site.wait_connected()
        whole = {
            self.reader.port: frames.rdm6300(EM4100.word),
            **{self.ports[name]: frames.wiegand(canary.word) for name, canary in LINES.items()},
            self.ports["scanner"]: frames.scanned(SCAN.word),
        }
        for port, frame in whole.items():
            for data in (frame, frame[:-3] + b"ZZ" + frame[-1:], b"\xff\xfe" + frame[:-1], frame * 2):
                port.write(data)
        for canary in self.canaries:
            if canary.name in ASKED:
                self.benches[canary.name].do(canary.word)
        names = {canary.name.replace("_", "-") for canary in self.canaries}
        eventually(lambda: {read["data"]["device"] for read in self.reads()} == names, "reads of all", 40.0)
        self.site.wait_settled(newest=len(names), within_s=90.0)

    def reads(self) -> list[dict[str, object]]:
        return self.ear.records("credential.read")

    def places(self, folder: Path) -> Iterator[tuple[str, bytes]]:
        """Everything that can be read anywhere; the benches' own papers, which know the cards, apart."""
        file, site = self.site.file, self.site
        yield "status", json.dumps(site.status()).encode()
        for command in (
            ("status", "--json"), ("status",), ("journal", "stats", "--json"), ("journal", "show", "5"),
            ("journal", "quarantine", "list"), ("journal", "verify"), ("check",),
            ("roster",), ("roster", "--json"), ("muster",), ("muster", "--json"),
            ("backup", "create", folder / "box.backup"),
            ("backup", "create", "--with-secrets", folder / "all.backup"),
            ("backup", "verify", folder / "box.backup"), ("journal", "export", "-o", folder / "stick"),
            ("support-bundle", "--log", site.folder / "daemon.log", folder / "support.tar.gz"),
        ):  # fmt: skip
            config = () if command[1:2] == ("verify",) and command[0] == "backup" else ("-c", file)
            done = punchgate(*command, *config)
            assert done.returncode in (0, 1), done.stderr
            yield f"punchgate {' '.join(map(str, command))}", done.stdout + done.stderr
        assert len(list(folder.iterdir())) == 4
        for heard in self.ear.heard.copy():
            yield f"topic {heard.leaf}", zlib.decompress(heard.body) if heard.encoding == "deflate" else heard.body
        assert site.daemon is not None
        process = Path("/proc") / str(site.daemon.pid)
        for fact in ("cmdline", "environ", "comm"):
            yield f"process {fact}", (process / fact).read_bytes()
        yield from contents(folder)
        yield from contents(site.folder)
        site.daemon.kill()
        yield from ((f"{name} after a kill", data) for name, data in contents(site.state_dir))


@pytest.fixture
def scene(make_site: SiteMaker, own_broker: BrokerMaker, request: pytest.FixtureRequest) -> Iterator[Scene]:
    broker = own_broker()
    with ExitStack() as stack:
        yield Scene(make_site(broker.url), broker.port, stack, request.param)


@pytest.mark.parametrize("scene", ["token"], indirect=True)
def test_a_cards_number_is_nowhere(scene: Scene, tmp_path: Path) -> None:
    (tmp_path / "papers").mkdir()
    scene.play()
    places = list(scene.places(tmp_path / "papers"))
    names = {place for place, _ in places}
    assert names >= {
        "state/journal.sqlite", "state/journal.sqlite rows", "state/journal.sqlite-wal", "state/journal.ring",
        "state/devices.json", "daemon.log", "centre.log", "ledger.sqlite rows", "box.backup unpacked",
        "stick unpacked",
        "support.tar.gz unpacked", "topic records", "topic state", "topic receipt", "topic device/em4100", "status",
        "journal.sqlite rows after a kill",
    }  # fmt: skip
    assert found(places, [*scene.canaries, *PRINTED]) == set()
    keys = [(place, data) for place, data in places if KEY.hex().encode() in data]
    assert {place for place, _ in keys} <= {"organisation.key", "all.backup unpacked"}


@pytest.mark.parametrize("scene", ["clear"], indirect=True)
def test_the_same_search_finds_the_numbers_where_they_are_wanted(scene: Scene, tmp_path: Path) -> None:
    """Not those of persons' documents, nor scanned texts: these are never in the clear."""
    (tmp_path / "papers").mkdir()
    scene.play()
    places = list(scene.places(tmp_path / "papers"))
    seen = found(places, scene.canaries)
    assert found(places, PRINTED) == set()
    wanted = {canary.name for canary in scene.canaries} - NEVER_CLEAR
    for place in ("topic records", "state/journal.sqlite rows", "ledger.sqlite rows", "stick unpacked"):
        assert {name for name, where in seen if where == place} == wanted, place
    assert {name for name, _ in seen} & NEVER_CLEAR == set()
    quiet = {"daemon.log", "centre.log", "status", "topic state", "support.tar.gz unpacked", "state/devices.json"}
    assert {where for _, where in seen} & quiet == set()


DUMPED = "import os, signal; os.kill(os.getpid(), signal.SIGSEGV)"


@pytest.mark.needs("core-files")
def test_a_daemon_that_is_shot_leaves_no_core_dump(site: Site, tmp_path: Path) -> None:
    wrapper = ("sh", "-c", f'cd "{tmp_path}" && ulimit -c unlimited && exec "$@"', "sh")
    subprocess.run([*wrapper, sys.executable, "-c", DUMPED], check=False)
    control = list(tmp_path.glob("core*"))
    assert control, "a program that is shot here does leave one"
    for path in control:
        path.unlink()
    site.reader("reader-1")
    daemon = site.start(wrapper=wrapper)
    site.wait_up()
    daemon.popen.send_signal(signal.SIGSEGV)
    assert daemon.popen.wait(10) == -signal.SIGSEGV
    assert not list(tmp_path.glob("core*"))
