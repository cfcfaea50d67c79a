"""What a gateway has signed can be proved at the centre, and what it has not signed is nobody's word."""

from __future__ import annotations

import json
import os
import signal
from pathlib import Path
from typing import Any

import pytest
from key_pairs import lay, pair

from gateway.carry import CarryReader, CarryWriter
from gateway.signature import PublicKey, Signer, signer, unsigned

from .conftest import BrokerMaker, SiteMaker
from .ear import Ear
from .site import Site, cards, eventually, punchgate

pytestmark = pytest.mark.needs("mosquitto")


def _give_keys(site: Site, own: int = 1, known: int = 1) -> dict[str, Any]:
    """The gateway's private key, and at the centre a public one; what the centre's file needs for it."""
    lay(site.folder / "gateway.key", pair(own)[0])
    lay(site.folder / "keys" / "hq.edge-01.pub", pair(known)[1])
    site.tables["sign"] = {"key_file": "gateway.key"}
    return {"gateway_keys": "keys"}


def _swipe(site: Site, count: int) -> None:
    for card in cards(count):
        site.readers[0].swipe(card)


def _proofs(site: Site) -> list[dict[str, Any]]:
    done = punchgate("centre", "evidence", "--json", "-c", site.folder / "centre.toml")
    assert done.returncode == 0, (done.stdout + done.stderr).decode()
    return [json.loads(row) for row in done.stdout.splitlines()]


def test_a_signed_state_proves_every_line_up_to_it(site: Site, ear: Ear) -> None:
    site.reader("reader-1")
    centre = site.centre(**_give_keys(site))
    site.start()
    site.wait_up()
    site.wait_connected()
    _swipe(site, 5)
    newest = site.wait_settled(newest=13)
    assert site.daemon is not None
    assert site.daemon.stop() == 0
    told = eventually(lambda: [it for it in _proofs(site) if it["holds"] and it["newest"] > newest])
    assert told[-1]["since"] == 1
    assert [it.json()["status"] for it in ear.on("state")][-1] == "offline"
    for heard in ear.on("state"):
        PublicKey(pair(1)[1], "").check(heard.body, "its")
    assert centre.said("state.forged") == []


def test_the_will_of_a_killed_gateway_is_signed_too(site: Site, ear: Ear) -> None:
    site.reader("reader-1")
    centre = site.centre(**_give_keys(site))
    daemon = site.start()
    site.wait_connected()
    daemon.kill()
    ear.wait(lambda: ear.on("state") and ear.on("state")[-1].json()["status"] == "offline")
    PublicKey(pair(1)[1], "").check(ear.on("state")[-1].body, "its")
    eventually(lambda: site.coverage()["streams"][0]["state"]["status"] == "offline")
    assert centre.said("state.forged") == []


@pytest.mark.parametrize("own", [None, 2], ids=["unsigned", "another-key"])
def test_a_state_without_the_gateways_signature_is_refused_and_records_go_on(site: Site, own: int | None) -> None:
    site.reader("reader-1")
    words = _give_keys(site, own or 2)
    if own is None:
        del site.tables["sign"]
    centre = site.centre(**words)
    site.start()
    forged = centre.wait_for("state.forged")
    assert forged["reason"] == ("message is not signed" if own is None else "signature is not that of hq/edge-01")
    site.wait_up()
    _swipe(site, 2)
    site.wait_settled(newest=6)
    assert site.coverage()["streams"][0]["state"] is None
    assert _proofs(site) == []


def test_a_key_of_no_use_stops_nobody_and_is_said_until_it_is_mended(site: Site, ear: Ear) -> None:
    site.reader("reader-1")
    centre = site.centre(**_give_keys(site))
    lay(site.folder / "gateway.key", b"-----BEGIN NONSENSE-----\n")
    daemon = site.start()
    site.wait_up()
    site.wait_captured(site.readers[0], "0C00000001")
    (warning,) = site.status()["warnings"]
    assert "sign.key_file: not a private key" in warning
    assert "openssl genpkey -algorithm ed25519; until then nothing is signed" in warning
    assert daemon.wait_for("config.warning")["reason"] == warning
    ear.wait(lambda: ear.on("state"))
    assert ear.on("state")[-1].json()["warnings"] == [warning]
    assert "sig" not in ear.on("state")[-1].json()
    centre.wait_for("state.forged")
    lay(site.folder / "gateway.key", pair(1)[0])
    os.kill(daemon.pid, signal.SIGHUP)
    eventually(lambda: [it for it in _proofs(site) if it["holds"]])
    assert site.status()["warnings"] == []


# --- carried by hand


def _carried(make_site: SiteMaker, own_broker: BrokerMaker, stick: Path, own: int) -> tuple[Site, Path]:
    """A site without a network, what it exported, and the centre's file."""
    broker = own_broker()
    site = make_site(broker.url)
    site.reader("reader-1")
    words = _give_keys(site, own)
    broker.stop()
    site.start()
    site.wait_up()
    site.wait_captured(site.readers[0], "0C00000001")
    done = punchgate("journal", "export", "-c", site.file, "-o", stick)
    assert done.stdout.decode().endswith(", signed\n"), done.stderr.decode()
    return site, site.centre_file(**words)


def _sealed_anew(stick: Path, sign: Signer) -> None:
    """The same file with another lane in it, sealed so that no damage shows."""
    with stick.open("rb") as file:
        reader = CarryReader(file)
        head, lines = reader.head, list(reader)
    with stick.open("wb") as file:
        writer = CarryWriter(file, head, sign)
        for seq, line in enumerate(lines, 1):
            writer.add(seq, line.replace(b"reader-1-lane", b"another--lane"))
        writer.seal()


def test_a_signed_file_is_taken_and_a_tampered_one_is_not(
    make_site: SiteMaker, own_broker: BrokerMaker, tmp_path: Path
) -> None:
    stick = tmp_path / "stick"
    site, file = _carried(make_site, own_broker, stick, own=1)
    whole = stick.read_bytes()
    for sign, reason in ((unsigned, b"not signed"), (signer(pair(3)[0], ""), b"signature is not that of hq/edge-01")):
        _sealed_anew(stick, sign)
        done = punchgate("centre", "import", "-c", file, stick)
        assert (done.returncode, reason in done.stderr) == (1, True), done.stderr
        assert punchgate("centre", "export", "-c", file).stdout == b""
    stick.write_bytes(whole)
    done = punchgate("centre", "import", "-c", file, stick)
    assert done.returncode == 0, done.stderr
    assert len(site.export()) == site.status()["newest"]


def test_a_file_signed_with_another_gateways_key_is_refused(
    make_site: SiteMaker, own_broker: BrokerMaker, tmp_path: Path
) -> None:
    _, file = _carried(make_site, own_broker, tmp_path / "stick", own=2)
    done = punchgate("centre", "import", "-c", file, tmp_path / "stick")
    assert (done.returncode, b"signature is not that of hq/edge-01" in done.stderr) == (1, True)


def test_a_key_of_no_use_does_not_keep_records_from_being_carried(site: Site, tmp_path: Path) -> None:
    site.reader("reader-1")
    _give_keys(site)
    site.start()
    site.wait_up()
    (site.folder / "gateway.key").unlink()
    done = punchgate("journal", "export", "-c", site.file, "-o", tmp_path / "stick")
    assert done.returncode == 0
    assert b"sign.key_file: there is no such file" in done.stderr
    assert b"the file is not signed" in done.stderr
    assert b", signed" not in done.stdout
