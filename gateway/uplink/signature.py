"""Who speaks for the centre: whoever has the private half of `uplink.centre_key_file`.

Without `uplink.centre_key_file` nothing here is loaded and every receipt is believed.
"""

from __future__ import annotations

from pathlib import Path
from typing import Protocol

from gateway import signature
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
    """The centre's public key from a PEM file; several of them while it changes its key."""

    def __init__(self, path: Path) -> None:
        """Raises Misconfigured if the file or the extra is missing."""
        try:
            if path.exists() and not path.is_file():
                raise OSError("is not a file")
            pem = path.read_bytes()
        except OSError as error:
            raise Misconfigured(f"uplink.centre_key_file: {path}: {error}", remedy="give a PEM public key") from error
        self._key = signature.PublicKey(pem, f"uplink.centre_key_file: {path}")

    def check(self, payload: bytes) -> None:
        """See CentreKey."""
        self._key.check(payload, "the centre's")
