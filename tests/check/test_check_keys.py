"""Secrets: there, well formed, nobody else's to read."""

from __future__ import annotations

import os

from check_bench import Bench, clean, only
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from key_pairs import lay, pair

from gateway.assembly import warnings
from gateway.check.keys import keys


def test_keys_in_order_are_named_and_not_shown(bench: Bench) -> None:
    bench.uplink("mqtt://127.0.0.1:1", 'username = "u"', 'password_file = "password"')
    bench.secret("password", "hunter2")
    findings = bench.examine(keys)
    assert clean(findings)
    assert "key k1" in findings[0].what
    assert not [each for each in findings if "hunter2" in str(each) or "abab" in str(each)]


def test_a_missing_organisation_key_is_a_finding(bench: Bench) -> None:
    (bench.folder / "organisation.key").unlink()
    found = only(bench.examine(keys), "finding")
    assert "privacy.key_file" in found.what
    assert "does not start" in found.why


def test_a_malformed_organisation_key_is_a_finding_with_the_way_to_make_one(bench: Bench) -> None:
    bench.secret("organisation.key", "abc")
    assert "openssl rand -hex 32" in only(bench.examine(keys), "finding").mend


def test_every_secret_that_others_can_read_is_a_finding_and_a_warning_of_the_daemon(bench: Bench) -> None:
    bench.uplink(
        "mqtts://127.0.0.1:1",
        'username = "u"',
        'password_file = "password"',
        'cert_file = "own.pem"',
        'key_file = "own.key"',
    )
    for name in ("password", "own.key"):
        bench.secret(name, "secret")
    for name in ("password", "own.key", "organisation.key"):
        (bench.folder / name).chmod(0o644)
    findings = [each for each in bench.examine(keys) if each.severity == "finding"]
    assert [each.mend for each in findings] == [
        f"chmod 600 {bench.folder / name}" for name in ("organisation.key", "password", "own.key")
    ]
    assert [warning.split(":")[1].strip() for warning in warnings(bench.settings())] == [
        "privacy.key_file",
        "uplink.password_file",
        "uplink.key_file",
    ]


def test_a_missing_password_is_a_finding_that_stops_nobody(bench: Bench) -> None:
    bench.uplink("mqtt://127.0.0.1:1", 'username = "u"', 'password_file = "password"')
    found = only(bench.examine(keys), "finding")
    assert "no such file" in found.what
    assert "captures meanwhile" in found.why


def test_a_pipe_in_the_place_of_the_centres_key_is_a_finding_and_nobody_waits_for_it(bench: Bench) -> None:
    bench.uplink("mqtt://127.0.0.1:1", 'centre_key_file = "centre.pem"')
    os.mkfifo(bench.folder / "centre.pem")
    assert "is not a file" in only(bench.examine(keys), "finding").what


def test_the_centres_key_must_be_one(bench: Bench) -> None:
    bench.uplink("mqtt://127.0.0.1:1", 'centre_key_file = "centre.pem"')
    assert "centre_key_file" in only(bench.examine(keys), "finding").what
    public = Ed25519PrivateKey.generate().public_key()
    pem = public.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    (bench.folder / "centre.pem").write_bytes(pem)
    assert clean(bench.examine(keys))


def test_our_own_key_must_be_one_and_nobody_elses_to_read(bench: Bench) -> None:
    bench.edit(("[privacy]", '[sign]\nkey_file = "gateway.key"\n\n[privacy]'))
    missing = only(bench.examine(keys), "finding")
    assert "sign.key_file: there is no such file" in missing.what
    assert "unsigned" in missing.why
    key = lay(bench.folder / "gateway.key", pair(1)[1])
    assert "openssl genpkey -algorithm ed25519" in only(bench.examine(keys), "finding").mend
    assert "nothing is signed" in warnings(bench.settings())[0]
    lay(key, pair(1)[0])
    assert clean(bench.examine(keys))
    assert warnings(bench.settings()) == []
    key.chmod(0o644)
    assert only(bench.examine(keys), "finding").mend == f"chmod 600 {key}"
    assert "sign.key_file" in warnings(bench.settings())[0]


def test_a_readers_key_that_is_not_there_or_not_ours_alone_is_a_finding_that_stops_no_other_device(
    bench: Bench,
) -> None:
    options = f'driver = "osdp"\n  options = {{ address = 1, key_file = "{bench.folder / "reader.key"}" }}'
    bench.edit(('driver = "em4100"', options))
    found = only(bench.examine(keys), "finding")
    assert "ports[0].devices[0].options.key_file" in found.what
    assert "no such file" in found.what
    key = bench.secret("reader.key", "50" * 16)
    assert clean(bench.examine(keys))
    key.chmod(0o644)
    assert only(bench.examine(keys), "finding").mend.startswith("chmod 600")
