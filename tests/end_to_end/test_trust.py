"""Whom a gateway and its broker believe: papers that do not count, and a centre that is none.

All over a real mosquitto with mutual TLS, the revocation list and the access list that the authority has made. Who
has wrong papers stays outside, says what is wrong with them and how to mend it, loses nothing, and delivers all of it
with the right ones. Whoever may publish where the centre does, and is not the centre, changes nothing.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from key_pairs import pair

from gateway.signature import Signer, signer, unsigned
from gateway.wire import compact, timestamp

from .certificates import Certificates, Pair
from .conftest import SiteMaker
from .site import Reader, Site, cards, eventually
from .test_enrolment import PREFIX, VOUCHED, Organisation, Party, centre_of, organisation, run

__all__ = ["organisation"]

pytestmark = pytest.mark.needs("mosquitto", "openssl")

NAME = "hq.edge-01"
Spoil = Callable[["Outlet"], None]


class Outlet:
    """An enrolled gateway that has delivered its first card, its centre, and the files it shows the broker."""

    def __init__(self, organisation: Organisation, make_site: SiteMaker, folder: Path) -> None:
        self.organisation, self.make_site = organisation, make_site
        self.site: Site = organisation.site(make_site)
        self.reader: Reader = self.site.reader("reader-1")
        self.own = Pair(self.site.folder / "tls.pem", self.site.folder / "tls.key")
        self.kept = Pair(folder / "kept.pem", folder / "kept.key")
        for mine, kept in zip(self._files(self.own), self._files(self.kept), strict=True):
            shutil.copy(mine, kept)
        centre_of(organisation, self.site)
        self.site.start(wrapper=VOUCHED)
        self.site.wait_up()
        self.site.wait_captured(self.reader, "0C000621A5")
        self.site.wait_settled()

    def show(self, pair: Pair) -> None:
        """These papers from now on."""
        for source, own in zip(self._files(pair), self._files(self.own), strict=True):
            shutil.copy(source, own)
            own.chmod(0o600)
        self.read_again()

    def read_again(self) -> None:
        assert self.site.daemon is not None
        os.kill(self.site.daemon.pid, signal.SIGHUP)

    @staticmethod
    def _files(pair: Pair) -> tuple[Path, Path]:
        return pair.cert, pair.key


@pytest.fixture
def outlet(organisation: Organisation, make_site: SiteMaker, tmp_path: Path) -> Outlet:
    return Outlet(organisation, make_site, tmp_path)


def of_a_wrong_authority(outlet: Outlet) -> None:
    folder = outlet.kept.cert.parent / "strangers"
    folder.mkdir()
    strange = Certificates(folder)
    outlet.show(strange.issue(NAME, strange.other_ca))


def that_has_expired(outlet: Outlet) -> None:
    folder = outlet.kept.cert.parent / "expired"
    folder.mkdir()
    authority = outlet.organisation.folder
    outlet.show(Certificates(folder).issue(NAME, Pair(authority / "ca.pem", authority / "ca.key"), days="-1"))


def that_was_revoked(outlet: Outlet) -> None:
    run("centre", "revoke", NAME, "-c", outlet.organisation.centre_file)
    outlet.organisation.broker.restart()


def of_another_gateway(outlet: Outlet) -> None:
    other = outlet.organisation.site(outlet.make_site, "edge-02").folder
    outlet.show(Pair(other / "tls.pem", other / "tls.key"))


def mended(outlet: Outlet) -> None:
    outlet.show(outlet.kept)


def enrolled_anew(outlet: Outlet) -> None:
    outlet.organisation.enrol(outlet.site.file, NAME)
    outlet.read_again()


@pytest.mark.parametrize(
    ("spoil", "words", "mend"),
    [
        (of_a_wrong_authority, ("unknown ca", "not issued by an authority in uplink.ca_file", "enrol-code"), mended),
        (that_has_expired, ("certificate expired", "uplink.cert_file expired on", "enrol-code"), mended),
        (that_was_revoked, ("certificate revoked", "the centre has revoked", "enrol-code"), enrolled_anew),
        (of_another_gateway, ("not authorised", "'hq.edge-02'", "this gateway is 'hq.edge-01'"), mended),
    ],
)  # fmt: skip
def test_with_a_certificate_that_does_not_count_a_gateway_stays_outside_says_why_and_delivers_all_with_a_right_one(
    outlet: Outlet, spoil: Spoil, words: tuple[str, ...], mend: Spoil
) -> None:
    site = outlet.site
    spoil(outlet)
    reason = site.wait_reason(*words)
    before, presented = site.status()["settled"], cards(4, 1)
    for card in presented:
        status = site.wait_captured(outlet.reader, card)
    assert site.wait_reason(*words) == reason
    assert (site.status()["settled"], len(site.export())) == (before, before)
    assert site.daemon is not None
    said = (*site.daemon.said("uplink.down"), *site.daemon.said("uplink.refused"))
    assert reason in [row["reason"] for row in said]
    mend(outlet)
    site.wait_settled(newest=status["newest"])
    reads = [event for event in site.events() if event["type"] == "punchgate.credential.read.v1"]
    assert len(reads) == len({read["data"]["subject"]["token"] for read in reads}) == 1 + len(presented)
    assert [json.loads(line)["data"]["seq"] for line in site.export()] == list(range(1, site.status()["newest"] + 1))


def receipt(status: dict[str, Any]) -> dict[str, Any]:
    """Everything that is here is settled, it says."""
    newest = status["newest"] + 4
    words = {"ledger": "f" * 16, "receipt": 900, "epoch": status["epoch"], "through": newest, "missing": []}
    now = timestamp(time.time_ns() // 1_000_000)
    return words | {"seen": newest, "rejected": [], "service": "centre", "time": now}


def order(**words: Any) -> dict[str, Any]:
    now = time.time_ns() // 1_000_000
    plain = {"punchgate": "command", "gateway": "hq/edge-01", "id": f"{now:032x}", "issued": timestamp(now)}
    return plain | {"expires": timestamp(now + 60_000), "command": "reload"} | words


def lists(version: int, **words: Any) -> dict[str, Any]:
    made = {"punchgate": "directory/lists", "gateway": "hq/edge-01", "issued": "2026-11-23T00:00:00Z"}
    entry = {"list": "lost", "tokens": ["k1:00112233445566778899aabbccddeeff"]}
    return made | {"version": version, "lists": [entry]} | words


@pytest.fixture
def pretender(outlet: Outlet) -> Iterator[Party]:
    """Who has stolen the centre's papers for the broker, and not the key it signs with."""
    folder = outlet.organisation.folder
    party = Party(outlet.organisation, folder / "centre.pem", folder / "centre.key")
    yield party
    party.close()


def test_forged_receipts_lists_and_commands_change_nothing_though_the_broker_lets_them_through(
    outlet: Outlet, pretender: Party
) -> None:
    """Unsigned, under a wrong key, for another box, expired, and the centre's own of a moment ago once more."""
    site = outlet.site
    signing = (outlet.organisation.folder / "signing.key").read_bytes()
    stranger, centre = signer(pair(2)[0], "key"), signer(signing, "key")
    site.processes[0].stop()  # the true centre: what is settled from now on, a forgery has settled
    status = site.wait_captured(outlet.reader, "0C00000001")
    settled = status["settled"]
    assert settled < status["newest"]
    overheard = [said for topic, said in pretender.heard if topic.endswith("/receipt")]

    def say(leaf: str, words: dict[str, Any], sign: Signer) -> None:
        pretender.say(f"{PREFIX}/hq/edge-01/{leaf}", compact(sign(words)))

    for sign in (unsigned, stranger):
        say("receipt", receipt(status), sign)
        say("command", order(), sign)
        say("directory/lists", lists(99), sign)
    for said in overheard:
        pretender.say(f"{PREFIX}/hq/edge-01/receipt", said)
    say("command", order(gateway="hq/edge-02"), centre)
    past = time.time_ns() // 1_000_000 - 3_600_000
    say("command", order(id="1" * 32, issued=timestamp(past), expires=timestamp(past + 60_000)), centre)
    say("directory/lists", lists(99, gateway="hq/edge-02"), centre)
    wanted = {"commands": {"forged": 2, "foreign": 1, "expired": 1}, "documents": {"forged": 2, "foreign": 1}}
    eventually(lambda: {key: site.status()["downlink"][key] for key in wanted} == wanted, "refusing all of it")
    after = site.status()
    assert (after["settled"], after["epoch"], after["newest"]) == (settled, status["epoch"], status["newest"])
    assert after["downlink"]["directory"]["lists"] is None
    assert site.daemon is not None
    assert site.daemon.said("config.applied") == []
    assert {row["event"] for row in site.daemon.said() if row["event"].endswith(".refused")} >= {
        "receipt.refused", "command.refused",
    }  # fmt: skip
    good = order(command="ping")
    for _ in range(2):
        say("command", good, centre)
    say("directory/lists", lists(99, lists=[]), centre)
    say("directory/lists", lists(98), centre)
    eventually(lambda: site.status()["downlink"]["commands"].get("replayed") == 1, "the same command once more")
    eventually(lambda: site.status()["downlink"]["documents"].get("older") == 1, "an older list once more")
    assert site.status()["downlink"]["commands"]["taken"] == 1
    assert site.status()["downlink"]["directory"]["lists"]["entries"] == 0
    centre_of(outlet.organisation, site)
    site.wait_settled(newest=status["newest"])
    assert [json.loads(line)["data"]["seq"] for line in site.export()] == list(range(1, site.status()["newest"] + 1))
