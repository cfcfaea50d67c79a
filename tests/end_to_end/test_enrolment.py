"""From nothing to a punch at the centre by two files, over a broker that takes nobody at his word."""

from __future__ import annotations

import os
import re
import signal
import socket
import ssl
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from paho.mqtt.client import Client, MQTTv5
from paho.mqtt.enums import CallbackAPIVersion

from gateway.simulation.broker import HOST, Broker

from .conftest import BrokerMaker, SiteMaker
from .site import Process, Site, eventually, punchgate

pytestmark = pytest.mark.needs("mosquitto")

PREFIX = "punchgate/v1"
VOUCHED = (sys.executable, str(Path(__file__).with_name("vouched.py")))
UP = ("records", "replay", "state", "reply")
DOWN = ("receipt", "command", "directory/tokens", "directory/lists", "directory/visits")
LEAVES = (*UP, *DOWN, "device/reader-1", "check", "directory/anything", "command/more", "anything")


def run(*arguments: object) -> str:
    done = punchgate(*arguments)
    assert done.returncode == 0, done.stderr.decode()
    return done.stdout.decode()


def printed(text: str) -> str:
    found = re.search(r"fingerprint.*?((?:\w{4}-){4}\w{4})", text)
    assert found, text
    return found[1]


@dataclass
class Organisation:
    """A centre's authority and a broker that goes by it."""

    folder: Path
    centre_file: Path
    broker: Broker
    authority_mark: str

    @property
    def url(self) -> str:
        return self.broker.url.replace("mqtt://", "mqtts://")

    def enrol(self, config: Path, gateway: str) -> None:
        """As the docs say, with two people who compare."""
        site, _, name = gateway.partition(".")
        request, answer = config.parent / "a.request", config.parent / "an.answer"
        who = ("--site", site, "--id", name, "-c", config)
        mark = printed(run("enrol", "request", *who, "-o", request))
        said = run("centre", "enrol", request, "-o", answer, "--fingerprint", mark, "-c", self.centre_file)
        assert printed(said) == self.authority_mark
        run("enrol", "accept", answer, *who, "--fingerprint", self.authority_mark.upper())
        self.broker.restart()

    def serve(self, site: Site) -> str:
        """The centre, and where it answers boxes over HTTPS."""
        run("centre", "authority", "server", HOST, "-c", self.centre_file)
        with self.centre_file.open("a") as file:
            file.write(f'listen = "{HOST}:{free_port()}"\n')
            file.write(
                f'listen_cert_file = "{self.folder}/server.pem"\nlisten_key_file = "{self.folder}/server.key"\n'
            )
        centre = Process(site.folder / "centre.log", "centre", "run", "-c", self.centre_file)
        site.processes.append(centre)
        return str(centre.wait_for("http.started")["url"])

    def code(self, name: str) -> str:
        """A one-time code for this box of the site."""
        return run("centre", "enrol-code", "hq", name, "-c", self.centre_file).strip()

    def site(self, make_site: SiteMaker, name: str = "edge-01", papers_of: str | None = None) -> Site:
        """A gateway whose configuration says nothing of broker and keys; that comes from the answer."""
        site = make_site(self.url, prefix=PREFIX, name=name)
        del site.tables["uplink"], site.tables["privacy"]
        (site.folder / "organisation.key").unlink()
        site.write()
        self.enrol(site.file, papers_of or f"hq.{name}")
        return site


@pytest.fixture
def organisation(own_broker: BrokerMaker, tmp_path: Path) -> Organisation:
    folder, file = tmp_path / "authority", tmp_path / "centre.toml"
    words = f'[centre]\nurl = "mqtts://127.0.0.1:1"\nstate_dir = "state"\nauthority = "{folder}"\n'
    file.write_text(words)
    mark = printed(run("centre", "authority", "create", "-c", file))
    run("centre", "authority", "broker", HOST, "broker.example", "-c", file)
    broker = own_broker(
        f"cafile {folder}/ca.pem\ncertfile {folder}/broker.pem\nkeyfile {folder}/broker.key\n"
        f"crlfile {folder}/crl.pem\nacl_file {folder}/punchgate.acl\nrequire_certificate true\n"
        "use_identity_as_username true\nmax_queued_messages 100000\n",
        anonymous=False,
    )
    url = broker.url.replace("mqtt://", "mqtts://")
    keys = {"ca_file": "ca.pem", "cert_file": "centre.pem", "tls_key_file": "centre.key", "key_file": "signing.key"}
    more = "".join(f'{key} = "{folder}/{name}"\n' for key, name in (keys | {"gateway_keys": "gateways"}).items())
    file.write_text(words.replace("mqtts://127.0.0.1:1", url) + more)
    return Organisation(folder, file, broker, mark)


def centre_of(organisation: Organisation, site: Site) -> None:
    folder = organisation.folder
    site.centre(
        ca_file=folder / "ca.pem",
        cert_file=folder / "centre.pem",
        tls_key_file=folder / "centre.key",
        key_file=folder / "signing.key",
        gateway_keys=folder / "gateways",
    )


def test_two_files_are_enough_for_a_punch_to_be_settled_by_a_signed_receipt(
    organisation: Organisation, make_site: SiteMaker
) -> None:
    site = organisation.site(make_site)
    reader = site.reader("reader-1")
    centre_of(organisation, site)
    site.start()
    site.wait_up()
    site.wait_captured(reader, "0C000621A5")
    site.wait_settled()
    status = site.status()
    assert (status["uplink"]["reason"], status["warnings"]) == (None, [])
    done = punchgate("centre", "evidence", "--json", "-c", site.folder / "centre.toml")
    assert done.returncode == 0, done.stderr.decode()


def test_a_revoked_gateway_is_kept_out_says_so_and_goes_on_capturing(
    organisation: Organisation, make_site: SiteMaker
) -> None:
    site = organisation.site(make_site)
    reader = site.reader("reader-1")
    site.start()
    site.wait_up()
    site.wait_connected()
    run("centre", "revoke", "hq.edge-01", "-c", organisation.centre_file)
    organisation.broker.restart()
    site.wait_reason("certificate", "revoked")
    site.wait_captured(reader, "0C00000001")
    assert site.status()["uplink"]["connected"] is False
    organisation.enrol(site.file, "hq.edge-01")
    assert site.daemon is not None
    os.kill(site.daemon.pid, signal.SIGHUP)
    site.wait_connected()


def test_with_another_gateways_certificate_nothing_is_heard_and_nothing_is_lost(
    organisation: Organisation, make_site: SiteMaker
) -> None:
    """A box that calls itself edge-01 and holds the papers of edge-02."""
    organisation.site(make_site, "edge-01")
    liar = organisation.site(make_site, "edge-01", papers_of="hq.edge-02")
    reader = liar.reader("reader-1")
    centre_of(organisation, liar)
    liar.start()
    liar.wait_up()
    liar.wait_reason("ACL")
    status = liar.wait_captured(reader, "0C00000001")
    assert status["settled"] == 0
    assert liar.export() == []


def test_a_command_and_a_list_reach_an_enrolled_gateway_by_the_access_list_and_its_answer_is_proved(
    organisation: Organisation, make_site: SiteMaker, tmp_path: Path
) -> None:
    """Nothing but the two files of the enrolment was set up for it."""
    site = organisation.site(make_site)
    site.reader("reader-1")
    site.start(wrapper=VOUCHED)
    site.wait_connected()
    done = punchgate("centre", "command", "hq/edge-01", "ping", "--json", "-c", organisation.centre_file)
    assert (done.returncode, done.stderr) == (0, b""), done.stderr.decode()
    (tmp_path / "lists.csv").write_text("list,token\nlost,k1:00112233445566778899aabbccddeeff\n")
    said = run("centre", "directory", "publish", tmp_path / "lists.csv", "-c", organisation.centre_file)
    assert said.startswith("hq/edge-01: 1 lists")
    eventually(lambda: (site.status()["downlink"]["directory"]["lists"] or {}).get("entries") == 1, "the list")


class Party:
    """Anybody with a certificate of the organisation; hears all the broker lets it hear."""

    def __init__(self, organisation: Organisation, cert: Path, key: Path) -> None:
        self.heard: list[tuple[str, bytes]] = []
        self.client = Client(CallbackAPIVersion.VERSION2, protocol=MQTTv5)
        self.client.tls_set(str(organisation.folder / "ca.pem"), str(cert), str(key), ssl.CERT_REQUIRED)
        self.client.on_message = lambda _client, _data, it: self.heard.append((it.topic, bytes(it.payload)))
        self.client.connect(HOST, organisation.broker.port)
        self.client.loop_start()
        eventually(self.client.is_connected, "connection")
        granted = threading.Event()
        self.client.on_subscribe = lambda *_: granted.set()
        self.client.subscribe("#", qos=1)
        assert granted.wait(5)

    def say(self, topic: str, payload: bytes) -> None:
        self.client.publish(topic, payload, qos=1).wait_for_publish(5)

    def close(self) -> None:
        self.client.disconnect()
        self.client.loop_stop()


@pytest.fixture
def parties(organisation: Organisation, make_site: SiteMaker) -> Iterator[dict[str, Party]]:
    folders = {name: organisation.site(make_site, name).folder for name in ("edge-01", "edge-02")}
    made = {name: Party(organisation, folder / "tls.pem", folder / "tls.key") for name, folder in folders.items()}
    made["centre"] = Party(organisation, organisation.folder / "centre.pem", organisation.folder / "centre.key")
    yield made
    for party in made.values():
        party.close()


def test_by_delivery_a_gateway_speaks_for_itself_only_and_the_centre_alone_settles_and_commands(
    parties: dict[str, Party],
) -> None:
    """Everybody says everything under every name; what arrives is what the access list means."""
    for name, party in parties.items():
        for gateway in ("edge-01", "edge-02"):
            for leaf in LEAVES:
                party.say(f"{PREFIX}/hq/{gateway}/{leaf}", name.encode())
    parties["centre"].say(f"{PREFIX}/hq/edge-01/receipt", b"last")
    parties["centre"].say(f"{PREFIX}/hq/edge-02/receipt", b"last")
    parties["edge-02"].say(f"{PREFIX}/hq/edge-02/state", b"last")
    for name, party in parties.items():
        eventually(lambda party=party: any(said == b"last" for _, said in party.heard), f"the end at {name}")
    time.sleep(0.2)
    arrived = {
        name: {(topic.removeprefix(f"{PREFIX}/hq/"), said.decode()) for topic, said in party.heard if said != b"last"}
        for name, party in parties.items()
    }
    edges = ("edge-01", "edge-02")
    assert arrived == {
        "centre": {(f"{gateway}/{leaf}", gateway) for gateway in edges for leaf in UP},
        "edge-01": {(f"edge-01/{leaf}", "centre") for leaf in DOWN},
        "edge-02": {(f"edge-02/{leaf}", "centre") for leaf in DOWN},
    }


def test_a_code_alone_brings_a_punch_to_the_centre_and_the_next_certificate_is_taken_while_it_runs(
    organisation: Organisation, make_site: SiteMaker
) -> None:
    """The centre answers over HTTPS; the box knows its address and a code, and later renews by itself."""
    site = make_site(organisation.url, prefix=PREFIX)
    del site.tables["uplink"], site.tables["privacy"]
    (site.folder / "organisation.key").unlink()
    site.write()
    reader = site.reader("reader-1")
    url, code = organisation.serve(site), organisation.code("edge-01")
    run("enrol", "code", code, "--centre", url, "-c", site.file)
    organisation.broker.restart()
    site.start()
    site.wait_up()
    site.wait_captured(reader, "0C000621A5")
    site.wait_settled()
    assert "nothing to do" in run("enrol", "renew", "-c", site.file)
    assert "the daemon was told" in run("enrol", "renew", "--now", "-c", site.file)
    assert "tls2.key" in (site.folder / "punchgate.toml.d/50-enrolment.toml").read_text()
    site.wait_connected()
    run("centre", "revoke", "hq.edge-01", "-c", organisation.centre_file)
    refused = punchgate("enrol", "renew", "--now", "-c", site.file)
    assert (refused.returncode, b"revoked" in refused.stderr) == (1, True)


def free_port() -> int:
    with socket.create_server((HOST, 0)) as taken:
        return int(taken.getsockname()[1])
