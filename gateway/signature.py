"""Who says it: Ed25519 over a message's other members in RFC 8785 form, base64 in `sig`.

One scheme for everything that is signed: what the centre tells gateways, a gateway's `state`, the seal of a
hand-carry file, the manifest of an export. The form is canonical, so a message may be spelled anew on its way and
still be checked. Needs the extra `sign`, which is loaded when there is a key and not before.
"""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Callable, Mapping
from typing import Any

from gateway.errors import Misconfigured, Rejected
from gateway.wire import compact

Signer = Callable[[Mapping[str, Any]], dict[str, Any]]

MAKE_KEY = "make one: openssl genpkey -algorithm ed25519"
MAKE_PUBLIC = "make it from the private one: openssl pkey -pubout"
INSTALL = "pip install 'punchgate[sign]'"

_PUBLIC = re.compile(rb"-----BEGIN PUBLIC KEY-----.*?-----END PUBLIC KEY-----", re.DOTALL)


def unsigned(message: Mapping[str, Any]) -> dict[str, Any]:
    """The signer of who has no key."""
    return dict(message)


def signer(pem: bytes, key: str) -> Signer:
    """A signer with this private key (PEM, PKCS #8). Raises Misconfigured, which names the setting `key`."""
    try:
        import rfc8785
        from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
        from cryptography.hazmat.primitives.serialization import load_pem_private_key
    except ImportError as error:
        raise Misconfigured(f"{key} needs the extra `sign`", remedy=INSTALL) from error
    try:
        private = load_pem_private_key(pem, password=None)
    except (ValueError, TypeError) as error:
        raise Misconfigured(f"{key}: not a private key without a password", remedy=MAKE_KEY) from error
    if not isinstance(private, Ed25519PrivateKey):
        raise Misconfigured(f"{key}: not an Ed25519 key", remedy=MAKE_KEY)

    def sign(message: Mapping[str, Any]) -> dict[str, Any]:
        """What is signed is what the other end will read, not what we meant to write."""
        sent: dict[str, Any] = json.loads(compact(message))
        return sent | {"sig": base64.b64encode(private.sign(rfc8785.dumps(sent))).decode()}

    return sign


class PublicKey:
    """Who may have said it. A file may hold several keys one below the other: the new one and the ones before."""

    def __init__(self, pem: bytes, key: str) -> None:
        """Raises Misconfigured, which names the setting `key`, if it is no such file or the extra is missing."""
        try:
            import rfc8785
            from cryptography.exceptions import InvalidSignature
            from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
            from cryptography.hazmat.primitives.serialization import load_pem_public_key
        except ImportError as error:
            raise Misconfigured(f"{key} needs the extra `sign`", remedy=INSTALL) from error
        try:
            keys = [load_pem_public_key(block) for block in _PUBLIC.findall(pem)]
        except ValueError as error:
            raise Misconfigured(f"{key}: damaged: {error}", remedy=MAKE_PUBLIC) from error
        if not keys:
            raise Misconfigured(f"{key}: not a PEM public key", remedy=MAKE_PUBLIC)
        if not all(isinstance(one, Ed25519PublicKey) for one in keys):
            raise Misconfigured(f"{key}: not an Ed25519 key", remedy=MAKE_PUBLIC)
        self._keys = [one for one in keys if isinstance(one, Ed25519PublicKey)]
        self._canonical = rfc8785.dumps
        self._mismatch = InvalidSignature

    @property
    def raw(self) -> list[bytes]:
        """The keys themselves, 32 bytes each."""
        return [key.public_bytes_raw() for key in self._keys]

    def check(self, payload: bytes, whose: str) -> None:
        """Raises Rejected, which says that it is not `whose`, whatever the bytes."""
        try:
            message = json.loads(payload.decode(), object_pairs_hook=_once)
            signature = base64.b64decode(message.pop("sig"), validate=True)
            said = self._canonical(message)
        except (ValueError, KeyError, AttributeError, TypeError, RecursionError) as error:
            raise Rejected("message is not signed") from error
        if not any(self._fits(key, signature, said) for key in self._keys):
            raise Rejected(f"signature is not {whose}")

    def _fits(self, key: Any, signature: bytes, said: bytes) -> bool:
        try:
            key.verify(signature, said)
        except self._mismatch:
            return False
        return True


def _once(members: list[tuple[str, Any]]) -> dict[str, Any]:
    """A member said twice has no meaning that two readers must agree on, so none that can be signed."""
    message = dict(members)
    if len(message) != len(members):
        raise ValueError("a member is said twice")
    return message
