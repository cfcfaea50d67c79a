"""An authority's folder: its key, what it has issued, and the files a broker reads.

    ca.key, ca.pem          the authority itself; the key is what has to be kept
    organisation.key        what makes tokens; each enrolled box gets it, sealed
    signing.key             what the centre signs receipts with (`centre.key_file`)
    centre.key, centre.pem  the centre's own name at the broker
    issued.json             each certificate: whose, serial, until when, revoked when
    gateways/               the public keys of enrolled gateways (`centre.gateway_keys`)
    punchgate.acl, crl.pem  for the broker: what each may do, and which certificates count no more
    published               written in place behind them, for whoever watches

Private files are for their owner only. Each file is replaced whole; `issued.json` is written before a certificate is
handed out, so there is none that could not be revoked. `issue`, `revoke` and `know` belong inside `changing`.
"""

from __future__ import annotations

import fcntl
import json
import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Self

from cryptography.hazmat.primitives.asymmetric import ec

from gateway.errors import Misconfigured, Rejected
from gateway.identity import certificates as x509
from gateway.identity.papers import named
from gateway.whole_file import make_folder_of_service, open_of_service, put_of_service
from traceability.authority.acl import acl
from traceability.authority.certificates import issue, own_certificate, revocations

NAME = "punchgate authority"
CENTRE = "centre"
CLIENT_DAYS = 825
PRIVATE = 0o600
ISSUED, ACL, CRL, LOCK, PUBLISHED = "issued.json", "punchgate.acl", "crl.pem", ".lock", "published"


@dataclass(frozen=True, slots=True)
class Issued:
    """One certificate: `serial` hex, `until` and `revoked` (None: it counts) RFC 3339; `key` its mark."""

    name: str
    serial: str
    until: str
    revoked: str | None = None
    is_broker: bool = False
    key: str = ""
    days: int = CLIENT_DAYS

    @property
    def made(self) -> datetime:
        """When it was issued, about."""
        return datetime.fromisoformat(self.until) - timedelta(days=self.days)

    def counts(self, now: datetime) -> bool:
        """Whether a broker has to let its owner in."""
        return self.revoked is None and datetime.fromisoformat(self.until) > now


class Authority:
    """See the module. Raises Misconfigured where its folder is not what it should be."""

    def __init__(self, folder: Path) -> None:
        """Open it."""
        self.folder = folder
        try:
            self._key = x509.read_key((folder / "ca.key").read_bytes())
            self._certificate = x509.read((folder / "ca.pem").read_bytes())
            self.issued = self._read_issued()
        except OSError as error:
            remedy = "punchgate centre authority create"
            raise Misconfigured(f"{folder}: no authority: {error.strerror}", remedy=remedy) from error
        except (ValueError, TypeError, Rejected) as error:
            raise Misconfigured(f"{folder}: damaged: {error}", remedy="restore it from a backup") from error

    @classmethod
    def create(cls, folder: Path, prefix: str, organisation_key: str | None = None) -> Self:
        """A new one; `organisation_key` is the line of a key file that is already in use. Never over an older one."""
        if (folder / "centre.pem").exists():
            raise Misconfigured(f"{folder}: there is an authority", remedy="name another folder")
        make_folder_of_service(folder / "gateways")
        key, centre = x509.new_key(), x509.new_key()
        put_of_service(folder / "ca.pem", x509.pem(own_certificate(key, NAME)))
        put_of_service(folder / ISSUED, b"[]\n")
        put_of_service(
            folder / "organisation.key", f"{organisation_key or secrets.token_hex(32)}\n".encode(), PRIVATE
        )
        put_of_service(folder / "signing.key", x509.new_signing_key(), PRIVATE)
        put_of_service(folder / "centre.key", x509.key_pem(centre), PRIVATE)
        put_of_service(folder / "ca.key", x509.key_pem(key), PRIVATE)
        made = cls(folder)
        with made.changing(prefix):
            certificate = made.issue(CENTRE, centre.public_key())
        put_of_service(folder / "centre.pem", certificate)  # the last: without it a `create` that was cut begins anew
        return made

    @property
    def ca(self) -> bytes:
        """The authority's certificate, PEM."""
        return x509.pem(self._certificate)

    @property
    def organisation_key(self) -> bytes:
        """The line of the key file."""
        return (self.folder / "organisation.key").read_bytes()

    @contextmanager
    def changing(self, prefix: str) -> Iterator[None]:
        """Within, nobody else issues or revokes; what was issued meanwhile is known, and the broker's files are right
        at the end.
        """
        with self.alone():
            yield
            self._publish(prefix)

    @contextmanager
    def alone(self) -> Iterator[None]:
        """Within, nobody else changes anything in the folder, and all that was issued is known."""
        with os.fdopen(open_of_service(self.folder / LOCK), "r+b") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            self.issued = self._read_issued()
            yield

    def sign(self, data: bytes) -> bytes:
        """The authority's word for it."""
        return x509.sign(data, self._key)

    def issue(
        self, name: str, public: ec.EllipticCurvePublicKey, days: int = CLIENT_DAYS, hosts: tuple[str, ...] = ()
    ) -> bytes:
        """A certificate (PEM) for this key: of a client, or with `hosts` of a broker. Earlier ones go on to count."""
        made = issue(self._certificate, self._key, public, name, days, hosts)
        until = made.not_valid_after_utc.isoformat()
        self._keep(
            [
                *self.issued,
                Issued(name, f"{made.serial_number:x}", until, None, bool(hosts), x509.key_mark(public), days),
            ]
        )
        return x509.pem(made)

    def server(self, kind: str, hosts: tuple[str, ...]) -> None:
        """A key and a certificate for a server under these names and addresses: {kind}.key, {kind}.pem."""
        key = x509.new_key()
        put_of_service(self.folder / f"{kind}.pem", self.issue(hosts[0], key.public_key(), hosts=hosts))
        put_of_service(self.folder / f"{kind}.key", x509.key_pem(key), PRIVATE)

    def revoke(self, name: str) -> int:
        """None of its certificates counts from now on; how many did."""
        counting, stamp = self.counting(name), datetime.now(UTC).isoformat(timespec="seconds")
        self._keep([replace(one, revoked=stamp) if one in counting else one for one in self.issued])
        return len(counting)

    def members(self) -> list[str]:
        """The gateways with a certificate that counts, {site}.{id}."""
        now = datetime.now(UTC)
        return sorted(
            {one.name for one in self.issued if one.counts(now) and not one.is_broker and _is_gateway(one.name)}
        )

    def counting(self, name: str) -> list[Issued]:
        """The certificates of this name that a broker has to take."""
        now = datetime.now(UTC)
        return [one for one in self.issued if one.name == name and one.counts(now)]

    def _publish(self, prefix: str) -> None:
        """Write what the broker reads: access list and revocations."""
        revoked = [int(one.serial, 16) for one in self.issued if one.revoked]
        put_of_service(self.folder / CRL, revocations(self._certificate, self._key, revoked))
        put_of_service(self.folder / ACL, acl(self.members(), CENTRE, prefix).encode())
        with os.fdopen(open_of_service(self.folder / PUBLISHED, os.O_TRUNC), "w") as stamp:
            stamp.write(f"{datetime.now(UTC).isoformat()}\n")

    def know(self, gateway: str, sign_key: str) -> None:
        """Believe what this gateway signs."""
        put_of_service(self.folder / "gateways" / f"{gateway}.pub", sign_key.encode())

    def _read_issued(self) -> list[Issued]:
        return [Issued(**one) for one in json.loads((self.folder / ISSUED).read_text())]

    def _keep(self, issued: list[Issued]) -> None:
        rows = ",\n ".join(json.dumps(asdict(one)) for one in issued)
        put_of_service(self.folder / ISSUED, f"[{rows}]\n".encode())
        self.issued = issued


def _is_gateway(name: str) -> bool:
    try:
        named(name)
    except Rejected:
        return False
    return True
