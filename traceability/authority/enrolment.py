"""The centre's side of an enrolment: a request in, an answer out."""

from __future__ import annotations

from dataclasses import replace

from gateway.identity import certificates as x509
from gateway.identity.papers import Answer, Request, binary, context, text
from gateway.identity.seal import seal
from traceability.authority.authority import CLIENT_DAYS, Authority


def enrol(
    authority: Authority, request: Request, url: str, prefix: str, centre_key: str, days: int = CLIENT_DAYS
) -> Answer:
    """Let this gateway in, alone with the authority's folder; see `answer`."""
    with authority.changing(prefix):
        return answer(authority, request, url, prefix, centre_key, days)


def answer(
    authority: Authority, request: Request, url: str, prefix: str, centre_key: str, days: int = CLIENT_DAYS
) -> Answer:
    """What lets this gateway in; belongs inside `Authority.changing`. Raises Rejected.

    `url` is where gateways find the broker, `centre_key` the centre's public key (PEM) or "". The same request gives
    a new certificate each time; so is one renewed.
    """
    public = x509.public_key_of(request.csr.encode(), request.gateway)
    x509.require_signing_key(request.sign_key)
    ca = authority.ca.decode()
    sealed_to = context(request.gateway, ca, centre_key, url, prefix)
    sealed = text(seal(authority.organisation_key, binary(request.box_key), sealed_to))
    certificate = authority.issue(request.gateway, public, days)
    authority.know(request.gateway, request.sign_key)
    given = Answer(
        gateway=request.gateway,
        certificate=certificate.decode(),
        ca=ca,
        url=url,
        prefix=prefix,
        centre_key=centre_key,
        organisation_key=sealed,
    )
    return replace(given, signature=text(authority.sign(given.signed)))
