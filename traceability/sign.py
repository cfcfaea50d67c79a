"""Keys at the centre: its own, which signs what it says, and those of gateways, which show what they have said.

Gateways take receipts and commands from nobody else once they know the centre's public key. The other way round the
centre believes a `state`, or a file carried by hand, of a gateway whose public key it knows only with that gateway's
signature. Which it knows is looked up when something arrives, so a key that is laid into the folder counts at once.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import NamedTuple

from gateway import signature
from gateway.errors import Misconfigured, Rejected
from gateway.signature import PublicKey, Signer, unsigned

__all__ = ["NO_KEYS", "Forged", "GatewayKeys", "Signer", "signer", "unsigned"]

MAX_KEY_BYTES = 64 * 1024
SETTING = "centre.gateway_keys"

_FILE = re.compile(r"([a-z0-9-]{1,32})\.([a-z0-9-]{1,32})\.pub")


class Forged(Rejected):
    """It should be signed by a gateway and is not."""


def signer(pem: bytes) -> Signer:
    """A signer with the centre's private key (PEM, PKCS #8). Raises Misconfigured if it cannot be used."""
    return signature.signer(pem, "centre.key_file")


class _Stamp(NamedTuple):
    """By what a file is known to be the one that was read before."""

    inode: int
    size: int
    mtime_ns: int


class GatewayKeys:
    """The folder of `{site}.{gateway}.pub` files; None: no key is known."""

    def __init__(self, folder: Path | None) -> None:
        self._folder = folder
        self._read: dict[Path, tuple[_Stamp, PublicKey]] = {}

    def check(self, site: str, gateway: str, payload: bytes) -> bool:
        """True: this gateway has signed it; False: no key of this gateway is known. Raises Forged."""
        try:
            key = self.key_of(site, gateway)
            if key is None:
                return False
            key.check(payload, f"that of {site}/{gateway}")
        except Misconfigured as trouble:
            raise Forged(trouble.message, remedy=trouble.remedy) from trouble
        except Rejected as error:
            raise Forged(error.message) from error
        return True

    def key_of(self, site: str, gateway: str) -> PublicKey | None:
        """The key of a gateway; None if there is none. Raises Misconfigured if there is one and it is of no use."""
        if self._folder is None:
            return None
        path = self._folder / f"{site}.{gateway}.pub"
        try:
            found = path.stat()
        except FileNotFoundError:
            self._absent(path)
            return None
        except OSError as error:
            raise _unreadable(path, error) from error
        stamp = _Stamp(found.st_ino, found.st_size, found.st_mtime_ns)
        known = self._read.get(path)
        if known is None or known[0] != stamp:
            known = self._read[path] = (stamp, _load(path))
        return known[1]

    def flaws(self) -> list[str]:
        """What should be mended, each with its remedy: files of another name, of no use, or of the same key."""
        if self._folder is None:
            return []
        try:
            files = sorted(self._folder.iterdir())
        except OSError as error:
            return [str(_unreadable(self._folder, error))]
        told, owners = [], dict[bytes, Path]()
        for path in files:
            name = _FILE.fullmatch(path.name)
            if name is None:
                told += [f"{path}: {SETTING}: is not called {{site}}.{{gateway}}.pub; rename it, or take it away"]
                continue
            try:
                key = self.key_of(name[1], name[2])
            except Misconfigured as trouble:
                told.append(str(trouble))
                continue
            for raw in key.raw if key else ():
                if (other := owners.setdefault(raw, path)) != path:
                    told.append(f"{path}: {SETTING}: is the key of {other.name} too; give each gateway its own")
        return told

    def _absent(self, path: Path) -> None:
        """No key for this gateway, unless the whole folder is away: then nobody knows who has one."""
        self._read.pop(path, None)
        if not path.parent.is_dir():
            raise Misconfigured(f"{path.parent}: {SETTING}: there is no such folder", remedy="make it, or correct it")


NO_KEYS = GatewayKeys(None)
"""Of a centre that knows no gateway's key."""


def _load(path: Path) -> PublicKey:
    try:
        with path.open("rb") as file:
            pem = file.read(MAX_KEY_BYTES)
    except OSError as error:
        raise _unreadable(path, error) from error
    return PublicKey(pem, f"{path}: {SETTING}")


def _unreadable(path: Path, error: OSError) -> Misconfigured:
    return Misconfigured(
        f"{path}: {SETTING}: cannot be read: {error.strerror or error}", remedy="let the centre's user read it"
    )
