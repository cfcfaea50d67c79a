"""What a gateway sees in its own certificate once a broker has refused it."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import cast

import pytest
from check_bench import NOW
from check_papers import Authority

from gateway.clock import Clock
from gateway.errors import Transient
from gateway.uplink.connection import Refused
from gateway.uplink.link import Link
from gateway.uplink.own import explained, flaws, refusal

NOW_MS = round(NOW.timestamp() * 1000)
NAME = "hq.edge-01"


def link(
    authority: Authority, name: str = NAME, file: str = "client", ca: Path | None = None, days: float = 9
) -> Link:
    paper = authority.issue(file, name, days=days, since_days=min(1.0, days + 20))
    files = {"ca_file": ca or authority.file, "cert_file": paper.cert_file, "key_file": paper.key_file}
    return Link("127.0.0.1", 8883, tls=True, client_id=NAME, **files)


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    return Authority(tmp_path)


def test_in_a_good_certificate_there_is_nothing_to_see(authority: Authority) -> None:
    assert flaws(link(authority), NOW_MS) == []
    assert refusal(135, link(authority)).startswith("broker says: not authorised (reason 135); give this client")


def test_its_dates_are_told_unless_the_clock_is_wrong(authority: Authority) -> None:
    over = link(authority, days=-1)
    assert [flaw[:30] for flaw in flaws(over, NOW_MS)] == ["uplink.cert_file expired on 20"]
    assert flaws(over, None) == []
    assert "not valid before" in flaws(link(authority), NOW_MS - 3 * 86_400_000)[0]


def test_another_gateways_is_told_with_both_names(authority: Authority) -> None:
    other = link(authority, "hq.edge-02")
    assert flaws(other, NOW_MS) == [
        "uplink.cert_file is the certificate of 'hq.edge-02', and this gateway is 'hq.edge-01'"
    ]
    assert "'hq.edge-02'" in refusal(135, other)
    assert "'hq.edge-02'" not in refusal(151, other)


def test_another_authoritys_is_told_though_both_have_one_name(authority: Authority, tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    elsewhere = Authority(tmp_path / "elsewhere")
    assert flaws(link(authority, ca=elsewhere.file), NOW_MS) == [
        "uplink.cert_file was not issued by an authority in uplink.ca_file"
    ]


def test_files_that_cannot_be_read_say_nothing(authority: Authority, tmp_path: Path) -> None:
    mine = link(authority)
    assert mine.cert_file is not None
    mine.cert_file.write_text("no certificate")
    assert flaws(mine, NOW_MS) == []
    assert flaws(Link("127.0.0.1", 1883, tls=False, client_id=NAME), NOW_MS) == []


class Vouched:
    """A clock that is right."""

    def quality(self) -> object:
        return type("Quality", (), {"state": "synced"})

    def unix_ms(self) -> int:
        return NOW_MS


@pytest.mark.parametrize(("kind", "told"), [(Refused, True), (Transient, False)])
def test_it_is_told_beside_a_refusal_only(authority: Authority, kind: type[Transient], told: bool) -> None:
    trouble, clock = kind("no", remedy="mend it"), cast(Clock, Vouched())
    said = asyncio.run(explained(trouble, link(authority, "hq.edge-02"), clock))
    assert str(said).endswith("; mend it")
    assert ("'hq.edge-02'" in str(said)) is told
