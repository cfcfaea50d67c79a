"""Where boxes ask over the network: a one-time code for a first certificate, a certificate that counts for the next.

The authority's folder is opened anew for each of them, so that what commands do there meanwhile is known.
"""

from __future__ import annotations

import hashlib
import math
import threading
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from gateway.errors import Rejected
from gateway.identity import certificates as x509
from gateway.identity.papers import Answer, Renewal, Request, binary
from traceability.authority.authority import Authority
from traceability.authority.enrolment import answer
from traceability.authority.invitations import Invitations


class Taken(Rejected):
    """Another box has this name."""


class Outsider(Rejected):
    """Its certificate does not count: not ours, expired, revoked."""


class Often(Rejected):
    """It has had enough certificates for today; `wait_s` until it may have the next."""

    def __init__(self, message: str, wait_s: int) -> None:
        super().__init__(message, remedy=f"try again in {math.ceil(wait_s / 3600)} h")
        self.wait_s = wait_s


@dataclass(frozen=True, slots=True)
class Terms:
    """What every gateway is told: the broker's `url`, `prefix`, and `centre_key`, the centre's public key or ""."""

    folder: Path
    url: str
    prefix: str
    centre_key: str


A_DAY = 10
"""Certificates for one name within a day: renewals that were tried in vain, and begun anew."""
DAY = timedelta(days=1)


class Desk:
    """One box at a time. Raises Misconfigured if the authority's folder cannot be used."""

    def __init__(self, terms: Terms) -> None:
        self._terms = terms
        self._one = threading.Lock()

    def ca(self) -> bytes:
        """The authority's certificate, PEM: public."""
        return Authority(self._terms.folder).ca

    def claim(self, claim: str, request: Request) -> Answer:
        """Let the box in that shows a code (without its mark). Raises Wrong, Expired, Used, Taken, Rejected."""
        mark, box = x509.key_mark(x509.public_key_of(request.csr.encode(), request.gateway)), _box(request)
        x509.require_signing_key(request.sign_key)
        with self._one:
            authority = Authority(self._terms.folder)
            with authority.changing(self._terms.prefix):
                codes = Invitations(authority.folder)
                invitation = codes.admit(claim, request.gateway, box)
                others = {one.key for one in authority.counting(request.gateway)} - {mark}
                if invitation.used is None and others:
                    if not invitation.replaces:
                        raise _taken(request.gateway)
                    authority.revoke(request.gateway)
                codes.use(invitation, box)
                return self._answer(authority, request)

    def renew(self, renewal: Renewal) -> Answer:
        """A new certificate for who has one that counts, and its key. Raises Outsider, Rejected."""
        request = Request.read(renewal.request.encode())
        with self._one:
            authority = Authority(self._terms.folder)
            serial = x509.check_holder(
                renewal.certificate.encode(), authority.ca, request.gateway, renewal.signed, binary(renewal.signature)
            )
            with authority.changing(self._terms.prefix):
                if serial not in {one.serial for one in authority.counting(request.gateway) if not one.is_broker}:
                    raise Outsider(
                        f"the certificate of {request.gateway} was revoked, or has expired",
                        remedy="have the centre let it in anew: punchgate centre enrol-code",
                    )
                _spare(authority, request.gateway)
                return self._answer(authority, request)

    def _answer(self, authority: Authority, request: Request) -> Answer:
        terms = self._terms
        return answer(authority, request, terms.url, terms.prefix, terms.centre_key)


def _spare(authority: Authority, gateway: str) -> None:
    """Raises Often: a box that renews again and again, or who has its key, must not fill the authority's folder."""
    now = datetime.now(UTC)
    made = sorted((one.made for one in authority.issued if one.name == gateway), reverse=True)
    fresh = [moment for moment in made if now - moment < DAY]
    if len(fresh) >= A_DAY:
        wait_s = math.ceil((fresh[A_DAY - 1] + DAY - now).total_seconds())
        raise Often(f"{gateway} has had {len(fresh)} certificates within a day", wait_s)


def _taken(gateway: str) -> Taken:
    site, _, name = gateway.partition(".")
    mend = f"if it takes the other's place: punchgate centre enrol-code {site} {name} --replace"
    remedy = f"give this box another id; {mend}"
    return Taken(f"another box is {gateway}", remedy=remedy)


def _box(request: Request) -> str:
    """What tells this box from others: its three keys. The bytes of a request differ each time."""
    key = x509.key_mark(x509.public_key_of(request.csr.encode(), request.gateway))
    return hashlib.sha256(f"{key} {request.sign_key} {request.box_key}".encode()).hexdigest()
