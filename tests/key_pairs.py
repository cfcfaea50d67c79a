"""Key pairs for tests: a gateway's, a centre's, a stranger's."""

from __future__ import annotations

from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat


def pair(number: int) -> tuple[bytes, bytes]:
    """Private and public half in PEM; always the same for a number below 256."""
    key = Ed25519PrivateKey.from_private_bytes(bytes([number]) * 32)
    private = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    return private, key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)


def lay(path: Path, pem: bytes) -> Path:
    """A key file as it should be: for its owner only."""
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(pem)
    path.chmod(0o600)
    return path
