"""The next certificate takes the place of the one in force only when the broker has let it in."""

from __future__ import annotations

import subprocess

import pytest

from .conftest import SiteMaker
from .site import eventually, punchgate
from .test_enrolment import Organisation, organisation, run

__all__ = ["organisation"]

pytestmark = pytest.mark.needs("mosquitto", "openssl", "faketime")


@pytest.fixture
def three_hours_ago(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    """The clock of what is started from now on, until it is undone."""
    said = subprocess.run(["faketime", "-f", "-3h", "env"], capture_output=True, text=True, check=True).stdout
    env = dict(row.split("=", 1) for row in said.splitlines() if "=" in row)
    monkeypatch.setenv("LD_PRELOAD", env["LD_PRELOAD"])
    monkeypatch.setenv("FAKETIME", "-3h")
    monkeypatch.setenv("FAKETIME_DONT_FAKE_MONOTONIC", "1")
    return monkeypatch


def test_a_certificate_that_the_broker_refuses_is_not_put_in_force_and_the_next_attempt_succeeds_once_it_is_let_in(
    three_hours_ago: pytest.MonkeyPatch, organisation: Organisation, make_site: SiteMaker
) -> None:
    """The broker's clock is behind: what is issued now is not valid there yet."""
    site = organisation.site(make_site)
    reader = site.reader("reader-1")
    three_hours_ago.undo()
    url = organisation.serve(site)
    drop_in = site.folder / "punchgate.toml.d" / "50-enrolment.toml"
    drop_in.write_text(drop_in.read_text().replace("[uplink]\n", f'[uplink]\ncentre_url = "{url}"\n'))
    site.start()
    site.wait_up()
    site.wait_connected()
    before = drop_in.read_text()
    assert "tls2" not in before
    refused = punchgate("enrol", "renew", "--now", "-c", site.file)
    assert refused.returncode == 75
    assert b"the old one stays" in refused.stderr
    assert b"TLS refused by the broker" in refused.stderr
    assert drop_in.read_text() == before
    assert site.daemon is not None
    assert site.daemon.said("config.applied") == []
    site.daemon.kill()
    site.start()
    site.wait_connected()
    newest = site.wait_captured(reader, "0C00000001")["newest"]
    site.wait_settled(newest=newest)
    organisation.broker.restart()
    assert "the daemon was told" in run("enrol", "renew", "--now", "-c", site.file)
    assert "tls2" in drop_in.read_text()
    newest = site.wait_captured(reader, "0C00000002")["newest"]
    site.wait_settled(newest=newest)
    eventually(lambda: site.status()["uplink"]["reason"] is None, "a session with the new one")
