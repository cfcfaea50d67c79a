"""X.509 as both ends of an enrolment need it (RFC 5280), by the library `cryptography`.

All keys are on the curve P-256, which every broker and every small box takes.
"""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

from gateway.errors import Misconfigured, Rejected
from gateway.signature import INSTALL

try:
    from cryptography import x509
    from cryptography.exceptions import InvalidSignature
    from cryptography.hazmat.primitives import serialization
    from cryptography.hazmat.primitives.asymmetric import ec, ed25519
    from cryptography.hazmat.primitives.hashes import SHA256
    from cryptography.x509.oid import NameOID
except ImportError as error:  # pragma: no cover - told to the person who calls it
    raise Misconfigured("enrolment needs the extra `sign`", remedy=INSTALL) from error

if TYPE_CHECKING:
    from cryptography.x509 import Certificate

Key = ec.EllipticCurvePrivateKey
"""A private key of a box or an authority."""


def new_key() -> ec.EllipticCurvePrivateKey:
    """A private key."""
    return ec.generate_private_key(ec.SECP256R1())


def key_pem(key: ec.EllipticCurvePrivateKey | ed25519.Ed25519PrivateKey) -> bytes:
    """PKCS #8, without a password."""
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )


def read_key(pem: bytes) -> ec.EllipticCurvePrivateKey:
    """Raises Rejected."""
    key = _load(pem)
    if not isinstance(key, ec.EllipticCurvePrivateKey):
        raise Rejected("not a key on an elliptic curve")
    return key


def new_signing_key() -> bytes:
    """A private key to sign with (Ed25519), PEM."""
    return key_pem(ed25519.Ed25519PrivateKey.generate())


def public_pem(private: bytes) -> bytes:
    """The public half of a private key, both PEM. Raises Rejected."""
    public = _load(private).public_key()
    return public.public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)


def request(key: ec.EllipticCurvePrivateKey, name: str) -> bytes:
    """A certificate signing request, PEM."""
    made = x509.CertificateSigningRequestBuilder().subject_name(common_name(name)).sign(key, SHA256())
    return made.public_bytes(serialization.Encoding.PEM)


def public_key_of(csr: bytes, name: str) -> ec.EllipticCurvePublicKey:
    """The key that asks for a certificate under `name`, and has signed that it does. Raises Rejected."""
    try:
        asked = x509.load_pem_x509_csr(csr)
        is_signed = asked.is_signature_valid
    except ValueError as error:
        raise Rejected("its certificate request is damaged") from error
    if not is_signed:
        raise Rejected("its certificate request is not signed with its own key")
    if asked.subject != common_name(name):
        raise Rejected(f"its certificate request is for {asked.subject.rfc4514_string()[:80]}, not for CN={name}")
    key = asked.public_key()
    if not isinstance(key, ec.EllipticCurvePublicKey) or not isinstance(key.curve, ec.SECP256R1):
        raise Rejected("its key is not one on the curve P-256")
    return key


def key_mark(public: ec.EllipticCurvePublicKey) -> str:
    """What tells one key from another: SHA-256 of its public half, hex."""
    der = public.public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)
    return hashlib.sha256(der).hexdigest()


def check_issued(certificate: bytes, authority: bytes, key: ec.EllipticCurvePrivateKey, name: str) -> None:
    """Whether the certificate is this key's, under `name`, and the authority's. Raises Rejected."""
    given, ca = read(certificate), read(authority)
    if given.subject != common_name(name):
        raise Rejected(f"its certificate is for {given.subject.rfc4514_string()[:80]}, not for CN={name}")
    if given.public_key() != key.public_key():
        raise Rejected("its certificate is for another key: it answers another request")
    try:
        given.verify_directly_issued_by(ca)
    except (InvalidSignature, ValueError, TypeError) as error:
        raise Rejected("its certificate is not signed by the authority beside it") from error


def check_holder(certificate: bytes, authority: bytes, name: str, data: bytes, signature: bytes) -> str:
    """The serial (hex) of the authority's certificate under `name` whose key has signed this. Raises Rejected."""
    shown = read(certificate)
    if shown.subject != common_name(name):
        raise Rejected(f"the certificate is not for {name}")
    public = shown.public_key()
    try:
        shown.verify_directly_issued_by(read(authority))
        if not isinstance(public, ec.EllipticCurvePublicKey):
            raise InvalidSignature
        public.verify(signature, data, ec.ECDSA(SHA256()))
    except (InvalidSignature, ValueError, TypeError) as error:
        raise Rejected("the certificate is not of this authority, or its key has not signed this") from error
    return f"{shown.serial_number:x}"


def sign(data: bytes, key: ec.EllipticCurvePrivateKey) -> bytes:
    """ECDSA with SHA-256, DER."""
    return key.sign(data, ec.ECDSA(SHA256()))


def check_signature(data: bytes, signature: bytes, authority: bytes) -> None:
    """Whether the authority has signed this. Raises Rejected."""
    public = read(authority).public_key()
    try:
        if not isinstance(public, ec.EllipticCurvePublicKey):
            raise InvalidSignature
        public.verify(signature, data, ec.ECDSA(SHA256()))
    except InvalidSignature as error:
        raise Rejected("it is not signed by the authority that it names: it was changed on its way") from error


def require_signing_key(pem: str) -> None:
    """Whether it is one public key to check signatures with (Ed25519, PEM). Raises Rejected."""
    try:
        key = serialization.load_pem_public_key(pem.encode())
    except ValueError as error:
        raise Rejected("its signing key is damaged") from error
    if not isinstance(key, ed25519.Ed25519PublicKey):
        raise Rejected("its signing key is not an Ed25519 key")


def pem(certificate: Certificate) -> bytes:
    """A certificate as a file holds it."""
    return certificate.public_bytes(serialization.Encoding.PEM)


def read(data: bytes) -> Certificate:
    """The first certificate of a PEM file. Raises Rejected."""
    try:
        return x509.load_pem_x509_certificate(data)
    except ValueError as error:
        raise Rejected("not a certificate in PEM form") from error


def common_name(name: str) -> x509.Name:
    """A name of one part."""
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])


def _load(private: bytes) -> ec.EllipticCurvePrivateKey | ed25519.Ed25519PrivateKey:
    try:
        key = serialization.load_pem_private_key(private, password=None)
    except (ValueError, TypeError) as error:
        raise Rejected("not a private key without a password") from error
    if not isinstance(key, ec.EllipticCurvePrivateKey | ed25519.Ed25519PrivateKey):
        raise Rejected("not a key on an elliptic curve")
    return key
