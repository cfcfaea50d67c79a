"""What an authority makes: its own certificate, those of gateways and brokers, the list of what counts no more.

X.509 (RFC 5280) by the library `cryptography`. Certificates begin five minutes before they are made, for clocks that
are a little behind.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, timedelta

from cryptography import x509
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.x509 import Certificate
from cryptography.x509.oid import ExtendedKeyUsageOID

from gateway.identity.certificates import common_name

AUTHORITY_DAYS = 3650
EARLY = timedelta(minutes=5)


def own_certificate(key: ec.EllipticCurvePrivateKey, name: str) -> Certificate:
    """The authority's own."""
    usage = x509.KeyUsage(False, False, False, False, False, True, True, False, False)
    subject = common_name(name)
    return (
        _begun(subject, subject, key.public_key(), AUTHORITY_DAYS)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(usage, critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .sign(key, SHA256())
    )


def issue(
    authority: Certificate,
    authority_key: ec.EllipticCurvePrivateKey,
    public: ec.EllipticCurvePublicKey,
    name: str,
    days: int,
    hosts: Sequence[str] = (),
) -> Certificate:
    """A client's certificate; with `hosts` (names and addresses) a server's."""
    usage = ExtendedKeyUsageOID.SERVER_AUTH if hosts else ExtendedKeyUsageOID.CLIENT_AUTH
    key_id = x509.AuthorityKeyIdentifier.from_issuer_public_key(authority_key.public_key())
    begun = (
        _begun(common_name(name), authority.subject, public, days)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(x509.ExtendedKeyUsage([usage]), critical=False)
        .add_extension(key_id, critical=False)
    )
    if hosts:
        begun = begun.add_extension(x509.SubjectAlternativeName([_host(host) for host in hosts]), critical=False)
    return begun.sign(authority_key, SHA256())


def revocations(authority: Certificate, key: ec.EllipticCurvePrivateKey, serials: Iterable[int]) -> bytes:
    """The list of certificates that count no more, PEM; it lasts as long as the authority."""
    now = datetime.now(UTC)
    made = x509.CertificateRevocationListBuilder().issuer_name(authority.subject)
    made = made.last_update(now - EARLY).next_update(authority.not_valid_after_utc)
    for serial in serials:
        one = x509.RevokedCertificateBuilder().serial_number(serial).revocation_date(now).build()
        made = made.add_revoked_certificate(one)
    return made.sign(key, SHA256()).public_bytes(serialization.Encoding.PEM)


def _begun(
    subject: x509.Name, issuer: x509.Name, public: ec.EllipticCurvePublicKey, days: int
) -> x509.CertificateBuilder:
    now = datetime.now(UTC)
    begun = x509.CertificateBuilder().subject_name(subject).issuer_name(issuer).public_key(public)
    begun = begun.serial_number(x509.random_serial_number())
    return begun.not_valid_before(now - EARLY).not_valid_after(now + timedelta(days=days))


def _host(host: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(host))
    except ValueError:
        return x509.DNSName(host)
