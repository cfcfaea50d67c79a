"""Something for one box only: sealed to its X25519 key, so that who carries it can neither read nor change it.

    sealed = ephemeral public key (32 bytes) | ChaCha20-Poly1305(HKDF-SHA-256(shared secret), data)

The context (what it is, for whom) goes into the key: what was sealed for one purpose opens for no other. Whoever
knows the public key can seal; who it comes from, the paper it lies in has to show. Needs the extra `sign`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from gateway.errors import Misconfigured, Rejected
from gateway.signature import INSTALL

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey

KEY_BYTES = 32
_NONCE = bytes(12)  # each key is used once


def new_key() -> bytes:
    """A fresh private key, 32 bytes. Raises Misconfigured without the extra."""
    return _private(None).private_bytes_raw()


def public_half(private: bytes) -> bytes:
    """What others seal to, 32 bytes."""
    return _private(private).public_key().public_bytes_raw()


def seal(data: bytes, public: bytes, context: bytes) -> bytes:
    """Only the box with the private half of `public` can open it, with the same `context`. Raises Rejected."""
    from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305

    ephemeral = _private(None)
    ours = ephemeral.public_key().public_bytes_raw()
    try:
        key = _key(ephemeral, public, ours + public + context)
    except ValueError as error:
        raise Rejected("its box key is not an X25519 key") from error
    return ours + ChaCha20Poly1305(key).encrypt(_NONCE, data, None)


def unseal(sealed: bytes, private: bytes, context: bytes) -> bytes:
    """What was sealed. Raises Rejected if it was for another box or purpose, or was changed."""
    from cryptography.exceptions import InvalidTag
    from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305

    theirs, rest = sealed[:KEY_BYTES], sealed[KEY_BYTES:]
    try:
        key = _key(_private(private), theirs, theirs + public_half(private) + context)
        return ChaCha20Poly1305(key).decrypt(_NONCE, rest, None)
    except (InvalidTag, ValueError) as error:
        raise Rejected("it was sealed for another box, or was changed on its way") from error


def _private(raw: bytes | None) -> X25519PrivateKey:
    try:
        from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey
    except ImportError as error:
        raise Misconfigured("enrolment needs the extra `sign`", remedy=INSTALL) from error
    return X25519PrivateKey.generate() if raw is None else X25519PrivateKey.from_private_bytes(raw)


def _key(private: X25519PrivateKey, public: bytes, info: bytes) -> bytes:
    from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PublicKey
    from cryptography.hazmat.primitives.hashes import SHA256
    from cryptography.hazmat.primitives.kdf.hkdf import HKDF

    shared = private.exchange(X25519PublicKey.from_public_bytes(public))
    return HKDF(SHA256(), KEY_BYTES, salt=None, info=b"punchgate seal v1" + info).derive(shared)
