"""Messages of the centre, signed so that gateways take receipts and commands from nobody else.

`sig` is the base64 (standard alphabet, padded) of the 64-byte Ed25519 signature over the message's other members in
RFC 8785 form. Needs the extra `sign`; without `centre.key_file` nothing here is loaded and nothing is signed.
"""

from __future__ import annotations

import base64
from collections.abc import Callable, Mapping
from typing import Any

from gateway.errors import Misconfigured

Signer = Callable[[Mapping[str, Any]], dict[str, Any]]


def unsigned(message: Mapping[str, Any]) -> dict[str, Any]:
    """The signer of a centre without a key."""
    return dict(message)


def signer(pem: bytes) -> Signer:
    """A signer with this private key (PEM, PKCS #8). Raises Misconfigured if it is none, or the extra is missing."""
    try:
        import rfc8785
        from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
        from cryptography.hazmat.primitives.serialization import load_pem_private_key
    except ImportError as error:
        raise Misconfigured(
            "centre.key_file needs the extra `sign`", remedy="pip install 'punchgate[sign]'"
        ) from error
    remedy = "make one: openssl genpkey -algorithm ed25519"
    try:
        key = load_pem_private_key(pem, password=None)
    except (ValueError, TypeError) as error:
        raise Misconfigured("centre.key_file: not a private key without a password", remedy=remedy) from error
    if not isinstance(key, Ed25519PrivateKey):
        raise Misconfigured("centre.key_file: not an Ed25519 key", remedy=remedy)

    def sign(message: Mapping[str, Any]) -> dict[str, Any]:
        signature = key.sign(rfc8785.dumps(dict(message)))
        return {**message, "sig": base64.b64encode(signature).decode()}

    return sign
