"""TLS files: readable, belonging together, rightly named and valid for a while."""

from __future__ import annotations

import contextlib
import os
from datetime import UTC, datetime
from pathlib import Path

import pytest
from check_bench import Bench, clean, only
from check_papers import Authority, Paper
from cryptography.hazmat.primitives.serialization import Encoding
from hypothesis import given
from hypothesis import strategies as st

from gateway.check.certificates import certificates
from gateway.uplink.x509 import parse, read_certificates

NAME = "hq.edge-01"
KEYS = ('ca_file = "ca.pem"', 'cert_file = "own.pem"', 'key_file = "own.key"')


@pytest.fixture
def authority(bench: Bench) -> Authority:
    bench.uplink("mqtts://broker.example", *KEYS)
    return Authority(bench.folder)


def test_good_papers_are_in_order(bench: Bench, authority: Authority) -> None:
    authority.issue("own", NAME)
    findings = bench.examine(certificates)
    assert clean(findings)
    assert [each.what for each in findings] == [
        "uplink.ca_file: valid until 2027-11-23",
        "uplink.cert_file: valid until 2027-11-23",
    ]


def test_a_certificate_that_expires_within_a_month_is_a_warning(bench: Bench, authority: Authority) -> None:
    authority.issue("own", NAME, days=29)
    assert "uplink.cert_file: expires in 29 days" in only(bench.examine(certificates), "warning").what


def test_an_expired_certificate_is_a_finding(bench: Bench, authority: Authority) -> None:
    authority.issue("own", NAME, days=-1, since_days=30)
    assert "uplink.cert_file: expired on 2026-11-22" in only(bench.examine(certificates), "finding").what


def test_a_certificate_from_the_future_points_at_the_clock(bench: Bench, authority: Authority) -> None:
    authority.issue("own", NAME, since_days=-1)
    assert "set the clock" in only(bench.examine(certificates), "finding").mend


def test_no_date_is_judged_by_a_clock_that_is_not_set(bench: Bench, authority: Authority) -> None:
    authority.issue("own", NAME, days=-1, since_days=30)
    bench.watch.state = "unset"
    assert {each.severity for each in bench.examine(certificates)} == {"note"}


@pytest.mark.parametrize("name", ["hq.edge-02", ""])
def test_a_certificate_for_another_name_is_a_warning(bench: Bench, authority: Authority, name: str) -> None:
    authority.issue("own", name)
    assert "CN=hq.edge-01" in only(bench.examine(certificates), "warning").mend


def test_a_key_of_another_certificate_is_a_finding(bench: Bench, authority: Authority) -> None:
    other = authority.issue("other", NAME)
    own = authority.issue("own", NAME)
    own.key_file.write_bytes(other.key_file.read_bytes())
    assert "not the key of cert_file" in only(bench.examine(certificates), "finding").what


def test_a_key_with_a_pass_phrase_is_a_finding_and_nobody_is_asked_for_it(bench: Bench, authority: Authority) -> None:
    authority.issue("own", NAME, pass_phrase="hunter2")
    assert "without a pass phrase" in only(bench.examine(certificates), "finding").mend


@pytest.mark.parametrize("name", ["ca.pem", "own.pem", "own.key"])
def test_a_missing_file_is_a_finding_once(bench: Bench, authority: Authority, name: str) -> None:
    authority.issue("own", NAME)
    (bench.folder / name).unlink()
    found = only(bench.examine(certificates), "finding")
    assert f"{bench.folder / name}: No such file" in found.what


def test_a_pipe_is_a_finding_and_nobody_waits_for_it(bench: Bench, authority: Authority) -> None:
    authority.issue("own", NAME)
    authority.file.unlink()
    os.mkfifo(authority.file)
    assert "is not a file" in only(bench.examine(certificates), "finding").what


@pytest.mark.parametrize("text", ["", "nonsense", "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"])
def test_a_file_without_a_certificate_is_a_finding(bench: Bench, authority: Authority, text: str) -> None:
    authority.issue("own", NAME)
    authority.file.write_text(text)
    assert "certificate" in only(bench.examine(certificates), "finding").what


def test_of_several_authorities_the_longest_lived_counts(bench: Bench, authority: Authority) -> None:
    authority.issue("own", NAME)
    old = authority.issue("old", "old authority", days=-5, since_days=30)
    authority.file.write_bytes(old.cert_file.read_bytes() + authority.file.read_bytes())
    assert clean(bench.examine(certificates))


def test_no_tls_to_another_machine_is_a_warning_and_to_this_one_is_not(bench: Bench) -> None:
    assert bench.examine(certificates) == []
    bench.edit(('url = "mqtt://127.0.0.1:1"', 'url = "mqtt://10.1.0.9"\ninsecure = true'))
    assert "mqtts://" in only(bench.examine(certificates), "warning").mend


@pytest.mark.parametrize("until", [datetime(2049, 12, 31, tzinfo=UTC), datetime(2051, 6, 1, tzinfo=UTC)])
@pytest.mark.parametrize("name", ["hq.edge-01", "上海", ""])
def test_our_reading_of_a_certificate_is_that_of_cryptography(tmp_path: Path, until: datetime, name: str) -> None:
    paper = issued(tmp_path, until, name)
    read = read_certificates(paper.cert_file)[0]
    assert (read.common_name, read.valid_from, read.valid_until) == (
        name,
        paper.certificate.not_valid_before_utc,
        paper.certificate.not_valid_after_utc,
    )


def test_a_certificate_cut_off_anywhere_is_none(tmp_path: Path) -> None:
    der = issued(tmp_path, datetime(2030, 1, 1, tzinfo=UTC), NAME).certificate.public_bytes(Encoding.DER)
    for length in range(len(der)):
        with pytest.raises(ValueError, match="no certificate"):
            parse(der[:length])


@given(st.binary(max_size=200))
def test_any_bytes_are_a_certificate_or_a_value_error(data: bytes) -> None:
    with contextlib.suppress(ValueError):
        parse(data)


def issued(folder: Path, until: datetime, name: str) -> Paper:
    now = datetime(2026, 1, 1, tzinfo=UTC)
    return Authority(folder, now).issue("own", name, days=(until - now).days)
