"""Who speaks for the centre: Ed25519 over the message's other members in RFC 8785 form, base64 in `sig`.

Needs the extra `sign`; without `uplink.centre_key_file` nothing here is loaded.
"""

from __future__ import annotations

import base64
import binascii
import json
from pathlib import Path
from typing import Protocol

from gateway.errors import Misconfigured, Rejected


class CentreKey(Protocol):
    """Checks a message from the centre."""

    def check(self, payload: bytes) -> None:
        """Raises Rejected if the message is not signed by the centre."""


class NoKey:
    """Stands in for a key that cannot be used: nothing is believed, and `trouble` says why."""

    def __init__(self, trouble: Misconfigured) -> None:
        self.trouble = trouble

    def check(self, payload: bytes) -> None:
        """See CentreKey."""
        raise Rejected(self.trouble.message, remedy=self.trouble.remedy)


class PublicKey:
    """The centre's public key from a PEM file."""

    def __init__(self, path: Path) -> None:
        """Raises Misconfigured if the file or the extra is missing."""
        try:
            import rfc8785
            from cryptography.exceptions import InvalidSignature
            from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
            from cryptography.hazmat.primitives.serialization import load_pem_public_key
        except ImportError as error:
            raise Misconfigured(
                "uplink.centre_key_file needs the extra `sign`", remedy="pip install 'punchgate[sign]'"
            ) from error
        try:
            key = load_pem_public_key(path.read_bytes())
        except (OSError, ValueError) as error:
            raise Misconfigured(f"uplink.centre_key_file: {path}: {error}", remedy="give a PEM public key") from error
        if not isinstance(key, Ed25519PublicKey):
            raise Misconfigured(f"uplink.centre_key_file: {path}: not an Ed25519 key", remedy="give an Ed25519 key")
        self._key = key
        self._canonical = rfc8785.dumps
        self._mismatch = InvalidSignature

    def check(self, payload: bytes) -> None:
        """See CentreKey."""
        try:
            message = json.loads(payload)
            signature = base64.b64decode(message.pop("sig"), validate=True)
            self._key.verify(signature, self._canonical(message))
        except self._mismatch as error:
            raise Rejected("signature is not the centre's") from error
        except (ValueError, KeyError, AttributeError, TypeError, RecursionError, binascii.Error) as error:
            raise Rejected("message is not signed") from error
