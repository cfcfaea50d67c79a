"""An authority remembers all it has issued, and says what the broker should know."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest

from gateway.errors import Misconfigured
from gateway.identity import certificates as x509
from traceability.authority import Authority, acl

PREFIX = "punchgate/v1"


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    return Authority.create(tmp_path / "authority", PREFIX)


def enrolled(authority: Authority, *names: str) -> None:
    with authority.changing(PREFIX):
        for name in names:
            authority.issue(name, x509.new_key().public_key())


def test_what_was_issued_is_known_after_a_restart(authority: Authority) -> None:
    enrolled(authority, "hq.edge-01", "hq.edge-02")
    again = Authority(authority.folder)
    assert again.members() == ["hq.edge-01", "hq.edge-02"]
    assert again.ca == authority.ca


def test_a_revoked_gateway_is_no_member_and_can_come_back_with_a_new_certificate(authority: Authority) -> None:
    enrolled(authority, "hq.edge-01", "hq.edge-01", "hq.edge-02")
    with authority.changing(PREFIX):
        assert authority.revoke("hq.edge-01") == 2
        assert authority.revoke("hq.edge-01") == 0
    assert authority.members() == ["hq.edge-02"]
    enrolled(authority, "hq.edge-01")
    assert authority.members() == ["hq.edge-01", "hq.edge-02"]


def test_who_was_revoked_while_somebody_compared_fingerprints_stays_revoked(authority: Authority) -> None:
    enrolled(authority, "hq.edge-01")
    other = Authority(authority.folder)
    with authority.changing(PREFIX):
        authority.revoke("hq.edge-01")
    enrolled(other, "hq.edge-02")
    assert Authority(authority.folder).members() == ["hq.edge-02"]
    assert "edge-01" not in (authority.folder / "punchgate.acl").read_text()


def test_a_broker_is_no_gateway_whatever_its_name(authority: Authority) -> None:
    authority.server("broker", ("broker.example",))
    assert authority.members() == []


def test_a_create_that_was_cut_can_be_done_again(authority: Authority) -> None:
    (authority.folder / "centre.pem").unlink()
    assert Authority.create(authority.folder, PREFIX).members() == []


def test_an_expired_certificate_is_no_member(authority: Authority) -> None:
    authority.issue("hq.edge-01", x509.new_key().public_key(), days=0)
    assert authority.issued[-1].counts(datetime.now(UTC)) is False
    assert authority.members() == []


def test_only_the_owner_reads_what_is_private(authority: Authority) -> None:
    authority.server("broker", ("broker.example", "127.0.0.1"))
    private = {path.name for path in authority.folder.iterdir() if path.stat().st_mode & 0o077 == 0}
    assert private == {"ca.key", "organisation.key", "signing.key", "centre.key", "broker.key"}


def test_an_authority_is_never_made_over_another(authority: Authority) -> None:
    with pytest.raises(Misconfigured, match="there is an authority"):
        Authority.create(authority.folder, PREFIX)


def test_a_folder_without_an_authority_says_how_to_make_one(tmp_path: Path) -> None:
    with pytest.raises(Misconfigured, match="punchgate centre authority create"):
        Authority(tmp_path)


def test_the_key_that_is_in_use_can_be_brought_along(tmp_path: Path) -> None:
    made = Authority.create(tmp_path / "a", PREFIX, "k2:" + "ab" * 32)
    assert made.organisation_key == b"k2:" + b"ab" * 32 + b"\n"


def test_the_access_list_names_each_gateway_once_and_nobody_else() -> None:
    text = acl(["hq.edge-02", "hq.edge-01", "hq.edge-02"], "centre", PREFIX)
    assert [line for line in text.splitlines() if line.startswith("user")] == [
        "user centre",
        "user hq.edge-01",
        "user hq.edge-02",
    ]
    assert "#" not in "".join(line for line in text.splitlines() if line.startswith("topic") and "device" not in line)
