"""Certificates made to measure: an authority, its servers and clients, with any name and dates."""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

from check_bench import NOW
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    KeySerializationEncryption,
    NoEncryption,
    PrivateFormat,
)
from cryptography.x509.oid import NameOID

LOOPBACK = x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))])


@dataclass(frozen=True)
class Paper:
    """A certificate with its key, and where both are written."""

    certificate: x509.Certificate
    key: ec.EllipticCurvePrivateKey
    cert_file: Path
    key_file: Path


class Authority:
    """Issues papers into one folder."""

    def __init__(self, folder: Path, now: datetime = NOW) -> None:
        self._folder = folder
        self._now = now
        self._root: Paper | None = None
        self._root = self.issue("ca", "test authority")
        self.file = self._root.cert_file

    def issue(
        self, file: str, name: str, *, days: float = 365, since_days: float = 1, pass_phrase: str | None = None
    ) -> Paper:
        """A certificate for `name`, valid for `days` from now."""
        key = ec.generate_private_key(ec.SECP256R1())
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)] if name else [])
        by = self._root
        certificate = (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(by.certificate.subject if by else subject)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(self._now - timedelta(days=since_days))
            .not_valid_after(self._now + timedelta(days=days))
            .add_extension(x509.BasicConstraints(ca=by is None, path_length=None), critical=True)
            .add_extension(LOOPBACK, critical=False)
            .sign(by.key if by else key, hashes.SHA256())
        )
        cert_file, key_file = self._folder / f"{file}.pem", self._folder / f"{file}.key"
        cert_file.write_bytes(certificate.public_bytes(Encoding.PEM))
        lock: KeySerializationEncryption = NoEncryption()
        if pass_phrase:
            lock = BestAvailableEncryption(pass_phrase.encode())
        key_file.write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, lock))
        key_file.chmod(0o600)
        return Paper(certificate, key, cert_file, key_file)
