"""What can be seen here of why a broker does not take our certificate: whose it is, its dates, its authority.

The broker says little or nothing. None of this is wrong by itself, for a broker may go by other names and authorities
than ours; so it is told beside a refusal only.
"""

from __future__ import annotations

import ssl
from datetime import UTC, datetime

from gateway.blocking import blocking
from gateway.clock import Clock
from gateway.errors import Transient
from gateway.uplink.connection import Refused
from gateway.uplink.link import Link
from gateway.uplink.remedies import ANEW, NOT_AUTHORISED, said_by_broker
from gateway.uplink.x509 import Certificate, read_certificates

UNKNOWN_ISSUER = frozenset({7, 18, 19, 20, 21, 30})
"""X509_V_ERR_…: self-signed, or its issuer is not among those that are trusted, or only has the name of one."""
MAX_TURNS = 20


async def explained(trouble: Transient, link: Link, clock: Clock) -> Transient:
    """Why there is no connection; a refusal with what can be seen of its cause."""
    if not isinstance(trouble, Refused):
        return trouble
    now_ms = None if clock.quality().state == "unset" else clock.unix_ms()
    found = await blocking(lambda: flaws(link, now_ms))
    return Transient(" and ".join([trouble.message, *found]), remedy=trouble.remedy)


def refusal(code: int, link: Link) -> str:
    """What an MQTT 5 reason code means. With another's certificate a gateway is let in, and then may say nothing."""
    text, remedy = said_by_broker(code)
    name = foreign(link) if code == NOT_AUTHORISED else None
    return f"{text}; {remedy}" if name is None else f"{text}: {name}; {ANEW}, or {remedy}"


def foreign(link: Link) -> str | None:
    """That the certificate is another gateway's, if it is."""
    own = _own(link)
    if own is None or own.common_name == link.client_id:
        return None
    return f"uplink.cert_file is the certificate of {own.common_name!r}, and this gateway is {link.client_id!r}"


def flaws(link: Link, now_ms: int | None) -> list[str]:
    """All that would explain a refusal; `now_ms` None: the clock is wrong, so dates say nothing."""
    own = _own(link)
    if own is None:
        return []
    name = foreign(link)
    found = [] if now_ms is None else _dates(own, datetime.fromtimestamp(now_ms / 1000, UTC))
    if _is_of_another_authority(link):
        found.append("uplink.cert_file was not issued by an authority in uplink.ca_file")
    return found if name is None else [*found, name]


def _own(link: Link) -> Certificate | None:
    try:
        return read_certificates(link.cert_file)[0] if link.tls and link.cert_file is not None else None
    except (OSError, ValueError):
        return None


def _dates(own: Certificate, now: datetime) -> list[str]:
    if now >= own.valid_until:
        return [f"uplink.cert_file expired on {own.valid_until:%Y-%m-%d %H:%M} UTC"]
    if now < own.valid_from:
        return [f"uplink.cert_file is not valid before {own.valid_from:%Y-%m-%d %H:%M} UTC"]
    return []


def _is_of_another_authority(link: Link) -> bool:
    """A handshake with ourselves, in memory, where the other end trusts `ca_file`."""
    if link.ca_file is None or link.cert_file is None:
        return False
    try:
        broker, box = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER), ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        box.check_hostname, box.verify_mode, broker.verify_mode = False, ssl.CERT_NONE, ssl.CERT_REQUIRED
        broker.load_verify_locations(link.ca_file)
        for context in (broker, box):
            context.load_cert_chain(link.cert_file, link.key_file, password="")
        _shake_hands(broker, box)
    except ssl.SSLCertVerificationError as error:
        return error.verify_code in UNKNOWN_ISSUER
    except (OSError, ValueError):
        return False
    return False


def _shake_hands(broker: ssl.SSLContext, box: ssl.SSLContext) -> None:
    """Raises ssl.SSLError as the broker's end would."""
    there, back = ssl.MemoryBIO(), ssl.MemoryBIO()
    ends = [broker.wrap_bio(there, back, server_side=True), box.wrap_bio(back, there)]
    for _ in range(MAX_TURNS):
        waiting = 0
        for end in ends:
            try:
                end.do_handshake()
            except ssl.SSLWantReadError:
                waiting += 1
        if not waiting:
            return
