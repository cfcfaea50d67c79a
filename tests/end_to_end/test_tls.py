"""Mutual TLS with a CA of one's own: it works, and every way in which it does not is said; capture never stops."""

from __future__ import annotations

import os
import shutil
import signal
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from .certificates import Certificates, Pair
from .conftest import BrokerMaker, SiteMaker
from .site import Reader, Site, cards

pytestmark = pytest.mark.needs("mosquitto", "openssl")


@dataclass(frozen=True)
class Secured:
    """A site whose uplink is mqtts; `replacement` files can be put where the configuration looks."""

    site: Site
    reader: Reader
    folder: Path

    def put(self, pair: Pair, name: str = "client") -> None:
        for source, suffix in ((pair.cert, "pem"), (pair.key, "key")):
            shutil.copy(source, self.folder / f"{name}.{suffix}")
            (self.folder / f"{name}.{suffix}").chmod(0o600)

    def hup(self) -> None:
        assert self.site.daemon is not None
        os.kill(self.site.daemon.pid, signal.SIGHUP)


def _tls_lines(certificates: Certificates, server: Pair) -> str:
    return (
        f"cafile {certificates.ca.cert}\ncertfile {server.cert}\nkeyfile {server.key}\n"
        "require_certificate true\nuse_identity_as_username false\n"
    )


@pytest.fixture
def secured(own_broker: BrokerMaker, make_site: SiteMaker, certificates: Certificates) -> Callable[..., Secured]:
    """Makes a site at a TLS broker, started, one card captured; the client's files are good at first."""

    def make(server: Pair | None = None, client: Pair | None = None, **uplink: object) -> Secured:
        broker = own_broker(_tls_lines(certificates, server or certificates.server))
        site = make_site(broker.url.replace("mqtt://", "mqtts://"))
        made = Secured(site, site.reader("reader-1"), site.folder)
        made.put(client or certificates.client)
        shutil.copy(certificates.ca.cert, site.folder / "ca.pem")
        files = {"ca_file": "ca.pem", "cert_file": "client.pem", "key_file": "client.key"} | uplink
        site.tables["uplink"] |= {key: value for key, value in files.items() if value is not None}
        site.start()
        site.wait_up()
        return made

    return make


def test_mutual_tls_carries_a_punch_to_the_centre(
    secured: Callable[..., Secured], certificates: Certificates
) -> None:
    made = secured()
    pair = certificates.client
    made.site.centre(ca_file=certificates.ca.cert, cert_file=pair.cert, tls_key_file=pair.key)
    made.site.wait_captured(made.reader, "0C000621A5")
    made.site.wait_settled()
    assert made.site.status()["uplink"]["reason"] is None
    types = [event["type"] for event in made.site.events()]
    assert types.count("punchgate.punch.v1") == 1


def test_a_broker_of_another_ca_is_refused_until_the_right_ca_is_there(
    secured: Callable[..., Secured], certificates: Certificates
) -> None:
    made = secured()
    made.site.wait_connected()
    shutil.copy(certificates.other_ca.cert, made.folder / "ca.pem")
    assert made.site.daemon is not None
    made.site.daemon.kill()
    made.site.start()
    reason = made.site.wait_reason("certificate")
    assert "ca_file" in reason
    made.site.wait_captured(made.reader, "0C00000001")
    assert made.site.daemon.wait_for("uplink.down")["reason"] == reason
    shutil.copy(certificates.ca.cert, made.folder / "ca.pem")
    made.site.wait_connected()


@pytest.mark.parametrize("wrong", ["none", "expired", "stranger"])
def test_a_client_certificate_the_broker_does_not_take_is_said(
    secured: Callable[..., Secured], certificates: Certificates, wrong: str
) -> None:
    bad = None if wrong == "none" else getattr(certificates, wrong)
    nothing = {"cert_file": None, "key_file": None} if wrong == "none" else {}
    made = secured(client=bad, **nothing)
    reason = made.site.wait_reason("tls", "cert_file")
    assert "broker" in reason.lower()
    assert made.site.status()["uplink"]["connected"] is False
    made.site.wait_captured(made.reader, "0C00000001")
    made.put(certificates.client)
    made.site.tables["uplink"] |= {"cert_file": "client.pem", "key_file": "client.key"}
    made.site.write()
    made.hup()
    made.site.wait_connected()


def test_a_broker_with_another_hosts_name_or_an_expired_certificate_is_refused(
    secured: Callable[..., Secured], certificates: Certificates
) -> None:
    assert "certificate" in secured(server=certificates.elsewhere).site.wait_reason("127.0.0.1")
    expired = secured(server=certificates.expired)
    expired.site.wait_reason("expired")
    expired.site.wait_captured(expired.reader, "0C00000001")


def test_key_files_that_cannot_be_used_are_named_and_taken_up_when_mended(
    secured: Callable[..., Secured], certificates: Certificates
) -> None:
    made = secured(key_file="missing.key")
    made.site.wait_reason("missing.key", "key")
    made.site.wait_captured(made.reader, "0C00000001")
    (made.folder / "missing.key").write_text("this is no key\n")
    made.site.wait_reason("key_file")
    shutil.copy(certificates.stranger.key, made.folder / "missing.key")
    made.site.wait_reason("key", "match")
    shutil.copy(certificates.client.key, made.folder / "missing.key")
    made.site.wait_connected()
    status = made.site.wait_captured(made.reader, cards(1, 7)[0])
    assert status["uplink"]["reason"] is None or "nobody" in status["uplink"]["reason"]


def test_a_renewed_certificate_is_taken_up_on_sighup_without_a_restart(
    secured: Callable[..., Secured], certificates: Certificates
) -> None:
    made = secured()
    made.site.wait_connected()
    made.site.tables["uplink"]["cert_file"] = "renewed.pem"
    made.site.tables["uplink"]["key_file"] = "renewed.key"
    made.put(certificates.client, "renewed")
    made.site.write()
    made.hup()
    assert made.site.daemon is not None
    made.site.daemon.wait_for("config.applied")
    made.site.wait_connected()
    assert made.site.daemon.running
